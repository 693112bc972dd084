"""TCP through routers agrees on segments that fit through the narrowest link of their way."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from live.compiled import compiled, install, parts, script
from live.lab import Host, Lab
from live.routers import HERE, NETWORK, THERE, peer, router
from live.traffic import Capture, client, echo

pytestmark = [pytest.mark.live, pytest.mark.netfilters]

FORM = """
internal = "mesh"
over = "ab"

[links.ab]
kind = "vxlan"
between = ["a", "b"]
ends.a.address = ["10.99.0.0/31", "fd42:1:99::a/64"]
ends.b.address = ["10.99.0.1/31", "fd42:1:99::b/64"]
"""
WITHIN = {4: 1450 - 40, 6: 1450 - 60}
"""VXLAN's 50 bytes are gone; TCP's own header and IP's are not counted (RFC 6691)."""


def segments(capture: Capture) -> set[int]:
    """What SYNs asked for."""
    return {int(found) for line in capture.packets() for found in re.findall(r"Flags \[S\.?\].*mss (\d+)", line)}


def routed(host: Host, *routes: str) -> None:
    """What BIRD would do."""
    for route in routes:
        host.run(["ip", "-6" if ":" in route else "-4", "route", "add", *route.split()])


def test_segments_fit_between_routers(lab: Lab, tmp_path: Path) -> None:
    """With a packet filter at one of the two, and without one at the other."""
    text = NETWORK + FORM + router("a", 1) + router("b", 2).replace("firewall = {}\n", "")
    trees = compiled(text + peer("a", "x", 4242420001, "peer") + peer("b", "e", 4242420002, "peer"), tmp_path)
    world = lab.switch("world")
    x, e = lab.host("x"), lab.host("e")
    ours = {name: install(lab, name, trees) for name in ("a", "b")}
    for id, name, far in ((1, "a", x), (2, "b", e)):
        world.plug(ours[name], "eth0", f"198.51.100.{id}/24")
        here = [f"{HERE}/64", f"172.20.{id}.1/24", f"fd42:{id}00::1/64"]
        there = [f"{THERE}/64", f"172.20.{id}.2/24", f"fd42:{id}00::2/64"]
        lab.wire(ours[name], "ext0", far, "ext0", a_addresses=here, b_addresses=there)
        routed(far, f"default via 172.20.{id}.1", f"default via fd42:{id}00::1")
        for part in parts(ours[name]):
            if part != "bird":
                ours[name].run(script(part, "up"))
    routed(ours["a"], "172.20.2.0/24 via 10.99.0.1", "fd42:200::/64 via fd42:1:99::b")
    routed(ours["b"], "172.20.1.0/24 via 10.99.0.0", "fd42:100::/64 via fd42:1:99::a")

    echo(e, 7, "172.20.2.2", "fd42:200::2")
    for family, there, here in ((4, "172.20.2.2", "172.20.1.2"), (6, "fd42:200::2", "fd42:100::2")):
        seen = [Capture(x, "ext0"), Capture(e, "ext0")]
        assert client(x, "tcp", there, 7) == here
        asked = [segments(capture) for capture in seen]
        own = WITHIN[family] + 50
        assert asked == [{own, WITHIN[family]}, {WITHIN[family], own}]
        for capture in seen:
            capture.stop()
