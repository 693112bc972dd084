"""System S2: two slim edges at once serve one node; the server sees each visitor's own address, and answers by the edge
that the visitor came in by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from live.compiled import EXAMPLES, compiled, down, install, up
from live.lab import Host, Lab
from live.state import FORWARDING, difference, without
from live.traffic import Capture, Proto, client, echo

pytestmark = pytest.mark.live

EDGES = {"edge1": ("198.51.100.10", "2001:db8:10::10"), "edge2": ("203.0.113.20", "2001:db8:20::20")}
VISITOR = ("192.0.2.9", "2001:db8:113::9")
NODE_SEEN = "192.0.2.1"
"""What the world sees of the node's own traffic: it is behind NAT."""


@dataclass
class Scene:
    world: Host
    edges: dict[str, Host]
    node: Host
    container: Host


@pytest.fixture
def wires(lab: Lab) -> Scene:
    """Everything but what netc makes."""
    world = lab.host("world")
    world.run(["bash", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"])
    for address in (*VISITOR, NODE_SEEN):
        world.run(["ip", "address", "add", address, "dev", "lo"])
    return Scene(world, {}, world, lab.host("container"))


def scene(lab: Lab, wires: Scene, trees: dict[str, Path], strict: int = 1) -> Scene:
    for name, (four, six) in EDGES.items():
        edge = wires.edges[name] = install(lab, name, trees)
        gateways = four.rpartition(".")[0] + ".1", six.rpartition("::")[0] + "::1"
        ends = (f"{four}/24", f"{six}/64"), (f"{gateways[0]}/24", f"{gateways[1]}/64")
        lab.wire(edge, "eth0", wires.world, name, a_addresses=ends[0], b_addresses=ends[1])
        edge.run(["ip", "-4", "route", "add", "default", "via", gateways[0]])
        edge.run(["ip", "-6", "route", "add", "default", "via", gateways[1]])
    node = wires.node = install(lab, "node", trees)
    for scope in ("all", "default"):
        node.run(["sysctl", "-qw", f"net.ipv4.conf.{scope}.rp_filter={strict}"])
    lab.wire(node, "eth0", wires.world, "node", a_addresses=["192.168.1.30/24"], b_addresses=["192.168.1.1/24"])
    node.run(["ip", "-4", "route", "add", "default", "via", "192.168.1.1"])
    nat = f'table ip nat {{ chain p {{ type nat hook postrouting priority srcnat; iifname "node" snat to {NODE_SEEN}; }}; }}'
    wires.world.run(["nft", "-f", "-"], input=nat)
    inner = ("10.0.3.1/24", "fd00:3::1/64"), ("10.0.3.20/24", "fd00:3::20/64")
    lab.wire(node, "br0", wires.container, "eth0", a_addresses=inner[0], b_addresses=inner[1])
    wires.container.run(["ip", "-4", "route", "add", "default", "via", "10.0.3.1"])
    wires.container.run(["ip", "-6", "route", "add", "default", "via", "fd00:3::1"])
    return wires


def all_up(scene: Scene) -> None:
    for host in (*scene.edges.values(), scene.node):
        up(host)


@pytest.mark.parametrize("strict", [0, 1, 2])
def test_every_visitor_is_seen_and_answered_by_the_edge_that_they_came_by(
    lab: Lab, wires: Scene, tmp_path: Path, strict: int
) -> None:
    there = scene(lab, wires, compiled(EXAMPLES / "slim-edge.toml", tmp_path), strict)
    all_up(there)
    echo(there.node, 80)
    echo(there.container, 30000)
    protocols: list[tuple[int, Proto]] = [(80, "tcp"), (30000, "tcp"), (30000, "udp")]

    for name, addresses in EDGES.items():
        for at, visitor in zip(addresses, VISITOR, strict=True):
            for port, protocol in protocols:
                seen = client(there.world, protocol, at, port, source=visitor, timeout=5)
                assert seen == visitor, f"{protocol} {port} by {name} at {at}"


def test_the_nodes_own_traffic_and_the_edges_own_ports_are_untouched(
    lab: Lab, wires: Scene, tmp_path: Path
) -> None:
    there = scene(lab, wires, compiled(EXAMPLES / "slim-edge.toml", tmp_path))
    all_up(there)
    echo(there.world, 7000, VISITOR[0])
    echo(there.edges["edge1"], 22)
    echo(there.edges["edge1"], 30101)
    outside = Capture(there.node, "wg-edge1")

    assert client(there.node, "tcp", VISITOR[0], 7000) == "192.168.1.30"
    assert outside.packets() == []
    for at, visitor in zip(EDGES["edge1"], VISITOR, strict=True):
        assert client(there.world, "tcp", at, 22, source=visitor) == visitor
        assert client(there.world, "udp", at, 30101, source=visitor) == visitor


def test_a_dead_link_answers_nobody_by_the_uplink(lab: Lab, wires: Scene, tmp_path: Path) -> None:
    there = scene(lab, wires, compiled(EXAMPLES / "slim-edge.toml", tmp_path))
    all_up(there)
    echo(there.node, 80)
    assert client(there.world, "tcp", EDGES["edge1"][0], 80, source=VISITOR[0], timeout=5) == VISITOR[0]
    there.node.run(["ip", "link", "set", "dev", "wg-edge1", "down"])
    leaving = Capture(there.node, "eth0")

    for source in ("10.77.1.1",):
        there.node.run(["ping", "-c", "1", "-W", "1", "-I", source, VISITOR[0]], check=False)
    assert leaving.packets("net 10.77.0.0/16") == []


def test_down_leaves_edges_and_node_as_they_were(lab: Lab, wires: Scene, tmp_path: Path) -> None:
    there = scene(lab, wires, compiled(EXAMPLES / "slim-edge.toml", tmp_path))
    hosts = (*there.edges.values(), there.node)
    known = (FORWARDING, "/eth0/accept_ra = ")
    before = [without(host.state(), *known) for host in hosts]
    all_up(there)
    all_up(there)
    for host in hosts:
        down(host)

    for host, state in zip(hosts, before, strict=True):
        assert difference(state, without(host.state(), *known)) == ""


def test_segments_fit_through_the_tunnel(lab: Lab, wires: Scene, tmp_path: Path) -> None:
    there = scene(lab, wires, compiled(EXAMPLES / "slim-edge.toml", tmp_path))
    all_up(there)
    echo(there.node, 80)
    asked = Capture(there.world, "edge1")
    assert client(there.world, "tcp", EDGES["edge1"][0], 80, source=VISITOR[0], timeout=5) == VISITOR[0]

    # Of the answer to the visitor's SYN: 1440 (the link) - 40 (IP and TCP).
    answers = asked.packets("tcp[tcpflags] & (tcp-syn|tcp-ack) == (tcp-syn|tcp-ack)")
    assert [line for line in answers if "mss 1400" in line] == answers != []
