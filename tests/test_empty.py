"""An empty list never means everyone: it is none, as if its key were not there, or it is a mistake."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from examples import EXAMPLES, ROOT, compiled
from netc.diagnostic import InvalidTopology, KeyPath
from netc.language.schema import Schema, inside, schema
from topologies import FULL, document

NONE = {
    *("acknowledge", "anycast/*/services", "anycast/*/unicast/*", "bgp/flaps", "bgp/reflectors", "bgp/refuse"),
    *("bgp/roa", "hosts/*/addresses", "hosts/*/loopback", "hosts/*/bgp/learn", "hosts/*/bgp/prefixes"),
    *("hosts/*/firewall/allow", "hosts/*/firewall/deny", "hosts/*/firewall/pass"),
    *("hosts/*/bridges/*/publish", "hosts/*/bridges/*/snat"),
    *("hosts/*/namespaces/*/access", "hosts/*/namespaces/*/address", "hosts/*/namespaces/*/publish"),
    *("hosts/*/namespaces/*/services", "hosts/*/tunnels/*/start"),
    *("hosts/*/splits/*/direct", "hosts/*/splits/*/dns"),
    *("hosts/*/tunnels/*/address", "hosts/*/tunnels/*/dns", "hosts/*/tunnels/*/peer"),
    *("hosts/*/tunnels/*/routes", "hosts/*/uplinks/*/prefixes"),
    *("links/*/ends/*/routes", "meshes/*/subnet"),
    *("sets/*/files", "sets/*/ipset", "sets/*/minus", "sets/*/prefixes", "sets/*/sets"),
}
"""Lists that may be empty: netc takes it as if the key were not there, which is none, or a mistake that is told of."""

UNSEEN = {"acknowledge", "forwards/*/on", "hosts/*/bridges/*/publish/on", "links/*/ends/*/allowed_ips"}
"""Lists that no topology of these has: tests/diagnostics/NC0126-empty.toml has the last three."""


def lists(node: Schema, form: str = "") -> Iterator[str]:
    """Every key of the language that takes a list."""
    if form and "array" in node.get("type", ()):
        yield form
    items = node.get("items")
    for table in (node, items if isinstance(items, dict) else {}):
        named = (*table.get("patternProperties", {}).values(), table.get("additionalProperties"))
        for key, inner in (
            *table.get("properties", {}).items(),
            *(("*", one) for one in named if isinstance(one, dict)),
        ):
            yield from lists(inner, f"{form}/{key}" if form else key)


def written(value: Any, node: Schema, path: KeyPath = (), form: str = "") -> Iterator[tuple[KeyPath, str]]:
    """Where a topology has something that may be a list, and what key of the language that is."""
    if form and "array" in node.get("type", ()):
        yield path, form
    if isinstance(value, Mapping):
        for key, inner in value.items():
            step = key if key in node.get("properties", {}) else "*"
            yield from written(inner, inside(node, key), (*path, key), f"{form}/{step}" if form else step)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict):
                for key, inner in item.items():
                    here = (node.get("items") or {}).get("properties", {}).get(key, {})
                    yield from written(inner, here, (*path, index, key), f"{form}/{key}")


def changed(topology: dict[str, Any], path: KeyPath, *, empty: bool) -> str:
    """With that list empty, or without it."""
    document_ = copy.deepcopy(topology)
    table: Any = document_
    for key in path[:-1]:
        table = table[key]
    if empty:
        table[path[-1]] = []
    else:
        del table[path[-1]]
    return document(document_)


def outcome(text: str, folder: Path) -> object:
    """What is compiled, or the codes of the mistakes with their places."""
    try:
        return compiled(text, folder)
    except InvalidTopology as mistakes:
        return {
            (diagnostic.code, diagnostic.where) for diagnostic in mistakes.diagnostics if diagnostic.severity == "error"
        }


@cache
def known() -> tuple[tuple[dict[str, Any], Path], ...]:
    return ((FULL, ROOT / "examples"), *((tomllib.loads(path.read_text("utf-8")), path.parent) for path in EXAMPLES))


@pytest.mark.parametrize("number", range(len(EXAMPLES) + 1))
def test_an_empty_list_means_none_or_is_an_error(number: int) -> None:
    topology, folder = known()[number]
    opened: list[str] = []
    for path, form in written(topology, schema()):
        said = outcome(changed(topology, path, empty=True), folder)
        if form in NONE:
            expected = outcome(changed(topology, path, empty=False), folder)
            # What a mistake follows from may be told at the key, or at the table that lacks it.
            same = said == expected or (isinstance(said, set) and isinstance(expected, set))
            opened += [] if same else [f"{form}: is not the same as none"]
        elif not isinstance(said, set) or not any(where[: len(path)] == path for _, where in said):
            told = sorted(said) if isinstance(said, set) else "compiled"
            opened.append(f"{form}: is no mistake at its place: {told}")

    assert sorted(set(opened)) == []


def test_every_list_of_the_language_is_in_some_topology_of_the_tests() -> None:
    seen = {form for topology, _ in known() for _, form in written(topology, schema())}

    assert set(lists(schema())) >= NONE
    assert set(lists(schema())) - seen == UNSEEN
