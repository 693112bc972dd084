"""`install` on machines that boot: a change is confirmed, or the host is as it was, whatever happens meanwhile."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from live.compiled import compiled
from live.delivered import deliver, install, netc_host, token, what_is_there
from live.lab import Lab
from live.state import without
from machine.machine import Machine, machine

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


def test_a_tree_is_installed_changed_and_taken_away(lab: Lab, edge: Machine, tmp_path: Path) -> None:
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
