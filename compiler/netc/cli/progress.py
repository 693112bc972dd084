"""How far a long build is: a bar on a terminal, after a second, gone when the build is."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

PATIENCE = 1.0
"""Seconds."""

Each = TypeVar("Each")


@contextmanager
def watched(each: Iterable[Each], total: int, since: float) -> Iterator[Iterator[Each]]:
    """Passes `each` on. `since`: when the build began, by `monotonic`."""
    shown: list[Progress] = []

    def passed() -> Iterator[Each]:
        for done, one in enumerate(each):
            if not shown and monotonic() - since > PATIENCE:
                shown.append(_bar(total))
            if shown:
                shown[0].update(shown[0].task_ids[0], completed=done)
            yield one

    try:
        yield passed() if _is_wanted() else iter(each)
    finally:
        for bar in shown:
            bar.stop()


def _is_wanted() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _bar(total: int) -> Progress:
    """In colours unless NO_COLOR is set, which rich heeds (no-color.org)."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("hosts"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    bar.add_task("", total=total)
    bar.start()
    return bar
