"""Forwarded ports that change while flows are on their way: those of changed ports follow, all others stay."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from live.compiled import compiled, script, up
from live.lab import Host, Lab
from netc.lab.process import Process
from netc.lab.waiting import within

pytestmark = [pytest.mark.live, pytest.mark.netfilters]

TOPOLOGY = """
version = 1
network.name = "lab"

[hosts.edge]
id = 1
wan = "eth0"
addresses = ["198.51.100.10/24", "2001:db8:10::10/64"]

[hosts.node]
id = 2
wan = "eth0"
addresses = ["203.0.113.20/24"]

[links.one]
kind = "vxlan"
between = ["edge", "node"]
ends.edge.address = ["10.77.1.0/31", "fd77:1::/127"]
ends.node.address = ["10.77.1.1/31", "fd77:1::1/127"]
"""
FORWARD = """
[forwards.{name}]
at = "edge"
ports = "{ports}"
to = "node{to}"
via = "one"
bound = {bound}
"""
BEFORE = {"moving": ("5000/udp", ":6000"), "staying": ("5001/tcp", ":6001"), "range": ("7000-7010/udp", "")}
AFTER = BEFORE | {"moving": ("5000/udp", ":6010"), "range": ("7000-7020/udp", ""), "late": ("5002/udp", ":6000")}

AT = ("198.51.100.10", "2001:db8:10::10")
SERVER = ("10.77.1.1", "fd77:1::1")

ANSWER = """
import socket, sys
kind, address, port = sys.argv[1:]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
server = socket.socket(family, getattr(socket, kind))
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind((address, int(port)))
if kind == "SOCK_STREAM":
    server.listen()
    print("ready", flush=True)
    server, _ = server.accept()
    while server.recv(100):
        server.send(port.encode() + b"\\n")
print("ready", flush=True)
while True:
    _, visitor = server.recvfrom(100)
    server.sendto(port.encode() + b"\\n", visitor)
"""
TALK = """
import socket, sys, time
kind, address, port = sys.argv[1:]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
with socket.socket(family, getattr(socket, kind)) as mine:
    mine.connect((address, int(port)))
    mine.settimeout(0.1)
    while True:
        try:
            mine.send(b"?")
            print(mine.recv(100).decode(), end="", flush=True)
        except (TimeoutError, ConnectionRefusedError):
            pass
        time.sleep(0.1)
"""


def trees(folder: Path, forwards: dict[str, tuple[str, str]]) -> dict[str, Path]:
    filled = (
        FORWARD.format(name=name, ports=ports, to=to, bound=str(ports.endswith("udp")).lower())
        for name, (ports, to) in forwards.items()
    )
    return compiled(TOPOLOGY + "".join(filled), folder)


def scene(lab: Lab, tmp_path: Path) -> tuple[Host, Host, Host]:
    before = trees(tmp_path / "before", BEFORE)
    world, edge, node = lab.host("world"), lab.host("edge", before["edge"]), lab.host("node", before["node"])
    world.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
    lab.wire(
        edge,
        "eth0",
        world,
        "edge",
        a_addresses=("198.51.100.10/24", "2001:db8:10::10/64"),
        b_addresses=("198.51.100.1/24", "2001:db8:10::1/64"),
    )
    lab.wire(node, "eth0", world, "node", a_addresses=["203.0.113.20/24"], b_addresses=["203.0.113.1/24"])
    edge.run(["ip", "route", "add", "default", "via", "198.51.100.1"])
    node.run(["ip", "route", "add", "default", "via", "203.0.113.1"])
    for host in (edge, node):
        up(host)
    for address in SERVER:
        for port in (6000, 6010, 7005):
            peer(node, ANSWER, "SOCK_DGRAM", address, port).wait_for("ready")
        peer(node, ANSWER, "SOCK_STREAM", address, 6001).wait_for("ready")
    return world, edge, node


def peer(host: Host, program: str, kind: str, address: str, port: int) -> Process:
    return host.start([sys.executable, "-I", "-S", "-c", program, kind, address, str(port)])


def said(talk: Process) -> str:
    """The port that answered last."""
    return (talk.out.read_text().split() or [""])[-1]


def hears(talk: Process, port: str) -> bool:
    """Within some seconds, and goes on to."""
    within(30, lambda: said(talk) == port)
    count = len(talk.out.read_text())
    return within(30, lambda: len(talk.out.read_text()) > count + 4) and said(talk) == port


def flows(edge: Host, port: int) -> set[str]:
    """The kernel's own numbers of what it remembers of a port: a flow that was forgotten gets another."""
    listed = "".join(edge.run(["conntrack", "-L", "-f", family, "-o", "id"]).stdout for family in ("ipv4", "ipv6"))
    return {line.rpartition("id=")[2] for line in listed.splitlines() if re.search(rf"^[^\[]*? dport={port} ", line)}


def test_flows_of_changed_ports_follow_and_no_others_are_touched(lab: Lab, tmp_path: Path) -> None:
    world, edge, _ = scene(lab, tmp_path)
    talks = {
        (address, port): peer(world, TALK, "SOCK_STREAM" if port == 5001 else "SOCK_DGRAM", address, port)
        for address in AT
        for port in (5000, 5001, 5002, 7005)
    }
    for address in AT:
        assert hears(talks[address, 5000], "6000")
        assert hears(talks[address, 5001], "6001")
        assert hears(talks[address, 7005], "7005")
        assert said(talks[address, 5002]) == ""
    remembered = {port: flows(edge, port) for port in (5001, 7005)}
    assert [len(found) for found in remembered.values()] == [2, 2]

    edge.lay(trees(tmp_path / "after", AFTER)["edge"])
    edge.run(script("firewall", "reload"))

    for address in AT:
        assert hears(talks[address, 5000], "6010")
        assert hears(talks[address, 5001], "6001")
        assert hears(talks[address, 7005], "7005")
        assert hears(talks[address, 5002], "6000")
    assert {port: flows(edge, port) for port in (5001, 7005)} == remembered


WITHOUT_CONNTRACK = """
cd /tmp
mkdir all few
mount --bind /usr/sbin all
ln -s /tmp/all/* few
rm few/conntrack
mount --bind few /usr/sbin
"""


def test_without_conntrack_rules_are_loaded_with_a_warning(lab: Lab, tmp_path: Path) -> None:
    world, edge, _ = scene(lab, tmp_path)
    old = peer(world, TALK, "SOCK_DGRAM", AT[0], 5000)
    assert hears(old, "6000")
    edge.run(["bash", "-ec", WITHOUT_CONNTRACK])
    edge.lay(trees(tmp_path / "after", AFTER)["edge"])
    done = edge.run(script("firewall", "reload"))

    assert "apt-get install conntrack" in done.stderr
    assert hears(old, "6000")
    assert hears(peer(world, TALK, "SOCK_DGRAM", AT[0], 5000), "6010")


def test_a_reload_restores_a_flushed_table_and_keeps_flows(lab: Lab, tmp_path: Path) -> None:
    world, edge, _ = scene(lab, tmp_path)
    talk = peer(world, TALK, "SOCK_DGRAM", AT[0], 7005)
    assert hears(talk, "7005")
    remembered = flows(edge, 7005)
    edge.run(["nft", "flush", "ruleset"])
    edge.run(script("firewall", "reload"))

    assert flows(edge, 7005) == remembered
    assert hears(talk, "7005")
