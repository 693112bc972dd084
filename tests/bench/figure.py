"""A figure: what netc takes for a piece of work, and what a peer takes for the same, by runs that take turns."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from typing import Literal, TypeVar

Result = TypeVar("Result")

NETC = (sys.executable, "-c", "from netc.cli import main; main()")
"""The command, as its script in bin/ runs it."""


class NotMeasured(Exception):
    """Why a figure could not be taken: a tool that is missing, a right that is not held."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one piece of work: `seconds` the median of its runs, `memory` the most MiB that a single process ever held."""

    seconds: float
    memory: float
    runs: tuple[float, ...] = ()
    """The seconds of each."""


@dataclass(frozen=True, slots=True)
class Bar:
    """What is promised: of the ratio to the peer, or of netc's own value, at `most` or at `least` so much."""

    side: Literal["most", "least"]
    limit: float
    of: Literal["ratio", "value"] = "ratio"


@dataclass(frozen=True, slots=True)
class Figure:
    """`value` is netc's, `beside` the peer's, both in `unit`; without a peer it is None. `work` is what both did. Runs
    that took turns are told one by one, where they are known, and the ratio is the median of theirs."""

    work: str
    ours: str
    peer: str
    value: float
    beside: float | None
    unit: str
    bar: Bar | None = None
    runs: tuple[float, ...] = ()
    runs_beside: tuple[float, ...] = ()

    @property
    def ratio(self) -> float | None:
        if self.runs and len(self.runs) == len(self.runs_beside):  # what falls on a whole round falls out
            return median(mine / other for mine, other in zip(self.runs, self.runs_beside, strict=True))
        return self.value / self.beside if self.beside else None

    @property
    def holds(self) -> bool | None:
        """Whether the bar does; None where none is set."""
        if self.bar is None:
            return None
        measured = self.ratio if self.bar.of == "ratio" else self.value
        if measured is None:
            return False
        return measured <= self.bar.limit if self.bar.side == "most" else measured >= self.bar.limit


@dataclass(frozen=True, slots=True)
class Missing:
    """A figure that could not be taken, and why. `broken`: netc or the bench failed, and nothing that the machine has
    not got."""

    work: str
    why: str
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """What is run and measured. `before` is called before each run and not measured: it makes room."""

    argv: Sequence[str]
    folder: Path | None = None
    before: Callable[[], object] | None = None
    output: Path = Path(os.devnull)


_NUMBERS = count(1)


def room() -> AbstractContextManager[Path]:
    """A new folder, which `python -m bench` removes when all is measured: ext4 looks for inodes that were not deleted
    in the last minutes (fs/ext4/ialloc.c, `recently_deleted`), so whoever writes many files after many were removed
    would pay for it."""
    return nullcontext(Path(mkdtemp(prefix="bench-")))


def away(*paths: Path) -> None:
    """Moves what stands there aside, for the same reason."""
    for path in paths:
        if path.exists():
            path.rename(path.with_name(f".{path.name}.{next(_NUMBERS)}"))


def alternate(ways: Mapping[str, Callable[[], Result]], runs: int = 5) -> dict[str, list[Result]]:
    """What each way gave, run after run. They take turns, so that whatever else the machine does falls on all."""
    taken: dict[str, list[Result]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, way in ways.items():
            taken[name].append(way())
    return taken


def beside(
    work: str, ways: Mapping[str, Command | Sequence[str] | Callable[[], object]], runs: int = 5
) -> dict[str, Cost]:
    """The cost of each way to do `work`. A callable is timed in this process, and its memory is not known (NaN).

    Raises NotMeasured when a peer's command fails, with its last words, and RuntimeError when netc does.
    """
    try:
        taken = alternate({name: _runner(way) for name, way in ways.items()}, runs)
    except subprocess.CalledProcessError as error:
        words = (error.stderr or b"").decode(errors="replace").strip().splitlines()
        what = f"{work}: {error.cmd[0]} failed: {words[-1] if words else error.returncode}"
        broke = RuntimeError if NETC[-1] in error.cmd else NotMeasured
        raise broke(what) from None
    return {name: _summary(costs) for name, costs in taken.items()}


def _summary(costs: Sequence[Cost]) -> Cost:
    seconds = tuple(cost.seconds for cost in costs)
    return Cost(median(seconds), max(cost.memory for cost in costs), seconds)


def compared(work: str, ours: str, peer: str, cost: Cost, other: Cost, bar: Bar | None = None) -> Figure:
    """The seconds of both."""
    return Figure(work, ours, peer, cost.seconds, other.seconds, "s", bar, cost.runs, other.runs)


def _runner(way: Command | Sequence[str] | Callable[[], object]) -> Callable[[], Cost]:
    if isinstance(way, Command):
        return lambda: measured(way)
    if callable(way):
        return lambda: timed(way)
    command = Command(way)
    return lambda: measured(command)


def timed(way: Callable[[], object]) -> Cost:
    start = time.perf_counter()
    way()
    return Cost(time.perf_counter() - start, float("nan"))


COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}
"""What pip installs has its bytecode; so has, after the first run, a checkout."""

SPAWN = """
import os, sys, time
start = time.perf_counter()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
seconds = time.perf_counter() - start
os.write(int(sys.argv[1]), f"{seconds} {usage.ru_maxrss} {os.waitstatus_to_exitcode(status)}".encode())
"""
"""A process is said to have held what its parent held, so the parent is a small one (getrusage(2), ru_maxrss: KiB of
the largest of all that were waited for)."""


def measured(command: Command) -> Cost:
    """One run. Raises CalledProcessError."""
    if command.before:
        command.before()
    read, write = os.pipe()
    with open(read) as said, open(command.output, "wb") as output:
        try:
            ran = subprocess.run(
                [sys.executable, "-ISc", SPAWN, str(write), *command.argv],
                cwd=command.folder,
                env=os.environ | COMPILED,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.PIPE,
                pass_fds=(write,),
                check=True,
            )
        finally:
            os.close(write)
        seconds, memory, code = said.read().split()
    if int(code):
        raise subprocess.CalledProcessError(int(code), list(command.argv), stderr=ran.stderr)
    return Cost(float(seconds), int(memory) / 1024)
