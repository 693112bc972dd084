"""Connections that a DNAT sends to a link, a veth pair or a bridge never leave by the uplink while that is down."""

from __future__ import annotations

from pathlib import Path

import pytest

from live.compiled import compiled, install, met, parts, script, up
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.traffic import SILENCE, Capture, Proto, client, echo

pytestmark = [pytest.mark.live, pytest.mark.netfilters]

EDGE = ("198.51.100.10", "2001:db8:1::10")
VISITOR = ("198.51.100.1", "2001:db8:1::1")
PROTOCOLS: tuple[Proto, ...] = ("tcp", "udp")


def topology(firewall: str) -> str:
    edge, node = (public_key(private_key(name)) for name in ("edge", "node"))
    return f"""
version = 1
network.name = "targets"

[hosts.edge]
id = 1
wan = "eth0"
addresses = ["{EDGE[0]}/24", "{EDGE[1]}/64"]
public_key = "{edge}"
tunnels.t = {{ kind = "gre", remote = "203.0.113.77", address = "10.9.0.2/30" }}

[hosts.edge.namespaces.vpn]
tunnel = "t"
dns = "9.9.9.9"
access = ["10.200.0.0/31", "fd00:200::/127"]
publish = {{ port = "81/tcp", on = ["{EDGE[0]}", "{EDGE[1]}"] }}

[hosts.edge.bridges.br0]
addresses = ["10.0.3.1/24", "fd00:3::1/64"]
publish = {{ port = "82/tcp", to = ["10.0.3.20", "[fd00:3::20]"] }}

[hosts.node]
id = 2
wan = "eth0"
addresses = "203.0.113.20/24"
public_key = "{node}"

[links.one]
kind = "wireguard"
between = ["edge", "node"]
ends.edge.address = ["10.77.1.0/31", "fd77:1::/127"]
ends.node.address = ["10.77.1.1/31", "fd77:1::1/127"]

[forwards.web]
at = "edge"
on = ["{EDGE[0]}", "{EDGE[1]}"]
ports = "80/tcp"
to = "node"
via = "one"

{firewall}
"""


TARGETS = {
    80: ("wg-node", ("10.77.1.1", "fd77:1::1")),
    81: ("ve-vpn", ("10.200.0.1", "fd00:200::1")),
    82: ("br0", ("10.0.3.20", "fd00:3::20")),
}
"""By port: the interface that leads to the server, and the server's addresses."""


def up_without_gre(edge: Host) -> None:
    """Not every kernel has GRE, and these tests do not need the tunnel."""
    for part in parts(edge):
        if part != "tunnel-t":
            edge.run(script(part, "up"))


@pytest.mark.parametrize("firewall", ["", "[hosts.edge.firewall]"], ids=["none", "firewall"])
def test_a_connection_to_a_target_that_is_down_is_dropped(lab: Lab, tmp_path: Path, firewall: str) -> None:
    edge, visitor = install(lab, "edge", compiled(topology(firewall), tmp_path)), lab.host("visitor")
    ends = [f"{EDGE[0]}/24", f"{EDGE[1]}/64"], [f"{VISITOR[0]}/24", f"{VISITOR[1]}/64"]
    lab.wire(edge, "eth0", visitor, "edge", a_addresses=ends[0], b_addresses=ends[1])
    for router in VISITOR:
        edge.run(["ip", "route", "add", "default", "via", router])
    up_without_gre(edge)
    for device, _ in TARGETS.values():
        edge.run(["ip", "link", "delete", "dev", device])
    echo(visitor, 7000)
    assert client(edge, "tcp", VISITOR[0], 7000) == EDGE[0], "the uplink works"

    capture = Capture(edge, "eth0")
    for port in TARGETS:
        for at in EDGE:
            assert client(visitor, "tcp", at, port, timeout=SILENCE) is None
            assert client(edge, "tcp", at, port, timeout=SILENCE) is None, "a program of the host itself"
    targets = " or ".join(f"dst host {server}" for _, servers in TARGETS.values() for server in servers)
    assert capture.packets(targets) == []
    capture.stop()

    # Without the rule they leave, or the test above would show nothing.
    for program in ("iptables", "ip6tables"):
        edge.run([program, "-t", "mangle", "-F", "netc-leaves-by"], check=False)
    edge.run(["nft", "flush", "chain", "inet", "netc", "leaves_by"], check=False)
    capture = Capture(edge, "eth0")
    client(edge, "tcp", EDGE[0], 82, timeout=SILENCE)
    assert capture.packets("dst host 10.0.3.20") != []


SERVER = ("10.0.3.20", "fd00:3::20")


FIXED = 'addresses = ["192.168.1.30/24", "fd01::30/64"]'


