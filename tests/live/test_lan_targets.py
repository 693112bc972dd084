"""A server in the LAN of the serving host, whose router is another machine: with `keep_source = false` it answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from live.compiled import compiled, give_key, install, met, up
from live.keys import private_key, public_key
from live.lab import Lab
from live.traffic import SILENCE, Capture, client, echo

pytestmark = [pytest.mark.live, pytest.mark.netfilters]

TOPOLOGY = f"""
version = 1
network.name = "lan"

[hosts.edge]
id = 1
wan = "eth0"
addresses = ["198.51.100.1/24", "2001:db8:1::1/64"]
public_key = "{public_key(private_key("edge"))}"
FIREWALL

[hosts.node]
id = 2
wan = "eth0"
addresses = ["192.168.1.2/24", "fd01::2/64"]
endpoint = false
public_key = "{public_key(private_key("node"))}"
FIREWALL

[links.one]
kind = "wireguard"
between = ["edge", "node"]
ends.edge.address = ["10.77.0.0/31", "fd77::/127"]
ends.node.address = ["10.77.0.1/31", "fd77::1/127"]

[forwards.nas]
at = "edge"
ports = ["8000/tcp", "8000/udp"]
to = ["node:192.168.1.9:7000", "node:[fd01::9]:7000"]
via = "one"
keep_source = KEEP
"""
VISITOR, ROUTER = ("203.0.113.5", "2001:db8:5::5"), ("192.168.1.1", "fd01::1")


@pytest.mark.parametrize("firewall", ["", "firewall = {}"], ids=["none", "firewall"])
@pytest.mark.parametrize("keep", ["false", "true"])
def test_a_server_whose_router_is_another_machine_answers(lab: Lab, tmp_path: Path, keep: str, firewall: str) -> None:
    trees = compiled(TOPOLOGY.replace("KEEP", keep).replace("FIREWALL", firewall), tmp_path)
    edge, node = (install(lab, name, trees) for name in ("edge", "node"))
    world, server, switch = lab.host("world"), lab.host("server"), lab.switch("switch")
    ends = ("198.51.100.1/24", "2001:db8:1::1/64"), ("198.51.100.9/24", "2001:db8:1::9/64")
    lab.wire(edge, "eth0", world, "eth0", a_addresses=ends[0], b_addresses=ends[1])
    switch.plug(node, "eth0", "192.168.1.2/24", "fd01::2/64")
    switch.plug(server, "eth0", "192.168.1.9/24", "fd01::9/64")
    switch.plug(world, "lan", "192.168.1.1/24", "fd01::1/64")
    world.run(["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"])
    for own, router, outer in zip(VISITOR, ROUTER, ("198.51.100.9", "2001:db8:1::9"), strict=True):
        world.run(["ip", "address", "add", own, "dev", "lo"])
        edge.run(["ip", "route", "add", "default", "via", outer])
        for host in (node, server):
            host.run(["ip", "route", "add", "default", "via", router])
    echo(server, 7000)
    up(edge)
    up(node)
    met(node, "wg-edge")

    for visitor, at, own in zip(VISITOR, ("198.51.100.1", "2001:db8:1::1"), ("192.168.1.2", "fd01::2"), strict=True):
        for protocol in ("tcp", "udp"):
            if keep == "false":
                assert client(world, protocol, at, 8000, source=visitor) == own
            else:  # it sees the visitor, and answers by its own router
                assert client(world, protocol, at, 8000, source=visitor, timeout=SILENCE) is None


TUNNEL = f"""
[hosts.node.tunnels.office]
kind = "wireguard"
address = ["10.66.0.2/32", "fd66::2/128"]
routes = ROUTES

[hosts.node.tunnels.office.peer]
public_key = "{public_key(private_key("office"))}"
endpoint = "192.168.1.1:51820"
allowed_ips = ["0.0.0.0/0", "::/0"]
"""
TO = ("192.168.9.9", "fd09::9")
COVERING = '["192.168.8.0/22", "fd08::/15"]'
EXACTLY = '["192.168.9.9/32", "fd09::9/128"]'


@pytest.mark.parametrize("routes", [COVERING, EXACTLY], ids=["covering", "exactly"])
@pytest.mark.parametrize("static", [True, False], ids=["static", "dhcp"])
def test_visitors_leave_by_no_tunnel_while_the_lan_is_down(lab: Lab, tmp_path: Path, static: bool, routes: str) -> None:
    """But by one whose `routes` name the server alone."""
    text = TOPOLOGY.replace("KEEP", "false").replace("FIREWALL", "") + TUNNEL.replace("ROUTES", routes)
    for old, new in zip(("192.168.1.9", "fd01::9"), TO, strict=True):
        text = text.replace(old, new)
    if not static:
        text = text.replace('addresses = ["192.168.1.2/24", "fd01::2/64"]\n', "")
    trees = compiled(text, tmp_path)
    edge, node = (install(lab, name, trees) for name in ("edge", "node"))
    give_key(node, "office", "node")
    world = lab.host("world")
    ends = ("198.51.100.1/24", "2001:db8:1::1/64"), ("198.51.100.9/24", "2001:db8:1::9/64")
    lab.wire(edge, "eth0", world, "eth0", a_addresses=ends[0], b_addresses=ends[1])
    ours, theirs = ("192.168.1.2/24", "fd01::2/64"), ("192.168.1.1/24", "fd01::1/64")
    lab.wire(node, "eth0", world, "lan", a_addresses=ours, b_addresses=theirs)
    world.run(["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"])
    for router, outer in zip(ROUTER, ("198.51.100.9", "2001:db8:1::9"), strict=True):
        edge.run(["ip", "route", "add", "default", "via", outer])
        node.run(["ip", "route", "add", "default", "via", router])
    up(edge)
    up(node)
    met(node, "wg-edge")

    capture = Capture(node, "wg-office")
    for at in ("198.51.100.1", "2001:db8:1::1"):
        for protocol in ("tcp", "udp"):
            assert client(world, protocol, at, 8000, timeout=SILENCE) is None
    assert bool(capture.packets("port 7000")) == (routes == EXACTLY)
