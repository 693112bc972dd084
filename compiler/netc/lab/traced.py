"""The path of a packet through the kernels' own rules, as `nft monitor trace` prints it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from netc.lab.packets import FIRST
from netc.lab.process import Process
from netc.lab.scene import NUMBERS, Scene

TABLE = "netc_lab_trace"
RULES = """
add table inet {table}
add chain inet {table} in {{ type filter hook prerouting priority -450; }}
add chain inet {table} out {{ type filter hook output priority -450; }}
add rule inet {table} in meta l4proto {{ tcp, udp }} th sport {ports} meta nftrace set 1
add rule inet {table} in meta l4proto {{ tcp, udp }} th dport {ports} meta nftrace set 1
add rule inet {table} out meta l4proto {{ tcp, udp }} th sport {ports} meta nftrace set 1
add rule inet {table} out meta l4proto {{ tcp, udp }} th dport {ports} meta nftrace set 1
"""


@contextmanager
def traces(scene: Scene) -> Iterator[list[tuple[str, str]]]:
    """What the rules of each host say of the lab's packets and their answers, until the end: the list is filled there.
    Hosts with iptables say what nftables knows of it."""
    found: list[tuple[str, str]] = []
    started: list[tuple[str, Process]] = []
    places = [
        (stack.name, scene.hosts[str(place[0])], str(place[1]) if place[1] else None)
        for place, stack in scene.paper.stacks.items()
    ]
    rules = RULES.format(table=TABLE, ports=f"{FIRST}-{FIRST + NUMBERS - 1}")
    for name, host, space in places:
        host.run(["nft", "-f", "-"], namespace=space, input=rules)
        started.append((name, host.start(["stdbuf", "-oL", "nft", "monitor", "trace"], namespace=space)))
    try:
        yield found
    finally:
        for _, host, space in places:
            host.run(["nft", "delete", "table", "inet", TABLE], namespace=space)
        for name, process in started:
            process.stop()
            found += [(name, line) for line in _lines(process.said())]


def _lines(said: str) -> Iterator[str]:
    """Each once: the same packet is sent again while there is no answer."""
    lines = (re.sub(r"^trace id [0-9a-f]+ ", "", line) for line in said.splitlines())
    rules = (line for line in lines if TABLE not in line and " packet: " not in line and " rule " in f" {line} ")
    yield from dict.fromkeys(rules)
