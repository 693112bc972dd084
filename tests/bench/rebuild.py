"""A build of what was built before: unchanged, or after a change to one host."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.figure import NETC, Bar, Command, Cost, Figure, away, beside, compared, room
from bench.inputs import fleet, mesh

HOSTS, RUNS = 500, 5
WALL = 'firewall = { allow = [{ ports = "443/tcp" }] }'
WORKS = {
    f"a mesh of {HOSTS} hosts, built again": (mesh(HOSTS), mesh(HOSTS, WALL)),
    f"{HOSTS} hosts with firewalls, built again": (fleet(HOSTS), fleet(HOSTS, '{ ports = "25/tcp" }')),
}


def figures() -> Iterator[Figure]:
    for work, texts in WORKS.items():
        with room() as folder:
            cost = _cost(folder, texts)
        full = cost["full"]
        yield compared(work, "one host opens a port", "the full build", cost["changed"], full, Bar("most", 0.25))
        yield compared(work, "nothing changed", "the full build", cost["unchanged"], full, Bar("most", 0.1))


def _cost(folder: Path, texts: tuple[str, str]) -> dict[str, Cost]:
    topo, out, cache = folder / "topo.toml", folder / "out", folder / "cache"
    topo.write_text(texts[0])
    build = partial(Command, [*NETC, "build", str(topo), "-o", str(out)], environment={"XDG_CACHE_HOME": str(cache)})
    ways = {
        "full": build(before=partial(away, out, cache)),
        "changed": build(before=lambda: topo.write_text(texts[topo.read_text() == texts[0]])),
        "unchanged": build(),
    }
    return beside(f"{HOSTS} hosts", ways, RUNS)
