"""How much memory a table of 100,000 routes takes on three members of a confederation: at the edge where the routes
come in, and behind it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from live.birds import bird_of
from live.compiled import compiled, install
from live.lab import Host, Lab
from live.routers import NETWORK, begin, birdc, link, meet, neighbour, peer, router, settled
from netc.lab.waiting import wait

pytestmark = pytest.mark.live

ROUTES = 100_000
MOST = {"2": 60, "3": 110}
"""MiB at the edge, by the series of BIRD."""

MEMBERS = """
internal = "confederation"
next_hop = "med"
members.base = 4225470000
over = ["ab", "bc"]
"""
ROA = 'roa = { ipv4 = "/etc/bird/roa4.conf" }\nroa_unknown = "accept"\n'


def nets() -> str:
    """Parts of 10.0.0.0/8, each of 128 addresses. No two have the same attributes: BIRD keeps equal ones once."""
    return "".join(map(_route, range(ROUTES)))


def _route(n: int) -> str:
    net = f"10.{n >> 9}.{n >> 1 & 255}.{(n & 1) << 7}/25"
    communities = f"bgp_community.add(({n >> 16}, {n & 65535})); bgp_community.add((65000, {n & 255}));"
    return f"route {net} unreachable {{ {communities} }};\n"


def memory(host: Host) -> float:
    """In MiB."""
    said = host.run(["bash", "-c", "cat /proc/$(</run/netc/bird.pid)/status"]).stdout
    found = re.search(r"VmRSS:\s+(\d+) kB", said)
    assert found
    return int(found[1]) / 1024


def routes(host: Host) -> int:
    found = re.search(r"(\d+) of \d+ routes for \d+ networks in table master4", birdc(host, "show route count"))
    return int(found[1]) if found else 0


@pytest.mark.parametrize("roa", ["", ROA], ids=["plain", "roa"])
def test_memory_of_100000_routes_through_three_members(lab: Lab, tmp_path: Path, roa: str) -> None:
    text = NETWORK.replace('"dn42"', '"private"') + roa + MEMBERS
    text += peer("a", "x", 4242420001, "peer", f"limit.ipv4 = {2 * ROUTES}")
    text += "".join(router(name, id) for id, name in enumerate("abc", 1)) + link(*"ab") + link(*"bc")
    trees = compiled(text, tmp_path)
    world = lab.switch("world")
    ours = [install(lab, name, trees) for name in "abc"]
    for id, host in enumerate(ours, 1):
        world.plug(host, "eth0", f"198.51.100.{id}/24")
        host.write("/etc/bird/roa4.conf", "route 10.0.0.0/8 max 32 as 4242420001;\n")
    x = neighbour(lab, "x", 4242420001, "172.20.8.0/24", "fd42:8::/48", nets())
    x.routes_nothing()
    meet(lab, ours[0], x)
    begin(*ours)
    x.start()
    settled(*ours)
    for host in ours:
        wait(lambda host=host: routes(host) >= ROUTES, 120)  # type: ignore[misc]
    held = [memory(host) for host in ours]
    print(f"{ROUTES} routes{', with ROAs' if roa else ''}: " + ", ".join(f"{one:.0f} MiB" for one in held))

    assert held[0] <= MOST[bird_of("a")[:1] or "2"]
