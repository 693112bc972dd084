"""System S2: two slim edges at once serve one node; the server sees each visitor's own address, and answers by the edge
that the visitor came in by."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from examples import ROOT, without_promises
from live.compiled import EXAMPLES, compiled, down, install, met, parts, script, up
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.state import FORWARDING, difference, without
from live.traffic import Capture, Proto, client, echo

pytestmark = [pytest.mark.live, pytest.mark.netfilters]

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


def filtering(node: Host, strict: int) -> None:
    for scope in ("all", "default", "eth0"):
        node.run(["sysctl", "-qw", f"net.ipv4.conf.{scope}.rp_filter={strict}"])


def scene(lab: Lab, wires: Scene, trees: dict[str, Path]) -> Scene:
    for name, (four, six) in EDGES.items():
        edge = wires.edges[name] = install(lab, name, trees)
        gateways = four.rpartition(".")[0] + ".1", six.rpartition("::")[0] + "::1"
        ends = (f"{four}/24", f"{six}/64"), (f"{gateways[0]}/24", f"{gateways[1]}/64")
        lab.wire(edge, "eth0", wires.world, name, a_addresses=ends[0], b_addresses=ends[1])
        edge.run(["ip", "-4", "route", "add", "default", "via", gateways[0]])
        edge.run(["ip", "-6", "route", "add", "default", "via", gateways[1]])
    node = wires.node = install(lab, "node", trees)
    lab.wire(node, "eth0", wires.world, "node", a_addresses=["192.168.1.30/24"], b_addresses=["192.168.1.1/24"])
    node.run(["ip", "-4", "route", "add", "default", "via", "192.168.1.1"])
    filtering(node, 1)
    hidden = f'type nat hook postrouting priority srcnat; iifname "node" snat to {NODE_SEEN};'
    wires.world.run(["nft", "-f", "-"], input=f"table ip nat {{ chain p {{ {hidden} }}; }}")
    inner = ("10.0.3.1/24", "fd00:3::1/64"), ("10.0.3.20/24", "fd00:3::20/64")
    lab.wire(node, "br0", wires.container, "eth0", a_addresses=inner[0], b_addresses=inner[1])
    wires.container.run(["ip", "-4", "route", "add", "default", "via", "10.0.3.1"])
    wires.container.run(["ip", "-6", "route", "add", "default", "via", "fd00:3::1"])
    return wires


def all_up(scene: Scene) -> None:
    for host in (*scene.edges.values(), scene.node):
        up(host)
    for edge in scene.edges:
        met(scene.node, f"wg-{edge}")


MORE = """
[hosts.node.bridges.boxes]
addresses = ["10.0.4.1/24", "fd00:4::1/64"]

[hosts.node.namespaces.box]
bridge = "boxes"
address = ["10.0.4.20/24", "fd00:4::20/64"]
dns = "192.0.2.53"
services = "voice.service"

[forwards.box1]
at = "edge1"
ports = ["8000/tcp", "8000/udp"]
to = "node/box"
via = "one"

[forwards.box2]
at = "edge2"
ports = ["8000/tcp", "8000/udp"]
to = "node/box"
via = "two"

[forwards.quic1]
at = "edge1"
ports = "80/udp"
to = "node"
via = "one"
bound = true

