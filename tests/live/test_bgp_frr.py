"""Sessions with a neighbour over IPv4, over IPv6, and over fe80 addresses as in DN42, with routes both ways."""

from __future__ import annotations

from pathlib import Path

import pytest

from live.compiled import compiled, install
from live.frr import FarEnd, far_ends
from live.lab import Lab
from live.routers import (
    ASN,
    NETWORK,
    begin,
    birdc,
    faults,
    first,
    meet,
    peer,
    protocols,
    reached,
    router,
    settled,
)
from netc.lab.waiting import wait

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
CARRIED = {"peer_x": (X4, X6), "peer_four": (X4,), "peer_six": (X4, X6)}
"""Over IPv6 also IPv4 (RFC 8950)."""


@far_ends
def test_sessions_carry_routes_both_ways(lab: Lab, tmp_path: Path, far_end: FarEnd) -> None:
    text = NETWORK + router("a", 1) + peer("a", "x", X, "mutual-transit")
    text += GLOBAL.format(name="four", local="10.88.0.1", address="10.88.0.2")
    text += GLOBAL.format(name="six", local="fd88::1", address="fd88::2")
    a = install(lab, "a", compiled(text, tmp_path))
    x = far_end(lab, "x", X, X4, X6)
    lab.wire(a, "eth0", lab.host("world"), "eth0", a_addresses=["198.51.100.1/24"])
    meet(lab, a, x)
    ends = ["10.88.0.1/24", "fd88::1/64"], ["10.88.0.2/24", "fd88::2/64"]
    lab.wire(a, "ext1", x.host, "ext1", a_addresses=[*ends[0], "fe80::aa/64"], b_addresses=[*ends[1], "fe80::bb/64"])
    x.session("", "10.88.0.2", "10.88.0.1", ASN, families=(4,))
    x.session("", "fd88::2", "fd88::1", ASN)
    log = begin(a)["a"]
    x.start()
    settled(a)
    x.settled()
    for name, prefixes in CARRIED.items():
        for prefix in prefixes:
            wait(lambda n=name, p=prefix: f"AS{X}" in birdc(a, f"show route {p} protocol {n}"))  # type: ignore[misc]

    assert faults(log.said()) == []

    # One session alone carries packets of both families as well as all three do.
    for alone, prefixes in CARRIED.items():
        for name in CARRIED:
            birdc(a, f"{'enable' if name == alone else 'disable'} {name}")
        wait(lambda n=alone: protocols(a)[n] == "Established", 60)  # type: ignore[misc]
        for ours, theirs in ((OURS4, X4), (OURS6, X6)):
            if theirs in prefixes:
                wait(lambda net=ours: x.path(net) == str(ASN))  # type: ignore[misc]
                here, there = first(ours), first(theirs)
                wait(lambda here=here, there=there: reached(a, here, there))  # type: ignore[misc]
    # FRR 8.4 may refuse what the first message of a session holds while it still closes the last one: seen once in a
    # dozen runs, and the session was there again.
    assert [said for said in faults(log.said()) if "<RMT>" not in said] == []
