"""Nothing that one peer or upstream says reaches another, by whichever router, and nobody speaks in our name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from live import frr
from live.compiled import compiled, install
from live.lab import Lab
from live.routers import (
    ASN,
    NETWORK,
    Neighbour,
    attributes,
    begin,
    birdc,
    faults,
    leaves_by,
    link,
    meet,
    neighbour,
    peer,
    router,
    settled,
)
from live.service import INSIDE4, WORLD4, service
from netc.lab.waiting import wait

pytestmark = pytest.mark.live

ROLES = ("upstream", "peer", "downstream", "route-server", "collector")
MEMBERS = "members.base = 4225470000\n"
OVER, OSPF = 'over = "ab"\n', '\n[igp]\nkind = "ospf"\nover = "ab"\n'
FORMS = {
    "fake": 'internal = "fake-confederation"\n' + MEMBERS + OVER,
    "med": 'internal = "confederation"\nnext_hop = "med"\n' + MEMBERS + OVER,
    "recursive": 'internal = "confederation"\nnext_hop = "recursive"\n' + MEMBERS + OSPF,
    "mesh": 'internal = "mesh"\n' + OSPF,
}
PART = "172.20.16.16/29"
EVIL = """
route 172.20.16.0/28 unreachable;
route 172.20.16.1/32 unreachable;
route 0.0.0.0/0 unreachable;
route 192.0.2.0/24 unreachable;
route 172.20.128.0/17 unreachable;
{member}
route 172.20.201.0/24 unreachable { bgp_path.prepend(4242422547); };
route 172.20.202.0/24 unreachable { bgp_path.prepend(4294967295); };
route 172.20.203.0/24 unreachable { bgp_large_community.add((4242422547, 1, 3)); };
route 172.20.204.0/24 unreachable { bgp_community.add((65535, 0)); };
route 172.20.205.0/24 unreachable { bgp_community.add((65535, 65281)); };
"""
THROUGH_US = "route 172.20.200.0/24 unreachable { bgp_path.prepend(4225470002); };"

"""Of a peer: our own, all, nobody's, too large, paths through ourselves and through nobody, a forged class; one that
is fine and goes away soon, and one that nobody may pass on."""

FORGED, LEAVING, KEPT = "172.20.203.0/24", "172.20.204.0/24", "172.20.205.0/24"
OWN = {"172.20.16.0/27", "fd42:1::/48", WORLD4}


class Net:
    """Two routers, each with neighbours of every kind; a has a service, and b a part of the network."""

    def __init__(self, lab: Lab, folder: Path, form: str, far_end: frr.FarEnd) -> None:
        self.around: dict[tuple[str, str], Neighbour] = {}
        self.prefixes: dict[tuple[str, str], set[str]] = {}
        text = NETWORK + FORMS[form] + service("a")
        text += link("a", "b", 'ends.a.address = "10.99.0.0/31"', 'ends.b.address = "10.99.0.1/31"')
        for id, name in enumerate("ab", 1):
            text += router(name, id, f'prefixes = "{PART}"' if name == "b" else "")
            for n, role in enumerate(ROLES):
                number = id * 10 + n
                four, six = f"172.20.{number}.0/24", f"fd42:{number}::/48"
                more = f'prefixes = ["{four}", "{six}"]' if role == "downstream" else ""
                text += peer(name, role, 4242420000 + number, role, more, device=f"ext{n}")
                evil = EVIL.replace("{member}", "" if form == "mesh" else THROUGH_US)
                said = evil if (name, role) == ("a", "peer") else ""
                self.around[name, role] = far_end(lab, f"{name}{n}", 4242420000 + number, four, six, said)
                self.prefixes[name, role] = {four, six}
        trees = compiled(text, folder)
        self.ours = {name: install(lab, name, trees) for name in "ab"}
        ends = [["198.51.100.1/24"], ["198.51.100.2/24"]]
        lab.wire(self.ours["a"], "eth0", self.ours["b"], "eth0", a_addresses=ends[0], b_addresses=ends[1])
        for (near, role), far in self.around.items():
            meet(lab, self.ours[near], far, f"ext{ROLES.index(role)}")
            far.start()
        self.logs = begin(*self.ours.values())
        birdc(self.ours["a"], "enable any_dns4")  # nobody looks whether it answers
        settled(*self.ours.values())
        for far in self.around.values():
            far.settled()


@pytest.mark.parametrize(
    ("form", "far_end"),
    [*(pytest.param(form, neighbour, id=form) for form in FORMS), pytest.param("mesh", frr.neighbour, id="mesh-frr")],
)
def test_the_role_of_a_neighbour_decides_which_routes_it_gets(
    lab: Lab, tmp_path: Path, form: str, far_end: frr.FarEnd
) -> None:
    net = Net(lab, tmp_path, form, far_end)
    paid = net.prefixes["a", "downstream"] | net.prefixes["b", "downstream"]
    learned = {prefix for (_, role), own in net.prefixes.items() if role != "collector" for prefix in own}
    everything = OWN | learned | {FORGED, LEAVING}

    # What stays inside is known there, so that it is not for lack of it that nobody is told.
    for host, prefix in (("b", INSIDE4), ("b", KEPT), ("a", PART), ("a", "172.20.16.2/32"), ("b", LEAVING)):
        wait(lambda host=host, prefix=prefix: leaves_by(net.ours[host], prefix))  # type: ignore[misc]
    assert attributes(net.ours["b"], LEAVING)["local_pref"] == "0"
    assert "(65535,65281)" in attributes(net.ours["b"], KEPT)["community"]

    for (near, role), far in net.around.items():
        wanted = everything if role in ("downstream", "collector") else OWN | paid
        wanted = wanted - net.prefixes[near, role] - ({FORGED, LEAVING} if (near, role) == ("a", "peer") else set())
        wait(lambda far=far, wanted=wanted: far.heard() >= wanted)  # type: ignore[misc]
        assert far.heard() == wanted, f"{role} at {near}"

        paths = [path for prefix in wanted for path in far.paths(prefix)]
        assert len(paths) == len(wanted)
        assert [path for path in paths if not re.fullmatch(rf"{ASN}( 42424200\d\d)?", path)] == []
        said = [far.attributes(prefix) for prefix in wanted]
        assert f"({ASN}," not in str(said)
        assert "med" not in {name for one in said for name in one}

    # With a service goes what the world is told of it.
    assert net.around["b", "peer"].path(WORLD4) == str(ASN)
    birdc(net.ours["a"], "disable any_dns4")
    for far in net.around.values():
        wait(lambda far=far: WORLD4 not in far.heard())  # type: ignore[misc]
    assert [fault for log in net.logs.values() for fault in faults(log.said())] == []
