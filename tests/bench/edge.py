"""A slim edge as compiled, beside what people use instead: nftables and iptables by hand, socat and HAProxy.

One visitor, one edge, one server; the same tunnel (VXLAN, so that no cipher hides the difference) in each run. Rounds
take turns, so that whatever else the machine does falls on all of them; each round begins with another way.

What an edge adds to a packet shows in small packets that nobody answers: a namespace forwards them on the processor of
who sends them, so each costs what it costs. How fast TCP gets is told as well, and depends more on how many segments
happen to come together: on two processors from 15 to 29 Gbit/s, by any way.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench.figure import Bar, Figure, NotMeasured
from bench.peers import debian_tool
from live.compiled import compiled, install, parts, script, up
from live.lab import Host, Lab
from live.needs import LIVE, missing

Way = AbstractContextManager[None]

PORT = 5201
EDGE, NODE, VISITOR, SERVER = "198.51.100.1", "198.51.100.2", "198.51.100.9", "10.77.0.1"
SECONDS, ROUNDS = 2, 9
PACKET_SECONDS, PACKET_ROUNDS, PACKET_SIZE = 1, 40, 64
BAR = Bar("least", 0.98)
TOPOLOGY = f"""
version = 1
network.name = "bench"
hosts.edge = {{ id = 1, wan = "eth0", addresses = "{EDGE}/24" }}
hosts.node = {{ id = 2, wan = "eth0", addresses = "{NODE}/24" }}

[links.way]
kind = "vxlan"
between = ["edge", "node"]
ends.edge.address = "10.77.0.0/31"
ends.node.address = "{SERVER}/31"

[forwards.iperf]
at = "edge"
ports = ["{PORT}/tcp", "{PORT}/udp"]
to = "node"
via = "way"
bound = true
"""
NFTABLES = f"""
table ip hand {{
	chain prerouting {{
		type nat hook prerouting priority dstnat;
		iifname "eth0" ip daddr {EDGE} meta l4proto {{ tcp, udp }} th dport {PORT} dnat to {SERVER}
	}}
	chain forward {{
		type filter hook forward priority mangle;
		oifname "vx-node" tcp flags syn / syn,rst tcp option maxseg size set rt mtu
		iifname "vx-node" tcp flags syn / syn,rst tcp option maxseg size set 1410
	}}
}}
"""
IPTABLES = f"""
*mangle
-A FORWARD -o vx-node -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
-A FORWARD -i vx-node -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1410
COMMIT
*nat
-A PREROUTING -i eth0 -d {EDGE} -p tcp --dport {PORT} -j DNAT --to-destination {SERVER}
-A PREROUTING -i eth0 -d {EDGE} -p udp --dport {PORT} -j DNAT --to-destination {SERVER}
COMMIT
"""
HAPROXY = f"""
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen iperf
  bind {EDGE}:{PORT}
  server node {SERVER}:{PORT}
