"""AS paths that only a neighbour by hand announces: with AS_SETs (RFC 9774), which BIRD refuses by itself from 2.18 on,
and with private ASNs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from live.compiled import compiled, install, script
from live.lab import Host, Lab
from live.routers import NETWORK, birdc, path, start_bird
from netc.lab.waiting import wait, within

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
X = 4242420001
ROUTES = {
    "172.20.1.0/24": f"{X} 4242420009",
    "172.20.2.0/24": f"{X} {{4242420008,4242420009}}",
    "172.20.3.0/24": f"{X} {{4242420009}}",
    "172.20.4.0/24": f"{X} {{4242420008}} 4242420009",
    "172.20.5.0/24": f"{{4242420008}} {X}",
    # The last ASN is that before the set, too.
    "172.20.6.0/24": f"{X} {{4242420009}} {X}",
    "172.20.7.0/24": f"{X} 4242420009 {{4242420007,4242420008}} 4242420009",
    "172.20.8.0/24": f"{X} 4242420009 {{4242420008}} 4242420009 4242420009",
    "172.20.9.0/24": f"{X} 4242420009 {{4242420008}} {X} 4242420009",
    "172.20.10.0/24": f"{X} 4242420009 {{4242420009,4242420008}} 4242420009 {{4242420009}} 4242420009",
    # Sets that say nothing which the path does not say without them.
    "172.20.11.0/24": f"{X} 4242420009 {{4242420009}} 4242420009",
    "172.20.12.0/24": f"{X} {X} 4242420009 4242420008 4242420009 4242420008",
    "172.20.20.0/24": f"{X}",
}


def speaks(host: Host, local: str, remote: str, asn: int, routes: dict[str, str]) -> None:
    said = [f"{prefix}={path}" for prefix, path in routes.items()]
    host.start([sys.executable, "-I", str(SPEAKER), local, remote, str(asn), *said])


def test_paths_with_as_sets_are_refused(lab: Lab, tmp_path: Path) -> None:
    a, x = install(lab, "a", compiled(TOPOLOGY, tmp_path)), lab.host("x")
    a.write("/etc/bird/roa4.conf", "")
    lab.wire(a, "eth0", x, "eth0", a_addresses=["198.51.100.1/24"], b_addresses=["198.51.100.2/24"])
    a.run(script("loopback", "up"))
    start_bird(a)
    speaks(x, "198.51.100.2", "198.51.100.1", X, ROUTES)

    assert within(60, lambda: path(a, "172.20.20.0/24"))  # it is the last that is announced
    known = [prefix for prefix in ROUTES if path(a, prefix) is not None and prefix != "172.20.11.0/24"]
    assert known == ["172.20.1.0/24", "172.20.12.0/24", "172.20.20.0/24"]


PRIVATE = """
version = 1
network.name = "lab"

[bgp]
asn = 213000
prefixes = "45.10.0.0/23"
profile = "internet"
roa_unknown = "accept"
roa = { ipv4 = "/etc/bird/roa4.conf" }

[hosts.a]
id = 1
wan = "eth0"
addresses = "46.0.0.1/24"
loopback = "45.10.0.1/32"

[hosts.a.bgp.peers.up]
asn = 3333
private_asns = [64515, 64516]
role = "upstream"
address = "46.0.0.2"

[hosts.a.bgp.peers.customer]
asn = 3340
private_asns = 64999
role = "downstream"
address = "46.0.0.3"
prefixes = "45.64.0.0/16"

[hosts.a.bgp.peers.server]
asn = 3335
private_asns = 64520
role = "route-server"
address = "46.0.0.4"
"""
SPEAKERS = {
    "up": (
        3333,
        {
            "45.20.1.0/24": "3333",
            "45.20.2.0/24": "3333 1111",
            "45.20.3.0/24": "3333 64515 1111 2222",
            "45.20.4.0/24": "3333 3333 64516 64515 1111",
            "45.20.5.0/24": "3333 64515",
            "45.20.6.0/24": "3333 1111 64515",  # behind a public ASN
            "45.20.7.0/24": "3333 64517 1111",  # not declared
            "45.20.8.0/24": "3333 64520 1111",  # another neighbour's
            "45.20.9.0/24": "3333 64515 213000",
            "45.20.99.0/24": "3333",
        },
        {1, 2, 3, 4, 5, 99},
    ),
    "customer": (
        3340,
        {
            "45.64.1.0/24": "3340",
            "45.64.2.0/24": "3340 64999",
            "45.64.3.0/24": "3340 64999",  # its ROA is of another AS
            "45.64.4.0/24": "3340 1111",  # the same
            "45.64.99.0/24": "3340",
        },
        {1, 2, 99},
    ),
    "server": (
        3335,
        {
            "45.30.1.0/24": "1111 2222",
            "45.30.2.0/24": "64520 2222",
            "45.30.3.0/24": "1111 64520",
            "45.30.99.0/24": "1111",
        },
        {1, 2, 99},
    ),
}


def test_private_asns_behind_a_public_neighbour(lab: Lab, tmp_path: Path) -> None:
    """Other ASes see the customer's public ASN as the origin of what comes from the private one behind it."""
    a, lan = install(lab, "a", compiled(PRIVATE, tmp_path)), lab.switch("lan")
    roas = (f"route 45.64.{n}.0/24 max 24 as {3340 if n < 3 else 9}; " for n in range(5))
    a.write("/etc/bird/roa4.conf", "".join(roas))
    lan.plug(a, "eth0", "46.0.0.1/24")
    a.run(script("loopback", "up"))
    start_bird(a)
    for last, (name, (asn, routes, _)) in enumerate(SPEAKERS.items(), 2):
        host = lab.host(name)
        lan.plug(host, "eth0", f"46.0.0.{last}/24")
        speaks(host, f"46.0.0.{last}", "46.0.0.1", asn, routes)

    for name, (_, routes, accepted) in SPEAKERS.items():
        wait(lambda last=list(routes)[-1]: path(a, last))  # type: ignore[misc]
        known = {int(prefix.split(".")[2]) for prefix in routes if path(a, prefix) is not None}
        assert known == accepted, name
    # Nobody else sees them.
    exported = birdc(a, "show route 45.20.3.0/24 export peer_customer all")
    assert "3333 1111 2222" in exported
    assert "64515" not in exported
