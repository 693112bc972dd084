"""A build of what was built before: unchanged, or after a change to one host."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.figure import NETC, Bar, Command, Figure, away, beside, compared, room
from bench.inputs import mesh

HOSTS, RUNS = 500, 5
TEXTS = (mesh(HOSTS), mesh(HOSTS, 'firewall = { allow = [{ ports = "443/tcp" }] }'))


def figures() -> Iterator[Figure]:
    with room() as name:
        folder = Path(name)
        topo, out = folder / "topo.toml", folder / "out"
        topo.write_text(TEXTS[0])
        build = partial(
            Command, [*NETC, "build", str(topo), "-o", str(out)], environment={"XDG_CACHE_HOME": str(folder / "cache")}
        )
        ways = {
            "full": build(before=partial(away, out, folder / "cache")),
            "changed": build(before=partial(_change, topo)),
            "unchanged": build(),
        }
        cost = beside(f"{HOSTS} hosts", ways, RUNS)
    work, full = f"a mesh of {HOSTS} hosts, built again", cost["full"]
    yield compared(work, "one host opens a port", "the full build", cost["changed"], full, Bar("most", 0.25))
    yield compared(work, "nothing changed", "the full build", cost["unchanged"], full, Bar("most", 0.1))


def _change(topo: Path) -> None:
    topo.write_text(TEXTS[topo.read_text() == TEXTS[0]])
