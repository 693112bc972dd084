"""Provenance as text for people."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable, Iterator, Set
from functools import reduce
from itertools import groupby
from typing import Any

from pydantic import BaseModel

from netc.diagnostic import KeyPath, dotted
from netc.language.names import HostName
from netc.language.schema import described, inside, schema
from netc.language.secrets import masked
from netc.language.spans import Spans
from netc.language.topology import Topology
from netc.plan.text import facts_from
from netc.provenance.alter import at, is_left_out, leaves, tables
from netc.provenance.constants import meanings as of_constants
from netc.provenance.lines import Compiled, Lines, Place, from_leaf, from_table
from netc.provenance.meaning import meanings
from netc.provenance.reduce import reduced
from netc.provenance.sums import of_key, of_line

MANY, FEW = 60, 10
"""Lines that follow each other and are shown; of more, so many."""


class Source:
    """A topology's text: where keys stand in it."""

    def __init__(self, file: str, text: str) -> None:
        self._spans, self._lines, self._file = Spans(file, text), masked(text).splitlines(), file
        self._said = tomllib.loads(text)

    def line(self, path: KeyPath) -> int:
        """Of a key that came with an `import`, that one's."""
        for length in range(len(path), 0, -1):
            if (key := (*path[:length], "import")) in self:
                return self._spans.of(key, on_key=True).line
            if path[:length] in self:
                break
        return self._spans.of(path, on_key=True).line

    def place(self, path: KeyPath) -> str:
        return f"{self._file}:{self.line(path)}"

    def text(self, line: int) -> str:
        return self._lines[line - 1].strip()

    def __contains__(self, path: KeyPath) -> bool:
        said: Any = self._said
        for key in path:
            if isinstance(key, int) and not isinstance(said, list):
                continue  # a table that stands alone for a list
            try:
                said = said[key]
            except (LookupError, TypeError):
                return False
        return True


def explain_line(base: Compiled, place: Place, number: int, source: Source) -> str:
    """The keys without which, or with which otherwise, this line would not be what it is; the most exact ones first.
    Then what its numbers mean."""
    one, line = base.of(place), (*place, number)
    small, there = reduced(one, place, number)

    def bring(paths: Iterable[KeyPath], lines: Callable[[KeyPath, Compiled], Lines]) -> dict[KeyPath, int]:
        """Those that the line comes from, with all lines that do. The whole network has the last word."""
        likely = [path for path in paths if small is one or (*place, there) in lines(path, small)]
        return {path: len(found) for path in likely if line in (found := lines(path, one))}

    leaf, table = bring(leaves(small.topology), from_leaf), bring(tables(small.topology), from_table)
    around = {("hosts", place[0]), *table, *(path[:-1] for path in leaf)}
    silent = bring(_silent(around, small.topology), from_leaf)
    outer = {path: count for path, count in table.items() if not any(_in(inner, path) for inner in {**leaf, **silent})}
    found_in = {**leaf, **silent, **outer} or dict.fromkeys(_part(one, place), 0)
    ordered = sorted(found_in.items(), key=lambda row: row[1])
    rows = [(dotted(path), source.place(path), _said(path, silent.keys(), base, source)) for path, _ in ordered]
    none = ["  no key in particular: every topology with such a file has this line"]
    raw = one.texts[place].splitlines()[number - 1]
    why = [
        f"  {sentence}"
        for sentence in (
            *of_constants(one.texts[place], masked(raw).strip()),
            *meanings(raw, place, base),
            *of_line(raw, place[0], base.topology),
        )
    ]
    said = ["", *why] if why else []
    return "\n".join([f"  {masked(raw).strip()}", *said, "", *(_columns(rows) if rows else none)]) + "\n"


def _part(base: Compiled, place: Place) -> Iterator[KeyPath]:
    """Of a line that two things bring alike, such as BIRD for BGP and for an IGP: what its part is of."""
    host, path = place
    for part in base.plans[host].parts:
        if f"/parts/{part.name}/" in path or path.endswith(f"/netc-{part.name}.service"):
            yield part.origin


