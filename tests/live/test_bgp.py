"""Routing by BGP: what is ours is told outside under our one number, and packets go the shortest way inside."""

from __future__ import annotations

from pathlib import Path

import pytest

from live.compiled import compiled, install, parts, script
from live.lab import Host, Lab
from live.process import Process
from live.routers import Neighbour, faults, neighbour, path, settled, start_bird, wait

pytestmark = pytest.mark.live

ASN = 4242422547
MODES = {
    "med": 'internal = "confederation"\nnext_hop = "med"\nmembers.base = 4225470000',
}
TOPOLOGY = """
version = 1
network.name = "lab"

[bgp]
asn = 4242422547
over = ["ab", "bc", "ca"]
prefixes = ["172.20.0.0/27", "fd42:1::/48"]
profile = "dn42"
{mode}
{hosts}
[hosts.a.bgp.peers.x]
asn = 4242420001
role = "downstream"
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
bgp = {{}}
"""
LINK = """
[links.{one}{other}]
kind = "vxlan"
between = ["{one}", "{other}"]
"""


def topology(mode: str) -> str:
    hosts = "".join(HOST.format(name=name, id=id) for id, name in enumerate("abc", 1))
    hosts = hosts.replace("bgp = {}", "[hosts.{}.bgp]")
    for name in "abc":
        hosts = hosts.replace("[hosts.{}.bgp]", f"[hosts.{name}.bgp]", 1)
    links = "".join(LINK.format(one=pair[0], other=pair[1]) for pair in ("ab", "bc", "ca"))
    return TOPOLOGY.format(mode=MODES[mode], hosts=hosts) + links


class Net:
    """Three routers in a ring, and a neighbour at each of two."""

    def __init__(self, lab: Lab, folder: Path, mode: str) -> None:
        trees = compiled(topology(mode), folder)
        world = lab.switch("world")
        self.ours: dict[str, Host] = {}
        for id, name in enumerate("abc", 1):
            self.ours[name] = install(lab, name, trees)
            world.plug(self.ours[name], "eth0", f"198.51.100.{id}/24")
        self.x = neighbour(lab, "x", 4242420001, "172.20.8.0/24", "fd42:8::/48")
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

    def neighbours(self) -> tuple[Neighbour, ...]:
        return self.x, self.e


def reached(host: Host, source: str, address: str) -> bool:
    return host.run(["ping", "-c", "1", "-W", "2", "-I", source, address], check=False).returncode == 0


@pytest.mark.parametrize("mode", MODES)
def test_outside_sees_one_as_and_packets_go_through(lab: Lab, tmp_path: Path, mode: str) -> None:
    net = Net(lab, tmp_path, mode)
    x, e = net.x, net.e

    for far, own in (("172.20.0.0/27", "172.20.0.3"), ("fd42:1::/48", "fd42:1::3")):
        wait(lambda far=far: path(x.host, far) == str(ASN))  # type: ignore[misc]
        assert wait(lambda far=far: path(e.host, far)) == str(ASN)  # type: ignore[misc]
        assert reached(x.host, x.four if "." in own else x.six, own)
    for prefix, there in (("172.20.8.0/24", x.four), ("fd42:8::/48", x.six)):
        assert wait(lambda prefix=prefix: path(e.host, prefix)) == f"{ASN} {x.asn}"  # type: ignore[misc]
        assert reached(e.host, e.four if "." in there else e.six, there)
    for log in (*net.logs.values(), x.process, e.process):
        assert log is not None
        assert faults(log.said()) == []
