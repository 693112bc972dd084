"""The order in which the keys of a table stand: that of the schema, and of names as their author wrote them first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from netc.diagnostic import KeyPath
from netc.language.schema import Schema, inside, schema

T = TypeVar("T")

Rank = tuple[int, ...]


class Order:
    def __init__(self) -> None:
        self._schema = schema()

    def sorted(self, things: Iterable[T], path: Callable[[T], KeyPath]) -> list[T]:
        """Things with paths into a topology; those that differ in nothing but what is unknown stay as they were."""
        known = list(things)
        first: dict[KeyPath, int] = {}
        for number, thing in enumerate(known):
            for length in range(1, len(path(thing)) + 1):
                first.setdefault(path(thing)[:length], number)
        return sorted(known, key=lambda thing: self._rank(path(thing), first))

    def _rank(self, path: KeyPath, first: dict[KeyPath, int]) -> tuple[Rank, ...]:
        """For each key its place among those of the schema, then where it was first."""
        ranks: list[Rank] = []
        node: Schema = self._schema
        for length, key in enumerate(path, 1):
            keys = node.get("properties", {})
            ranks.append((list(keys).index(key) if key in keys else len(keys), first[path[:length]]))
            node = inside(node, key)
        return tuple(ranks)
