"""A neighbour with FRR: sessions over IPv4, over IPv6, and over fe80 addresses as in DN42, with routes both ways."""

from __future__ import annotations

from pathlib import Path

import pytest

from live import frr
from live.compiled import compiled, install
from live.lab import Lab
from live.routers import (
    ASN,
    HERE,
    NETWORK,
    THERE,
    begin,
    birdc,
    faults,
    peer,
    protocols,
    reached,
    router,
)
from live.waiting import wait

pytestmark = pytest.mark.live

X = 4242420001
X4, X6 = "172.20.8.0/24", "fd42:8::/48"
OURS4, OURS6 = "172.20.16.0/27", "fd42:1::/48"
GLOBAL = """
[hosts.a.bgp.peers.{name}]
asn = 4242420001
interface = "ext1"
local = "{local}"
address = "{address}"
"""
BGPD = f"""
hostname x
router bgp {X}
 bgp router-id 192.0.2.9
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 no bgp network import-check
 neighbor {HERE} remote-as {ASN}
 neighbor {HERE} interface ext0
 neighbor {HERE} capability extended-nexthop
 neighbor 10.88.0.1 remote-as {ASN}
 neighbor fd88::1 remote-as {ASN}
 neighbor fd88::1 capability extended-nexthop
 address-family ipv4 unicast
  network {X4}
  neighbor {HERE} activate
  neighbor 10.88.0.1 activate
  neighbor fd88::1 activate
 exit-address-family
 address-family ipv6 unicast
  network {X6}
  neighbor {HERE} activate
  neighbor fd88::1 activate
 exit-address-family
"""
CARRIED = {"peer_x": (X4, X6), "peer_four": (X4,), "peer_six": (X4, X6)}
"""Over IPv6 also IPv4 (RFC 8950)."""


def test_sessions_with_frr_carry_routes_both_ways(lab: Lab, tmp_path: Path) -> None:
    text = NETWORK + router("a", 1) + peer("a", "x", X, "mutual-transit")
    text += GLOBAL.format(name="four", local="10.88.0.1", address="10.88.0.2")
    text += GLOBAL.format(name="six", local="fd88::1", address="fd88::2")
    a, x = install(lab, "a", compiled(text, tmp_path)), lab.host("x")
    lab.wire(a, "ext0", x, "ext0", a_addresses=[f"{HERE}/64"], b_addresses=[f"{THERE}/64"])
    near, far = (["10.88.0.1/24", "fd88::1/64", f"{HERE}/64"], ["10.88.0.2/24", "fd88::2/64", f"{THERE}/64"])
    lab.wire(a, "ext1", x, "ext1", a_addresses=near, b_addresses=far)
    x.run(["bash", "-c", "ip address add 172.20.8.1/24 dev lo; ip address add fd42:8::1/64 dev lo"])
    log = begin(a)["a"]
    frr.start(x, BGPD)

    wait(lambda: protocols(a) == dict.fromkeys(CARRIED, "Established"), 60)
    for name, prefixes in CARRIED.items():
        for prefix in prefixes:
            wait(lambda n=name, p=prefix: f"AS{X}" in birdc(a, f"show route {p} protocol {n}"))  # type: ignore[misc]
    for family, prefix in (("ipv4", OURS4), ("ipv6", OURS6)):
        wait(lambda f=family, p=prefix: paths(x, f, p) == (3 if f == "ipv4" else 2))  # type: ignore[misc]

    assert faults(log.said()) == []

    # One session alone carries packets of both families as well as all three do.
    for alone in CARRIED:
        for name in CARRIED:
            birdc(a, f"{'enable' if name == alone else 'disable'} {name}")
        wait(lambda n=alone: protocols(a)[n] == "Established", 60)  # type: ignore[misc]
        wait(lambda: reached(a, "172.20.16.1", "172.20.8.1"))
        if X6 in CARRIED[alone]:
            wait(lambda: reached(a, "fd42:1::1", "fd42:8::1"))
    # FRR 8.4 may refuse what the first message of a session holds while it still closes the last one: seen once in a
    # dozen runs, and the session was there again.
    assert [said for said in faults(log.said()) if "<RMT>" not in said] == []


def paths(host: frr.Host, family: str, prefix: str) -> int:
    """Those that FRR has to it through our AS, with a next hop that it reaches."""
    found = frr.asked(host, f"show bgp {family} unicast {prefix}").get("paths", [])
    return len([one for one in found if one["aspath"]["string"] == str(ASN) and one.get("valid")])
