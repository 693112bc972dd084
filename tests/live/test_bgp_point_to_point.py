"""Point-to-point addresses, as DN42 has them: each end has one address, in no subnet with that of the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from live.compiled import compiled, give_key, install, script, up
from live.frr import FarEnd, far_ends
from live.keys import private_key, public_key
from live.routers import Neighbour, begin, birdc, faults, kernel_route, neighbour, path, reached, settled
from netc.lab.waiting import wait

if TYPE_CHECKING:
    from pathlib import Path

    from live.lab import Lab, Switch

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


TWO = """
version = 1
network.name = "two"

[bgp]
asn = 4242422547
prefixes = ["10.20.16.0/27", "fd42:1::/48"]
profile = "private"

[hosts.a]
id = 1
wan = "eth0"
addresses = "198.51.100.1/24"
loopback = ["10.20.16.1/32", "fd42:1::1/128"]
firewall = {}

[hosts.a.bgp]
table = "TABLE"
"""
WAY = """
[hosts.a.tunnels.{name}]
kind = "vxlan"
vni = {number}
remote = "198.51.100.{number}"
address = ["10.20.16.1/32", "fd42:1::1/128"]
peer_address = ["10.127.{number}.1", "fd00:{number}::1"]

[hosts.a.bgp.peers.{name}4]
asn = 424242020{number}
role = "peer"
address = "10.127.{number}.1"
tunnel = "{name}"

[hosts.a.bgp.peers.{name}6]
asn = 424242020{number}
role = "peer"
address = "fd00:{number}::1"
tunnel = "{name}"
"""


@pytest.mark.parametrize("table", ["own", "main"])
def test_a_neighbour_does_not_announce_the_address_of_another(lab: Lab, tmp_path: Path, table: str) -> None:
    text = TWO.replace("TABLE", table) + "".join(WAY.format(name=name, number=n) for n, name in ((2, "x"), (3, "y")))
    a, wire = install(lab, "a", compiled(text, tmp_path)), lab.switch("wire")
    wire.plug(a, "eth0", "198.51.100.1/24")
    x, y = (_far(wire, lab, name, number) for number, name in ((2, "x"), (3, "y")))
    log = begin(a)["a"]
    x.start()
    y.start()
    settled(a)
    for net in ("10.64.3.0/24", "fd64:3::/48", "10.127.0.0/16", "fd00:2::/48"):
        wait(lambda net=net: path(a, net) == "4242420203")  # type: ignore[misc]
    for net in ("10.127.2.1/32", "fd00:2::1/128"):
        assert f"{net} " in birdc(a, "show route filtered"), net
        assert net not in birdc(a, "show route")
        # A route around it is somebody's business, and the kernel's own route to the address is longer.
        assert kernel_route(a, net.partition("/")[0])["dev"] == "vx-x"
    for source, there in (("10.20.16.1", x.four), ("fd42:1::1", x.six)):
        wait(lambda source=source, there=there: reached(a, source, there))  # type: ignore[misc]
    assert faults(log.said()) == []


def _far(wire: Switch, lab: Lab, name: str, number: int) -> Neighbour:
    four = "route 10.127.2.1/32 unreachable; route 10.127.0.0/16 unreachable;"
    six = "route fd00:2::1/128 unreachable; route fd00:2::/48 unreachable;"
    more = (four, six) if name == "y" else ("", "")
    far = neighbour(lab, name, 4242420200 + number, f"10.64.{number}.0/24", f"fd64:{number}::/48", *more)
    wire.plug(far.host, "eth0", f"198.51.100.{number}/24")
    way = ["type", "vxlan", "id", str(number), "dstport", "4789", "local", f"198.51.100.{number}"]
    far.host.run(["ip", "link", "add", "g", *way, "remote", "198.51.100.1"])
    for family, near, own in ((4, "10.20.16.1", f"10.127.{number}.1"), (6, "fd42:1::1", f"fd00:{number}::1")):
        far.host.run(["ip", "address", "add", own, "peer", near, "dev", "g"])
        far.session("g", own, near, 4242422547, more="direct;", families=(family,))
    far.host.run(["ip", "link", "set", "g", "up"])
    return far
