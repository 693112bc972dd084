"""What each world lets in and is told: the internet, networks of one's own, and DN42 with its communities."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from live.compiled import compiled, install
from live.frr import FarEnd, far_ends
from live.lab import Host, Lab
from live.routers import (
    ASN,
    NETWORK,
    attributes,
    begin,
    birdc,
    kernel_route,
    leaves_by,
    link,
    meet,
    path,
    peer,
    protocols,
    reached,
    router,
    settled,
)
from netc.lab.waiting import wait

pytestmark = pytest.mark.live

HOST = """
[hosts.{name}]
id = {id}
addresses = "198.51.100.{id}/24"
loopback = ["{four}{id}/32", "{six}{id}/128"]
[hosts.{name}.bgp]
"""


def two(four: str, six: str) -> str:
    """Routers a and b, and the way between them; their loopback addresses begin like this."""
    ours = (HOST.format(name=name, id=id, four=four, six=six) for id, name in enumerate("ab", 1))
    return "".join(ours) + link("a", "b")


INTERNET = """
version = 1
network.name = "lab"

[bgp]
asn = 213000
internal = "mesh"
over = "ab"
prefixes = ["45.10.0.0/23", "2a10:10::/32"]
profile = "internet"
roa = { ipv4 = "/etc/bird/roa4.conf" }

[hosts.a.bgp.peers.rs]
asn = 213003
role = "route-server"
interface = "ixp0"
local = "45.99.0.10"
address = "45.99.0.1"
"""
ROA4 = """
route 45.20.0.0/16 max 24 as 213001;
route 45.22.0.0/24 max 24 as 213099;
route 45.30.0.0/24 max 24 as 213030;
"""
TOLD4 = """
route 45.20.1.0/25 unreachable;
route 45.22.0.0/24 unreachable;
route 45.23.0.0/24 unreachable;
route 44.0.0.0/7 unreachable;
route 0.0.0.0/0 unreachable;
route 10.1.0.0/16 unreachable;
route 100.64.0.0/16 unreachable;
route 192.0.2.0/24 unreachable;
route 45.10.1.0/24 unreachable;
route 45.24.0.0/24 unreachable { bgp_path.prepend(64512); };
route 45.25.0.0/24 unreachable { bgp_path.prepend(4200000001); };
route 45.26.0.0/24 unreachable { bgp_path.prepend(213007); };
"""
"""Of a transit: too long, of another by its ROA, of none, too short, all, three that nobody has, ours; through two
private ASNs, and through a customer of its own."""

TOLD6 = """
route 2a10:21::/49 unreachable;
route 2001:db8:1::/48 unreachable;
route fd00:1::/48 unreachable;
route ::/0 unreachable;
"""


def learned(host: Host, session: str) -> set[str]:
    """What passed."""
    return set(re.findall(rf"(?m)^(\S+/\d+) .*\[{session} ", birdc(host, f"show route protocol '{session}'")))


@far_ends
def test_profile_internet_exports_own_prefixes_and_imports_valid_ones(
    lab: Lab, tmp_path: Path, far_end: FarEnd
) -> None:
    """A transit, one that hides who it is, and an exchange with a route server and another member."""
    text = INTERNET + two("45.10.0.", "2a10:10::") + peer("a", "transit", 213001, "upstream")
    text += peer("a", "liar", 213002, "upstream", device="ext1")
    trees = compiled(text, tmp_path)
    a, b = (install(lab, name, trees) for name in "ab")
    a.write("/etc/bird/roa4.conf", ROA4)
    b.write("/etc/bird/roa4.conf", ROA4)
    lab.wire(a, "eth0", b, "eth0", a_addresses=["198.51.100.1/24"], b_addresses=["198.51.100.2/24"])
    transit = far_end(lab, "transit", 213001, "45.20.0.0/24", "2a10:20::/48", TOLD4, TOLD6)
    liar = far_end(lab, "liar", 213002, "45.27.0.0/24", "2a10:27::/48")
    by_member = "unreachable { bgp_next_hop = 45.99.0.30; bgp_path.prepend(213030); };"
    server = far_end(lab, "server", 213003, "45.31.0.0/24", "2a10:31::/48", f"route 45.30.0.0/24 {by_member}")
    meet(lab, a, transit, asn=213000, more="local role provider;")
    meet(lab, a, liar, "ext1", asn=213000, more="rs client;")
    ixp, member = lab.switch("ixp"), lab.host("member")
    for host, name, last in ((a, "ixp0", 10), (server.host, "ext0", 1), (member, "ext0", 30)):
        ixp.plug(host, name, f"45.99.0.{last}/24")
    member.run(["ip", "address", "add", "45.30.0.1/24", "dev", "lo"])
    member.run(["ip", "route", "add", "45.10.0.0/23", "via", "45.99.0.10"])
    of_server = "rs client; local role rs_server;"
    server.session("", "45.99.0.1", "45.99.0.10", 213000, more=of_server, hop="next hop keep on;", families=(4,))
    logs = begin(a, b)
    for far in (transit, liar, server):
        far.start()
    settled(a, b)
    for far in (transit, liar, server):
        far.settled()

    wait(lambda: len(learned(a, "peer_transit")) >= 4)
    assert learned(a, "peer_transit") == {"45.20.0.0/24", "45.23.0.0/24", "45.26.0.0/24", "2a10:20::/48"}
    assert path(a, "45.26.0.0/24") == "213001 213007"
    assert learned(a, "peer_liar") == set()
    assert "First AS differs" in logs["a"].said()

    # The route server is in no path and passes no packet.
    wait(lambda: path(a, "45.30.0.0/24") == "213030")
    assert kernel_route(a, "45.30.0.0/24")["gateway"] == "45.99.0.30"
    for host, source in ((a, "45.10.0.1"), (b, "45.10.0.2")):
        wait(lambda host=host, source=source: reached(host, source, "45.30.0.1"))  # type: ignore[misc]
    wait(lambda: server.path("45.10.0.0/23") == "213000")
    wait(lambda: transit.path("2a10:10::/32") == "213000")
    for far in (transit, liar, server):
        assert far.heard() <= {"45.10.0.0/23", "2a10:10::/32"}

    # Inside all of it is known, by the router that has it.
    wait(lambda: leaves_by(b, "45.20.0.0/24") == leaves_by(b, "2a10:20::/48") == "vx-a")


PRIVATE = """
version = 1
network.name = "lab"

