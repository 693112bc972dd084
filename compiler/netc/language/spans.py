"""Where in a TOML text each value stands: a key path in, a `Place` out.

The values themselves come from `tomllib`, which does not record places. tree-sitter does, and is slow to load, so
netc imports this module only when it has something to report.
"""

from __future__ import annotations

import re
import tomllib
from contextlib import suppress

import tree_sitter_toml
from msgspec import Struct
from tree_sitter import Language, Node, Parser

from netc.diagnostic import KeyPath, Place

_TOML = Language(tree_sitter_toml.language())

# A line of a string may end in `\` and blanks. tree-sitter-toml 0.7 treats that as an error in the whole text.
_CONTINUED = re.compile(rb"\\+[ \t]+(?=\r?\n)")


def tree(body: bytes) -> Node:
    """The document; `has_error` when it is no TOML."""
    return Parser(_TOML).parse(_CONTINUED.sub(lambda found: b"." * len(found[0]), body)).root_node


class _Spot(Struct, frozen=True):
    """What to underline for one key path."""

    key: Node
    value: Node
    named: bool
    """False for a table that is only passed through: `a` in `[a.b]`."""


class Spans:
    """The places of one text; `file` is its name as the author gave it."""

    def __init__(self, file: str, text: str) -> None:
        # Editors hide a byte order mark, so it takes no column.
        body = text.removeprefix("\ufeff").encode()
        self._file = file
        self._lines = body.split(b"\n")
        self._sources: dict[int, str] = {}
        try:
            self._spots = _spots(tree(body))
        except RecursionError:
            self._spots = {}  # a text that nests so deeply needs no places

    def of(self, path: KeyPath, *, on_key: bool = False) -> Place:
        """The place of the value (or key) at `path`, else of the key of the nearest table or list around it.

        Only the first line of a value that spans lines. The value of a table with a header is that header's
        key; an item of a list has no key and stands for it itself.
        """
        path = self._written(path)
        for length in range(len(path), 0, -1):
            spot = self._spots.get(path[:length])
            if spot is not None:
                return self._place(spot.value if length == len(path) and not on_key else spot.key)
        return Place(self._file, line=1, column=1, end=1, source=self._source(0))

    def _written(self, path: KeyPath) -> KeyPath:
        """Without the index of a value that stands alone for a list of one."""
        written: KeyPath = ()
        for key in path:
            spot = self._spots.get(written)
            alone = spot is not None and spot.named and spot.value.type != "array" and (*written, 0) not in self._spots
            if not (isinstance(key, int) and alone):
                written += (key,)
        return written

    def _place(self, node: Node) -> Place:
        (row, start), (last_row, end) = node.start_point, node.end_point
        source = self._source(row)
        return Place(
            self._file,
            line=row + 1,
            column=self._column(row, start),
            end=self._column(row, end) if row == last_row else len(source.rstrip()) + 1,
            source=source,
        )

    def _source(self, row: int) -> str:
        """Cached: thousands of errors may be in one line of megabytes."""
        if row not in self._sources:
            self._sources[row] = self._lines[row].removesuffix(b"\r").decode()
        return self._sources[row]

    def _column(self, row: int, offset: int) -> int:
        """Counts characters from 1; tree-sitter counts bytes from 0."""
        if self._source(row).isascii():
            return offset + 1
        return len(self._lines[row][:offset].decode()) + 1


def _spots(document: Node) -> dict[KeyPath, _Spot]:
    """None for a text that is no TOML: it has no key paths, and its diagnostic brings its own place."""
    if document.has_error:
        return {}
    spots: dict[KeyPath, _Spot] = {}
    items: dict[KeyPath, int] = {}
    for node in document.named_children:
        match node.type:
            case "pair":
                _pair(spots, (), node)
            case "table" | "table_array_element":
                path = _header(spots, items, node)
                for pair in node.named_children:
                    if pair.type == "pair":
                        _pair(spots, path, pair)
            case _:
                pass
    return spots


def _header(spots: dict[KeyPath, _Spot], items: dict[KeyPath, int], table: Node) -> KeyPath:
    """The path of the table that `[a.b]` or `[[a.b]]` opens; `items` counts the tables of each array."""
    header = table.named_children[0]
    *above, (last, name) = parts(header)
    path: KeyPath = ()
    for key, passed in above:
        path += (passed,)
        _add(spots, path, _Spot(key, key, named=False))
        if path in items:
            path += (items[path] - 1,)
    path += (name,)
    _add(spots, path, _Spot(last, header, named=True))
    if table.type == "table_array_element":
        items[path] = items.get(path, 0) + 1
        path += (items[path] - 1,)
        _add(spots, path, _Spot(last, header, named=True))
    return path


def _pair(spots: dict[KeyPath, _Spot], path: KeyPath, pair: Node) -> None:
    # A comment behind the value would be the third.
    key, value = pair.named_children[:2]
    *above, (last, name) = parts(key)
    for passed, part in above:
        path += (part,)
        _add(spots, path, _Spot(passed, passed, named=False))
    path += (name,)
    _add(spots, path, _Spot(last, value, named=True))
    _inside(spots, path, value)


def _inside(spots: dict[KeyPath, _Spot], path: KeyPath, value: Node) -> None:
    if value.type == "inline_table":
        for pair in value.named_children:
            if pair.type == "pair":
                _pair(spots, path, pair)
    elif value.type == "array":
        for index, item in enumerate(node for node in value.named_children if node.type != "comment"):
            _add(spots, (*path, index), _Spot(item, item, named=True))
            _inside(spots, (*path, index), item)


def _add(spots: dict[KeyPath, _Spot], path: KeyPath, spot: _Spot) -> None:
    """The first mention counts, except that a table's own header beats headers that only pass through it."""
    if path not in spots or (spot.named and not spots[path].named):
        spots[path] = spot


def parts(node: Node) -> list[tuple[Node, str]]:
    """The parts of a key, outermost first; tree-sitter nests `a.b.c` as `(a.b).c`."""
    if node.type == "dotted_key":
        return [part for child in node.named_children for part in parts(child)]
    text = (node.text or b"").decode()
    if node.type == "quoted_key":
        # Half a surrogate (`\ud800`) is the one escape that tree-sitter takes and TOML does not.
        with suppress(tomllib.TOMLDecodeError):
            text = next(iter(tomllib.loads(f"{text}=0")))
    return [(node, text)]