"""


@contextmanager
def netc(edge: Host) -> Iterator[None]:
    edge.run(script("firewall", "up"))
    try:
        yield
    finally:
        edge.run(script("firewall", "down"))


@contextmanager
def nftables(edge: Host) -> Iterator[None]:
    edge.run(["nft", "-f", "-"], input=NFTABLES)
    try:
        yield
    finally:
        edge.run(["nft", "delete", "table", "ip", "hand"])


@contextmanager
def iptables(edge: Host) -> Iterator[None]:
    edge.run(["iptables-restore", "--noflush"], input=IPTABLES)
    try:
        yield
    finally:
        for table in ("mangle", "nat"):
            edge.run(["iptables", "-t", table, "-F"])


@contextmanager
def relay(edge: Host, *command: str) -> Iterator[None]:
    running = edge.start(command)
    try:
        time.sleep(0.5)
        yield
    finally:
        running.stop()


def socat(edge: Host) -> Way:
    return relay(edge, "socat", f"TCP-LISTEN:{PORT},bind={EDGE},fork,reuseaddr", f"TCP:{SERVER}:{PORT}")


def haproxy(edge: Host) -> Way:
    edge.write("/etc/netc/haproxy.cfg", HAPROXY)
    return relay(edge, "haproxy", "-db", "-f", "/etc/netc/haproxy.cfg")


FORWARDING: dict[str, Callable[[Host], Way]] = {
    "nftables by hand": nftables,
    "netc": netc,
    "iptables by hand": iptables,
}
RELAYING: dict[str, Callable[[Host], Way]] = {"socat": socat, "HAProxy": haproxy}


def packets(visitor: Host) -> float:
    """Thousands of UDP packets a second that arrived. Raises NotMeasured."""
    flood = ["--udp", "--bitrate", "0", "--length", str(PACKET_SIZE), "--time", str(PACKET_SECONDS)]
    said = iperf(visitor, ["taskset", "--cpu-list", "0"], flood, "sum")
    return float((said["packets"] - said["lost_packets"]) / said["seconds"]) / 1e3


def speed(visitor: Host, flows: int) -> float:
    """Gbit/s of TCP as the server received them. Raises NotMeasured."""
    said = iperf(visitor, [], ["--time", str(SECONDS), "--parallel", str(flows)], "sum_received")
    return float(said["bits_per_second"]) / 1e9


def iperf(visitor: Host, by: list[str], words: list[str], wanted: str) -> dict[str, Any]:
    """What iperf3(1) says in the end. It serves one client at a time, and a relay lets go of the last one late."""
    said: dict[str, Any] = {}
    for _ in range(5):
        command = [*by, "iperf3", "--json", "--client", EDGE, *words]
        said = json.loads(visitor.run(command, check=False).stdout)
        if wanted in said["end"]:
            return dict(said["end"][wanted])
        time.sleep(1)
    raise NotMeasured(f"iperf3: {said.get('error')}")


@contextmanager
def edge_and_visitor() -> Iterator[tuple[Host, Host]]:
    """All is up but the way in."""
    with TemporaryDirectory(prefix="bench-") as folder, Lab() as lab:
        trees = compiled(TOPOLOGY, Path(folder))
        edge, node, visitor = install(lab, "edge", trees), install(lab, "node", trees), lab.host("visitor")
        switch = lab.switch("switch")
        for host, address in ((edge, EDGE), (node, NODE), (visitor, VISITOR)):
            switch.plug(host, "eth0", f"{address}/24")
        up(node)
        for part in parts(edge):
            if part != "firewall":
                edge.run(script(part, "up"))
        node.start(["iperf3", "--server", "--bind", SERVER])
        time.sleep(0.5)
        yield edge, visitor


def rates(
    ways: Mapping[str, Callable[[Host], Way]], rate: Callable[[Host], float], rounds: int
) -> dict[str, list[float]]:
    """Of each way, round by round."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    with edge_and_visitor() as (edge, visitor):
        for number in range(rounds):
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                with ways[name](edge):
                    taken[name].append(rate(visitor))
    return taken


def figures() -> Iterator[Figure]:
    if why := missing(LIVE):
        raise NotMeasured(why)
    for tool in ("iperf3", "socat", "haproxy"):
        debian_tool(tool)
    work = f"a visitor's UDP packets of {PACKET_SIZE} bytes through a slim edge over VXLAN"
    for peer, (mine, others) in beside(rates(FORWARDING, packets, PACKET_ROUNDS)).items():
        bar = BAR if peer == "nftables by hand" else None
        yield Figure(work, "netc", peer, median(mine), median(others), "thousand/s", bar, mine, others)
    for flows in (1, 8):
        work = f"a visitor's TCP through the same edge, {flows} flow{'s' * (flows > 1)}"
        taken = rates(FORWARDING | RELAYING, partial(speed, flows=flows), ROUNDS)
        for peer, (mine, others) in beside(taken).items():
            yield Figure(work, "netc", peer, median(mine), median(others), "Gbit/s", None, mine, others)


def beside(taken: dict[str, list[float]]) -> dict[str, tuple[tuple[float, ...], tuple[float, ...]]]:
    """By peer: netc's runs, and its own."""
    return {peer: (tuple(taken["netc"]), tuple(runs)) for peer, runs in taken.items() if peer != "netc"}