[forwards.quic2]
at = "edge2"
ports = "80/udp"
to = "node"
via = "two"
bound = true
"""


def test_no_rule_converts_a_single_byte(lab: Lab) -> None:
    """nft 1.0 makes such a `byteorder` of `meta l4proto` in a key with ranges, and Linux 6.12.117 refuses it."""
    host = lab.host("any")
    files = sorted((ROOT / "out").glob("*/*/files/etc/netc/nftables.nft"))
    said = {file: host.run(["nft", "-c", "--debug=netlink", "-f", str(file)], check=False).stdout for file in files}
    assert [file for file, text in said.items() if re.search(r"byteorder .*, 1\)", text)] == []
    forwards = [text for file, text in said.items() if "slim-edge" in str(file)]
    assert len(forwards) == 3
    assert all("set forwards4 dreg" in text for text in forwards), "the test could not fail"


STRICTNESS = [0, pytest.param(1, marks=pytest.mark.stock), 2]
"""Of reverse path filtering, before netc says what it has to be."""


@pytest.mark.parametrize("strict", STRICTNESS)
def test_the_server_sees_each_visitor_and_answers_through_the_same_edge(
    lab: Lab, wires: Scene, tmp_path: Path, strict: int
) -> None:
    """Served by the node itself, in a container and in a namespace."""
    there = scene(lab, wires, compiled(without_promises((EXAMPLES / "slim-edge.toml").read_text()) + MORE, tmp_path))
    echo(there.container, 30000)
    protocols: list[tuple[int, Proto]] = [(port, proto) for port in (80, 30000, 8000) for proto in ("tcp", "udp")]

    filtering(there.node, strict)
    all_up(there)
    echo(there.node, 80, "10.77.1.1", "10.77.2.1", "fd77:1::1", "fd77:2::1")
    echo(there.node, 8000, namespace="box")
    for name, addresses in EDGES.items():
        for at, visitor in zip(addresses, VISITOR, strict=True):
            for port, protocol in protocols:
                seen = client(there.world, protocol, at, port, source=visitor, timeout=5)
                assert seen == visitor, f"{protocol} {port} by {name} at {at}"


def test_the_nodes_own_traffic_and_the_edges_own_ports_are_untouched(lab: Lab, wires: Scene, tmp_path: Path) -> None:
    there = scene(lab, wires, compiled(EXAMPLES / "slim-edge.toml", tmp_path))
    all_up(there)
    echo(there.world, 7000, VISITOR[0])
    echo(there.edges["edge1"], 22)
    echo(there.edges["edge1"], 30101)
    outside = Capture(there.node, "wg-edge1")

    assert client(there.node, "tcp", VISITOR[0], 7000) == "192.168.1.30"
    assert outside.packets("tcp or udp") == []
    for at, visitor in zip(EDGES["edge1"], VISITOR, strict=True):
        assert client(there.world, "tcp", at, 22, source=visitor) == visitor
        assert client(there.world, "udp", at, 30101, source=visitor) == visitor


FOREIGN = "table inet foreign { chain p { type filter hook prerouting priority %s; meta mark set 0x1; }; }"


def test_replies_of_containers_do_not_leave_by_the_uplink_if_others_set_marks(
    lab: Lab, wires: Scene, tmp_path: Path
) -> None:
    there = scene(lab, wires, compiled(without_promises((EXAMPLES / "slim-edge.toml").read_text()) + MORE, tmp_path))
    echo(there.container, 30000)
    all_up(there)
    leaving = Capture(there.node, "eth0")
    for priority in ("mangle - 1", "0"):
        there.node.run(["nft", "-f", "-"], input=FOREIGN % priority)
        for at, visitor in zip(EDGES["edge1"], VISITOR, strict=True):
            for protocol in ("tcp", "udp"):
                client(there.world, protocol, at, 30000, source=visitor, timeout=1)
        there.node.run(["nft", "delete", "table", "inet", "foreign"])
    assert leaving.packets("port 30000") == []
    for at, visitor in zip(EDGES["edge1"], VISITOR, strict=True):
        assert client(there.world, "tcp", at, 30000, source=visitor, timeout=5) == visitor


def test_replies_for_a_dead_link_do_not_leave_by_the_uplink(lab: Lab, wires: Scene, tmp_path: Path) -> None:
    there = scene(lab, wires, compiled(EXAMPLES / "slim-edge.toml", tmp_path))
    all_up(there)
    echo(there.node, 80)
    assert client(there.world, "tcp", EDGES["edge1"][0], 80, source=VISITOR[0]) == VISITOR[0]
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
    assert client(there.world, "tcp", EDGES["edge1"][0], 80, source=VISITOR[0]) == VISITOR[0]

    # Of the answer to the visitor's SYN: 1440 (the link) - 40 (IP and TCP).
    answers = asked.packets("tcp[tcpflags] & (tcp-syn|tcp-ack) == (tcp-syn|tcp-ack)")
    assert [line for line in answers if "mss 1400" in line] == answers != []


LINKS = """
version = 1
network.name = "lab"

