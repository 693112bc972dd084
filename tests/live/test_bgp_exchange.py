"""An internet exchange: what a member may say there, and what goes no further."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from live.compiled import compiled, install
from live.frr import FarEnd, far_ends
from live.routers import (
    begin,
    birdc,
    faults,
    kernel_route,
    leaves_by,
    meet,
    neighbour,
    path,
    peer,
    reached,
    settled,
)
from live.test_bgp_profiles import learned
from netc.lab.waiting import wait

if TYPE_CHECKING:
    from pathlib import Path

    from live.lab import Lab

pytestmark = pytest.mark.live

ASN = 12654
"""Of 16 bits: it has communities of RFC 1997."""

NETWORK = """
version = 1
network.name = "lab"

[bgp]
asn = 12654
prefixes = ["45.10.0.0/23", "2a10:10::/32"]
profile = "internet"

[hosts.a]
id = 1
wan = "eth0"
addresses = ["46.0.0.1/24", "2a46::1/64"]
loopback = ["45.10.0.1/32", "2a10:10::1/128"]
firewall = {}

[hosts.a.bgp.peers.member4]
asn = 3333
role = "peer"
interface = "ixp0"
local = "45.99.0.10/24"
address = "45.99.0.20"

[hosts.a.bgp.peers.member6]
asn = 3333
role = "peer"
interface = "ixp0"
local = "2a99::10/48"
address = "2a99::20"
"""
SAID4 = """
route 45.20.1.0/24 unreachable { bgp_next_hop = 45.99.0.30; };
route 45.99.0.0/24 unreachable;
route 46.0.0.0/24 unreachable;
route 45.20.2.0/24 unreachable { bgp_community.add((12654, 7)); bgp_community.add((3333, 7)); };
route 45.20.3.0/24 unreachable { bgp_community.add((65535, 666)); };
"""
SAID6 = """
route 2a20:1::/48 unreachable { bgp_next_hop = 2a99::30; };
route 2a99::/48 unreachable;
"""


@far_ends
def test_a_member_of_an_exchange_speaks_for_itself_alone(lab: Lab, tmp_path: Path, far_end: FarEnd) -> None:
    text = NETWORK + peer("a", "customer", 3356, "downstream", 'prefixes = ["45.64.0.0/22", "2a10:64::/32"]')
    a = install(lab, "a", compiled(text, tmp_path))
    member = far_end(lab, "member", 3333, "45.20.0.0/24", "2a20::/48", SAID4, SAID6)
    customer = far_end(lab, "customer", 3356, "45.64.0.0/22", "2a10:64::/32")
    victim, ixp = lab.host("victim"), lab.switch("ixp")
    for host, device, last in ((a, "ixp0", 10), (member.host, "ext0", 20), (victim, "ext0", 30)):
        ixp.plug(host, device, f"45.99.0.{last}/24", f"2a99::{last}/48")
    # BIRD announces its own address where a route has no next hop of BGP's.
    for family, local, remote in ((4, "45.99.0.20", "45.99.0.10"), (6, "2a99::20", "2a99::10")):
        member.session("", local, remote, ASN, hop="next hop keep on;", families=(family,))
    meet(lab, a, customer, asn=ASN)
    log = begin(a)["a"]
    member.start()
    customer.start()
    settled(a)
    for far in (member, customer):
        far.settled()

    wait(lambda: len(learned(a, "peer_member4")) >= 3)
    wait(lambda: learned(a, "peer_member6"))
    for session, hop in (("peer_member4", "45.99.0.30"), ("peer_member6", "2a99::30")):
        wait(lambda s=session, h=hop: f"next_hop: {h}" in birdc(a, f"show route filtered all protocol {s}"))  # type: ignore[misc]
    for net in ("45.20.1.0/24", "45.99.0.0/24", "46.0.0.0/24", "2a20:1::/48", "2a99::/48"):
        assert f"{net} " in birdc(a, f"show route filtered protocol peer_member{6 if ':' in net else 4}")
    assert learned(a, "peer_member4") == {"45.20.0.0/24", "45.20.2.0/24", "45.20.3.0/24"}
    assert learned(a, "peer_member6") == {"2a20::/48"}
    assert kernel_route(a, "45.20.0.0/24")["gateway"] == "45.99.0.20"
    wait(lambda: customer.path("45.20.2.0/24") == f"{ASN} 3333")
    wait(lambda: customer.path("2a20::/48") == f"{ASN} 3333")
    assert customer.attributes("45.20.2.0/24")["community"] == "(3333,7)"
    assert not customer.path("45.20.3.0/24"), "BLACKHOLE"
    assert faults(log.said()) == []


NEXT_HOPS = """
[hosts.a.bridges.br0]
addresses = ["45.10.1.1/24", "2a10:10:0:5::1/64"]

