"""Every packet, not one: the sets of packets that no rule can separate.

A walk asks questions about the fields of its packet, each about one field. All packets that would have got the same
answers take the same path: such a class is a product of sets, one for each field, and is exact. For each question the
packets with the other answer are walked next, until nothing is left.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from netc.language.values import Family
from netc.network.ranges import Ranges, minus
from netc.walk.free import Axis, Free, Test
from netc.walk.journey import Journey, Start, journey
from netc.walk.packet import Packet
from netc.walk.world import World

Fate = TypeVar("Fate")

AXES: tuple[Axis, ...] = ("source", "to", "sport", "dport")


class Box(Struct, frozen=True):
    """Packets of one family and protocol with fields in these ranges. Without `source` the kernel chooses one."""

    family: Family
    protocol: int
    source: Ranges
    to: Ranges
    sport: Ranges
    dport: Ranges


class Class(Struct, frozen=True):
    """Packets that take the path of `packet`."""

    box: Box
    packet: Packet
    found: Journey


class TooMany(Exception):
    """More classes than the budget."""


def classes(made: World, start: Start, box: Box, budget: int) -> Iterator[Class]:
    """All of a box. Raises TooMany."""
    for part, found in parts(box, lambda packet: journey(made, start, packet), budget):
        yield Class(part, representative(part), found)


def parts(box: Box, walked: Callable[[Packet], Fate], budget: int) -> Iterator[tuple[Box, Fate]]:
    """Parts of a box, each with what becomes of all its packets. Raises TooMany."""
    left = [box]
    for _ in range(budget):
        if not left:
            return
        now = left.pop()
        tests: list[Test] = []
        found = walked(_freed(now, tests))
        for axis, ranges, answer in tests:
            part: Ranges = getattr(now, axis)
            if _is_settled(part, ranges, answer=answer):
                continue
            outside = minus(part, ranges)
            inside = minus(part, outside)
            kept, other = (inside, outside) if answer else (outside, inside)
            if other:
                left.append(_with(now, axis, other))
                now = _with(now, axis, kept)
        yield now, found
    if left:
        raise TooMany


def _is_settled(part: Ranges, ranges: Ranges, *, answer: bool) -> bool:
    """Whether a question about one range has the same answer for all of a part: most do, and parts may be long."""
    if len(ranges) != 1 or not part:
        return not part
    (first, last), *_ = ranges
    if answer:
        return first <= part[0][0] and part[-1][1] <= last
    before = bisect_right(part, last, key=lambda one: one[0])
    return before == 0 or part[before - 1][1] < first


def _with(box: Box, axis: Axis, ranges: Ranges) -> Box:
    match axis:
        case "source":
            return replace(box, source=ranges)
        case "to":
            return replace(box, to=ranges)
        case "sport":
            return replace(box, sport=ranges)
        case _:
            return replace(box, dport=ranges)


def representative(box: Box) -> Packet:
    """Its first packet."""
    source, to, sport, dport = (_first(getattr(box, axis)) for axis in AXES)
    return Packet(box.family, box.protocol, source, to, sport, dport)


def _first(ranges: Ranges) -> int:
    return ranges[0][0] if ranges else 0


def _freed(box: Box, tests: list[Test]) -> Packet:
    packet = representative(box)
    source = Free.of(packet.source, "source", tests) if box.source else 0
    to = Free.of(packet.to, "to", tests)
    sport, dport = Free.of(packet.sport, "sport", tests), Free.of(packet.dport, "dport", tests)
    return Packet(box.family, box.protocol, source, to, sport, dport)