[bgp]
asn = 64600
internal = "mesh"
prefixes = ["10.10.0.0/16", "fd42:1::/48"]
profile = "private"
over = "ab"
refuse = ["10.66.0.0/16", "fd66::/32"]
"""


@far_ends
def test_profile_private_imports_private_prefixes_up_to_the_limit(lab: Lab, tmp_path: Path, far_end: FarEnd) -> None:
    """Of every private range, in any length; and no more of it than was agreed."""
    text = PRIVATE + two("10.10.0.", "fd42:1::") + peer("a", "x", 64601, "peer")
    text += peer("a", "y", 64602, "peer", "limit.ipv4 = 3", device="ext1")
    a = install(lab, "a", compiled(text, tmp_path))
    four = "172.16.9.0/30 192.168.7.0/24 10.66.1.0/24 45.20.0.0/24 0.0.0.0/0 10.10.3.0/24 10.0.0.0/7"
    six = "fd00:9:1::/64 fd66:0:1::/48 2a10:20::/48 ::/0 fd42:1:0:1::/64"
    routes = [" ".join(f"route {net} unreachable;" for net in nets.split()) for nets in (four, six)]
    x = far_end(lab, "x", 64601, "10.20.0.0/16", "fd00:8::/48", *routes)
    many = "".join(f"route 10.30.{n}.0/24 unreachable;" for n in range(1, 6))
    y = far_end(lab, "y", 64602, "10.30.0.0/24", "fd00:30::/48", many)
    meet(lab, a, x, asn=64600)
    meet(lab, a, y, "ext1", asn=64600)
    logs = begin(a)
    for far in (x, y):
        far.start()
    for far in (x, y):
        far.settled()

    taken = {"10.20.0.0/16", "172.16.9.0/30", "192.168.7.0/24", "fd00:8::/48", "fd00:9:1::/64"}
    wait(lambda: learned(a, "peer_x") >= taken)
    assert learned(a, "peer_x") == taken
    wait(lambda: "fd00:30::/48" in learned(a, "peer_y"))
    assert len([net for net in learned(a, "peer_y") if ":" not in net]) == 3
    assert "limit (3), action: block" in logs["a"].said()
    assert protocols(a)["peer_y"] == "Established"
    wait(lambda: x.path("10.10.0.0/16") == x.path("fd42:1::/48") == "64600")


FAKE = 'internal = "fake-confederation"\nmembers.base = 4225470000\nover = "ab"\n'
X4, X6 = "172.20.8.0/24", "fd42:8::/48"


def of_dn42(said: dict[str, str]) -> list[str]:
    """Its communities (64511) among attributes, in order."""
    return sorted(re.findall(r"\(64511,(\d+)\)", said.get("community", "")), key=int)


@far_ends
def test_dn42_communities_keep_the_worst_link_of_a_path(lab: Lab, tmp_path: Path, far_end: FarEnd) -> None:
    """From x by a and b to e, each link with measures of its own; and who we are goes with what is ours."""
    own = f'prefixes = ["{X4}", "{X6}"]'
    text = (
        NETWORK
        + FAKE
        + router("a", 1, "region = 52", "country = 1344")
        + router("b", 2, "region = 44", "country = 1840")
    )
    text += link("a", "b")
    text += peer("a", "x", 4242420001, "downstream", own, "dn42 = { latency = 3, bandwidth = 24, crypto = 34 }")
    text += peer("b", "e", 4242420002, "peer", "dn42 = { latency = 5, bandwidth = 25, crypto = 32 }")
    trees = compiled(text, tmp_path)
    a, b = (install(lab, name, trees) for name in "ab")
    lab.wire(a, "eth0", b, "eth0", a_addresses=["198.51.100.1/24"], b_addresses=["198.51.100.2/24"])
    x = far_end(lab, "x", 4242420001, X4, X6)
    e = far_end(lab, "e", 4242420002, "172.20.9.0/24", "fd42:9::/48")
    measured = "".join(f"bgp_community.add((64511, {number})); " for number in (2, 23, 33, 41, 1276))
    meet(lab, a, x, export=f"filter {{ {measured} accept; }}")
    meet(lab, b, e)
    begin(a, b)
    for far in (x, e):
        far.start()
    settled(a, b)
    for far in (x, e):
        far.settled()

    for prefix in (X4, X6):
        wait(lambda prefix=prefix: e.path(prefix))  # type: ignore[misc]
        assert of_dn42(attributes(b, prefix)) == ["3", "23", "33", "41", "1276"]
        assert of_dn42(e.attributes(prefix)) == ["5", "23", "32", "41", "1276"]
    for prefix in ("172.20.16.0/27", "fd42:1::/48"):
        assert of_dn42(x.attributes(prefix)) == ["3", "24", "34", "52", "1344"]
        assert of_dn42(e.attributes(prefix)) == ["5", "25", "32", "44", "1840"]
    wait(lambda: x.path("172.20.9.0/24") == f"{ASN} {e.asn}")
    assert of_dn42(x.attributes("172.20.9.0/24")) == ["5", "24", "32"]
