"""A slim edge as compiled, beside what people use instead: nftables and iptables by hand, socat and HAProxy.

One visitor, one edge, one server; the same tunnel (VXLAN, so that no cipher hides the difference) in each run. Rounds
take turns, so that whatever else the machine does falls on all of them; each round begins with another way.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
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
ports = "{PORT}/tcp"
to = "node"
via = "way"
"""
NFTABLES = f"""
table ip hand {{
	chain prerouting {{
		type nat hook prerouting priority dstnat;
		iifname "eth0" ip daddr {EDGE} tcp dport {PORT} dnat to {SERVER}
	}}
	chain forward {{
		type filter hook forward priority mangle;
		oifname "vx-node" tcp flags syn / syn,rst tcp option maxseg size set rt mtu
		iifname "vx-node" tcp flags syn / syn,rst tcp option maxseg size set rt mtu
	}}
}}
"""
IPTABLES = f"""
*mangle
-A FORWARD -o vx-node -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
-A FORWARD -i vx-node -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
COMMIT
*nat
-A PREROUTING -i eth0 -d {EDGE} -p tcp --dport {PORT} -j DNAT --to-destination {SERVER}
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


WAYS: dict[str, Callable[[Host], Way]] = {
    "nftables by hand": nftables,
    "netc": netc,
    "iptables by hand": iptables,
    "socat": socat,
    "HAProxy": haproxy,
}


def speed(visitor: Host, flows: int) -> float:
    """Gbit/s as the server received them (iperf3(1)). It serves one client at a time, and a relay lets go of the last
    one late. Raises NotMeasured."""
    command = ["iperf3", "--json", "--client", EDGE, "--time", str(SECONDS), "--parallel", str(flows)]
    said: dict[str, Any] = {}
    for _ in range(5):
        said = json.loads(visitor.run(command, check=False).stdout)
        if "sum_received" in said["end"]:
            return float(said["end"]["sum_received"]["bits_per_second"]) / 1e9
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
        node.start(["iperf3", "--server"])
        time.sleep(0.5)
        yield edge, visitor


def rates(flows: int, rounds: int) -> dict[str, list[float]]:
    """Of each way, round by round."""
    taken: dict[str, list[float]] = {name: [] for name in WAYS}
    names = list(WAYS)
    with edge_and_visitor() as (edge, visitor):
        for number in range(rounds):
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                with WAYS[name](edge):
                    taken[name].append(speed(visitor, flows))
    return taken


def figures() -> Iterator[Figure]:
    if why := missing(LIVE):
        raise NotMeasured(why)
    for tool in ("iperf3", "socat", "haproxy"):
        debian_tool(tool)
    for flows in (1, 8):
        taken = rates(flows, ROUNDS)
        work = f"a visitor's TCP through a slim edge over VXLAN, {flows} flow{'s' * (flows > 1)}"
        mine = tuple(taken.pop("netc"))
        for peer, others in taken.items():
            bar = BAR if peer == "nftables by hand" else None
            yield Figure(work, "netc", peer, median(mine), median(others), "Gbit/s", bar, mine, tuple(others))
