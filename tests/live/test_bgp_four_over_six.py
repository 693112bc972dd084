"""IPv4 between our routers over links that have fe80 addresses alone: its routes have IPv6 next hops (RFC 8950)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from live.compiled import compiled, give_key, install
from live.frr import FarEnd, far_ends
from live.keys import private_key, public_key
from live.routers import attributes, begin, birdc, faults, kernel_route, meet, peer, reached, settled
from netc.lab.waiting import wait

if TYPE_CHECKING:
    from pathlib import Path

    from live.lab import Lab

pytestmark = pytest.mark.live

NETWORK = """
version = 1
network.name = "lab"

[bgp]
asn = 4242422547
prefixes = ["172.20.16.0/27", "fd42:1::/48"]
profile = "dn42"
{form}

[igp]
kind = "{igp}"
over = "core"

[meshes.core]
hosts = "all"
interfaces = "per-peer"
"""
HOST = """
[hosts.{name}]
id = {id}
wan = "eth0"
addresses = "198.51.100.{id}/24"
loopback = ["172.20.16.{id}/32", "fd42:1::{id}/128"]
public_key = "{key}"
firewall = {{}}
[hosts.{name}.bgp]
"""
NAMES = "abc"
MESH, REFLECTORS = 'internal = "mesh"', 'internal = "reflectors"\nreflectors = "b"'
CONFEDERATION = 'internal = "confederation"\nnext_hop = "recursive"\nmembers.base = 4225470000'
FAR4, FAR6, NEAR4, NEAR6 = "172.20.8.0/24", "fd00:8::/48", "172.20.9.0/24", "fd00:9::/48"


@pytest.mark.parametrize(
    ("form", "igp"),
    [(MESH, "ospf"), (REFLECTORS, "ospf"), (CONFEDERATION, "ospf"), (MESH, "babel")],
    ids=["mesh", "reflectors", "confederation", "babel"],
)
@far_ends
def test_a_per_peer_mesh_carries_ipv4_without_ipv4_addresses(
    lab: Lab, tmp_path: Path, form: str, igp: str, far_end: FarEnd
) -> None:
    text = NETWORK.format(form=form, igp=igp)
    for id, name in enumerate(NAMES, 1):
        text += HOST.format(name=name, id=id, key=public_key(private_key(name)))
    text += peer("a", "far", 4242420008, "peer") + peer(
        "c", "near", 4242420009, "downstream", f'prefixes = ["{NEAR4}", "{NEAR6}"]'
    )
    trees = compiled(text, tmp_path)
    a, b, c = (install(lab, name, trees) for name in NAMES)
    world = lab.switch("world")
    for id, host in enumerate((a, b, c), 1):
        give_key(host, "host", host.name)
        world.plug(host, "eth0", f"198.51.100.{id}/24")
    far = far_end(lab, "far", 4242420008, FAR4, FAR6)
    near = far_end(lab, "near", 4242420009, NEAR4, NEAR6)
    meet(lab, a, far)
    meet(lab, c, near)
    logs = begin(a, b, c)
    far.start()
    near.start()
    settled(a, b, c)
    for outside in (far, near):
        outside.settled()

    wait(lambda: near.path(FAR4) and far.path(NEAR4))
    assert attributes(c, FAR4)["next_hop"] == "fd42:1::1"
    for prefix in (FAR4, FAR6):
        wait(lambda prefix=prefix: kernel_route(c, prefix).get("dev") == "core-a")  # type: ignore[misc]
    assert kernel_route(c, FAR4)["prefsrc"] == "172.20.16.3"
    assert "via" in kernel_route(c, FAR4), "an IPv6 next hop"
    for source, there in ((near.four, far.four), (near.six, far.six)):
        wait(lambda source=source, there=there: reached(near.host, source, there))  # type: ignore[misc]
    # Our routers reach each other's IPv4 addresses, which the IGP does not have.
    for host, id in ((a, 1), (b, 2), (c, 3)):
        for other in {1, 2, 3} - {id}:
            wait(lambda h=host, i=id, o=other: reached(h, f"172.20.16.{i}", f"172.20.16.{o}"))  # type: ignore[misc]
    assert "172.20.16." not in birdc(c, "show route protocol ospf4")

    # A dead link: both families go around it.
    a.run(["nft", "insert", "rule", "inet", "netc", "input", "ip", "saddr", "198.51.100.3", "drop"])
    for prefix in (FAR4, FAR6):
        wait(lambda prefix=prefix: kernel_route(c, prefix).get("dev") == "core-b")  # type: ignore[misc]
    wait(lambda: reached(near.host, near.four, far.four))
    assert faults("".join(log.said() for log in logs.values())) == []
