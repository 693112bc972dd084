"""`install` on machines that boot: a change is confirmed, or the host is as it was, whatever happens meanwhile."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from live import delivered
from live.compiled import compiled
from live.delivered import INSTALL, KILL, PLACE, deliver, install, killed, netc_host, token, what_is_there
from live.lab import Lab
from live.state import without
from machine.machine import MOMENTARY, Machine, machine
from netc.lab.waiting import within

pytestmark = pytest.mark.machine

TOPOLOGY = """
version = 1
network.name = "lab"

[hosts.edge]
id = 1
wan = "eth0"
addresses = "198.51.100.10/24"
firewall.input = "drop"

[hosts.node]
id = 2
wan = "eth0"
addresses = "198.51.100.20/24"

[links.one]
kind = "vxlan"
between = ["edge", "node"]
ends.edge.address = "10.77.1.0/31"
ends.node.address = "10.77.1.1/31"
"""
MORE = (
    TOPOLOGY
    + """
[links.two]
kind = "vxlan"
between = ["edge", "node"]
ends.edge = { address = "10.77.2.0/31", interface = "vx-two" }
ends.node = { address = "10.77.2.1/31", interface = "vx-two" }
vni = 7
"""
)


@pytest.fixture
def edge(lab: Lab) -> Machine:
    edge, world = machine(lab, "edge"), lab.host("world")
    lab.wire(edge, "eth0", world, "edge", a_addresses=["198.51.100.10/24"], b_addresses=["198.51.100.1/24"])
    return edge


def links(host: Machine) -> set[str]:
    return set(re.findall(r"\d+: (vx-[a-z]+)", host.run(["ip", "-o", "link"]).stdout))


def bring(lab: Lab, host: Machine, text: str, folder: Path) -> None:
    deliver(lab, host, compiled(text, folder)[host.name])


@pytest.mark.releases
def test_a_tree_is_installed_changed_and_uninstalled(lab: Lab, edge: Machine, tmp_path: Path) -> None:
    before = edge.state(), what_is_there(edge)
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    install(edge, "--commit")
    assert links(edge) == {"vx-node"}

    bring(lab, edge, MORE, tmp_path / "b")
    said = install(edge, "--detach")
    assert links(edge) == {"vx-node", "vx-two"}
    netc_host(edge, "confirm", token(said))
    assert edge.run(["systemctl", "is-active", "netc.target"]).stdout == "active\n"

    netc_host(edge, "uninstall")
    assert without(edge.state(), "run") == without(before[0], "run")
    assert what_is_there(edge) == before[1]


def test_systemd_finds_nothing_wrong_with_the_units_of_an_installed_host(
    lab: Lab, edge: Machine, tmp_path: Path
) -> None:
    bring(lab, edge, MORE, tmp_path)
    assert install(edge, "--commit").returncode == 0
    verify = "shopt -s nullglob; systemd-analyze verify /etc/systemd/system/netc*.{service,target,timer} 2>&1"
    done = edge.run(["bash", "-c", verify], check=False)

    assert (done.returncode, done.stdout) == (0, "")


def confirmed(lab: Lab, edge: Machine, tmp_path: Path) -> tuple[object, str]:
    """The machine with its first generation, and how that looks; the second waits in TREE."""
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    install(edge, "--commit")
    bring(lab, edge, MORE.replace("10.77.1", "10.77.3"), tmp_path / "b")
    return at_rest(edge)


def at_rest(edge: Machine) -> tuple[object, str]:
    return delivered.at_rest(edge, MOMENTARY)


def as_before(edge: Machine, before: tuple[object, str]) -> bool:
    return at_rest(edge) == before


@pytest.mark.releases
def test_a_change_that_nobody_confirms_rolls_back(lab: Lab, edge: Machine, tmp_path: Path) -> None:
    before = confirmed(lab, edge, tmp_path)
    install(edge, "--detach", "--within", "6")
    assert links(edge) == {"vx-node", "vx-two"}
    assert within(180, lambda: not pending(edge))
    assert as_before(edge, before)
    assert "nobody confirmed it in time" in edge.read("/var/lib/netc/history")


def test_the_timer_rolls_back_an_install_that_was_killed(lab: Lab, edge: Machine, tmp_path: Path) -> None:
    before = confirmed(lab, edge, tmp_path)
    edge.write(PLACE, KILL)
    most = 0
    for share in (0, 60, 70, 80):  # complete, and in the middle of it
        at = most * share // 100
        most = max(most, killed(edge, ["bash", INSTALL, "--detach", "--within", "6"], "switch", at))
        assert pending(edge)
        assert within(180, lambda: not pending(edge)), at
        assert as_before(edge, before), at


def test_a_rollback_that_was_killed_is_started_again(lab: Lab, edge: Machine, tmp_path: Path) -> None:
    before = confirmed(lab, edge, tmp_path)
    install(edge, "--detach", "--within", "2")
    edge.start(["flock", "/var/lib/netc/lock", "sleep", "10"])
    assert within(60, lambda: main_process(edge, "netc-revert") != "0")
    edge.run(["kill", "-KILL", main_process(edge, "netc-revert")])
    assert within(180, lambda: not pending(edge))
    assert as_before(edge, before)


def main_process(edge: Machine, unit: str) -> str:
    return edge.run(["systemctl", "show", "-P", "MainPID", f"{unit}.service"]).stdout.strip()


def test_the_timer_of_a_confirmation_that_was_cut_off_is_in_nobodys_way(
    lab: Lab, edge: Machine, tmp_path: Path
) -> None:
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    install(edge, "--commit")
    edge.run(["systemd-run", "--quiet", "--collect", "--unit=netc-revert", "--on-active=1000", "true"])
    bring(lab, edge, MORE, tmp_path / "b")
    install(edge, "--commit")
    assert links(edge) == {"vx-node", "vx-two"}
    assert edge.run(["systemctl", "is-active", "netc-revert.timer"], check=False).stdout == "inactive\n"


def test_a_power_loss_before_the_confirmation_rolls_back(lab: Lab, edge: Machine, tmp_path: Path) -> None:
    confirmed(lab, edge, tmp_path)
    places = what_is_placed(edge)
    most = 0
    for share in (0, 65):  # complete, and in the middle of it
        at = most * share // 100
        bring(lab, edge, MORE.replace("10.77.1", "10.77.3"), tmp_path / "b")
        edge.write(PLACE, KILL)
        most = max(most, killed(edge, ["bash", INSTALL, "--detach"], "switch", at))
        assert what_is_placed(edge) != places
        edge.power_cut()
        edge.boot()
        assert within(180, lambda: not pending(edge))
        assert what_is_placed(edge) == places
        assert within(60, lambda: links(edge) == {"vx-node"} and "10.77.1.0/31" in addresses(edge)), at
        assert (
            edge.run(["systemctl", "is-active", "netc-firewall", "netc-link-one", "netc.target"]).stdout.count("active")
            == 3
        )
        assert "the host started before it was confirmed" in edge.read("/var/lib/netc/history")


def what_is_placed(edge: Machine) -> str:
    kept = re.compile(r"/var/lib/netc|/run/|/etc/(machine-id|resolv|ssh|.*[.]cache)")
    return "".join(line for line in what_is_there(edge).splitlines(True) if not kept.search(line))


def addresses(edge: Machine) -> str:
    return edge.run(["ip", "-4", "-o", "address"]).stdout


def pending(edge: Machine) -> bool:
    return edge.run(["test", "-e", "/var/lib/netc/pending"], check=False).returncode == 0
