"""A fleet half of which runs what an earlier release compiled: packets pass between the halves, and `netc deploy`
brings the one to the other, or back."""

from __future__ import annotations

from pathlib import Path

import pytest

from live.compiled import met
from live.delivered import netc_host
from live.keys import private_key
from live.lab import Host, Lab
from live.test_deploy import NAMES, Fleet, all_of, fleet, outcomes
from live.traffic import Probe, reflect
from upgrade.kept import bring, each_release, generation, indexes, renamed, upgrade

__all__ = ["fleet"]

pytestmark = pytest.mark.live

WAYS = {"10.77.1.1": "10.77.1.0", "fd77:1::1": "fd77:1::", "10.77.3.1": "10.77.3.0", "fd77:3::1": "fd77:3::"}
"""By the VXLAN and by WireGuard, in both families: `two` as `one` dials it, and the other way."""


def pair(lab: Lab) -> tuple[Host, Host]:
    """`one` and `two` with nothing of netc on them yet, on one wire."""
    world = lab.switch("world")
    hosts = []
    for id, name in enumerate(NAMES[:2], 1):
        host = lab.host(name)
        world.plug(host, "eth0", f"198.51.100.{id}0/24")
        host.write("/etc/netc/keys/host.key", private_key(name) + "\n", 0o600)
        hosts.append(host)
    return hosts[0], hosts[1]


def passes(one: Host, two: Host) -> None:
    """In both directions, by every way. An earlier release gives a VXLAN end a new MAC address each time: its neighbour
    sends to the old one for as long as the kernel takes it to be reachable (45 s), and then asks (8 s)."""
    for there, back in WAYS.items():
        one.run(["ping", "-c", "1", "-w", "70", there])
        two.run(["ping", "-c", "1", "-w", "70", back])


@each_release
@pytest.mark.parametrize("newer", NAMES[:2])
def test_a_link_works_between_an_old_and_a_new_host(lab: Lab, tmp_path: Path, release: str, newer: str) -> None:
    made = upgrade(release, "links", tmp_path)
    one, two = pair(lab)
    for host in (one, two):
        bring(lab, host, made.new if host.name == newer else made.old)
    passes(one, two)


@pytest.mark.alone
@each_release
def test_no_packet_is_lost_while_both_ends_upgrade_and_roll_back(lab: Lab, tmp_path: Path, release: str) -> None:
    """1,000 a second by each way, there and back, while one end changes, then the other, and both go back. What
    restarts, as CHANGELOG.md says, is as it was afterwards."""
    made = upgrade(release, "links", tmp_path)
    one, two = pair(lab)
    for host in (one, two):
        bring(lab, host, made.old)
    reflect(two, 7000)
    passes(one, two)
    met(one, "wg-two")
    there = stays(one), stays(two)

    going = {address: Probe(one, address, 7000) for address in ("10.77.1.1", "10.77.3.1")}
    for host in (one, two):
        bring(lab, host, made.new)
    for host in (one, two):
        netc_host(host, "back", "--commit")
    ended = {address: probe.end() for address, probe in going.items()}

    assert (stays(one), stays(two)) == there
    for address, probed in ended.items():
        print(f"{address}: {probed.sent} in {probed.seconds:.1f} s, {len(probed.lost)} lost")
        assert probed.sent > 1000
    assert ended["10.77.3.1"].lost == []
    passes(one, two)


def stays(host: Host) -> dict[str, str]:
    """VXLAN restarts: its MAC address stays the same from then on."""
    return {device: index for device, index in indexes(host).items() if not device.startswith(" vx-")}


@pytest.fixture
def old(lab: Lab, fleet: Fleet, tmp_path: Path, release: str) -> tuple[Fleet, str, dict[str, str]]:
    """Three hosts at what the release compiled, the topology as it is now, and at which generation each is."""
    made = upgrade(release, "links", tmp_path)
    for name, host in fleet.hosts.items():
        host.write("/etc/netc/keys/host.key", private_key(name) + "\n", 0o600)
        bring(lab, host, made.old)
    return fleet, renamed((made.topo.parent / "topo.toml").read_text()), generations(fleet)


def generations(fleet: Fleet) -> dict[str, str]:
    return {name: generation(host) for name, host in fleet.hosts.items()}


@each_release
def test_a_fleet_is_deployed_in_two_halves(old: tuple[Fleet, str, dict[str, str]]) -> None:
    fleet, text, before = old
    there = {name: stays(host) for name, host in fleet.hosts.items()}
    said = fleet.deploy(text, "--host", "two")
    assert (said.returncode, outcomes(said)) == (0, {"two": "confirmed"}), said.stderr
    half = generations(fleet)
    assert [name for name in NAMES if half[name] != before[name]] == ["two"]

    said = fleet.deploy(text, "--limit", "3")
    assert (said.returncode, outcomes(said)) == (0, all_of("confirmed") | {"two": "unchanged"}), said.stderr
    assert [name for name in NAMES if generations(fleet)[name] == before[name]] == []
    assert {name: stays(host) for name, host in fleet.hosts.items()} == there
    assert fleet.clean()


@each_release
def test_revert_all_rolls_back_a_fleet_that_is_not_all_confirmed(old: tuple[Fleet, str, dict[str, str]]) -> None:
    fleet, text, before = old
    fleet.fail("three confirm")
    said = fleet.deploy(text.replace("vni = 8", "vni = 9"), "--revert-all", within=15)
    assert said.returncode == 1
    assert outcomes(said) == {"one": "reverted", "two": "reverted", "three": "rolled back"}, said.stderr
    assert generations(fleet) == before
    assert fleet.clean()
