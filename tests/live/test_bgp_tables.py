"""Routes of BIRD's in a table of their own: what has an address of ours goes there, and the host itself does not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from live.compiled import compiled, down, give_key, install, met, parts, script
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.routers import faults, neighbour, path, reached, settled, start_bird
from live.state import FORWARDING, difference, without
from live.traffic import Capture, client, echo
from netc.lab.process import Process
from netc.lab.waiting import wait

pytestmark = pytest.mark.live

OURS4, OURS6 = "81.2.64.0/24", "2a01:1::/48"
MORE4, MORE6 = "45.0.9.0/24", "2a02:9::/48"
"""Behind the upstream."""

UPSTREAM = """
version = 1
network.name = "isp"

[bgp]
asn = 12654
internal = "mesh"
over = "none"
prefixes = ["81.2.64.0/24", "2a01:1::/48"]
profile = "internet"

[meshes.none]
hosts = ["r", "s"]
interfaces = "per-peer"

[hosts.r]
id = 1
wan = "eth0"
addresses = ["203.0.113.10/24", "2001:db8:113::10/64"]
loopback = ["81.2.64.1/32", "2a01:1::1/128"]
public_key = "jzLUcnSyF+m/0SmxFzSPRkMupuVoU8M/eio75uEt8DA="

[hosts.r.bgp]
table = "{table}"
prefixes = ["81.2.64.128/25", "2a01:1:0:1::/64"]

[hosts.r.tunnels.up]
kind = "vxlan"
remote = "45.0.2.9"
local = "203.0.113.10"
vni = 7
address = ["fe80::a/64"]

[hosts.r.bgp.peers.up]
asn = 3333
role = "upstream"
tunnel = "up"
address = "fe80::1"

[hosts.s]
id = 2
addresses = "198.51.100.2/24"
loopback = ["81.2.64.2/32", "2a01:1::2/128"]
public_key = "bAwt3waR+rTc8iNdsp0QN84AKOIgzUOCZkczFNuh2RY="
bgp = {{}}

[anycast.www]
addresses = ["81.2.64.80/32", "2a01:1::80/128"]
hosts = "r"
check = {{ command = "/bin/true" }}
drain = "0s"
"""
MADE = ["type", "vxlan", "id", "7", "dstport", "4789", "local", "45.0.2.9", "remote", "203.0.113.10"]
ELSEWHERE = ("9.9.9.9", "2620:fe::fe")
"""In nobody's table: the default route's alone."""

KNOWN = (FORWARDING, "/eth0/accept_ra = ")


class Isp:
    """A router r behind somebody's gateway, its upstream u, which is reached by that gateway and announces its own far
    end of the tunnel, and a customer c on a wire of r's, with an address of ours."""

    def __init__(self, lab: Lab, folder: Path, table: str = "own") -> None:
        self.r = install(lab, "r", compiled(UPSTREAM.format(table=table), folder))
        self.gateway = lab.host("gateway")
        forward(self.gateway)
        for address in ELSEWHERE:
            self.gateway.run(["ip", "address", "add", address, "dev", "lo"])
        self.u = neighbour(lab, "u", 3333, MORE4, MORE6, "route 45.0.2.0/24 unreachable; route 0.0.0.0/0 unreachable;")
        ends = ["203.0.113.10/24", "2001:db8:113::10/64"], ["203.0.113.1/24", "2001:db8:113::1/64"]
        lab.wire(self.r, "eth0", self.gateway, "r", a_addresses=ends[0], b_addresses=ends[1])
        lab.wire(self.u.host, "eth0", self.gateway, "u", a_addresses=["45.0.2.9/24"], b_addresses=["45.0.2.1/24"])
        self.r.run(["ip", "route", "add", "default", "via", "203.0.113.1"])
        self.r.run(["ip", "-6", "route", "add", "default", "via", "2001:db8:113::1"])
        self.u.host.run(["ip", "route", "add", "203.0.113.0/24", "via", "45.0.2.1"])
        self.u.host.run(["ip", "link", "add", "dev", "vx", *MADE])
        self.u.host.plugged("vx", ["fe80::1/64"])
        self.u.session("vx", "fe80::1", "fe80::a", 12654)
        self.c = lab.host("c")
        ends = ["81.2.64.129/25", "2a01:1:0:1::1/64"], ["81.2.64.130/25", "2a01:1:0:1::2/64"]
        lab.wire(self.r, "lan0", self.c, "eth0", a_addresses=ends[0], b_addresses=ends[1])
        self.c.run(["ip", "route", "add", "default", "via", "81.2.64.129"])
        self.c.run(["ip", "-6", "route", "add", "default", "via", "2a01:1:0:1::1"])

    def up(self) -> None:
        for part in parts(self.r):
            if part != "bird":
                self.r.run(script(part, "up"))
        self.log = start_bird(self.r)
        self.u.start()
        settled(self.u.host)
        wait(lambda: path(self.r, MORE4) and path(self.r, MORE6))


