"""Mutual transit, as everybody in DN42 gives it: each network exports all its routes to the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from live.compiled import compiled, install
from live.frr import FarEnd, far_ends
from live.routers import (
    HERE,
    NETWORK,
    THERE,
    attributes,
    begin,
    birdc,
    faults,
    meet,
    neighbour,
    path,
    peer,
    reached,
    router,
    settled,
)
from netc.lab.waiting import wait, within

if TYPE_CHECKING:
    from pathlib import Path

    from live.lab import Host, Lab

pytestmark = pytest.mark.live

OTHER_ASN = 4242420100
WEST, EAST, UP = 4242420001, 4242420002, 4242420003
WEST4, WEST6 = "172.20.8.0/24", "fd00:8::/48"
EAST4, EAST6 = "172.20.9.0/24", "fd00:9::/48"
UP4, UP6 = "172.20.10.0/24", "fd00:10::/48"


def with_neighbours(at: str, *names_and_asns: tuple[str, int, str], role: str) -> str:
    """The first is on `mid0`, and speaks from the other end of what `meet` would wire."""
    said = ""
    for number, (name, asn, of) in enumerate(names_and_asns):
        table = peer(at, name, asn, of or role, device="mid0" if number == 0 else f"ext{number - 1}")
        said += table if of or role else table.replace('role = ""\n', "")
    return said


def two_networks(folder: Path, role: str) -> tuple[dict[str, Path], dict[str, Path]]:
    """Ours, with router a, and another one, with router z: netc compiles both."""
    ours = NETWORK + router("a", 1)
    ours += with_neighbours("a", ("other", OTHER_ASN, ""), ("west", WEST, ""), ("up", UP, "upstream"), role=role)
    theirs = NETWORK + router("z", 2) + with_neighbours("z", ("us", 4242422547, ""), ("east", EAST, ""), role=role)
    for ours_has, they_have in (
        ("172.20.16.", "172.20.17."),
        ("fd42:1:", "fd42:2:"),
        ("asn = 4242422547\nprefixes", f"asn = {OTHER_ASN}\nprefixes"),
    ):
        theirs = theirs.replace(ours_has, they_have)
    swapped = theirs.partition("[hosts.z.bgp.peers.us]")
    us, rest = swapped[2].split("[hosts.z.bgp.peers.east]")
    us = us.replace(HERE, "fe80::XX").replace(f'"{THERE}"', f'"{HERE}"').replace("fe80::XX", THERE)
    theirs = f"{swapped[0]}{swapped[1]}{us}[hosts.z.bgp.peers.east]{rest}"
    return compiled(ours, folder / "ours"), compiled(theirs, folder / "theirs")


class Net:
    """west and up have sessions with a, and east with z. up is an upstream of a, by RFC 9234."""

    def __init__(self, lab: Lab, folder: Path, role: str, far_end: FarEnd) -> None:
        ours, theirs = two_networks(folder, role)
        self.a, self.z = install(lab, "a", ours), install(lab, "z", theirs)
        lab.wire(self.a, "mid0", self.z, "mid0", a_addresses=[f"{HERE}/64"], b_addresses=[f"{THERE}/64"])
        self.west = far_end(lab, "west", WEST, WEST4, WEST6)
        self.east = far_end(lab, "east", EAST, EAST4, EAST6)
        self.up = far_end(lab, "up", UP, UP4, UP6)
        more = f"local role {role};" if role else ""
        meet(lab, self.a, self.west, more=more)
        meet(lab, self.a, self.up, "ext1", more="local role provider;")
        meet(lab, self.z, self.east, asn=OTHER_ASN, more=more)
        self.logs = begin(self.a, self.z)
        for far in (self.west, self.east, self.up):
            far.start()
        settled(self.a, self.z)
        for far in (self.west, self.east, self.up):
            far.settled()


@far_ends
def test_two_networks_export_everything_to_each_other(lab: Lab, tmp_path: Path, far_end: FarEnd) -> None:
    net = Net(lab, tmp_path, "", far_end)
    west, east, up = net.west, net.east, net.up
    for prefix in (WEST4, WEST6):
        wait(lambda prefix=prefix: east.path(prefix) == f"{OTHER_ASN} 4242422547 {WEST}")  # type: ignore[misc]
        wait(lambda prefix=prefix: up.path(prefix) == f"4242422547 {WEST}")  # type: ignore[misc]
    for prefix in (EAST4, EAST6):
        wait(lambda prefix=prefix: west.path(prefix) == f"4242422547 {OTHER_ASN} {EAST}")  # type: ignore[misc]
    for prefix in (UP4, UP6):
        wait(lambda prefix=prefix: east.path(prefix) == f"{OTHER_ASN} 4242422547 {UP}")  # type: ignore[misc]
    assert "172.20.17.0/27" in west.heard()
    for source, there in ((west.four, east.four), (west.six, east.six)):
        wait(lambda source=source, there=there: reached(west.host, source, there))  # type: ignore[misc]

    # No role, and so no mark of RFC 9234 that makes a third network drop the route.
    for host, name in ((net.a, "peer_other"), (net.z, "peer_us")):
        assert "Role" not in birdc(host, f"show protocols all {name}")
    assert "otc" not in east.attributes(WEST4)
    assert attributes(net.a, EAST4)["large_community"] == "(4242422547, 1, 4)"
    assert faults("".join(log.said() for log in net.logs.values())) == []


def otc(host: Host, prefix: str) -> bool:
    return "otc" in attributes(host, prefix)


def test_the_mark_of_rfc_9234_ends_at_mutual_transit(lab: Lab, tmp_path: Path) -> None:
    """Routes of a neighbour's own upstream go on to our upstream, and ours to the neighbour's."""
    text = (
        NETWORK
        + router("a", 1)
        + peer("a", "west", WEST, "mutual-transit")
        + peer("a", "up", UP, "upstream", device="ext1")
    )
    a = install(lab, "a", compiled(text, tmp_path))
    marked = ["172.20.30.0/24", "fd00:30::/48"]
    routes = [f"route {net} unreachable {{ bgp_otc = {EAST}; bgp_path.prepend({EAST}); }};" for net in marked]
    west, up = neighbour(lab, "west", WEST, WEST4, WEST6, *routes), neighbour(lab, "up", UP, UP4, UP6)
    meet(lab, a, west)
    meet(lab, a, up, "ext1", more="local role provider;")
    log = begin(a)["a"]
    for far in (west, up):
        far.start()
    settled(a, west.host, up.host)
    for net in marked:
        wait(lambda net=net: path(up.host, net) == f"4242422547 {WEST} {EAST}")  # type: ignore[misc]
    for net in (UP4, UP6):
        wait(lambda net=net: path(west.host, net) == f"4242422547 {UP}")  # type: ignore[misc]
        assert otc(a, net), "the mark is there inside"
        assert not otc(west.host, net)
    assert all(otc(west.host, net) for net in marked), "the test could fail"
    assert not any(otc(a, net) for net in marked)
    assert faults(log.said()) == []


@far_ends
def test_peers_by_rfc_9234_lose_what_lies_beyond(lab: Lab, tmp_path: Path, far_end: FarEnd) -> None:
    """What the default of DN42 is for, and that the test above could fail."""
    net = Net(lab, tmp_path, "peer", far_end)
    wait(lambda: path(net.z, "172.20.16.0/27"))
    assert not within(5, lambda: net.east.path(WEST4))
    assert not net.west.path(EAST4)
