"""Routing by BGP inside one AS, in every form that it can have: the matrix of what has to hold in each.

| row | shown by |
|---|---|
| outside there is one AS, and no number of a member | `neighbours_see_one_as` |
| what is ours, and what goes through us, has its ROA at every edge, ours and theirs | `Net`: all of them refuse else |
| IPv4 goes over fe80 sessions (RFC 8950) | `over_fe80` |
| the shortest way inside wins | `shortest_path`, `around_a_cut` |
| LOCAL_PREF, MED and NO_EXPORT survive, and MED stays inside | `what_the_edge_said` |
| a router that is drained is gone around, and says so outside | `drained` |
| an anycast service is told of while it answers, dead no longer in time, and drains | `served_nearby` |
| whoever dies leaves no ghost for 10 s: a fellow, an edge, a neighbour | `no_ghosts` |
"""

from __future__ import annotations

from pathlib import Path

import pytest

from live.compiled import compiled, install, netfilter, script
from live.lab import Host, Lab
from live.routers import (
    ASN,
    NETWORK,
    attributes,
    begin,
    birdc,
    faults,
    kernel_route,
    leaves_by,
    link,
    meet,
    monitor,
    neighbour,
    path,
    peer,
    reached,
    router,
    settled,
)
from live.service import INSIDE4, INSIDE6, WORLD4, look_after, serve, service, state
from netc.lab.process import Process
from netc.lab.waiting import wait, within

pytestmark = pytest.mark.live

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
ROA = 'roa = { ipv4 = "/etc/bird/roa4.conf", ipv6 = "/etc/bird/roa6.conf" }\n'
X4, X6, QUIET, BOTH4 = "172.20.8.0/24", "fd42:8::/48", "172.20.7.0/24", "172.20.6.0/24"
"""Of x's: one with NO_EXPORT, and one that e announces as well."""

E4, E6 = "172.20.9.0/24", "fd42:9::/48"
ALLOWED = (
    (X4, 4242420001),
    (X6, 4242420001),
    (QUIET, 4242420001),
    (BOTH4, 4242420001),
    (BOTH4, 4242420002),
    (E4, 4242420002),
    (E6, 4242420002),
    ("172.20.16.0/27", ASN),
    ("fd42:1::/48", ASN),
    (WORLD4, ASN),
    ("172.20.10.0/24", 4242420003),
    ("fd42:10::/48", 4242420003),
)
IDS = {"c": 1, "a": 2, "b": 3, "d": 4}
"""C has the lowest router id, so it wins every tie: a detour that only a measure of ways can beat."""

PART = "172.20.16.16/29"
"""Of what is ours, at d."""

LINKS = ("ab", "bc", "ca", "bd")


def roas(six: bool) -> str:
    """In BIRD's words: each with its length and no longer."""
    return "".join(
        f"route {net} max {net.partition('/')[2]} as {asn};\n" for net, asn in ALLOWED if (":" in net) == six
    )


def topology(mode: str, more: str = "", drained: str = "", *, addressed: bool = False) -> str:
    """`addressed`: as it has to be before an IGP comes."""
    confederation = "members" in MODES[mode]
    text = NETWORK + ROA + MODES[mode] + service("c", "d")
    text += peer("a", "x", 4242420001, "downstream", f'prefixes = ["{X4}", "{QUIET}", "{BOTH4}", "{X6}"]')
    text += peer("b", "e", 4242420002, "peer")
    for name, id in IDS.items():
        member = "member = 4225470003" if name == "d" and confederation else ""
        here = f'prefixes = "{PART}"' if name == "d" else ""
        text += router(name, id, member, here, "drain = true" if name in drained else "")
    for n, pair in enumerate(LINKS):
        # OSPFv2 and IPv4 by Babel need addresses; all else lives on fe80 alone.
        ends = [f'ends.{name}.address = "10.99.{n}.{i}/31"' for i, name in enumerate(pair)]
        text += link(*pair, *(ends if addressed or "[igp]" in MODES[mode] else ()))
    return text + more


class Net:
    """Three routers in a ring, a fourth behind b (and its fellow member), and a neighbour at each of two."""

    def __init__(self, lab: Lab, folder: Path, text: str) -> None:
        trees = compiled(text, folder)
        world = lab.switch("world")
        self.ours: dict[str, Host] = {}
        for name, id in IDS.items():
            host = self.ours[name] = install(lab, name, trees)
            world.plug(host, "eth0", f"198.51.100.{id}/24")
            for six, file in ((False, "roa4"), (True, "roa6")):
                host.write(f"/etc/bird/{file}.conf", roas(six))
        both = f"route {BOTH4} unreachable;"
        secret = f"route {QUIET} unreachable {{ bgp_community.add((65535, 65281)); }};"
        self.x = neighbour(lab, "x", 4242420001, X4, X6, secret + both)
        self.e = neighbour(lab, "e", 4242420002, E4, E6, both)
        for near, far in (("a", self.x), ("b", self.e)):
            far.judge(roas(False), roas(True))
            meet(lab, self.ours[near], far)
        self.logs: dict[str, Process] = begin(*self.ours.values())
        for far in (self.x, self.e):
            far.start()
        settled(*self.ours.values(), self.x.host, self.e.host)


