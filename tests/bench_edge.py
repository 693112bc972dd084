"""A slim edge as compiled, beside what people use instead: nftables by hand, socat and HAProxy. `make bench`, as root.

One visitor, one edge, one server; the same tunnel (VXLAN, so that no cipher hides the difference) in each run. Rounds
take turns, so that whatever else the machine does falls on all of them.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from live.compiled import compiled, install, parts, script, up
from live.lab import Host, Lab

Way = AbstractContextManager[None]

PORT = 5201
EDGE, VISITOR, SERVER = "198.51.100.1", "198.51.100.9", "10.77.0.1"
SECONDS, ROUNDS = 3, 3
TOPOLOGY = f"""
version = 1
network.name = "bench"
hosts.edge = {{ id = 1, wan = "eth0", addresses = "{EDGE}/24" }}
hosts.node = {{ id = 2, wan = "eth0", addresses = "198.51.100.2/24" }}

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
BY_HAND = f"""
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
def by_hand(edge: Host) -> Iterator[None]:
    edge.run(["nft", "-f", "-"], input=BY_HAND)
    try:
        yield
    finally:
        edge.run(["nft", "delete", "table", "ip", "hand"])


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
    "nftables by hand": by_hand,
    "netc": netc,
    "socat": socat,
    "haproxy": haproxy,
}


def speed(visitor: Host, flows: int) -> float:
    """Gbit/s as the server received them (iperf3(1))."""
    command = ["iperf3", "--json", "--client", EDGE, "--time", str(SECONDS), "--parallel", str(flows)]
    said = json.loads(visitor.run(command).stdout)
    return float(said["end"]["sum_received"]["bits_per_second"]) / 1e9


def main() -> None:
    if missing := [tool for tool in ("iperf3", "socat", "haproxy") if not shutil.which(tool)]:
        sys.exit(f"slim edge: could not run: apt-get install {' '.join(missing)}")
    with TemporaryDirectory() as folder, Lab() as lab:
        trees = compiled(TOPOLOGY, Path(folder))
        edge, node, visitor = install(lab, "edge", trees), install(lab, "node", trees), lab.host("visitor")
        switch = lab.switch("switch")
        for host, address in ((edge, EDGE), (node, "198.51.100.2"), (visitor, VISITOR)):
            switch.plug(host, "eth0", f"{address}/24")
        up(node)
        for part in parts(edge):
            if part != "firewall":
                edge.run(script(part, "up"))
        node.start(["iperf3", "--server"])
        time.sleep(0.5)
        rates: dict[tuple[str, int], list[float]] = {}
        for _ in range(ROUNDS):
            for flows in (1, 8):
                for name, way in WAYS.items():
                    with way(edge):
                        rates.setdefault((name, flows), []).append(speed(visitor, flows))
    print(f"| slim edge, TCP over VXLAN, median of {ROUNDS} | 1 flow | beside nftables | 8 flows | beside nftables |")
    print("|---|---|---|---|---|")
    for name in WAYS:
        cells = []
        for flows in (1, 8):
            rate = median(rates[name, flows])
            cells += [f"{rate:.2f} Gbit/s", f"{rate / median(rates['nftables by hand', flows]):.2f}"]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
