"""A machine that boots, with its systemd, takes what this release compiles in place of what an earlier one did;
`tests/live` has the same without systemd, of more hosts and at more moments."""

from __future__ import annotations

from pathlib import Path

import pytest

from live import delivered
from live.delivered import INSTALL, deliver, install, netc_host
from live.lab import Host, Lab
from live.state import State, difference, without
from live.test_upgrade import LINKS, anew, untouched
from machine.machine import MOMENTARY, Machine, machine, within
from machine.test_install import pending, what_is_placed
from upgrade.kept import (
    KEPT,
    MEMORY,
    PHASES,
    STAYS,
    STILL,
    Upgrade,
    bring,
    delivered_generation,
    each_release,
    generation,
    give_secrets,
    indexes,
    killed,
    plug,
    upgrade,
)

pytestmark = pytest.mark.machine


class Server:
    """A machine, and the world at the other ends of its wires."""

    def __init__(self, lab: Lab, name: str, made: Upgrade) -> None:
        self.machine: Machine = machine(lab, name)
        self._lab, self._world, self._made = lab, lab.host("world"), made
        self.plug()
        give_secrets(self.machine, made.old / name / "files/etc/netc/secrets")

    def plug(self) -> None:
        plug(self._lab, self.machine, self._world, self._made)

    def boot(self) -> None:
        self.machine.boot(self.plug)


def bare(host: Host) -> tuple[State, str]:
    state, places = delivered.at_rest(host, rf"{MOMENTARY}|{STILL}", KEPT)
    return without(state, *STAYS), places


def runs(host: Host) -> dict[str, str]:
    """Of each part's unit which start it is that it runs by: another one after a restart."""
    show = ["systemctl", "show", "--property=InvocationID", "--value"]
    return {part: host.run([*show, f"netc-{part}.service"]).stdout for part in netc_host(host, "parts").stdout.split()}


def is_up(host: Host) -> bool:
    """All its parts, and what wants them."""
    units = [f"netc-{part}.service" for part in netc_host(host, "parts").stdout.split()]
    return host.run(["systemctl", "is-active", "--quiet", "netc.target", *units], check=False).returncode == 0


@each_release
@pytest.mark.parametrize("where", ["links/one", "dn42/lax", "splits/laptop"])
def test_parts_that_did_not_change_stay_up_and_boot(lab: Lab, tmp_path: Path, release: str, where: str) -> None:
    topology, name = where.split("/")
    made = upgrade(release, topology, tmp_path)
    server = Server(lab, name, made)
    host = server.machine
    before = bare(host)
    bring(lab, host, made.old)
    old, there, started = generation(host), indexes(host), runs(host)

    fates = bring(lab, host, made.new)
    assert generation(host) == delivered_generation(host) != old
    parts = anew(fates)
    kept = untouched(host, parts, there)
    stayed = {unit: by for unit, by in started.items() if not any(part in unit for part in parts)}
    assert kept.items() <= indexes(host).items()
    assert stayed.items() <= runs(host).items()
    netc_host(host, "back", "--commit")
    assert generation(host) == old
    assert kept.items() <= indexes(host).items()
    assert stayed.items() <= runs(host).items()
    netc_host(host, "back", "--commit")

    host.power_off()
    server.boot()
    assert within(60, lambda: is_up(host))
    assert indexes(host).keys() == there.keys()
    netc_host(host, "uninstall")
    assert difference(before[0], bare(host)[0]) == ""
    assert difference({"disk": before[1].splitlines()}, {"disk": bare(host)[1].splitlines()}) == ""


@each_release
def test_an_unconfirmed_upgrade_rolls_back_after_a_kill_or_a_power_loss(lab: Lab, tmp_path: Path, release: str) -> None:
    made = upgrade(release, "links", tmp_path, LINKS)
    server = Server(lab, "one", made)
    host = server.machine
    bring(lab, host, made.old)
    host.power_off()
    server.boot()
    assert within(60, lambda: is_up(host))
    old, there, before = generation(host), indexes(host), delivered.at_rest(host, rf"{MOMENTARY}|{STILL}", MEMORY)

    # By the timer: whole, and cut off in the middle.
    deliver(lab, host, made.new / "one")
    install(host, "--detach", "--within", "9")
    assert indexes(host).keys() != there.keys()
    assert_rolls_back(host, old, before)
    most = killed(host, ["bash", INSTALL, "--detach", "--within", "20"], "laying", 0)
    assert most.keys() == set(PHASES)
    assert_rolls_back(host, old, before)
    for phase in ("laying", "starting"):
        reached = killed(host, ["bash", INSTALL, "--detach", "--within", "20"], phase, most[phase] // 2)
        assert reached.keys() == set(PHASES[: PHASES.index(phase) + 1])
        assert_rolls_back(host, old, before)

    # By the power: before anything comes up.
    places = what_is_placed(host)
    for phase, at in (("stopping", 3), ("laying", most["laying"] // 2), ("complete", 0)):
        deliver(lab, host, made.new / "one")
        killed(host, ["bash", INSTALL, "--detach"], phase, at)
        assert host.read("/var/lib/netc/pending/phase") == f"{phase}\n"
        host.power_cut()
        server.boot()
        assert within(180, lambda: not pending(host) and is_up(host)), phase
        assert generation(host) == old
        assert what_is_placed(host) == places
        assert indexes(host).keys() == there.keys()
        assert "the host started before it was confirmed" in host.read("/var/lib/netc/history").splitlines()[-1]


def assert_rolls_back(host: Host, old: str, before: tuple[State, str]) -> None:
    """By itself."""
    assert within(180, lambda: not pending(host))
    assert generation(host) == old
    after = delivered.at_rest(host, rf"{MOMENTARY}|{STILL}", MEMORY)
    assert difference(before[0], after[0]) == ""
    assert difference({"disk": before[1].splitlines()}, {"disk": after[1].splitlines()}) == ""
