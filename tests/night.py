"""Large draws: all of each at night (`--night SEED`, by that seed), elsewhere a twentieth, the same one each time.

A draw is random topologies and other drawn values, spoiled examples, or the moments at which something is killed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

SHARE = 20
"""Of so many, one is tried by day."""
_seed: str | None = None


def begin(seed: str | None) -> None:
    """Before the tests are read, since they say how much they draw; None: it is day."""
    global _seed
    _seed = seed


def is_night() -> bool:
    return _seed is not None


def seed() -> str:
    """By which all that is random is drawn."""
    return _seed or "day"


def number(whole: int) -> int:
    """How many of so many drawn values are tried."""
    return whole if is_night() else max(1, whole // SHARE)


def some(every: Sequence[T], least: int = 1) -> list[T]:
    """Which of these are tried, in their order: all, or a twentieth and no fewer than `least`."""
    if is_night() or len(every) <= least:
        return list(every)
    chosen = random.Random(f"{seed()} {every!r}").sample(range(len(every)), max(least, len(every) // SHARE))
    return [every[n] for n in sorted(chosen)]