[hosts.edge1]
id = 1
wan = "eth0"
addresses = ["198.51.100.10/24", "2001:db8:10::10/64"]
public_key = "{edge1}"

[hosts.edge2]
id = 2
wan = "eth0"
addresses = ["203.0.113.20/24", "2001:db8:20::20/64"]
public_key = "{edge2}"

[hosts.node]
id = 3
wan = "eth0"
addresses = ["192.168.1.30/24"]
public_key = "{node}"

[links.one]
kind = "wireguard"
between = ["edge1", "node"]
ends.edge1.address = ["10.77.1.0/31", "fd77:1::/127"]
ends.node.address = ["10.77.1.1/31", "fd77:1::1/127"]

[links.two]
kind = "vxlan"
between = ["edge1", "edge2"]
family = "ipv4"
ends.edge1.address = ["10.77.2.0/31", "fd77:2::/127"]
ends.edge2.address = ["10.77.2.1/31", "fd77:2::1/127"]
"""


def made(lab: Lab, wires: Scene, tmp_path: Path, text: str) -> Scene:
    keys = {name: public_key(private_key(name)) for name in ("edge1", "edge2", "node")}
    there = scene(lab, wires, compiled(LINKS.format(**keys) + text, tmp_path))
    for host in (*there.edges.values(), there.node):
        for part in parts(host):
            if not part.startswith("tunnel-"):
                host.run(script(part, "up"))
    met(there.node, "wg-edge1")
    return there


def test_a_namespace_behind_the_node_serves_tcp_and_udp(lab: Lab, wires: Scene, tmp_path: Path) -> None:
    text = """
[hosts.node.tunnels.out]
kind = "wireguard"
address = ["10.9.9.2/32"]

[hosts.node.tunnels.out.peer]
public_key = "q+dCgbgLdNvA//cWS/5+uwsRtykg0avzh+RnTSX9pwk="
endpoint = "192.0.2.77:51820"
allowed_ips = "0.0.0.0/0"

[hosts.node.namespaces.box]
tunnel = "out"
access = ["10.200.0.0/31", "fd00:200::/127"]
services = "server.service"
dns = "10.9.9.1"

[forwards.box]
at = "edge1"
ports = ["80/tcp", "5000-5010/udp"]
to = "node/box"
via = "one"
"""
    there = made(lab, wires, tmp_path, text)
    echo(there.node, 80, namespace="box")
    echo(there.node, 5007, namespace="box")

    for at, visitor in zip(EDGES["edge1"], VISITOR, strict=True):
        for port, protocol in ((80, "tcp"), (5007, "udp")):
            assert client(there.world, protocol, at, port, source=visitor) == visitor


def test_a_namespace_on_a_bridge_of_the_node_serves_tcp_and_udp(lab: Lab, wires: Scene, tmp_path: Path) -> None:
    """Its replies leave by the edge, though all else that it starts is hidden on the uplink."""
    text = """
[hosts.node.bridges.boxes]
addresses = ["10.0.7.1/24", "fd00:7::1/64"]
masquerade = true

[hosts.node.namespaces.box]
bridge = "boxes"
address = ["10.0.7.20/24", "fd00:7::20/64"]

[forwards.box]
at = "edge1"
ports = ["80/tcp", "5000-5010/udp"]
to = "node/box"
via = "one"
"""
    there = made(lab, wires, tmp_path, text)
    echo(there.node, 80, namespace="box")
    echo(there.node, 5007, namespace="box")
    echo(there.world, 7000, VISITOR[0])

    for at, visitor in zip(EDGES["edge1"], VISITOR, strict=True):
        for port, protocol in ((80, "tcp"), (5007, "udp")):
            assert client(there.world, protocol, at, port, source=visitor) == visitor
    assert client(there.node, "tcp", VISITOR[0], 7000, namespace="box") == "192.168.1.30"


def test_a_forward_serves_udp_at_the_links_address_and_can_change_ports(lab: Lab, wires: Scene, tmp_path: Path) -> None:
    text = """