def served_behind(keep: str, firewall: str, addresses: str = FIXED) -> str:
    edge, node = (public_key(private_key(name)) for name in ("edge", "node"))
    return f"""
version = 1
network.name = "behind"

[hosts.edge]
id = 1
wan = "eth0"
addresses = ["{EDGE[0]}/24", "{EDGE[1]}/64"]
public_key = "{edge}"

[hosts.node]
id = 2
wan = "eth0"
{addresses}
endpoint = false
public_key = "{node}"
{firewall}

[links.one]
kind = "wireguard"
between = ["edge", "node"]
ends.edge.address = ["10.77.1.0/31", "fd77:1::/127"]
ends.node.address = ["10.77.1.1/31", "fd77:1::1/127"]

[forwards.web]
at = "edge"
ports = ["80/tcp", "80/udp"]
to = ["node:{SERVER[0]}", "node:{SERVER[1]}"]
via = "one"
keep_source = {keep}
"""


@pytest.mark.parametrize(
    ("keep", "firewall", "addresses"),
    [("true", "", FIXED), ("false", "firewall = {}", FIXED), ("true", "", ""), ("true", "firewall = {}", "")],
    ids=["kept", "masqueraded", "dhcp", "dhcp-firewall"],
)
def test_a_server_behind_a_bridge_that_netc_does_not_know(
    lab: Lab, tmp_path: Path, keep: str, firewall: str, addresses: str
) -> None:
    """Of the image, LXC or Docker. While it is down, the route to the server is the serving host's default route."""
    trees = compiled(served_behind(keep, firewall, addresses), tmp_path)
    edge, node = (install(lab, name, trees) for name in ("edge", "node"))
    world, server = lab.host("world"), lab.host("server")
    world.run(["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"])
    ends = [f"{EDGE[0]}/24", f"{EDGE[1]}/64"], [f"{VISITOR[0]}/24", f"{VISITOR[1]}/64"]
    lab.wire(edge, "eth0", world, "edge", a_addresses=ends[0], b_addresses=ends[1])
    ends = ["192.168.1.30/24", "fd01::30/64"], ["192.168.1.1/24", "fd01::1/64"]
    lab.wire(node, "eth0", world, "node", a_addresses=ends[0], b_addresses=ends[1])
    ends = ["10.0.3.1/24", "fd00:3::1/64"], ["10.0.3.20/24", "fd00:3::20/64"]
    lab.wire(node, "br0", server, "eth0", a_addresses=ends[0], b_addresses=ends[1])
    for host, routers in ((edge, VISITOR), (node, ("192.168.1.1", "fd01::1")), (server, ("10.0.3.1", "fd00:3::1"))):
        for router in routers:
            host.run(["ip", "route", "add", "default", "via", router])
    echo(server, 80)
    up(edge)
    up(node)
    met(node, "wg-edge")
    tries = [(proto, at) for at in EDGE for proto in PROTOCOLS]
    for proto, at in tries:
        assert client(world, proto, at, 80, timeout=5), f"{proto} at {at} is served"

    node.run(["ip", "link", "set", "dev", "br0", "down"])
    arrived, left = Capture(node, "wg-edge"), Capture(node, "eth0")
    for proto, at in tries:
        assert client(world, proto, at, 80, timeout=SILENCE) is None
    for protocol in ("ip and tcp", "ip and udp", "ip6 and tcp", "ip6 and udp"):
        assert arrived.packets(f"{protocol} and dst port 80") != [], "visitors came as far as the serving host"
    targets = f"dst host {SERVER[0]} or dst host {SERVER[1]}"
    assert left.packets(targets) == []

    # Without the rules they leave, or the test above would show nothing.
    if not addresses:
        node.run(script("targets", "down"))
    for program in ("iptables", "ip6tables"):
        node.run([program, "-t", "mangle", "-F", "netc-leaves-by"], check=False)
    node.run(["nft", "flush", "chain", "inet", "netc", "leaves_by"], check=False)
    for proto, at in tries:
        client(world, proto, at, 80, timeout=SILENCE)
    assert all(left.packets(f"dst host {address}") != [] for address in SERVER)


def test_a_server_in_the_subnet_of_an_uplink_with_dhcp_is_reached(lab: Lab, tmp_path: Path) -> None:
    there = served_behind("true", "", "").replace(SERVER[0], "192.168.1.20").replace(SERVER[1], "fd01::20")
    trees = compiled(there, tmp_path)
    edge, node = (install(lab, name, trees) for name in ("edge", "node"))
    world = lab.host("world")
    ends = [f"{EDGE[0]}/24", f"{EDGE[1]}/64"], [f"{VISITOR[0]}/24", f"{VISITOR[1]}/64"]
    lab.wire(edge, "eth0", world, "edge", a_addresses=ends[0], b_addresses=ends[1])
    ends = ["192.168.1.30/24", "fd01::30/64"], ["192.168.1.1/24", "fd01::1/64", "192.168.1.20/24", "fd01::20/64"]
    lab.wire(node, "eth0", world, "node", a_addresses=ends[0], b_addresses=ends[1])
    world.run(["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"])
    for host, routers in ((edge, VISITOR), (node, ("192.168.1.1", "fd01::1"))):
        for router in routers:
            host.run(["ip", "route", "add", "default", "via", router])
    up(edge)
    up(node)
    met(node, "wg-edge")
    left = Capture(node, "eth0")
    for at in EDGE:
        client(world, "tcp", at, 80, timeout=SILENCE)
    for server in ("192.168.1.20", "fd01::20"):
        assert left.packets(f"dst host {server} and tcp port 80") != []
