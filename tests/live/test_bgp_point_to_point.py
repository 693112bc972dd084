"""Point-to-point addresses, as DN42 has them: each end has one address, in no subnet with that of the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from live.compiled import compiled, give_key, install, script, up
from live.frr import FarEnd, far_ends
from live.keys import private_key, public_key
from live.routers import begin, faults, kernel_route, reached, settled
from netc.lab.waiting import wait

if TYPE_CHECKING:
    from pathlib import Path

    from live.lab import Lab

pytestmark = pytest.mark.live

OURS = """
version = 1
network.name = "ptp"

[bgp]
asn = 4242422547
prefixes = ["172.20.16.0/27", "fd42:1::/48"]
profile = "dn42"

[hosts.a]
id = 1
wan = "eth0"
addresses = "198.51.100.1/24"
loopback = ["172.20.16.1/32", "fd42:1::1/128"]
firewall = {{}}

[hosts.a.tunnels.x]
kind = "wireguard"
address = ["172.20.16.1/32", "fd42:1::1/128"]
peer_address = ["172.22.119.1", "fd22:119::1"]
port = 20207
peer = {{ public_key = "{x}", endpoint = "198.51.100.2:20100", allowed_ips = ["0.0.0.0/0", "::/0"] }}

[hosts.a.bgp.peers.x4]
asn = 4242420207
role = "upstream"
address = "172.22.119.1"
tunnel = "x"

[hosts.a.bgp.peers.x6]
asn = 4242420207
role = "upstream"
address = "fd22:119::1"
tunnel = "x"
"""
THEIRS = """
version = 1
network.name = "theirs"

[hosts.x]
id = 2
addresses = "198.51.100.2/24"
firewall.allow = {{ ports = "179/tcp" }}

[hosts.x.tunnels.a]
kind = "wireguard"
address = ["172.22.119.1/32", "fd22:119::1/128"]
peer_address = ["172.20.16.1", "fd42:1::1"]
port = 20100
peer = {{ public_key = "{a}", endpoint = "198.51.100.1:20207", allowed_ips = ["0.0.0.0/0", "::/0"] }}
"""


@far_ends
def test_a_neighbour_at_the_far_end_of_a_point_to_point_tunnel(lab: Lab, tmp_path: Path, far_end: FarEnd) -> None:
    """Our own end has the loopback address, which is usual there."""
    keys = {name: public_key(private_key(name)) for name in "ax"}
    a = install(lab, "a", compiled(OURS.format(**keys), tmp_path))
    give_key(a, "x", "a")
    x = far_end(lab, "x", 4242420207, "172.22.120.0/27", "fd22:120::/48")
    x.host.lay(compiled(THEIRS.format(**keys), tmp_path / "theirs")["x"])
    give_key(x.host, "a", "x")
    lab.wire(a, "eth0", x.host, "eth0", a_addresses=["198.51.100.1/24"], b_addresses=["198.51.100.2/24"])
    log = begin(a)["a"]
    up(x.host)
    for family, far, near in ((4, "172.22.119.1", "172.20.16.1"), (6, "fd22:119::1", "fd42:1::1")):
        x.session("", far, near, 4242422547, more="direct;", families=(family,))
    x.start()
    settled(a)
    x.settled()
    for net, hop in (("172.22.120.0/27", "172.22.119.1"), ("fd22:120::/48", "fd22:119::1")):
        wait(lambda net=net: kernel_route(a, net).get("dev") == "wg-x")  # type: ignore[misc]
        assert kernel_route(a, net)["gateway"] == hop
    for net in ("172.20.16.0/27", "fd42:1::/48"):
        wait(lambda net=net: x.path(net) == "4242422547")  # type: ignore[misc]
    assert reached(a, "172.20.16.1", x.four)
    assert reached(a, "fd42:1::1", x.six)
    assert faults(log.said()) == []

    said = a.run(script("tunnel-x", "check"))
    assert said.stdout == ""
    a.run(["ip", "address", "del", "172.20.16.1", "peer", "172.22.119.1/32", "dev", "wg-x"])
    assert "172.20.16.1 peer 172.22.119.1/32" in a.run(script("tunnel-x", "check"), check=False).stdout
    for part in ("bird", "tunnel-x"):
        a.run(script(part, "down"))
    assert "172.20.16.1 peer" not in a.run(["ip", "address", "show"]).stdout
    assert a.run(["ip", "-6", "route", "show", "fd22:119::1"]).stdout == ""
