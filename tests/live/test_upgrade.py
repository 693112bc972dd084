"""A host that runs what an earlier release compiled takes what this one compiles, without systemd: confirmed, not
confirmed, killed in the middle, and back. `tests/upgrade` has what the releases compiled."""

from __future__ import annotations

import fcntl
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from live.compiled import parts
from live.delivered import INSTALL, deliver, install, netc_host
from live.lab import Host, Lab
from live.state import difference
from netc.lab.waiting import within
from test_upgrade import CHANGELOG, named
from upgrade.kept import (
    PHASES,
    Upgrade,
    at_rest,
    bring,
    delivered_generation,
    each_release,
    generation,
    indexes,
    killed,
    topologies,
    upgrade,
    wired,
    without_what_stays,
)

pytestmark = pytest.mark.live


def replacing(*pairs: tuple[str, str]) -> Callable[[str], str]:
    """A change of the text, each of the pairs at least once."""

    def changed(text: str) -> str:
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        return text

    return changed


OTHER_WAY = '[links.c]\nkind = "vxlan"\nbetween = ["one", "three"]'
LINKS = replacing(
    ("vni = 7", "vni = 10"),
    ('firewall.input = "drop"', 'firewall = { input = "drop", allow = [{ ports = "9000/udp" }] }'),
    ('[links.w]\nkind = "wireguard"\nbetween = ["one", "two"]', OTHER_WAY),
    ('ends.two.address = ["10.77.3.1/31"', 'ends.three.address = ["10.77.3.1/31"'),
)
"""For `one`: a part that leaves, one that restarts, one that reloads, one that starts."""

OPEN = 'allow = [{ ports = "9000/udp" }]'
HOSTS = {
    "start/server": replacing(("10.77.0.", "10.78.0."), ('"443/tcp"', '"8443/tcp"')),
    "slim-edge/edge1": replacing(("10.77.1.", "10.78.1."), ("30000-30100/udp", "30000-30200/udp")),
    "slim-edge/node": replacing(("10.77.1.", "10.78.1."), ("10.0.3.20", "10.0.3.21")),
    "seedbox/seedbox": replacing(("10.200.0.", "10.201.0."), ("8388", "8389")),
    "laptop-iptables/laptop": replacing(("splits.cavorite]", "splits.carrot]"), ('input = "drop"', OPEN)),
    "dn42/lax": replacing(("10.127.77.", "10.127.78."), ("172.22.76.190", "172.22.76.191")),
    "multihomed/lin": replacing(("10.0.3.", "10.0.4."), ('203.0.113.1"', '203.0.113.2"')),
    "splits/laptop": replacing(("splits.upgrading]", "splits.anew]"), ('"private"', '"203.0.113.0/24"')),
    "links/one": LINKS,
    "dn42/fra": replacing(("10.127.77.", "10.127.78."), ("fdbc:f9dc:67ad:5:", "fdbc:f9dc:67ad:6:")),
    "mesh/fra": replacing(("10.88.0.", "10.87.0."), ("10.89.0.", "10.86.0.")),
    "uplinks/lin": replacing(("10.0.3.", "10.0.4."), ("192.0.2.66", "192.0.2.67")),
}
"""What is changed of a topology, so that parts of this host go and come. Tunnels that a split is on stay: what a split
loses with its tunnel puts its watcher back, which is systemd's to run."""

STOCK = ("dn42/fra", "mesh/fra", "uplinks/lin")
each_host = pytest.mark.parametrize(
    "where", [pytest.param(host, marks=[pytest.mark.stock_kernel] * (host in STOCK)) for host in HOSTS]
)


@pytest.fixture(autouse=True)
def control_groups_by_turns(request: pytest.FixtureRequest) -> Iterator[None]:
    """They are this machine's own."""
    with (topologies() / "splits.toml").open() as file:
        if "splits" in request.node.name:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def old_host(lab: Lab, made: Upgrade, name: str) -> Host:
    """With what the release compiled, installed by its own `install`, and confirmed."""
    host = wired(lab, name, made)
    bring(lab, host, made.old)
    return host


def watch_a_while(host: Host) -> None:
    """As units of systemd do: a watcher begins with the routes that went with a tunnel that has restarted. The
    `netc-host` of an older release leaves them to it."""
    each = "for each in /etc/netc/parts/*/watch; do [[ ! -x $each ]] || timeout 2 $each; done; true"
    host.run(["bash", "-c", each], check=False)


def back(host: Host) -> None:
    netc_host(host, "back", "--commit")


def anew(fates: dict[str, str]) -> set[str]:
    """Parts that restart, start or go, which CHANGELOG.md says of each."""
    told = set(re.findall(r"(?m)^\| [0-9.]+ \| ((?:leave|restart|start) `\S+`) \|", CHANGELOG.split("\n## [")[1]))
    found = {part: fate for part, fate in fates.items() if fate in ("leave", "restart", "start")}
    assert {f"{fate} `{named(part)}`" for part, fate in found.items()} <= told, fates
    return set(found)


def untouched(host: Host, parts: set[str], devices: dict[str, str]) -> dict[str, str]:
    """The interfaces that none of these parts makes."""
    scripts = "".join(host.run(["cat", f"/etc/netc/parts/{part}/up"], check=False).stdout for part in parts)
    return {device: number for device, number in devices.items() if f" {device.split()[-1]} " not in scripts}


