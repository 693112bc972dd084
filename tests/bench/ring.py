"""A ring of routers, OSPF and BGP between all of them: `netc build` beside `netlab create`, both for BIRD.

The same ring in both: a way between neighbours, a loopback address each, OSPF on every way, an iBGP session between
every two loopbacks. `netlab create` renders each node's configuration and what containerlab and Ansible want to know;
no container is started. `netc build` proves that nobody is locked out, and writes scripts and units as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.figure import NETC, Bar, Command, Figure, NotMeasured, away, beside, compared, room
from bench.peers import python_tool

ASN = 65000
BAR = Bar("most", 1 / 20)
ROUTERS, RUNS = 200, 3


def ring_links(routers: int) -> list[tuple[int, int]]:
    """Each router and the next, the last and the first."""
    return [(n, n % routers + 1) for n in range(1, routers + 1)]


def for_netc(routers: int) -> str:
    """The topology: up to 250 routers."""
    lines = ["version = 1", 'network.name = "ring"', "[bgp]", f"asn = {ASN}", 'internal = "mesh"']
    lines += ['prefixes = "10.0.0.0/16"', 'profile = "private"']
    names = ", ".join(f'"way{n}"' for n, _ in ring_links(routers))
    lines += ["[igp]", 'kind = "ospf"', f"over = [{names}]"]
    for n in range(1, routers + 1):
        lines += [f"[hosts.r{n}]", f"id = {n}", 'wan = "eth0"', f'addresses = "198.18.{n}.1/24"']
        lines += [f'loopback = "10.0.0.{n}/32"', "bgp = {}"]
    for n, other in ring_links(routers):
        lines += [f"[links.way{n}]", 'kind = "gre"', f'between = ["r{n}", "r{other}"]']
        lines += [f'ends.r{n}.address = "10.1.{n}.1/30"', f'ends.r{other}.address = "10.1.{n}.2/30"']
    return "\n".join(lines) + "\n"


def for_netlab(routers: int) -> str:
    """The same. It hands out addresses by itself: 10.0.0.n to loopbacks, a prefix of 10.1.0.0/16 to each way."""
    nodes = ", ".join(f"r{n}" for n in range(1, routers + 1))
    links = ", ".join(f"r{n}-r{other}" for n, other in ring_links(routers))
    return f"""provider: clab
defaults.device: bird
defaults.const.MAX_NODE_ID: 250
groups.all.role: router
module: [ospf, bgp]
bgp.as: {ASN}
addressing.loopback.ipv4: 10.0.0.0/24
addressing.p2p.ipv4: 10.1.0.0/16
addressing.mgmt.ipv4: 192.168.0.0/16
nodes: [{nodes}]
links: [{links}]
"""


def figures() -> Iterator[Figure]:
    netlab = python_tool("netlab")
    work = f"{ROUTERS} routers in a ring, OSPF, iBGP between all, for BIRD"
    with room() as folder:
        ours, theirs, topology = folder / "netc", folder / "netlab", folder / "ring.toml"
        topology.write_text(for_netc(ROUTERS))
        commands = {
            "netc": Command([*NETC, "build", str(topology), "-o", str(ours)], before=partial(away, ours)),
            "netlab": Command(
                [netlab, "create", "--quiet", "topology.yml"],
                theirs,
                before=partial(write_topology, theirs, for_netlab(ROUTERS)),
            ),
        }
        cost = beside(work, commands, RUNS)
        same_work(work, ROUTERS, ours, theirs)
    a, b = cost["netc"], cost["netlab"]
    yield compared(work, "netc build", "netlab create", a, b, BAR)
    yield Figure(f"{work}: memory", "netc build", "netlab create", a.memory, b.memory, "MiB")


def write_topology(folder: Path, topology: str) -> None:
    away(folder)
    folder.mkdir()
    (folder / "topology.yml").write_text(topology)


def same_work(work: str, routers: int, ours: Path, theirs: Path) -> None:
    """Both wrote the same sessions and the same interfaces of OSPF. Raises NotMeasured."""
    for n in (1, routers):
        mine = (ours / f"r{n}/files/etc/netc/bird.conf").read_text()
        nodes = theirs / f"node_files/r{n}"
        other = (nodes / "bgp").read_text() + (nodes / "ospf").read_text()
        counts = [(text.count("protocol bgp "), text.count("type ptp;")) for text in (mine, other)]
        # netc speaks OSPF for both families, on the two ways of a router
        if counts != [(routers - 1, 4), (routers - 1, 2)]:
            raise NotMeasured(f"{work}: not the same work: r{n} has sessions and ways {counts[0]} and {counts[1]}")
