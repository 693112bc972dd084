"""Names with a dot: TOML takes `[hosts.home.lan]` for the table `lan` of a host `home`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from netc.diagnostic import Diagnostic, KeyPath, dotted
from netc.language.misplaced import at
from netc.language.names import as_label

NOUNS = {
    "hosts": "a host",
    "links": "a link",
    "meshes": "a mesh",
    "forwards": "a forward",
    "anycast": "an anycast service",
    "tunnels": "a tunnel",
    "bridges": "a bridge",
    "splits": "a split",
}
"""Tables whose names an author chooses, and that cannot do without some of their keys."""

DEEPEST = 5
"""Dots in a name; more are no name."""

Keys = Callable[[KeyPath], Sequence[str]]


class Apart:
    """The names of a topology that their dots took apart. `keys` and `required`: of the table at a path."""

    def __init__(self, data: Any, keys: Keys, required: Keys) -> None:
        self._data, self._keys, self._required = data, keys, required
        self._known: dict[KeyPath, dict[KeyPath, KeyPath]] = {}

    def within(self, loc: KeyPath) -> bool:
        """Whether a part of such a name is what stands there, or is in it."""
        return any(self._whole(table) for table in _named(loc))

    def begins(self, loc: KeyPath) -> KeyPath:
        """The whole name, if `loc` is the table of its second part."""
        found = (self._whole(table).get(loc) for table in _named(loc))
        return next((path for path in found if path), ())

    def _whole(self, table: KeyPath) -> dict[KeyPath, KeyPath]:
        """The paths of the tables that were meant, by the table of their second part; empty where no name has a dot."""
        if table not in self._known:
            required = self._required(table)
            there = at(self._data, table)
            plain = not isinstance(there, dict) or not required or any(key in there for key in required)
            found = () if plain else self._below(table, table, required)
            self._known[table] = {path[: len(table) + 1]: path for path in found}
        return self._known[table]

    def _below(self, table: KeyPath, path: KeyPath, required: Sequence[str]) -> Iterator[KeyPath]:
        if len(path) > len(table) + DEEPEST:
            return
        for key, inner in at(self._data, path).items():
            if not isinstance(inner, dict) or (path == table and key in self._keys(table)):
                continue
            if any(each in inner for each in required):
                yield (*path, key)
            else:
                yield from self._below(table, (*path, key), required)


def _named(loc: KeyPath) -> Iterator[KeyPath]:
    """The tables with names that `loc` is in."""
    if len(loc) > 2 and loc[0] in NOUNS:
        yield loc[:2]
    if len(loc) > 4 and loc[0] == "hosts" and loc[2] in NOUNS:
        yield loc[:4]


def dotted_name(loc: KeyPath, whole: KeyPath) -> Diagnostic:
    """`loc`: the table of the name's second part."""
    noun, first = NOUNS[str(loc[-3])], len(loc) - 2
    what = f"{noun}'s name cannot have a dot: `[{dotted(whole)}]` is the table `{loc[-1]}` of {noun} `{loc[-2]}`"
    name = as_label("-".join(map(str, whole[first:])))
    return Diagnostic("NC0106", whole, what, f"write `[{dotted((*whole[:first], name))}]`", on_key=True)