@each_release
@each_host
def test_parts_that_did_not_change_stay_up(lab: Lab, tmp_path: Path, release: str, where: str) -> None:
    topology, name = where.split("/")
    made = upgrade(release, topology, tmp_path)
    host = wired(lab, name, made)
    bare = without_what_stays(host)
    bring(lab, host, made.old)
    old, there, before = generation(host), indexes(host), settled(host)
    drift = netc_host(host, "check", check=False).stdout.splitlines()

    fates = bring(lab, host, made.new)
    new = generation(host)
    assert new == delivered_generation(host) != old
    kept = untouched(host, anew(fates), there)
    assert kept.items() <= indexes(host).items()
    assert set(netc_host(host, "check", check=False).stdout.splitlines()) <= set(drift)
    for wanted in (old, new):
        back(host)
        assert generation(host) == wanted
        assert kept.items() <= indexes(host).items()
        if wanted == old:
            watch_a_while(host)
            assert_same(before, lambda: at_rest(host))

    # The scripts of today take down what those of the release brought up.
    netc_host(host, "down")
    assert indexes(host) == {}
    assert host.run(["find", "/run/netc"], check=False).stdout == ""
    netc_host(host, "up")
    netc_host(host, "uninstall")
    assert_same(bare, lambda: without_what_stays(host))


@each_release
@each_host
def test_an_upgrade_rolls_back_completely(lab: Lab, tmp_path: Path, release: str, where: str) -> None:
    topology, name = where.split("/")
    made = upgrade(release, topology, tmp_path, HOSTS[where])
    host = wired(lab, name, made)
    bare = without_what_stays(host)
    bring(lab, host, made.old)
    old, before = generation(host), settled(host)

    # By itself: nobody confirms.
    deliver(lab, host, made.new / name)
    said = install(host, "--within", "3", check=False)
    assert (said.returncode, "nobody confirmed it in time" in said.stderr) == (1, True), said.stderr
    assert re.search(r"(?m)^(restart|leave) ", said.stdout)
    assert generation(host) == old
    assert_same(before, lambda: at_rest(host))

    # As asked, after it was confirmed.
    bring(lab, host, made.new)
    assert generation(host) == delivered_generation(host)
    back(host)
    assert generation(host) == old
    assert_same(before, lambda: at_rest(host))
    back(host)
    assert generation(host) == delivered_generation(host)
    netc_host(host, "uninstall")
    assert_same(bare, lambda: without_what_stays(host))


def points(phase: str, most: int) -> list[int]:
    """At which of its commands a phase is cut off. Where files are renamed, the last ones are libraries and the program
    that reads them: there the old one meets new ones, between any two."""
    dense = range(most, most - 40, -4) if phase == "laying" else ()
    return sorted({1, 1 + most // 2, most, *dense})


WAYS = ("/usr/local/sbin/netc-host", "/var/lib/netc/pending/netc-host")
"""What an admin types, and what the timer and the boot run. In the middle the first is the old one, or the new one."""


@each_release
@pytest.mark.parametrize("phase", PHASES)
def test_an_upgrade_killed_in_any_phase_rolls_back_completely(
    lab: Lab, tmp_path: Path, release: str, phase: str
) -> None:
    made = upgrade(release, "links", tmp_path, LINKS)
    host = old_host(lab, made, "one")
    old, before = generation(host), settled(host)
    deliver(lab, host, made.new / "one")
    most = killed(host, ["bash", INSTALL, "--detach"], phase, 0)
    assert most.keys() == set(PHASES)
    assert_rolled_back(host, WAYS[0], old, before)

    for number, at in enumerate(points(phase, most[phase])):
        made_it_to = killed(host, ["bash", INSTALL, "--detach"], phase, at)
        assert made_it_to.keys() == set(PHASES[: PHASES.index(phase) + 1]), (phase, at)
        assert made_it_to[phase] >= at
        for way in (WAYS[number % 2 if phase != "laying" else 0], WAYS[0]):
            if host.run(["test", "-e", way], check=False).returncode == 0:
                assert_rolled_back(host, way, old, before)
                break


@each_release
def test_a_killed_back_to_the_old_release_rolls_back_to_the_new_one(lab: Lab, tmp_path: Path, release: str) -> None:
    made = upgrade(release, "links", tmp_path, LINKS)
    host = old_host(lab, made, "one")
    bring(lab, host, made.new)
    new, before = generation(host), settled(host)
    argv = [WAYS[0], "back", "--detach"]
    most = killed(host, argv, "laying", 0)
    assert most.keys() == set(PHASES)
    assert_rolled_back(host, WAYS[0], new, before)
    for at in (most["laying"] // 3, most["laying"] * 2 // 3, most["laying"] - 1):
        assert killed(host, argv, "laying", at).keys() == set(PHASES[:3]), at
        assert_rolled_back(host, WAYS[0], new, before)


def assert_rolled_back(host: Host, way: str, old: str, before: tuple[object, str]) -> None:
    said = host.run([way, "revert"], check=False)
    assert (said.returncode in (0, 1), bool(re.search("(went|rolled) back", said.stderr))) == (True, True), said.stderr
    assert generation(host) == old
    assert_same(before, lambda: at_rest(host))
    assert host.run(["test", "-e", "/var/lib/netc/pending"], check=False).returncode == 1


def assert_same(before: tuple[object, str], look: Callable[[], tuple[object, str]]) -> None:
    """Soon: a router learns its neighbours' routes, and those of its own interfaces, by its own timers."""
    within(30, lambda: look() == before)
    after = look()
    assert difference(before[0], after[0]) == ""
    assert difference({"disk": before[1].splitlines()}, {"disk": after[1].splitlines()}) == ""


def settled(host: Host) -> tuple[object, str]:
    """All that a change could have changed, as it stays for nine seconds where a router runs: it has timers of five."""
    found, same = at_rest(host), 0
    for _ in range(12 if "bird" in parts(host) else 0):
        time.sleep(3)
        before, found = found, at_rest(host)
        same = same + 1 if before == found else 0
        if same == 3:
            break
    return found
