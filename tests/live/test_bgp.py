"""Routing by BGP inside one AS, in every form that it can have: the matrix of what has to hold in each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from live.compiled import compiled, install, netfilter, parts, script
from live.lab import Host, Lab
from live.process import Process
from live.routers import attributes, birdc, faults, neighbour, path, settled, start_bird, wait

pytestmark = pytest.mark.live

ASN = 4242422547
MEMBERS = "members.base = 4225470000\n"
OVER = 'over = ["ab", "bc", "ca", "bd"]\n'
OSPF = '\n[igp]\nkind = "ospf"\nover = ["ab", "bc", "ca", "bd"]\n'
BABEL = OSPF.replace("ospf", "babel")
MODES = {
    "med": 'internal = "confederation"\nnext_hop = "med"\n' + MEMBERS + OVER,
    "recursive": 'internal = "confederation"\nnext_hop = "recursive"\n' + MEMBERS + OSPF,
    "babel": 'internal = "confederation"\nnext_hop = "recursive"\n' + MEMBERS + BABEL,
    "fake": 'internal = "fake-confederation"\n' + MEMBERS + OVER,
    "mesh": 'internal = "mesh"\n' + OSPF,
    "reflectors": 'internal = "reflectors"\nreflectors = "c"\n' + OSPF,
}
TOPOLOGY = """
version = 1
network.name = "lab"

[bgp]
asn = 4242422547
prefixes = ["172.20.0.0/27", "fd42:1::/48"]
profile = "dn42"
{mode}
[hosts.a.bgp.peers.x]
asn = 4242420001
role = "downstream"
prefixes = ["172.20.8.0/24", "172.20.7.0/24", "fd42:8::/48"]
interface = "ext0"
local = "fe80::a"
address = "fe80::1"

[hosts.b.bgp.peers.e]
asn = 4242420002
role = "peer"
interface = "ext0"
local = "fe80::b"
address = "fe80::1"
"""
HOST = """
[hosts.{name}]
id = {id}
wan = "eth0"
addresses = "198.51.100.{id}/24"
loopback = ["172.20.0.{id}/32", "fd42:1::{id}/128"]
firewall = {{}}
[hosts.{name}.bgp]
{member}
{here}
"""
LINK = """
[links.{one}{other}]
kind = "vxlan"
between = ["{one}", "{other}"]
"""
ADDRESSES = """
ends.{one}.address = "10.99.{n}.0/31"
ends.{other}.address = "10.99.{n}.1/31"
"""
IDS = {"c": 1, "a": 2, "b": 3, "d": 4}
"""C has the lowest router id, so it wins every tie: a detour that only a measure of ways can beat."""

PART = "172.20.0.16/29"
"""Of what is ours, at d."""

LINKS = ("ab", "bc", "ca", "bd")


def topology(mode: str) -> str:
    confederation = "members" in MODES[mode]
    text = TOPOLOGY.format(mode=MODES[mode])
    for name, id in IDS.items():
        member = "member = 4225470003" if name == "d" and confederation else ""
        here = f'prefixes = "{PART}"' if name == "d" else ""
        text += HOST.format(name=name, id=id, member=member, here=here)
    for n, pair in enumerate(LINKS):
        text += LINK.format(one=pair[0], other=pair[1])
        if "[igp]" in MODES[mode]:  # OSPFv2 and IPv4 by Babel need addresses; all else lives on fe80 alone
            text += ADDRESSES.format(one=pair[0], other=pair[1], n=n)
    return text


class Net:
    """Three routers in a ring, a fourth behind b (and its fellow member), and a neighbour at each of two."""

    def __init__(self, lab: Lab, folder: Path, mode: str) -> None:
        trees = compiled(topology(mode), folder)
        world = lab.switch("world")
        self.ours: dict[str, Host] = {}
        for name, id in IDS.items():
            self.ours[name] = install(lab, name, trees)
            world.plug(self.ours[name], "eth0", f"198.51.100.{id}/24")
        secret = "route 172.20.7.0/24 unreachable { bgp_community.add((65535, 65281)); };"
        self.x = neighbour(lab, "x", 4242420001, "172.20.8.0/24", "fd42:8::/48", secret)
        self.e = neighbour(lab, "e", 4242420002, "172.20.9.0/24", "fd42:9::/48")
        for near, far, own in (("a", self.x, "fe80::a"), ("b", self.e, "fe80::b")):
            lab.wire(self.ours[near], "ext0", far.host, "ext0", a_addresses=[f"{own}/64"], b_addresses=["fe80::1/64"])
            far.session("ext0", "fe80::1", own, ASN)
        self.logs: dict[str, Process] = {}
        for name, host in self.ours.items():
            for part in parts(host):
                if part != "bird":
                    host.run(script(part, "up"))
            self.logs[name] = start_bird(host)
        for far in (self.x, self.e):
            far.start()
        settled(*self.ours.values(), self.x.host, self.e.host)


def reached(host: Host, source: str, address: str) -> bool:
    return host.run(["ping", "-c", "1", "-W", "2", "-I", source, address], check=False).returncode == 0


def leaves_by(host: Host, prefix: str) -> str | None:
    """The device of the kernel's route."""
    family = "-6" if ":" in prefix else "-4"
    found = json.loads(host.run(["ip", family, "-json", "route", "show", prefix]).stdout or "[]")
    return found[0].get("dev") if found else None