[forwards.voice]
at = "edge1"
ports = "5000/udp"
to = "node:6000"
via = "one"
bound = true

[forwards.plain]
at = "edge1"
ports = "5001/tcp"
to = "node:6001"
via = "one"
keep_source = false
"""
    there = made(lab, wires, tmp_path, text)
    echo(there.node, 6000, "10.77.1.1", "fd77:1::1")
    echo(there.node, 6001)

    for at, visitor, edge in zip(EDGES["edge1"], VISITOR, ("10.77.1.0", "fd77:1::"), strict=True):
        assert client(there.world, "udp", at, 5000, source=visitor) == visitor
        assert client(there.world, "tcp", at, 5001, source=visitor) == edge


PUBLISHES = """
table inet docker {
  chain leading {
    type nat hook prerouting priority dstnat;
    fib daddr type local meta l4proto { tcp, udp } th dport { 80, 5000 } jump published
  }
  chain published {
    meta nfproto ipv4 meta l4proto { tcp, udp } dnat ip to 10.0.3.20:8080
    meta nfproto ipv6 meta l4proto { tcp, udp } dnat ip6 to [fd00:3::20]:8080
  }
  chain hiding {
    type nat hook postrouting priority srcnat;
    oifname != "br0" ip saddr 10.0.3.0/24 masquerade
    oifname != "br0" ip6 saddr fd00:3::/64 masquerade
  }
}
"""
"""What Docker makes of `-p 80:8080 -p 5000:8080/udp`, on the bridge of the container."""


@pytest.mark.parametrize("strict", STRICTNESS)
def test_a_port_that_docker_publishes_is_answered_by_the_edge(
    lab: Lab, wires: Scene, tmp_path: Path, strict: int
) -> None:
    """The topology says `to = "node"`: netc does not see that a container serves the port."""
    text = """
[forwards.web]
at = "edge1"
ports = ["80/tcp", "5000/udp"]
to = "node"
via = "one"
bound = true
"""
    trees = compiled(
        LINKS.format(**{name: public_key(private_key(name)) for name in (*EDGES, "node")}) + text, tmp_path
    )
    there = scene(lab, wires, trees)
    filtering(there.node, strict)
    for host in (there.edges["edge1"], there.node):
        up(host)
    met(there.node, "wg-edge1")
    there.node.run(["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"])
    there.node.run(["nft", "-f", "-"], input=PUBLISHES)
    echo(there.container, 8080)
    leaving = Capture(there.node, "eth0")

    ports: tuple[tuple[int, Proto], ...] = ((80, "tcp"), (5000, "udp"))
    for at, visitor in zip(EDGES["edge1"], VISITOR, strict=True):
        for port, protocol in ports:
            assert client(there.world, protocol, at, port, source=visitor, timeout=5) == visitor
    there.container.run(["ping", "-c", "1", "-W", "5", VISITOR[0]])
    assert leaving.packets("icmp") != [], "what the container starts leaves by the uplink"
    assert leaving.packets("port 80 or port 5000 or port 8080") == []


def test_a_chain_of_two_edges_keeps_the_visitor_too(lab: Lab, wires: Scene, tmp_path: Path) -> None:
    text = """
[forwards.first]
at = "edge2"
ports = "80/tcp"
to = "edge1"
via = "two"

[forwards.second]
at = "edge1"
on = ["10.77.2.0", "fd77:2::"]
ports = "80/tcp"
to = "node"
via = "one"
"""
    there = made(lab, wires, tmp_path, text)
    echo(there.node, 80)

    for at, visitor in zip(EDGES["edge2"], VISITOR, strict=True):
        assert client(there.world, "tcp", at, 80, source=visitor) == visitor
