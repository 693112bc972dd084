"""A collector is told of all ways to a prefix, one that cannot take them of the best; nothing is learned from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from live.compiled import compiled, install, parts, script
from live.frr import FarEnd, far_ends
from live.lab import Lab
from live.routers import Neighbour, faults, path, start_bird
from netc.lab.waiting import wait

pytestmark = pytest.mark.live

ASN = 4242422547
SHARED = "172.20.7.0/24"
PEER = """
[hosts.a.bgp.peers.{name}]
asn = {asn}
role = "{role}"
interface = "{name}"
local = "fe80::a"
address = "fe80::1"
"""
TOPOLOGY = f"""
version = 1
network.name = "lab"

[bgp]
asn = {ASN}
internal = "mesh"
prefixes = ["172.20.0.0/27", "fd42:1::/48"]
profile = "dn42"
over = "none"

[meshes.none]
hosts = ["a", "b"]
interfaces = "per-peer"

[hosts.a]
id = 1
public_key = "jzLUcnSyF+m/0SmxFzSPRkMupuVoU8M/eio75uEt8DA="
addresses = "198.51.100.1/24"
loopback = ["172.20.0.1/32", "fd42:1::1/128"]
bgp = {{}}

[hosts.b]
id = 2
public_key = "bAwt3waR+rTc8iNdsp0QN84AKOIgzUOCZkczFNuh2RY="
addresses = "198.51.100.2/24"
loopback = ["172.20.0.2/32", "fd42:1::2/128"]
bgp = {{}}
"""
ROLES = {"x": "peer", "y": "peer", "new": "collector", "old": "collector"}


@far_ends
def test_a_collector_gets_all_paths_or_the_best_one(lab: Lab, tmp_path: Path, far_end: FarEnd) -> None:
    peers = {
        name: PEER.format(name=name, asn=4242420001 + n, role=role) for n, (name, role) in enumerate(ROLES.items())
    }
    text = TOPOLOGY.replace("\nbgp = {}\n\n[hosts.b]", "\n" + "".join(peers.values()) + "\n[hosts.b]")
    a = install(lab, "a", compiled(text, tmp_path))
    far: dict[str, Neighbour] = {}
    for n, (name, role) in enumerate(ROLES.items()):
        same = f"route {SHARED} unreachable;" if role == "peer" else ""
        one = far[name] = far_end(lab, name, 4242420001 + n, f"172.20.{n + 20}.0/24", f"fd42:{n + 20}::/48", same)
        lab.wire(a, name, one.host, "e0", a_addresses=["fe80::a/64"], b_addresses=["fe80::1/64"])
        one.session("e0", "fe80::1", "fe80::a", ASN, channel="add paths rx;" if name == "new" else "")
    for part in parts(a):
        if not part.startswith(("bird", "mesh")):
            a.run(script(part, "up"))
    log = start_bird(a)
    for one in far.values():
        one.start()
    for one in far.values():
        one.settled()

    wait(lambda: len(far["new"].paths(SHARED)) == 2)
    wait(lambda: len(far["old"].paths(SHARED)) == 1)
    assert far["x"].path("172.20.21.0/24") is None, "what one peer says is not told to another"
    assert path(a, "172.20.22.0/24") is None
    assert faults(log.said()) == []
