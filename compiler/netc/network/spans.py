"""Ranges of numbers, and which of them overlap another."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class Spans(Generic[Thing]):
    """Things by the first and the last of their numbers, both included; they may overlap."""

    def __init__(self, spans: Iterable[tuple[int, int, Thing]]) -> None:
        self._spans = sorted(spans, key=lambda span: span[:2])
        self._firsts = [first for first, _, _ in self._spans]
        lasts = [last for _, last, _ in self._spans]
        self._reach = [*accumulate(lasts, max)]
        """The furthest that any up to here goes."""
        self._least = [*accumulate(reversed(lasts), min)][::-1]
        """The nearest that any from here on goes."""
        # A binary tree in a list: node n has the larger value of its children 2n and 2n + 1. The leaves come last.
        self._furthest = [0] * len(lasts) + lasts
        for at in range(len(lasts) - 1, 0, -1):
            self._furthest[at] = max(self._furthest[2 * at], self._furthest[2 * at + 1])

    def meeting(self, first: int, last: int) -> Iterator[Thing]:
        """Those with a number from `first` to `last`, in no order. Each takes as long as the tree is high."""
        low, high = len(self._spans), len(self._spans) + bisect_right(self._firsts, last)
        waiting: list[int] = []
        while low < high:  # the fewest trees that hold all that begin before the last
            if low & 1:
                waiting.append(low)
                low += 1
            if high & 1:
                high -= 1
                waiting.append(high)
            low, high = low >> 1, high >> 1
        while waiting:
            at = waiting.pop()
            if self._furthest[at] < first:
                continue
            if at >= len(self._spans):
                yield self._spans[at - len(self._spans)][2]
            else:
                waiting += (2 * at, 2 * at + 1)

    def within(self, first: int, last: int) -> bool:
        """Whether one of them has none but those numbers."""
        at = bisect_left(self._firsts, first)
        return at < len(self._least) and self._least[at] <= last

    def holds(self, first: int, last: int) -> bool:
        """Whether one of them has all of those numbers."""
        before = bisect_right(self._firsts, first)
        return before > 0 and self._reach[before - 1] >= last