[hosts.a.bgp.peers.server4]
asn = 3335
role = "route-server"
interface = "ixp0"
local = "45.99.0.10/24"
address = "45.99.0.21"

[hosts.a.bgp.peers.server6]
asn = 3335
role = "route-server"
interface = "ixp0"
local = "2a99::10/48"
address = "2a99::21"
"""
SERVER = """
protocol bgp s{family} {{
    local {local} as 3335;
    neighbor {remote} as 12654;
    rs client;
    local role rs_server;
    connect delay time 1;
    error wait time 1, 2;
    ipv{family} {{ import all; export all; next hop keep on; }};
}}
"""


def said(prefix: str, hops: tuple[str, ...], path: str = "") -> str:
    """Routes, each with one of these next hops: the number of each is in its prefix."""
    routes = ((prefix.replace("N", str(number)), hop) for number, hop in enumerate(hops, 1))
    return "".join(f"route {net} unreachable {{ bgp_next_hop = {hop}; {path} }};\n" for net, hop in routes)


UPLINK, BRIDGE, MEMBER = ("46.0.0.254", "2a46::254"), ("45.10.1.9", "2a10:10:0:5::9"), ("45.99.0.30", "2a99::30")


def test_a_next_hop_is_on_the_interface_of_a_session_over_fe80(lab: Lab, tmp_path: Path) -> None:
    """IPv4 routes come with next hops of both families, and all of these networks are connected."""
    text = NETWORK + NEXT_HOPS.partition("[hosts.a.bgp.peers.server4]")[0] + peer("a", "near", 3356, "peer")
    a = install(lab, "a", compiled(text, tmp_path))
    hops4, hops6 = zip(UPLINK, BRIDGE, MEMBER, strict=True)
    routes4 = said("45.20.1N.0/24", hops4) + said("45.20.2N.0/24", hops6)
    near = neighbour(lab, "near", 3356, "45.20.0.0/24", "2a20::/48", routes4, said("2a20:N::/48", hops6))
    held = {"eth0": ("46.0.0.1/24", "2a46::1/64"), "ixp0": ("45.99.0.10/24", "2a99::10/48")}
    for device, addresses in held.items():
        lab.switch(device).plug(a, device, *addresses)
    meet(lab, a, near, asn=ASN, more="local role peer;", hop="next hop keep on;")
    log = begin(a)["a"]
    near.start()
    wait(lambda: {"45.20.0.0/24", "2a20::/48"} <= learned(a, "peer_near"))
    exported = birdc(near.host, "show route export s1")
    assert all(net in exported for net in ("45.20.13.0/24", "45.20.23.0/24", "2a20:3::/48")), "it could not fail"
    assert learned(a, "peer_near") == {"45.20.0.0/24", "2a20::/48"}
    wait(lambda: leaves_by(a, "45.20.0.0/24") == "ext0")
    assert faults(log.said()) == []


def test_a_route_server_speaks_for_its_exchange_alone(lab: Lab, tmp_path: Path) -> None:
    a = install(lab, "a", compiled(NETWORK + NEXT_HOPS, tmp_path))
    hops4, hops6 = zip(UPLINK, BRIDGE, MEMBER, strict=True)
    member = "bgp_path.prepend(3334);"
    routes4 = said("45.21.N.0/24", hops4, member) + said("45.21.10N.0/24", hops4[2:])
    routes6 = said("2a21:N::/48", hops6, member) + said("2a21:10N::/48", hops6[2:])
    server = neighbour(lab, "server", 3335, "45.20.0.0/24", "2a20::/48", routes4, routes6)
    ixp, eth0 = lab.switch("ixp"), lab.switch("eth0")
    for host, device, last in ((a, "ixp0", 10), (server.host, "ext0", 21)):
        ixp.plug(host, device, f"45.99.0.{last}/24", f"2a99::{last}/48")
    eth0.plug(a, "eth0", "46.0.0.1/24", "2a46::1/64")
    for family, local, remote in ((4, "45.99.0.21", "45.99.0.10"), (6, "2a99::21", "2a99::10")):
        server.config += SERVER.format(family=family, local=local, remote=remote)
    log = begin(a)["a"]
    server.start()
    wait(lambda: learned(a, "peer_server4") and learned(a, "peer_server6"))
    assert learned(a, "peer_server4") == {"45.21.3.0/24"}
    assert learned(a, "peer_server6") == {"2a21:3::/48"}
    wait(lambda: kernel_route(a, "45.21.3.0/24").get("gateway") == MEMBER[0])
    assert faults(log.said()) == []


TWO_ROUTERS = """
version = 1
network.name = "lab"