def forward(host: Host) -> None:
    host.run(["bash", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"])


def device_to(host: Host, address: str, *more: str) -> str:
    """By which a packet would leave; empty where it would not."""
    said = host.run(["ip", "route", "get", address, *more], check=False).stdout
    found = re.search(r" dev (\S+)", said)
    return found[1] if found else ""


def leaked(wire: Capture) -> list[str]:
    """What left with an address of ours, and not inside a tunnel."""
    return wire.packets(f"src net {OURS4} or (ip6 and src net {OURS6})")


def table(host: Host, number: str, family: str = "-4") -> list[str]:
    said = host.run(["ip", "-N", family, "route", "show", "table", number], check=False).stdout
    return [line for line in said.splitlines() if "proto 12 " in line]


def test_outer_packets_of_tunnels_do_not_follow_routes_of_bird(lab: Lab, tmp_path: Path) -> None:
    net = Isp(lab, tmp_path)
    r, u, c = net.r, net.u, net.c
    before = r.state()
    wire = Capture(net.gateway, "r")
    net.up()

    # A route to the far end of the tunnel, by the tunnel: the tunnel itself does not take it.
    wait(lambda: any(line.startswith("45.0.2.0/24") for line in table(r, "14000")))
    assert table(r, "main") == []
    assert table(r, "main", "-6") == []
    assert device_to(r, "45.0.2.9") == "eth0"
    assert device_to(r, "45.0.2.9", "from", "81.2.64.1") == "vx-up"
    assert "14000\tnetc-bird" in r.read("/etc/iproute2/rt_tables.d/netc.conf")

    # Both ways, for the router and for what is behind it, and to a service in a namespace, also from the host itself.
    for source, there in (("81.2.64.1", u.four), ("2a01:1::1", u.six)):
        wait(lambda s=source, t=there: reached(r, s, t))  # type: ignore[misc]
    for source, there in (("81.2.64.130", u.four), ("2a01:1:0:1::2", u.six)):
        wait(lambda s=source, t=there: reached(c, s, t))  # type: ignore[misc]
        assert reached(u.host, there, source)
    for number in ("4", "6"):
        r.run(["birdc", "-s", "/run/netc/bird.ctl", f"enable any_www{number}"])
    for source, there in ((u.four, "81.2.64.80"), (u.six, "2a01:1::80")):
        wait(lambda s=source, t=there: reached(u.host, s, t))  # type: ignore[misc]
    for service in ("81.2.64.80", "2a01:1::80"):
        wait(lambda service=service: r.run(["ping", "-c1", "-W1", service], check=False).returncode == 0)  # type: ignore[misc]

    # What nobody has told us of is reached by the host, and by no address of ours, whoever has it.
    for mine, theirs, there in zip(
        ("81.2.64.1", "2a01:1::1"), ("81.2.64.130", "2a01:1:0:1::2"), ELSEWHERE, strict=True
    ):
        assert r.run(["ping", "-c1", "-W1", there], check=False).returncode == 0
        assert not reached(r, mine, there)
        assert not reached(c, theirs, there)
        assert not reached(u.host, u.four if "." in there else u.six, there), "it is no exit for its upstream"

    # Nor when BIRD dies, is down, or has just begun.
    r.run(["bash", "-c", "kill -9 $(</run/netc/bird.pid)"])
    assert not reached(r, "81.2.64.1", ELSEWHERE[0])
    r.run(script("bird", "down"))
    assert not reached(r, "81.2.64.1", u.four)
    assert not reached(c, "2a01:1:0:1::2", u.six)
    assert reached(c, "81.2.64.130", "81.2.64.1"), "what main knows is still there"
    assert device_to(r, u.four) == "eth0"
    r.run(script("bird", "up"))
    wait(lambda: reached(c, "81.2.64.130", u.four))
    assert leaked(wire) == []
    assert faults(net.log.said()) == []

    down(r)
    left = without(r.state(), *KNOWN)
    assert difference(without(before, *KNOWN), left) == ""
    assert reached(c, "81.2.64.130", "9.9.9.9") or leaked(wire) != [], "nothing would be seen here anyway"


def test_with_routes_in_the_main_table_no_tunnel_routes_into_itself(lab: Lab, tmp_path: Path) -> None:
    """The upstream in the tunnel announces a prefix with the tunnel's endpoint."""
    net = Isp(lab, tmp_path, table="main")
    for part in parts(net.r):
        if part != "bird":
            net.r.run(script(part, "up"))
    net.log = start_bird(net.r)
    net.u.start()
    wait(lambda: device_to(net.r, "45.0.9.1") == "vx-up")
    assert device_to(net.r, "45.0.2.9") == "eth0"
    assert device_to(net.r, ELSEWHERE[0], "from", "81.2.64.1") == "eth0"


KEYS = {name: public_key(private_key(name)) for name in ("edge", "home")}
PRIVATE = f"""
version = 1
network.name = "private"

[bgp]
asn = 4242422547
internal = "mesh"
over = "way"
bfd = false
prefixes = ["10.20.0.0/16"]
profile = "private"

[hosts.edge]
id = 1
wan = "eth0"
addresses = "10.5.1.1/24"
loopback = "10.20.0.1/32"
public_key = "{KEYS["edge"]}"
endpoint = "10.5.1.1"
bgp.table = "own"

[hosts.home]
id = 2
wan = "eth0"
addresses = "10.5.2.1/24"
loopback = "10.20.0.2/32"
public_key = "{KEYS["home"]}"
endpoint = "10.5.2.1"
bgp.table = "own"
bgp.peers.x = {{ asn = 65100, role = "peer", interface = "ext0", local = "fe80::b", address = "fe80::1" }}

[links.way]
kind = "wireguard"
between = ["edge", "home"]
ends.edge.address = ["10.77.0.0/31", "fe80::1/64"]
ends.home.address = ["10.77.0.1/31", "fe80::2/64"]

[forwards.web]
at = "edge"
on = "10.5.1.1"
ports = "80/tcp"
to = "home"
via = "way"
"""
AT = {"edge": "10.5.1", "home": "10.5.2"}
VISITOR = "192.0.2.9"


def test_private_routes_do_not_capture_the_outer_packets_of_tunnels(lab: Lab, tmp_path: Path) -> None:
    trees = compiled(PRIVATE, tmp_path)
    world = lab.host("world")
    forward(world)
    for address in (VISITOR, "10.6.6.6"):
        world.run(["ip", "address", "add", address, "dev", "lo"])
    ours: dict[str, Host] = {}
    logs: list[Process] = []
    x = neighbour(lab, "x", 65100, "10.30.0.0/24", "fd30::/48", "route 10.5.0.0/16 unreachable;")
    for name, net in AT.items():
        host = ours[name] = install(lab, name, trees)
        give_key(host, "host", name)
        lab.wire(host, "eth0", world, name, a_addresses=[f"{net}.1/24"], b_addresses=[f"{net}.254/24"])
        host.run(["ip", "route", "add", "default", "via", f"{net}.254"])
    edge, home = ours["edge"], ours["home"]
    lab.wire(home, "ext0", x.host, "ext0", a_addresses=["fe80::b/64", "192.0.2.200/32"], b_addresses=["fe80::1/64"])
    x.session("ext0", "fe80::1", "fe80::b", 4242422547)
    for host in ours.values():
        for part in parts(host):
            if part != "bird":
                host.run(script(part, "up"))
        logs.append(start_bird(host))
    x.start()
    settled(edge, home, x.host)

    # The far end is in a range that comes by the tunnel, and in one that the neighbour announces.
    wait(lambda: path(edge, "10.5.0.0/16"))
    assert device_to(edge, "10.5.2.1") == "eth0"
    assert device_to(edge, "10.5.7.7") == "wg-home"
    assert device_to(edge, "10.5.7.7", "from", "10.5.1.1") == "eth0"
    wait(lambda: edge.run(["ping", "-c1", "-W1", x.four], check=False).returncode == 0)
    met(edge, "wg-home")

    # What the table does not know is main's, but for addresses of ours.
    assert edge.run(["ping", "-c1", "-W1", "10.6.6.6"], check=False).returncode == 0
    assert not reached(edge, "10.20.0.1", "10.6.6.6")
    assert not reached(edge, "10.20.0.1", VISITOR)

    # Visitors whom the edge passes on are answered, though the answers come in by a way of routers.
    echo(home, 80, "10.77.0.1")
    assert wait(lambda: client(world, "tcp", "10.5.1.1", 80, source=VISITOR)) == VISITOR
    assert [fault for log in logs for fault in faults(log.said())] == []


def touched(host: Host) -> bool:
    """A rule that is none of netc's comes and goes, for whoever listens."""
    for verb in ("add", "delete"):
        host.run(["ip", "rule", verb, "priority", "9", "from", "192.0.2.1", "lookup", "77"])
    return True


def test_a_reload_changes_rules_and_keeps_routes(lab: Lab, tmp_path: Path) -> None:
    trees = compiled(UPSTREAM.format(table="own"), tmp_path)
    r = lab.host("r", trees["r"])
    before = r.state()
    r.run(script("bird-table", "up"))
    once = r.state()

    changed = (
        UPSTREAM.format(table="own").replace("81.2.64.0/24", "81.2.64.0/23").replace('remote = "45', 'remote = "46')
    )
    r.lay(compiled(changed, tmp_path / "changed")["r"])
    heard = r.start(["ip", "-o", "monitor", "rule"])
    wait(lambda: touched(r) and "192.0.2.1" in heard.said())
    r.run(script("bird-table", "reload"))
    assert "81.2.64.0/23" in r.run(["ip", "rule"]).stdout
    assert "81.2.64.0/24" not in r.run(["ip", "rule"]).stdout
    assert "iif" not in heard.said(), "what did not change was touched"
    r.lay(trees["r"])
    r.run(script("bird-table", "reload"))
    assert difference(once, r.state()) == ""
    r.run(script("bird-table", "down"))
    assert difference(before, r.state()) == ""