CUT = """
table inet cut {
    chain in { type filter hook prerouting priority -300; iifname "vx-b" drop; }
    chain out { type filter hook postrouting priority 300; oifname "vx-b" drop; }
}
"""
UNHEARD = "Socket error"
"""What BIRD says of packets into a way that was cut."""


@pytest.mark.parametrize("mode", MODES)
def test_neighbours_see_one_as_and_routers_use_the_shortest_path(lab: Lab, tmp_path: Path, mode: str) -> None:
    """In one of the forms the routers' firewalls are iptables'."""
    netfilter.set("iptables" if mode == "mesh" else "nftables")
    net = Net(lab, tmp_path, topology(mode))
    neighbours_see_one_as(net)
    over_fe80(net, mode)
    shortest_path(net)
    what_the_edge_said(net, mode)
    served_nearby(net)
    drained(net, tmp_path, mode)
    assert heard(net) == []
    around_a_cut(net)
    neighbours_see_one_as(net)
    settled(*net.ours.values())  # BFD comes back up to 10 s after its way
    no_ghosts(net)
    assert [fault for fault in heard(net) if UNHEARD not in fault] == []


def heard(net: Net) -> list[str]:
    """What anybody's BIRD complained of."""
    logs = [*net.logs.values(), net.x.process, net.e.process]
    return [fault for log in logs if log is not None for fault in faults(log.said())]


def neighbours_see_one_as(net: Net) -> None:
    """And packets of both families go through it and to each of its hosts."""
    x, e = net.x, net.e
    for prefix, there in ((X4, x.four), (X6, x.six)):
        wait(lambda prefix=prefix: path(e.host, prefix) == f"{ASN} {x.asn}")  # type: ignore[misc]
        wait(lambda there=there: reached(e.host, e.four if "." in there else e.six, there))  # type: ignore[misc]
    for own in ("172.20.16.0/27", "fd42:1::/48"):
        assert path(x.host, own) == str(ASN)
        assert path(e.host, own) == str(ASN)
    for id in IDS.values():
        wait(lambda id=id: reached(x.host, x.four, f"172.20.16.{id}"))  # type: ignore[misc]
        wait(lambda id=id: reached(e.host, e.six, f"fd42:1::{id}"))  # type: ignore[misc]
    net.ours["d"].run(["ip", "address", "replace", "172.20.16.17/29", "dev", "lo"])
    wait(lambda: reached(x.host, x.four, "172.20.16.17"))
    for outside in (x.host, e.host):
        said = birdc(outside, "show route all")
        assert PART not in said
        assert "422547000" not in said


def over_fe80(net: Net, mode: str) -> None:
    """At the edge in every form; inside where no way has addresses of IPv4. BIRD has no choice of its own address."""
    for host in net.ours.values():
        own = host.run(["ip", "-6", "-o", "address", "show", "scope", "link"]).stdout
        ways = [line.split()[1] for line in own.splitlines() if " vx-" in line]
        assert len(ways) == len(set(ways)) > 0
    assert kernel_route(net.ours["a"], X4)["via"] == {"family": "inet6", "host": "fe80::1"}
    if "[igp]" not in MODES[mode]:
        via = kernel_route(net.ours["b"], X4)["via"]
        assert via["family"] == "inet6"
        assert via["host"].startswith("fe80::")


def shortest_path(net: Net) -> None:
    for name, device in (("b", "vx-a"), ("c", "vx-a"), ("d", "vx-b")):
        for prefix in (X4, X6):
            wait(lambda n=name, p=prefix, d=device: leaves_by(net.ours[n], p) == d)  # type: ignore[misc]


def what_the_edge_said(net: Net, mode: str) -> None:
    for host in net.ours.values():
        seen = wait(lambda host=host: attributes(host, QUIET))  # type: ignore[misc]
        assert seen["local_pref"] == "300"
        assert "(65535,65281)" in seen["community"]
    assert path(net.e.host, QUIET) is None  # NO_EXPORT
    far = {"b": "10", "d": "20"} if mode in ("med", "fake") else {"b": "0", "d": "0"}
    for name, med in far.items():
        wait(lambda name=name, med=med: attributes(net.ours[name], X4).get("med") == med)  # type: ignore[misc]
    assert "med" not in attributes(net.e.host, X4)


