"""How long netc takes to start, beside the bare import of what it stands on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.figure import NETC, Bar, Command, Figure, away, beside, compared, room

SEEDBOX = Path(__file__).parents[2] / "examples/seedbox.toml"
TYPER = "python3 -c 'import typer'"
ALL = "python3 -c 'import typer, pydantic, jinja2, netaddr'"


def figures() -> Iterator[Figure]:
    work = "start"
    ways = {"netc": [*NETC, "--version"], TYPER: [sys.executable, "-c", "import typer"]}
    cost = beside(work, ways, runs=11)
    yield compared(work, "netc --version", TYPER, cost["netc"], cost[TYPER], Bar("most", 1.5))
    with room() as folder:
        out = Path(folder) / "out"
        build = Command([*NETC, "build", str(SEEDBOX), "-o", str(out)], before=partial(away, out))
        work = "start, and one host compiled"
        modules = [sys.executable, "-c", "import typer, pydantic, jinja2, netaddr"]
        cost = beside(work, {"netc": build, ALL: modules}, runs=11)
    yield compared(work, "netc build examples/seedbox.toml", ALL, cost["netc"], cost[ALL], Bar("most", 2.5))