def _silent(around: Iterable[KeyPath], topology: Topology) -> Iterator[KeyPath]:
    """Keys of these tables that were left out, and have a value all the same."""
    for path in around:
        table = at(topology, path)
        if isinstance(table, BaseModel):
            for name, field in type(table).model_fields.items():
                if name not in table.model_fields_set and isinstance(field.default, (bool, int, str)):
                    yield (*path, field.alias or name)


def _said(path: KeyPath, silent: Set[KeyPath], base: Compiled, source: Source) -> str:
    if path in silent:
        return f"not written, default: {json.dumps(at(base.topology, path))}"
    return source.text(source.line(path))


def _in(path: KeyPath, table: KeyPath) -> bool:
    return path[: len(table)] == table


def explain_key(base: Compiled, path: KeyPath, source: Source) -> str:
    """What is said at a key, what follows from it, and every line that comes from it. Raises LookupError."""
    value = at(base.topology, path)
    below = [
        leaf for leaf in leaves(value, path) if path[:1] != ("hosts",) or not _in_a_table(leaf, path, base.topology)
    ]
    lines: frozenset[tuple[HostName, str, int]] = frozenset().union(*(from_leaf(leaf, base) for leaf in below))
    if path in set(tables(base.topology)):
        lines |= from_table(path, base)
    is_said = path in source or not is_left_out(path, base.topology)
    said = sorted({source.line(leaf) for leaf in below if is_said})
    parts = [f"{dotted(path)}  {source.place(path)}\n", _section("given", (_numbered(n, source.text(n)) for n in said))]
    parts += [] if is_said else [_section("means", [described(path)])]
    parts += [_section("sum", of_key(path, base.topology))]
    if isinstance(value, BaseModel):
        parts += [_section("not written", _unsaid(value, path))]
    if path in set(tables(base.topology)):
        in_force = ((host, facts_from(plan, path)) for host, plan in base.plans.items())
        parts += [_section(f"in force on {host}", facts) for host, facts in in_force]
    parts += [
        _section(f"{host}/{file}", _facts(base, (host, file), numbers)) for (host, file), numbers in _files(lines)
    ]
    return "\n".join(part for part in parts if part)


def _in_a_table(leaf: KeyPath, path: KeyPath, topology: Topology) -> bool:
    """Whether a key is in a table within `path`. `netc explain` shows a host's own keys, because its tunnels have
    tables of their own."""
    return any(_in(leaf, table) for table in tables(topology) if _in(table, path) and table != path)


def _unsaid(value: BaseModel, path: KeyPath) -> Iterator[str]:
    """Keys that were left out and mean something all the same."""
    node = reduce(inside, path, schema())
    given = {type(value).model_fields[name].alias or name for name in value.model_fields_set}
    for key, about in node["properties"].items():
        if key not in given and "default:" in about["description"].lower():
            yield f"{key}: {about['description']}"


def _facts(base: Compiled, place: Place, numbers: Iterable[int]) -> Iterator[str]:
    text = masked(base.texts[place]).splitlines()
    for run in _runs(sorted(numbers)):
        shown = run if len(run) <= MANY else run[:FEW]
        yield from (_numbered(number, text[number - 1]) for number in shown)
        if len(run) > MANY:
            yield f"    …  {len(run) - FEW} more, to line {run[-1]}"


def _numbered(number: int, text: str) -> str:
    return f"{number:5}  {text}"


def _runs(numbers: list[int]) -> Iterator[list[int]]:
    for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        yield [number for _, number in run]


def _files(lines: Lines) -> Iterator[tuple[Place, list[int]]]:
    for place, found in groupby(sorted(lines), key=lambda line: line[:2]):
        yield place, [number for *_, number in found]


def _section(title: str, lines: Iterable[str]) -> str:
    shown = [f"  {line}".rstrip() for line in lines]
    return "\n".join([title, *shown]) + "\n" if shown else ""


def _columns(rows: list[tuple[str, str, str]]) -> Iterator[str]:
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
    for path, place, line in rows:
        yield f"{path:{widths[0]}}  {place:{widths[1]}}  {line}".rstrip()
