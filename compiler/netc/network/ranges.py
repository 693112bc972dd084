"""Arithmetic on address ranges as numbers: lists of 400,000 prefixes are ordinary input.

A Range is (first, last), both included; Ranges are of one family, sorted, and neither overlap nor touch.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from netaddr import IPAddress, IPNetwork
from netaddr.strategy.ipv6 import int_to_str

from netc.language.values import Family, Range

Ranges = tuple[Range, ...]

BITS: dict[Family, int] = {4: 32, 6: 128}


def merged(ranges: Iterable[Range]) -> Ranges:
    """The numbers in any of the ranges, which may come in any order and overlap."""
    found: list[Range] = []
    end = -2
    for one in sorted(ranges):  # those that nothing is joined to are kept as they are: many sets hold them
        if one[0] > end + 1:
            found.append(one)
            end = one[1]
        elif one[1] > end:
            end = one[1]
            found[-1] = (found[-1][0], end)
    return tuple(found)


def minus(ranges: Ranges, taken: Ranges) -> Ranges:
    """The numbers in `ranges` that are not in `taken`."""
    if not taken:
        return ranges
    left: list[Range] = []
    at = 0
    for first, last in ranges:
        while at < len(taken) and taken[at][1] < first:
            at += 1
        cut = at
        while cut < len(taken) and taken[cut][0] <= last:
            if first < taken[cut][0]:
                left.append((first, taken[cut][0] - 1))
            first = taken[cut][1] + 1
            cut += 1
        if first <= last:
            left.append((first, last))
    return tuple(left)


def holds(ranges: Ranges, address: IPAddress) -> bool:
    """Whether an address of the same family is in one of the ranges."""
    return holds_number(ranges, int(address))


def holds_number(ranges: Ranges, number: int) -> bool:
    before = bisect_right(ranges, number, key=lambda one: one[0])
    return before > 0 and number <= ranges[before - 1][1]


def of_prefixes(prefixes: Iterable[IPNetwork], family: Family) -> Ranges:
    """Those of one family."""
    return merged(_spans(prefixes, family))


def _spans(prefixes: Iterable[IPNetwork], family: Family) -> Iterator[Range]:
    # netaddr takes its time to say the same (`first`, `last`).
    for net in prefixes:
        if net.version == family:
            value, rest = net.value or 0, (1 << BITS[family] - net.prefixlen) - 1
            yield value & ~rest, value | rest


def blocks(ranges: Ranges, family: Family) -> Iterator[tuple[int, int]]:
    """The fewest prefixes that are the same: network address and length."""
    bits = BITS[family]
    for first, last in ranges:
        size = (last - first + 1).bit_length() - 1
        if last - first + 1 == 1 << size and not first & (last - first):
            yield first, bits - size  # one prefix, as most are
            continue
        while first <= last:
            # The largest block that the alignment of the address and the end of the range allow.
            size = min((first & -first).bit_length() - 1 if first else bits, (last - first + 1).bit_length() - 1)
            yield first, bits - size
            first += 1 << size


def prefixes(ranges: Ranges, family: Family) -> Iterator[str]:
    """As text; a prefix of one address is that address."""
    whole = BITS[family]
    text = _ipv4 if family == 4 else int_to_str
    for first, length in blocks(ranges, family):
        yield text(first) if length == whole else f"{text(first)}/{length}"


def _ipv4(number: int) -> str:
    return f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