[bgp]
asn = 12654
prefixes = ["45.10.0.0/24", "2a10:10::/32"]
profile = "internet"
over = "ab"

[links.ab]
kind = "vxlan"
between = ["a", "b"]

[hosts.a]
id = 1
wan = "eth0"
addresses = ["46.0.0.1/22", "2a46::1/32"]
loopback = ["45.10.0.1/32", "2a10:10::1/128"]
firewall = {}
bridges.br0.addresses = ["45.60.0.1/22", "2a60::1/32"]
bgp.learn = ["45.50.0.0/16", "2a50::/32"]

[hosts.a.bgp.peers.member]
asn = 3333
role = "peer"
interface = "ixp0"
local = "45.99.0.10/22"
address = "45.99.0.20"

[hosts.a.bgp.peers.member6]
asn = 3333
role = "peer"
interface = "ixp0"
local = "2a99::10/32"
address = "2a99::20"

[hosts.b]
id = 2
wan = "eth0"
addresses = ["46.8.0.2/24", "2a48::2/64"]
loopback = ["45.10.0.2/32", "2a10:10::2/128"]
firewall = {}
bgp = {}

[anycast.dns]
addresses = ["45.11.0.53/24", "2a11::53/48"]
hosts = "a"
services = "nsd.service"
check = { command = ["/usr/bin/true"] }
"""
LANS = ("45.99.0.0/24", "45.60.1.0/24", "2a99::/48", "2a60:0:1::/48")
UPLINKS = ("46.0.0.0/24", "46.0.0.0/23", "2a46::/48")
OURS = ("45.11.0.0/24", "45.50.7.0/24", "45.50.0.0/16", "2a11::/48", "2a50:0:7::/48")


def test_nobody_announces_what_another_router_of_ours_is_in(lab: Lab, tmp_path: Path) -> None:
    """b would tell a that a's networks are behind b's upstream: a would lose its neighbours and its gateway."""
    trees = compiled(TWO_ROUTERS.replace("bgp = {}\n", peer("b", "up", 6939, "upstream")), tmp_path)
    a, b = install(lab, "a", trees), install(lab, "b", trees)
    lab.wire(a, "eth0", b, "eth0", a_addresses=["46.0.0.1/22", "2a46::1/32"], b_addresses=["46.8.0.2/24", "2a48::2/64"])
    for host, net in ((a, "46.8.0.0/24"), (b, "46.0.0.1/32"), (a, "2a48::/64"), (b, "2a46::1/128")):
        host.run(["ip", "-6" if ":" in net else "-4", "route", "add", net, "dev", "eth0"])
    member, ixp = lab.host("member"), lab.switch("ixp")
    for host, device, last in ((a, "ixp0", 10), (member, "ext0", 20)):
        ixp.plug(host, device, f"45.99.0.{last}/22", f"2a99::{last}/32")
    four, six = ([net for net in (*LANS, *UPLINKS, *OURS) if (":" in net) == is_six] for is_six in (False, True))
    more = ["".join(f"route {net} unreachable;" for net in some) for some in (four, six)]
    up = neighbour(lab, "up", 6939, "45.30.0.0/24", "2a30::/48", *more)
    meet(lab, b, up, asn=ASN, more="local role provider;")
    logs = begin(a, b)
    up.start()
    wait(lambda: {"45.30.0.0/24", "2a30::/48", *UPLINKS} <= learned(b, "peer_up"))
    assert learned(b, "peer_up") == {"45.30.0.0/24", "2a30::/48", *UPLINKS}
    # Packets of b and its customers go to the provider's other hosts by the upstream. a is in their subnet.
    for net in (*UPLINKS, "45.30.0.0/24", "2a30::/48"):
        wait(lambda net=net: path(a, net) == "6939")  # type: ignore[misc]
    wait(lambda: kernel_route(a, "2a30::/48") and kernel_route(a, "45.30.0.0/24"))
    assert [net for net in UPLINKS if kernel_route(a, net)] == []
    wait(lambda: all(kernel_route(b, net) for net in UPLINKS))
    for address in ("45.99.0.20", "2a99::20"):
        wait(lambda address=address: reached(a, address.removesuffix("20") + "10", address))  # type: ignore[misc]
    assert faults("".join(log.said() for log in logs.values())) == []
