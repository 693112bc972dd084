"""Nothing that one peer or upstream says reaches another, by whichever router, and nobody speaks in our name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from live.compiled import compiled, install, parts, script
from live.lab import Host, Lab
from live.routers import Neighbour, birdc, faults, neighbour, settled, start_bird, wait

pytestmark = pytest.mark.live

ASN = 4242422547
ROLES = ("upstream", "peer", "downstream", "route-server", "collector")
TOPOLOGY = """
version = 1
network.name = "lab"

[bgp]
asn = 4242422547
internal = "fake-confederation"
members.base = 4225470000
over = "ab"
prefixes = ["172.20.0.0/27", "fd42:1::/48"]
profile = "dn42"

[links.ab]
kind = "vxlan"
between = ["a", "b"]
"""
HOST = """
[hosts.{name}]
id = {id}
addresses = "198.51.100.{id}/24"
loopback = ["172.20.0.{id}/32", "fd42:1::{id}/128"]
[hosts.{name}.bgp]
"""
PEER = """
[hosts.{host}.bgp.peers.{role}]
asn = {asn}
role = "{role}"
interface = "ext{n}"
address = "fe80::1"
local = "fe80::ff"
{more}
"""
EVIL = """
route 172.20.0.0/28 unreachable;
route 172.20.0.1/32 unreachable;
route 0.0.0.0/0 unreachable;
route 192.0.2.0/24 unreachable;
route 172.20.128.0/17 unreachable;
route 172.20.200.0/24 unreachable { bgp_path.prepend(4225470002); };
route 172.20.201.0/24 unreachable { bgp_path.prepend(4242422547); };
route 172.20.202.0/24 unreachable { bgp_path.prepend(4294967295); };
route 172.20.203.0/24 unreachable { bgp_large_community.add((4242422547, 1, 3)); };
route 172.20.204.0/24 unreachable { bgp_community.add((65535, 0)); };
"""
"""Of a peer: our own, all, nobody's, too large, paths through ourselves and through nobody, a forged class; and one
that is fine and goes away soon."""

FORGED, LEAVING = "172.20.203.0/24", "172.20.204.0/24"
OWN = {"172.20.0.0/27", "fd42:1::/48"}


class Net:
    def __init__(self, lab: Lab, folder: Path) -> None:
        self.around: dict[tuple[str, str], Neighbour] = {}
        self.prefixes: dict[tuple[str, str], set[str]] = {}
        text = TOPOLOGY
        for id, name in enumerate("ab", 1):
            text += HOST.format(name=name, id=id)
            for n, role in enumerate(ROLES):
                number = id * 10 + n
                four, six = f"172.20.{number}.0/24", f"fd42:{number}::/48"
                more = f'prefixes = ["{four}", "{six}"]' if role == "downstream" else ""
                text += PEER.format(host=name, role=role, asn=4242420000 + number, n=n, more=more)
                evil = EVIL if (name, role) == ("a", "peer") else ""
                self.around[name, role] = neighbour(lab, f"{name}{n}", 4242420000 + number, four, six, evil)
                self.prefixes[name, role] = {four, six}
        trees = compiled(text, folder)
        self.ours = {name: install(lab, name, trees) for name in "ab"}
        ends = [["198.51.100.1/24"], ["198.51.100.2/24"]]
        lab.wire(self.ours["a"], "eth0", self.ours["b"], "eth0", a_addresses=ends[0], b_addresses=ends[1])
        for (near, role), far in self.around.items():
            n = ROLES.index(role)
            addresses = {"a_addresses": ["fe80::ff/64"], "b_addresses": ["fe80::1/64"]}
            lab.wire(self.ours[near], f"ext{n}", far.host, "ext0", **addresses)
            far.session("ext0", "fe80::1", "fe80::ff", ASN)
            far.start()
        for host in self.ours.values():
            for part in parts(host):
                if part != "bird":
                    host.run(script(part, "up"))
        self.logs = [start_bird(host) for host in self.ours.values()]
        settled(*self.ours.values(), *(far.host for far in self.around.values()))


def told(host: Host) -> set[str]:
    """The prefixes that a router has from its neighbour."""
    return set(re.findall(r"(?m)^(\S+/\d+) .*\[s1 ", birdc(host, "show route protocol s1")))


def test_what_is_learned_from_whom_is_told_to_whom(lab: Lab, tmp_path: Path) -> None:
    net = Net(lab, tmp_path)
    paid = net.prefixes["a", "downstream"] | net.prefixes["b", "downstream"]
    learned = {prefix for (_, role), own in net.prefixes.items() if role != "collector" for prefix in own}
    everything = OWN | learned | {FORGED, LEAVING}

    for (near, role), far in net.around.items():
        wanted = everything if role in ("downstream", "collector") else OWN | paid
        wanted = wanted - net.prefixes[near, role] - ({FORGED, LEAVING} if (near, role) == ("a", "peer") else set())
        wait(lambda far=far, wanted=wanted: told(far.host) >= wanted)  # type: ignore[misc]
        assert told(far.host) == wanted, f"{role} at {near}"

        paths = re.findall(r"BGP\.as_path: (.*)", birdc(far.host, "show route protocol s1 all"))
        assert [path for path in paths if not re.fullmatch(rf"{ASN}( 42424200\d\d)?", path.strip())] == []
        assert f"({ASN}, " not in birdc(far.host, "show route protocol s1 all")

    at_b = birdc(net.ours["b"], f"show route all primary for {LEAVING}")
    assert "BGP.local_pref: 0" in at_b
    assert [fault for log in net.logs for fault in faults(log.said())] == []