def has_route(host: Host, prefix: str) -> bool:
    return path(host, prefix) is not None or leaves_by(host, prefix) is not None


CUT = """
table inet cut {
    chain in { type filter hook prerouting priority -300; iifname "vx-b" drop; }
    chain out { type filter hook postrouting priority 300; oifname "vx-b" drop; }
}
"""
UNHEARD = "Socket error"
"""What BIRD says of packets into a way that was cut."""

X4, X6, QUIET = "172.20.8.0/24", "fd42:8::/48", "172.20.7.0/24"


@pytest.mark.parametrize("mode", MODES)
def test_one_as_outside_and_the_shortest_way_inside(lab: Lab, tmp_path: Path, mode: str) -> None:
    """In one of the forms the routers' firewalls are iptables'."""
    netfilter.set("iptables" if mode == "mesh" else "nftables")
    net = Net(lab, tmp_path, mode)
    x, e, ours = net.x, net.e, net.ours

    # Outside there is one AS, and packets of both families go through it and to each of its hosts.
    for prefix, there in ((X4, x.four), (X6, x.six)):
        assert wait(lambda prefix=prefix: path(e.host, prefix)) == f"{ASN} {x.asn}"  # type: ignore[misc]
        wait(lambda there=there: reached(e.host, e.four if "." in there else e.six, there))  # type: ignore[misc]
    for own in ("172.20.0.0/27", "fd42:1::/48"):
        assert path(x.host, own) == str(ASN)
        assert path(e.host, own) == str(ASN)
    for id in IDS.values():
        wait(lambda id=id: reached(x.host, x.four, f"172.20.0.{id}"))  # type: ignore[misc]
        assert reached(e.host, e.six, f"fd42:1::{id}")
    ours["d"].run(["ip", "address", "add", "172.20.0.17/29", "dev", "lo"])
    wait(lambda: reached(x.host, x.four, "172.20.0.17"))
    for outside in (x.host, e.host):
        assert PART not in birdc(outside, "show route")
    assert "422547000" not in birdc(x.host, "show route all") + birdc(e.host, "show route all")

    # Inside the shortest way wins, and what the edge said of a route is known everywhere.
    for prefix in (X4, X6):
        wait(lambda prefix=prefix: leaves_by(ours["b"], prefix) == "vx-a")  # type: ignore[misc]
        wait(lambda prefix=prefix: leaves_by(ours["d"], prefix) == "vx-b")  # type: ignore[misc]
        wait(lambda prefix=prefix: leaves_by(ours["c"], prefix) == "vx-a")  # type: ignore[misc]
    for name in ours:
        seen = wait(lambda name=name: attributes(ours[name], QUIET))  # type: ignore[misc]
        assert seen["local_pref"] == "300"
        assert "(65535,65281)" in seen["community"]
    if mode in ("med", "fake"):
        wait(lambda: attributes(ours["b"], X4).get("med") == "10")
        wait(lambda: attributes(ours["d"], X4).get("med") == "20")
    assert path(e.host, QUIET) is None  # NO_EXPORT

    # A way that is cut is left, and used again when it is whole.
    assert [fault for log in net.logs.values() for fault in faults(log.said())] == []
    ours["a"].run(["nft", "-f", "-"], input=CUT)
    wait(lambda: leaves_by(ours["b"], X4) == "vx-c", 10)
    wait(lambda: reached(e.host, e.four, x.four), 10)
    ours["a"].run(["nft", "delete", "table", "inet", "cut"])
    wait(lambda: leaves_by(ours["b"], X4) == "vx-a")
    wait(lambda: reached(e.host, e.six, x.six))

    # Whoever is gone is gone everywhere.
    x.stop()
    for host in (*ours.values(), e.host):
        for prefix in (X4, X6, QUIET):
            wait(lambda host=host, prefix=prefix: not has_route(host, prefix), 10)  # type: ignore[misc]
    for log in (*net.logs.values(), x.process, e.process):
        assert log is not None
        assert [fault for fault in faults(log.said()) if UNHEARD not in fault] == []
