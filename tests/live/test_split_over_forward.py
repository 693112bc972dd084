"""A split takes what comes in by a forward's link, but for what is the forward's: its visitors reach the server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from live.compiled import compiled, install, parts, script, up
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.traffic import Capture, client, dns, echo

pytestmark = [pytest.mark.live, pytest.mark.netfilters]

EDGE = ("198.51.100.10", "2001:db8:1::10")
NODE = ("192.0.2.30", "2001:db8:2::30")
EXIT = ("203.0.113.77", "2001:db8:3::77")
ROUTERS = {"edge": ("198.51.100.1", "2001:db8:1::1"), "node": ("192.0.2.1", "2001:db8:2::1")}
FAR = ("203.0.113.1", "2001:db8:3::1")
"""The exit's router. Nobody but the edge asks it anything."""

SERVER = ("10.0.3.20", "fd00:3::20")


def topology(more: str) -> str:
    edge, node, exit = (public_key(private_key(name)) for name in ("edge", "node", "exit"))
    return f"""
version = 1
network.name = "over"

[hosts.edge]
id = 1
wan = "eth0"
addresses = ["{EDGE[0]}/24", "{EDGE[1]}/64"]
public_key = "{edge}"

[hosts.node]
id = 2
wan = "eth0"
addresses = ["{NODE[0]}/24", "{NODE[1]}/64"]
public_key = "{node}"

[hosts.node.bridges.br0]
addresses = ["10.0.3.1/24", "fd00:3::1/64"]

[links.one]
kind = "wireguard"
between = ["edge", "node"]
ends.edge.address = ["10.77.1.0/31", "fd77:1::/127"]
ends.edge.routes = ["{FAR[0]}/32", "{FAR[1]}/128"]
ends.node.address = ["10.77.1.1/31", "fd77:1::1/127"]

[forwards.web]
at = "edge"
ports = ["7000/tcp", "53/udp"]
to = ["node:{SERVER[0]}", "node:[{SERVER[1]}]"]
via = "one"

[hosts.node.tunnels.out]
kind = "wireguard"
address = ["10.9.9.2/32", "fd09::2/128"]
peer = {{ public_key = "{exit}", endpoint = "{EXIT[0]}:51820", allowed_ips = ["0.0.0.0/0", "::/0"] }}

[hosts.node.splits.through]
tunnel = "out"
interface = "wg-edge"
dns = ["10.9.9.1", "fd09::1"]
{more}
"""


@dataclass
class Scene:
    edge: Host
    node: Host
    exit: Host
    world: Host
    server: Host


def scene(lab: Lab, folder: Path, more: str) -> Scene:
    trees = compiled(topology(more), folder)
    edge, node = (install(lab, name, trees) for name in ("edge", "node"))
    node.write("/etc/netc/keys/out.key", private_key("node") + "\n", 0o600)
    exit, world, server = (lab.host(name) for name in ("exit", "world", "server"))
    for host, name, own, routers in (
        (edge, "edge", EDGE, ROUTERS["edge"]),
        (node, "node", NODE, ROUTERS["node"]),
        (exit, "exit", EXIT, FAR),
    ):
        ends = [[f"{four}/24", f"{six}/64"] for four, six in (own, routers)]
        lab.wire(host, "eth0", world, name, a_addresses=ends[0], b_addresses=ends[1])
        for router in routers:
            host.run(["ip", "route", "add", "default", "via", router])
    world.run(["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"])
    serve_tunnel(exit)
    for host in (edge, node):
        up(host)
    lab.wire(node, "port0", server, "eth0", b_addresses=[f"{SERVER[0]}/24", f"{SERVER[1]}/64"])
    node.run(["ip", "link", "set", "dev", "port0", "master", "br0"])
    for router in ("10.0.3.1", "fd00:3::1"):
        server.run(["ip", "route", "add", "default", "via", router])
    for part in parts(node):
        if part.startswith("split-"):
            node.start(script(part, "watch"))
    return Scene(edge, node, exit, world, server)


def serve_tunnel(exit: Host) -> None:
    exit.run(["bash", "-c", "ip link add dev wg0 type wireguard 2>/dev/null || wireguard-go wg0 >/dev/null 2>&1"])
    exit.write("/etc/exit.key", private_key("exit"), 0o600)
    own = ["private-key", "/etc/exit.key", "listen-port", "51820"]
    peer = public_key(private_key("node"))
    exit.run(["wg", "set", "wg0", *own, "peer", peer, "allowed-ips", "10.9.9.2/32,fd09::2/128"])
    exit.run(["ip", "link", "set", "dev", "wg0", "mtu", "1420", "up"])
    for address, far in (("10.9.9.1/32", "10.9.9.2/32"), ("fd09::1/128", "fd09::2/128")):
        exit.run(["ip", "address", "add", address, "dev", "wg0", *(["nodad"] if ":" in address else [])])
        exit.run(["ip", "route", "add", far, "dev", "wg0"])
    exit.run(["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"])
    masquerade = 'table inet nat { chain p { type nat hook postrouting priority srcnat; oifname "eth0" masquerade; }; }'
    exit.run(["nft", "-f", "-"], input=masquerade)


@pytest.mark.parametrize("firewall", ["", "[hosts.node.firewall]"], ids=["none", "firewall"])
def test_a_split_by_the_interface_of_a_forward_leaves_the_forward_alone(
    lab: Lab, tmp_path: Path, firewall: str
) -> None:
    there = scene(lab, tmp_path, firewall)
    for port in (7000, 53):
        echo(there.server, port)
    echo(there.world, 7000, *FAR)
    dns(there.exit, "192.0.2.66", "10.9.9.1", "fd09::1")

    uplink = Capture(there.node, "eth0")
    for family, far in enumerate(FAR):
        assert client(there.edge, "tcp", far, 7000) == EXIT[family], "what is not the forward's has the tunnel"
        assert client(there.edge, "udp", far, 7000) == EXIT[family]
    for family, at in enumerate(EDGE):
        visitor = ROUTERS["edge"][family]
        assert client(there.world, "tcp", at, 7000) == visitor
        assert client(there.world, "udp", at, 53) == visitor, "also queries, which the split has for its resolver"
    assert uplink.packets("port 7000 or port 53") == []
