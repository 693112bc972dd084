"""A WireGuard mesh of many hosts, beside wg-meshconf (https://github.com/k4yt3x/wg-meshconf).

wg-meshconf writes a wg-quick file a host, with the private key in it. netc writes a whole tree a host: scripts, units,
what installs them. Both read and write the same hosts.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.figure import NETC, Bar, Command, Cost, Figure, away, beside, compared, room
from bench.inputs import database, mesh
from bench.peers import python_tool

RUNS = {100: 5, 500: 3, 1000: 1}
"""wg-meshconf takes minutes for 1,000."""


def figures() -> Iterator[Figure]:
    peer = python_tool("wg-meshconf")
    for hosts, runs in RUNS.items():
        with room() as folder:
            yield from _at(hosts, _costs(Path(folder), hosts, runs, peer), runs)


def _costs(folder: Path, hosts: int, runs: int, peer: str) -> dict[str, Cost]:
    topo, rows, out, configs = (folder / name for name in ("topo.toml", "mesh.csv", "out", "configs"))
    topo.write_text(mesh(hosts))
    rows.write_text(database(hosts))
    ways = {
        "netc": Command([*NETC, "build", str(topo), "-o", str(out)], before=partial(away, out)),
        "wg-meshconf": Command(
            [peer, "--database", str(rows), "genconfig", "--output", str(configs)],
            before=partial(away, configs),
        ),
    }
    return beside(f"a mesh of {hosts} hosts", ways, runs)


def _at(hosts: int, cost: dict[str, Cost], runs: int) -> Iterator[Figure]:
    ours, peer = cost["netc"], cost["wg-meshconf"]
    work = f"a mesh of {hosts:,} hosts" + (", one run" if runs == 1 else "")
    largest = hosts == max(RUNS)
    bar = Bar("most", 0.1) if largest else None
    yield compared(work, "time", "wg-meshconf", ours, peer, bar)
    bar = Bar("most", 300, of="value") if largest else None
    yield Figure(work, "memory", "wg-meshconf", ours.memory, peer.memory, "MiB", bar)
