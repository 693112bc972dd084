"""Numbers in a host's files, and what each is for: comments in the files, names of tables and `netc explain`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import Struct

from netc.language.names import PartName
from netc.network.derive import MAIN
from netc.network.forwards import MARK_MASK
from netc.network.nested import NESTED_MARK
from netc.plan.facts.route import WORST
from netc.plan.step import PROTOCOL

Kind = Literal["table", "mark", "priority"]


class Number(Struct, frozen=True):
    """`what` completes "table 7001: …". `name` is that of a table: with `netc-` before it, `ip` shows it. `inside`: the
    table is one of a namespace, where a number may mean something else than on the host."""

    kind: Kind
    value: int
    what: str
    name: PartName | None = None
    inside: bool = False

    @property
    def shown(self) -> str:
        """As files of hosts have it; a table with its name."""
        if self.kind == "mark":
            return f"{self.value:#010x}"
        place = ", in the namespace" if self.inside else ""
        return f"{self.value} (netc-{self.name}{place})" if self.name else str(self.value)


MAIN_TABLE = Number("table", MAIN, "main")
KERNELS = (
    MAIN_TABLE,
    Number("mark", NESTED_MARK, "packets that a WireGuard device sends itself, into another tunnel alone"),
)
"""What is the same on every host. A filter has the mark where no tunnel is in another, too."""

TABLES = re.compile(r"\b(?:table|lookup) (\d+)\b")
MARKS = re.compile(r"(?<!and )(?<!/)\b0x([0-9a-f]{7,8})\b")
"""Marks, and not the mask that stands before or behind one."""
MASKS = re.compile(rf"(?:and |/)0x(?:{MARK_MASK:08x}|{MARK_MASK ^ 0xFFFFFFFF:08x})\b")
PRIORITIES = re.compile(rf"\brule (?:add|delete) priority (\d+)\b|\brule show protocol {PROTOCOL}'? (\d+)\b")

LAST_RESORT = "last resort. Other routes of the table win. If the table has none, the kernel answers unreachable"
MASK = f"netc uses the bits {MARK_MASK:#010x} of a mark and keeps the others"
ORDER = "the kernel evaluates lower priorities first, and the main table at 32766"


def in_text(text: str, known: Iterable[Number]) -> Iterator[Number]:
    """The numbers that stand in a text, in the order of `known`; a number that several have is that of the first."""
    found: dict[Kind, set[int]] = {
        "table": {int(number) for number in TABLES.findall(text)},
        "mark": {int(number, 16) for number in MARKS.findall(text)},
        "priority": {int(number) for pair in PRIORITIES.findall(text) for number in pair if number},
    }
    for number in known:
        if number.value in found.get(number.kind, ()):
            found[number.kind].discard(number.value)
            yield number


def has_metric(text: str) -> bool:
    return f"metric {WORST}" in text


def comments(text: str, known: tuple[Number, ...]) -> Iterator[str]:
    """A line a kind of number, for the head of a script that makes routes and rules."""
    found = tuple(in_text(text, (*known, *KERNELS)))
    if tables := [number for number in found if number.kind == "table"]:
        yield " ".join(f"Table {number.shown}: {number.what}." for number in tables)
    if marks := [number for number in found if number.kind == "mark"]:
        yield " ".join([*(f"Mark {number.shown}: {number.what}." for number in marks), f"{_sentence(MASK)}."])
    if has_metric(text):
        yield f"Metric {WORST}: {LAST_RESORT}."
    if rules := [number for number in found if number.kind == "priority"]:
        yield " ".join([*(f"Rule {number.value}: {number.what}." for number in rules), f"{_sentence(ORDER)}."])


def names(text: str, known: tuple[Number, ...]) -> str:
    """One line, for scripts that say the same once more."""
    found = tuple(in_text(text, (*known, *KERNELS)))
    words = [
        f"Table {number.value} is {f'netc-{number.name}' if number.name else number.what}."
        for number in found
        if number.kind == "table"
    ]
    words += [f"Mark {number.shown}: {number.what}." for number in found if number.kind == "mark"]
    words += [f"Mask {MARK_MASK:#010x}: the bits of netc."] if MASKS.search(text) else []
    words += [f"Metric {WORST}: last resort."] if has_metric(text) else []
    return " ".join(words)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] if not text.startswith("netc") else text
