"""Fields of a packet that stand for many values: each question about them is written down, with its answer.

A walk then says for which packets it is right: for all that would have got the same answers.
"""

from __future__ import annotations

from typing import Literal

from netc.network.ranges import Ranges, holds_number

Axis = Literal["source", "to", "sport", "dport"]
Test = tuple[Axis, Ranges, bool]
"""Whether the field is in the ranges."""


class Free(int):
    """A number that stands for others. What is made of it by arithmetic is an ordinary number, so nothing computes with
    one before it has asked."""

    axis: Axis
    tests: list[Test]

    @classmethod
    def of(cls, value: int, axis: Axis, tests: list[Test]) -> Free:
        made = cls(value)
        made.axis, made.tests = axis, tests
        return made


def among(number: int, ranges: Ranges) -> bool:
    found = holds_number(ranges, number)
    if isinstance(number, Free):
        number.tests.append((number.axis, ranges, found))
    return found


def between(number: int, first: int, last: int) -> bool:
    found = first <= number <= last
    if isinstance(number, Free):
        number.tests.append((number.axis, ((first, last),), found))
    return found


def equals(number: int, value: int) -> bool:
    return between(number, value, value)