def served_nearby(net: Net) -> None:
    """A service at c and d, asked for at a, to which c is nearer, and from outside."""
    a, c, d = (net.ours[name] for name in "acd")
    served = {host: serve(host) for host in (c, d)}
    for host in (c, d):
        look_after(host)
    wait(lambda: state(c) == state(d) == "up")
    for prefix in (INSIDE4, INSIDE6, WORLD4):
        wait(lambda prefix=prefix: leaves_by(a, prefix) == "vx-c")  # type: ignore[misc]
    for far in (net.x, net.e):
        wait(lambda far=far: path(far.host, WORLD4) == str(ASN))  # type: ignore[misc]
        wait(lambda far=far: reached(far.host, far.four, "172.22.0.53"))  # type: ignore[misc]
    assert INSIDE4 not in birdc(net.x.host, "show route")

    # Drained: the other is asked, and at no moment is there nobody.
    watched = monitor(a)
    c.write("/etc/netc/anycast/dns.disabled", "")
    wait(lambda: leaves_by(a, INSIDE4) == "vx-b")
    wait(lambda: state(c) == "disabled")
    assert "Deleted 172.20.16.30" not in watched.said()
    watched.stop()
    c.run(["rm", "/etc/netc/anycast/dns.disabled"])
    wait(lambda: leaves_by(a, INSIDE4) == "vx-c")

    # Dead, each in its turn.
    served[c].stop()
    wait(lambda: leaves_by(a, INSIDE4) == "vx-b" and leaves_by(a, INSIDE6) == "vx-b")
    served[d].stop()
    wait(lambda: leaves_by(a, INSIDE4) is None)
    for far in (net.x, net.e):
        wait(lambda far=far: path(far.host, WORLD4) is None)  # type: ignore[misc]
    serve(d)
    wait(lambda: leaves_by(a, INSIDE4) == "vx-b")


def drained(net: Net, folder: Path, mode: str) -> None:
    """A is about to go: what e announces as well is sent to e, what nobody else has still to a."""
    a, d = net.ours["a"], net.ours["d"]
    wait(lambda: leaves_by(d, BOTH4) == leaves_by(d, X4) == "vx-b")
    wait(lambda: path(d, BOTH4) == path(d, X4))
    a.lay(compiled(topology(mode, drained="a"), folder / "drained")["a"])
    a.run(script("bird", "reload"))
    wait(lambda: (path(d, BOTH4) or "").endswith(str(net.e.asn)))
    wait(lambda: "(65535,0)" in attributes(net.x.host, "172.20.16.0/27").get("community", ""))
    assert attributes(d, X4)["local_pref"] == "0"
    assert reached(net.e.host, net.e.four, net.x.four)
    a.lay(compiled(topology(mode), folder / "back")["a"])
    a.run(script("bird", "reload"))
    wait(lambda: path(d, BOTH4) == path(d, X4))


def around_a_cut(net: Net) -> None:
    """A way that is cut is left, and used again when it is whole."""
    a, b = net.ours["a"], net.ours["b"]
    a.run(["nft", "-f", "-"], input=CUT)
    wait(lambda: leaves_by(b, X4) == "vx-c", 30)
    wait(lambda: reached(net.e.host, net.e.four, net.x.four))
    a.run(["nft", "delete", "table", "inet", "cut"])
    wait(lambda: leaves_by(b, X4) == "vx-a")
    wait(lambda: reached(net.e.host, net.e.six, net.x.six))


def no_ghosts(net: Net) -> None:
    """Nobody leads packets towards who is gone, and nobody outside is told of him."""
    ours, x, e = net.ours, net.x, net.e
    # One after the other: OSPF tells of the second loss 5 s after the first (RFC 2328, MinLSInterval).
    ours["d"].run(["ip", "link", "set", "eth0", "down"])
    gone([PART], ours["a"], ours["b"], ours["c"])
    ours["a"].run(["ip", "link", "set", "eth0", "down"])
    gone([X4, X6, QUIET], ours["b"], ours["c"], e.host)
    e.host.run(["bash", "-c", "kill -9 $(</run/netc/bird.pid)"])
    gone([E4, E6], ours["b"], ours["c"])
    x.stop()
    gone([X4, X6, QUIET], ours["a"])


def gone(prefixes: list[str], *hosts: Host) -> None:
    """Soon all of it from all of them."""
    assert within(30, lambda: not any(leaves_by(host, net) for host in hosts for net in prefixes))
