"""An internet exchange: what a member may say there, and what goes no further."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from live.compiled import compiled, install
from live.frr import FarEnd, far_ends
from live.routers import begin, birdc, faults, kernel_route, meet, peer, settled
from live.test_bgp_profiles import learned
from live.waiting import wait

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
