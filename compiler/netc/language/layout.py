"""The one layout of a topology: what it says, where its author put it, and every comment stay.

Tables stay in their order, and the lines of a list stay lines. Spaces and blank lines are set. Keys that follow each
other in a table stand in the order of the schema (`order`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from msgspec import Struct
from tree_sitter import Node

from netc.diagnostic import KeyPath
from netc.language.order import Order
from netc.language.spans import parts, tree

INDENT = "  "


class NotFormatted(Exception):
    """netc cannot format this TOML without a change of its meaning."""


@dataclass(slots=True)
class _Line:
    """A comment, a header or a pair at the top level of a text. Rows count from 0, both included."""

    kind: str
    text: str
    first: int
    last: int
    path: KeyPath = ()
    """Of a pair: its table's and its own."""
    behind: str = ""
    """The comment after it."""
    column: int = 0
    """Of a comment: where it began, in bytes."""

    def __str__(self) -> str:
        """With the comment where it was, so that several keep standing below each other."""
        gap = max(2, self.column - len(self.text.rpartition("\n")[2].encode()))
        return self.text + (" " * gap + self.behind if self.behind else "")


def formatted(text: str) -> str:
    """`text` is TOML. Raises NotLaidOut."""
    body = text.removeprefix("\ufeff").replace("\r\n", "\n")
    document = tree(body.encode())
    if document.has_error:
        raise NotFormatted("netc cannot parse it")
    order = Order()
    try:
        made = _joined(_in_order(list(_lines(document, order)), order))
    except RecursionError:
        raise NotFormatted("lists or tables are nested too deeply") from None
    if tomllib.loads(made) != tomllib.loads(body):
        raise NotFormatted("the result would not mean the same")
    return made


def _lines(document: Node, order: Order) -> Iterator[_Line]:
    last: _Line | None = None
    for line in _statements(document, order):
        if last and line.kind == "comment" and line.first == last.last:
            last.behind, last.column = line.text, line.column
        else:
            if last:
                yield last
            last = line
    if last:
        yield last


def _statements(document: Node, order: Order) -> Iterator[_Line]:
    for node in document.named_children:
        table: KeyPath = ()
        inner = [node]
        if node.type in ("table", "table_array_element"):
            header, *inner = node.named_children
            table = _path(header)
            left, right = ("[", "]") if node.type == "table" else ("[[", "]]")
            yield _Line("header", left + _key(header) + right, header.start_point[0], header.end_point[0])
        for child in inner:
            if child.type == "comment":
                yield _comment(child)
            elif child.type == "pair":
                yield from _pair_line(child, table, order)


def _pair_line(pair: Node, table: KeyPath, order: Order) -> Iterator[_Line]:
    key, value, *comments = pair.named_children
    path = table + _path(key)
    text = f"{_key(key)} = {_Values(order).written(value, path, '')}"
    yield _Line("pair", text, pair.start_point[0], value.end_point[0], path)
    yield from map(_comment, comments)


def _comment(node: Node) -> _Line:
    row, column = node.start_point
    return _Line("comment", _text(node).rstrip(), row, row, column=column)


def _in_order(lines: list[_Line], order: Order) -> list[_Line]:
    """Pairs that follow each other, in order; the one below a comment stays there."""
    made: list[_Line] = []
    run: list[_Line] = []
    for before, line in pairwise([None, *lines]):
        assert line is not None
        follows = before is not None and before.kind == line.kind == "pair" and line.first == before.last + 1
        if not follows:
            made += order.sorted(run, lambda one: one.path)
            run = []
        if line.kind == "pair" and (follows or before is None or before.kind != "comment"):
            run.append(line)
        else:
            made.append(line)
    return made + order.sorted(run, lambda one: one.path)


def _joined(lines: list[_Line]) -> str:
    """One blank line before a header and the comment that stands on it; elsewhere one where there were some."""
    made: list[str] = []
    heads = _heads(lines)
    rows = sorted((line.first, line.last) for line in lines)
    gaps = {first for (_, end), (first, _) in pairwise(rows) if first > end + 1}
    for (before, line), (first, _) in zip(pairwise([None, *lines]), rows, strict=True):
        assert line is not None
        under_header = before is not None and before.kind == "header"
        if before and (id(line) in heads or (first in gaps and not under_header)):
            made.append("")
        made.append(str(line))
    return "\n".join(made) + "\n" if made else ""


def _heads(lines: list[_Line]) -> set[int]:
    """Where tables begin: at the header, or at the first of the comments that stand on it."""
    heads: set[int] = set()
    head: _Line | None = None
    for before, line in pairwise([None, *lines]):
        assert line is not None
        goes_on = before is not None and before.kind == "comment" and line.first == before.last + 1
        head = head if goes_on else line
        if line.kind == "header" and head:
            heads.add(id(head))
    return heads


class _Values(Struct, frozen=True):
    """Writes values; `path` is theirs, and `indent` stands before the line that they are in."""

    order: Order

    def written(self, value: Node, path: KeyPath, indent: str) -> str:
        match value.type:
            case "inline_table":
                return self._table(value, path, indent)
            case "array" if _of_lines(value):
                return self._lines(value, path, indent)
            case "array":
                items = [self.written(item, path, indent) for item in value.named_children]
                return f"[{', '.join(items)}]"
            case _:
                return _text(value)

    def _table(self, table: Node, path: KeyPath, indent: str) -> str:
        pairs = [pair.named_children[:2] for pair in table.named_children if pair.type == "pair"]
        ordered = self.order.sorted(pairs, lambda pair: path + _path(pair[0]))
        inner = [f"{_key(key)} = {self.written(value, path + _path(key), indent)}" for key, value in ordered]
        return f"{{ {', '.join(inner)} }}" if inner else "{}"

    def _lines(self, array: Node, path: KeyPath, indent: str) -> str:
        """Items stay in their lines, and comments behind what they stand behind."""
        made, row = "[", array.start_point[0]
        for number, item in enumerate(array.named_children):
            new_line = number == 0 or item.start_point[0] > row
            blank = "\n" if number and item.start_point[0] > row + 1 else ""
            made += f"{blank}\n{indent}{INDENT}" if new_line else "  " if item.type == "comment" else " "
            text = self.written(item, path, indent + INDENT)
            made += text.rstrip() if item.type == "comment" else f"{text},"
            row = item.end_point[0]
        return f"{made}\n{indent}]"


def _of_lines(array: Node) -> bool:
    """Whether lines end between its items, and not only in them."""
    return any(before.end_point[0] < after.start_point[0] for before, after in pairwise(array.children))


def _path(key: Node) -> KeyPath:
    return tuple(name for _, name in parts(key))


def _key(key: Node) -> str:
    return ".".join(_text(part) for part, _ in parts(key))


def _text(node: Node) -> str:
    return (node.text or b"").decode()
