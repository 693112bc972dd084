"""Neighbours that run FRR: what it announces passes, and it takes what we announce."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from live.compiled import compiled, install
from live.frr import frr_path, start_frr, vtysh
from live.routers import HERE, THERE, begin, faults, kernel_route, peer, protocols
from live.test_bgp_exchange import NETWORK
from live.test_bgp_profiles import learned
from live.waiting import wait

if TYPE_CHECKING:
    from pathlib import Path

    from live.lab import Lab

pytestmark = pytest.mark.live

FRR = """
frr defaults traditional
hostname member
ip prefix-list one permit 45.20.1.0/24
router bgp 3333
 bgp router-id 192.0.2.33
 no bgp ebgp-requires-policy
 no bgp network import-check
 no bgp default ipv4-unicast
 neighbor 45.99.0.10 remote-as 12654
 neighbor 45.99.0.10 local-role peer
 neighbor 2a99::10 remote-as 12654
 neighbor {here} remote-as 12654
 neighbor {here} interface ext0
 neighbor {here} update-source {there}
 neighbor {here} capability extended-nexthop
 address-family ipv4 unicast
  network 45.20.0.0/24
  network 45.20.1.0/24
  neighbor 45.99.0.10 route-map elsewhere out
  neighbor 45.99.0.10 activate
  neighbor {here} activate
 exit-address-family
 address-family ipv6 unicast
  network 2a20::/48
  neighbor 2a99::10 activate
  neighbor {here} activate
 exit-address-family
route-map elsewhere permit 10
 match ip address prefix-list one
 set ip next-hop 45.99.0.30
route-map elsewhere permit 20
"""


def test_a_member_of_an_exchange_and_a_tunnel_run_frr(lab: Lab, tmp_path: Path) -> None:
    """Sessions between IPv4, IPv6 and fe80 addresses; the last one carries both families (RFC 8950)."""
    text = NETWORK + peer("a", "near", 3333, "peer")
    a = install(lab, "a", compiled(text, tmp_path))
    member, ixp = lab.host("member"), lab.switch("ixp")
    for host, device, last in ((a, "ixp0", 10), (member, "ixp0", 20)):
        ixp.plug(host, device, f"45.99.0.{last}/24", f"2a99::{last}/48")
    lab.wire(a, "ext0", member, "ext0", a_addresses=[f"{HERE}/64"], b_addresses=[f"{THERE}/64"])
    log = begin(a)["a"]
    start_frr(member, FRR.format(here=HERE, there=THERE))
    wait(lambda: set(protocols(a).values()) == {"Established"})

    wait(lambda: learned(a, "peer-member4"))
    wait(lambda: learned(a, "peer-member6"))
    wait(lambda: len(learned(a, "peer-near")) >= 2)
    assert learned(a, "peer-member4") == {"45.20.0.0/24"}, "and none by another router"
    assert learned(a, "peer-member6") == {"2a20::/48"}
    assert {"45.20.0.0/24", "2a20::/48"} <= learned(a, "peer-near")
    assert kernel_route(a, "45.20.0.0/24")
    for family, prefix in ((4, "45.10.0.0/23"), (6, "2a10:10::/32")):
        wait(lambda family=family, prefix=prefix: frr_path(member, family, prefix) == "12654")  # type: ignore[misc]
    said = vtysh(member, "show bgp neighbors 45.99.0.10 json")["45.99.0.10"]
    assert said["remoteRole"] == "peer"
    assert faults(log.said()) == []
