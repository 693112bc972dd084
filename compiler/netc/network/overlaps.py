"""Prefixes that overlap: one of two contains the other."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterator, Sequence

from netaddr import IPNetwork

from netc.network.ranges import BITS

Span = tuple[int, int, int]
"""Version, first address and length of a prefix."""


def first_overlaps(prefixes: Sequence[tuple[IPNetwork, Hashable]]) -> list[int | None]:
    """For each, the first of those before it that overlaps it and is of another owner, by index."""
    spans = [(net.version, net.first, net.prefixlen) for net, _ in prefixes]
    every = sorted(set(spans))
    lengths = sorted({(version, length) for version, _, length in every})
    firsts: dict[Span, list[int]] = {}
    found: list[int | None] = []
    for index, (net, owner) in enumerate(prefixes):
        near = (*_around(spans[index], lengths), *_inside(net, spans[index], every))
        others = (at for span in near for at in firsts.get(span, ()) if prefixes[at][1] != owner)
        found.append(min(others, default=None))
        same = firsts.setdefault(spans[index], [])
        # Two prefixes of different owners are enough: any prefix has another owner than at least one of them.
        if len(same) < 2 and all(prefixes[at][1] != owner for at in same):
            same.append(index)
    return found


def _around(span: Span, lengths: Sequence[tuple[int, int]]) -> Iterator[Span]:
    """The prefix itself, and those that hold it, of lengths that there are."""
    version, first, own = span
    for family, length in lengths:
        if family == version and length <= own:
            rest = BITS[4 if version == 4 else 6] - length
            yield version, first >> rest << rest, length


def _inside(net: IPNetwork, span: Span, every: Sequence[Span]) -> Iterator[Span]:
    """The prefixes within `net`. For all prefixes these are few, because each is within at most one of each length."""
    version, first, own = span
    low = bisect_left(every, (version, first, own + 1))
    for at in range(low, bisect_right(every, (version, net.last, 128))):
        if every[at][2] > own:
            yield every[at]
