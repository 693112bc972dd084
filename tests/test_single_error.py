"""One mistake is told of as one: what nobody can know because of it is left for when it is cured."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from examples import EXAMPLES, ROOT
from netc.diagnostic import InvalidTopology, KeyPath, dotted
from netc.language.schema import Schema, inside, schema
from netc.pipeline import understand
from topologies import FULL, document

KNOWN: tuple[tuple[dict[str, Any], Path], ...] = (
    (FULL, ROOT / "examples"),
    *((tomllib.loads(path.read_text("utf-8")), path.parent) for path in EXAMPLES),
)
NAMES = ("between", "at", "via", "to", "tunnel", "bridge", "over", "reflectors", "hosts")
"""Keys whose values name a table."""

TWO = {"hosts.a.namespaces.box.bridge"}
"""A namespace that serves behind one bridge and says that it is on another: either may be what is wrong."""


def tables(value: Any, node: Schema, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Schema]]:
    if isinstance(value, dict):
        yield path, node
        for key, inner in value.items():
            yield from tables(inner, inside(node, key), (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from tables(item, inside(node, index), (*path, index))


def at(topology: Any, path: KeyPath) -> Any:
    for key in path:
        topology = topology[key]
    return topology


def errors(topology: dict[str, Any], folder: Path) -> list[str]:
    try:
        understand(document(topology), "topo.toml", lambda name: (folder / name).read_text("utf-8"))
    except InvalidTopology as mistakes:
        found = [diagnostic for diagnostic in mistakes.diagnostics if diagnostic.severity == "error"]
        return [f"{diagnostic.code} {dotted(diagnostic.where)}: {diagnostic.what}" for diagnostic in found]
    return []


def misspelt(topology: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """With each key that has to be there under another name, one at a time."""
    for path, node in tables(topology, schema()):
        for key in node.get("required", ()):
            if key in at(topology, path):
                changed = copy.deepcopy(topology)
                table = at(changed, path)
                given = dict(table)
                table.clear()
                table.update({f"x{name}" if name == key else name: value for name, value in given.items()})
                yield dotted((*path, key)), changed


def renamed(topology: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """With each name of a table that is elsewhere another one, one at a time."""
    for path, _ in tables(topology, schema()):
        for key in NAMES:
            value = at(topology, path).get(key) if path else None
            for index in range(len(value)) if isinstance(value, list) else [None]:
                name = value if index is None else value[index]
                if not isinstance(name, str) or name == "all" or path[-1] in ("pass", "publish", "firewall"):
                    continue
                changed = copy.deepcopy(topology)
                if index is None:
                    at(changed, path)[key] = f"no-{name}"
                else:
                    at(changed, path)[key][index] = f"no-{name}"
                yield dotted((*path, key)), changed


@cache
def wrongly_reported(number: int, change: str) -> list[str]:
    topology, folder = KNOWN[number]
    made = misspelt(topology) if change == "misspelt" else renamed(topology)
    found = ((where, errors(changed, folder)) for where, changed in made)
    several = [(where, told) for where, told in found if len(told) != 1]
    return [f"{where}: {', '.join(told) or 'nothing'}" for where, told in several if where not in TWO]


@pytest.mark.parametrize("number", range(len(KNOWN)))
def test_a_misspelt_key_is_one_error(number: int) -> None:
    assert wrongly_reported(number, "misspelt") == []


@pytest.mark.parametrize("number", range(len(KNOWN)))
def test_a_misspelt_name_is_one_error(number: int) -> None:
    assert wrongly_reported(number, "renamed") == []
