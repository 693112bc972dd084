"""Paths with AS_SETs (RFC 9774): BIRD refuses them from 2.18 on, and netc's filter on every BIRD."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from live.compiled import compiled, install, script
from live.lab import Lab
from live.routers import NETWORK, path, start_bird
from netc.lab.waiting import within

pytestmark = pytest.mark.live

SPEAKER = Path(__file__).with_name("speaker.py")
TOPOLOGY = (
    NETWORK
    + """
internal = "mesh"
roa_unknown = "accept"
roa = { ipv4 = "/etc/bird/roa4.conf" }

[hosts.a]
id = 1
wan = "eth0"
addresses = "198.51.100.1/24"
loopback = ["172.20.16.1/32", "fd42:1::1/128"]

[hosts.a.bgp.peers.x]
asn = 4242420001
role = "peer"
address = "198.51.100.2"
"""
)
ROUTES = {
    "172.20.1.0/24": "4242420001 4242420009",
    "172.20.2.0/24": "4242420001 {4242420008,4242420009}",
    "172.20.3.0/24": "4242420001 {4242420009}",
    "172.20.4.0/24": "4242420001 {4242420008} 4242420009",
    "172.20.5.0/24": "4242420001",
}


def test_paths_with_as_sets_are_refused(lab: Lab, tmp_path: Path) -> None:
    a, x = install(lab, "a", compiled(TOPOLOGY, tmp_path)), lab.host("x")
    a.write("/etc/bird/roa4.conf", "")
    lab.wire(a, "eth0", x, "eth0", a_addresses=["198.51.100.1/24"], b_addresses=["198.51.100.2/24"])
    a.run(script("loopback", "up"))
    start_bird(a)
    routes = [f"{prefix}={said}" for prefix, said in ROUTES.items()]
    x.start([sys.executable, "-I", str(SPEAKER), "198.51.100.2", "198.51.100.1", "4242420001", *routes])

    assert within(60, lambda: path(a, "172.20.5.0/24"))  # it is the last that is announced
    assert [prefix for prefix in ROUTES if path(a, prefix) is not None] == ["172.20.1.0/24", "172.20.5.0/24"]
