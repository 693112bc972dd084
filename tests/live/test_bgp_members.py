"""Members of a confederation that have several routers: all of one hear of all, by each other or by reflectors."""

from __future__ import annotations

from pathlib import Path

import pytest

from live.compiled import compiled, install
from live.lab import Host, Lab
from live.routers import (
    ASN,
    NETWORK,
    attributes,
    begin,
    birdc,
    faults,
    leaves_by,
    link,
    meet,
    neighbour,
    path,
    peer,
    protocols,
    reached,
    router,
    settled,
)
from netc.lab.waiting import wait

pytestmark = pytest.mark.live

LINKS = dict.fromkeys(("a1 a2", "a1 a3", "a1 a4", "a2 a3", "a2 a4", "a3 a4", "a3 b1", "b1 b2"), 10) | {"a4 b1": 40}
WAYS = str([pair.replace(" ", "") for pair in LINKS])
IGP = f'[igp]\nkind = "ospf"\nover = {WAYS}\n'
CONFEDERATION = 'internal = "confederation"\n'
FORMS = {
    "recursive": f'{CONFEDERATION}next_hop = "recursive"\n{IGP}',
    "reflected": f'{CONFEDERATION}next_hop = "recursive"\nreflectors = ["a1", "a3", "b1"]\n{IGP}',
    "med": f'{CONFEDERATION}next_hop = "med"\nover = {WAYS}\n',
    "fake": f'internal = "fake-confederation"\nover = {WAYS}\n',
}
IDS = {"a1": 1, "a2": 2, "a3": 3, "a4": 4, "b1": 5, "b2": 6}
MEMBER = {"a": 4225470001, "b": 4225470002}
X4, X6, E4, E6 = "172.20.8.0/24", "fd42:8::/48", "172.20.9.0/24", "fd42:9::/48"


def topology(form: str) -> str:
    text = NETWORK + FORMS[form]
    text += "".join(router(name, id, f"member = {MEMBER[name[0]]}") for name, id in IDS.items())
    for n, (pair, cost) in enumerate(LINKS.items()):
        ends = [f'ends.{name}.address = "10.99.{n}.{i}/31"' for i, name in enumerate(pair.split())]
        text += link(*pair.split(), f"cost = {cost}", *ends)
    text += peer("a2", "x", 4242420001, "downstream", f'prefixes = ["{X4}", "{X6}"]')
    return text + peer("b2", "e", 4242420002, "upstream")


class Net:
    """Four routers that are one member, x behind a2; two that are another, e behind b2. A3 is nearest to those."""

    def __init__(self, lab: Lab, folder: Path, form: str) -> None:
        trees = compiled(topology(form), folder)
        world = lab.switch("world")
        self.ours: dict[str, Host] = {}
        for name, id in IDS.items():
            self.ours[name] = install(lab, name, trees)
            world.plug(self.ours[name], "eth0", f"198.51.100.{id}/24")
        self.x = neighbour(lab, "x", 4242420001, X4, X6)
        self.e = neighbour(lab, "e", 4242420002, E4, E6)
        for near, far in (("a2", self.x), ("b2", self.e)):
            meet(lab, self.ours[near], far)
        self.logs = begin(*self.ours.values())
        for far in (self.x, self.e):
            far.start()
        settled(*self.ours.values(), self.x.host, self.e.host)


@pytest.mark.parametrize("form", FORMS)
def test_every_router_of_a_member_learns_every_prefix(lab: Lab, tmp_path: Path, form: str) -> None:
    net = Net(lab, tmp_path, form)
    x, e, ours = net.x, net.e, net.ours

    fellows = {"recursive": "ibgp_a1 ibgp_a2 ibgp_a3", "reflected": "ibgp_a1 ibgp_a3"}
    told_by = fellows.get(form, "int_vx_a1 int_vx_a2 int_vx_a3").split()
    assert protocols(ours["a4"]).keys() == {*told_by, "int_vx_b1"}

    # Outside there is one AS; inside one hop from member to member, and none within.
    for far, other, prefixes in ((x, e, (E4, E6)), (e, x, (X4, X6))):
        for prefix in prefixes:
            wait(lambda f=far, p=prefix, o=other: path(f.host, p) == f"{ASN} {o.asn}")  # type: ignore[misc]
        assert "422547000" not in birdc(far.host, "show route all")
        for id in IDS.values():
            wait(lambda far=far, id=id: reached(far.host, far.four, f"172.20.16.{id}"))  # type: ignore[misc]
            wait(lambda far=far, id=id: reached(far.host, far.six, f"fd42:1::{id}"))  # type: ignore[misc]
    assert path(ours["a4"], X4) == str(x.asn)
    crossed = f"{MEMBER['b']} {e.asn}" if form == "fake" else f"({MEMBER['b']}) {e.asn}"
    for name in ("a1", "a2", "a3", "a4"):
        wait(lambda name=name: path(ours[name], E4) == crossed)  # type: ignore[misc]
    if form == "reflected":
        seen = attributes(ours["a4"], X4)
        assert (seen["originator_id"], seen["cluster_list"]) == ("172.20.16.2", "172.20.16.1")

    # By the way that costs least, which is not the one that a4 has itself.
    for prefix in (E4, E6):
        for name in ("a1", "a2", "a4"):
            wait(lambda n=name, p=prefix: leaves_by(ours[n], p) == "vx-a3")  # type: ignore[misc]
    assert [fault for log in net.logs.values() for fault in faults(log.said())] == []

    # Who is gone is gone everywhere.
    x.stop()
    for name in ours:
        wait(lambda name=name: path(ours[name], X4) is None)  # type: ignore[misc]
    wait(lambda: path(e.host, X4) is None)

    # A3 dies, one of the two reflectors: the others hear of each other all the same, and of what is outside.
    ours["a3"].run(["ip", "link", "set", "eth0", "down"])
    for prefix in (E4, E6):
        for name, device in (("a1", "vx-a4"), ("a2", "vx-a4"), ("a4", "vx-b1")):
            wait(lambda n=name, p=prefix, d=device: leaves_by(ours[n], p) == d)  # type: ignore[misc]
    wait(lambda: reached(ours["a2"], "172.20.16.2", e.four))
    wait(lambda: reached(e.host, e.six, "fd42:1::1"))
