"""Waiting for what is to come: until it holds, and for as long as a busy machine may take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LOOK = 0.1
"""Seconds between two looks."""
PATIENCE = 3
"""A look may wait itself, such as for an answer that never comes: after so many times the seconds, nothing will."""
LONG = 600
"""Seconds after which a program that has not ended never will."""


class Late(RuntimeError):
    """Something did not happen in time."""


def within(seconds: float, true: Callable[[], T]) -> T:
    """What it is as soon as it is true, or at the last look.

    The time is counted in looks, ten a second: on a busy machine each takes longer, and so does what is waited for,
    up to PATIENCE.
    """
    end = time.monotonic() + PATIENCE * seconds
    for _ in range(max(1, round(seconds / LOOK))):
        if found := true():
            return found
        if time.monotonic() > end:
            break
        time.sleep(LOOK)
    return true()


def wait(true: Callable[[], T], seconds: float = 120) -> T:
    """What it is when it is true; `Late` when that does not come `within` so many seconds."""
    if found := within(seconds, true):
        return found
    raise Late(f"not within {seconds} s")
