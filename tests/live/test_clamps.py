"""TCP agrees on segments that fit, in both directions, wherever a host forwards into a device with a smaller MTU."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from live.compiled import compiled, install, script, up
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.traffic import Capture, client, echo

pytestmark = [pytest.mark.live, pytest.mark.netfilters]

LIN, FAR, WORLD = (
    ("198.51.100.7", "2001:db8:1::7"),
    ("198.51.100.8", "2001:db8:1::8"),
    ("198.51.100.1", "2001:db8:1::1"),
)
BOX, FAR_BOX = ("10.0.3.20", "fd00:3::20"), ("10.0.4.20", "fd00:4::20")
HEADERS = (40, 60)
"""Of IP and TCP, in bytes: IPv4, IPv6."""

WAN = 1492

TOPOLOGY = f"""
version = 1
network.name = "clamp"

[hosts.lin]
id = 1
wan = "eth0"
mtu = {WAN}
addresses = ["{LIN[0]}/24", "{LIN[1]}/64"]
public_key = "{public_key(private_key("lin"))}"
bridges.br0 = {{ addresses = ["10.0.3.1/24", "fd00:3::1/64"], masquerade = true, publish = [
    {{ port = "7001/tcp", to = ["{BOX[0]}", "[{BOX[1]}]"] }},
] }}

[hosts.far]
id = 2
wan = "eth0"
addresses = ["{FAR[0]}/24", "{FAR[1]}/64"]
public_key = "{public_key(private_key("far"))}"
bridges.br0 = {{ addresses = ["10.0.4.1/24", "fd00:4::1/64"] }}

[links.one]
kind = "wireguard"
between = ["lin", "far"]
ends.lin = {{ address = ["10.77.1.0/31", "fd77:1::/127"], routes = ["10.0.4.0/24", "fd00:4::/64"] }}
ends.far = {{ address = ["10.77.1.1/31", "fd77:1::1/127"], routes = ["10.0.3.0/24", "fd00:3::/64"] }}
"""


def container(lab: Lab, host: Host, name: str, own: tuple[str, str], routers: tuple[str, str]) -> Host:
    """A machine with Ethernet behind the host's bridge."""
    there = lab.host(name)
    lab.wire(host, "port0", there, "eth0", b_addresses=[f"{own[0]}/24", f"{own[1]}/64"])
    host.run(["ip", "link", "set", "dev", "port0", "master", "br0"])
    for router in routers:
        there.run(["ip", "route", "add", "default", "via", router])
    return there


def agreed(capture: Capture) -> Iterator[tuple[str, int, int]]:
    """Of each segment that opens a connection: `S` or `S.`, the family by its place in HEADERS, and the MSS."""
    for line in capture.packets("tcp or (ip6 and tcp)"):
        if found := re.search(r"Flags \[(S\.?)\].*\bmss (\d+)", line):
            yield found[1], int(line.startswith("IP6")), int(found[2])


def expected(mtu: int) -> set[tuple[str, int, int]]:
    return {(flags, family, mtu - headers) for flags in ("S", "S.") for family, headers in enumerate(HEADERS)}


def test_segments_fit_wherever_a_host_forwards_into_a_smaller_mtu(lab: Lab, tmp_path: Path) -> None:
    trees = compiled(TOPOLOGY, tmp_path)
    lin, far = (install(lab, name, trees) for name in ("lin", "far"))
    switch, world = lab.switch("switch"), lab.host("world")
    for host, (four, six) in ((lin, LIN), (far, FAR), (world, WORLD)):
        switch.plug(host, "eth0", f"{four}/24", f"{six}/64")
    for host in (lin, far):
        up(host)
    box = container(lab, lin, "box", BOX, ("10.0.3.1", "fd00:3::1"))
    behind = container(lab, far, "behind", FAR_BOX, ("10.0.4.1", "fd00:4::1"))
    echo(box, 7001)
    echo(behind, 7000)
    echo(world, 7000)
    inside, outside, beyond = Capture(box, "eth0"), Capture(world, "eth0"), Capture(behind, "eth0")

    for family in (0, 1):  # out by the uplink, and in
        assert client(box, "tcp", WORLD[family], 7000) == LIN[family]
        assert client(world, "tcp", LIN[family], 7001) == WORLD[family]
    opened = set(agreed(inside)) | set(agreed(outside))
    own = {(flags, family, 1500 - headers) for flags in ("S", "S.") for family, headers in enumerate(HEADERS)}
    assert opened == expected(WAN) | own
    for capture, who in ((inside, BOX), (outside, WORLD)):
        sent = [line for line in capture.packets() if re.search(r"\bmss (1460|1440)", line)]
        assert sent, "or both ends would have said less by themselves"
        assert all(f" {who[0]}." in line.split(" > ")[0] or f" {who[1]}." in line.split(" > ")[0] for line in sent)
    for capture in (inside, outside):
        capture.stop()

    link = int(lin.read("/sys/class/net/wg-far/mtu"))
    far.run(script("firewall", "down"))  # or it would clamp first what comes back
    inside = Capture(box, "eth0")
    for family in (0, 1):
        assert client(box, "tcp", FAR_BOX[family], 7000) == BOX[family]
        assert client(behind, "tcp", BOX[family], 7001) == FAR_BOX[family]
    assert {one for one in agreed(inside) if one[2] < 1440} == expected(link)
    assert {one for one in agreed(beyond) if one[2] < 1440} == expected(link)
