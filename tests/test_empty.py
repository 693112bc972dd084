"""An empty list is an error at its place, since it may be read as everyone, as none, or as a key that is left out."""

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

NONE = {"hosts/*/tunnels/*/dns"}
"""Lists that may be empty: beside `import`, none of the resolvers that the file of the provider names."""

JUDGED = {
    *("anycast/*/addresses", "anycast/*/check/command", "anycast/*/hosts", "hosts/*/firewall/allow/from"),
    *("hosts/*/firewall/allow/interface", "hosts/*/firewall/allow/ports", "meshes/*/hosts"),
}
"""Lists for which a check, or a type of their own, has other words than NC0126."""

UNSEEN = {
    "acknowledge",
    "forwards/*/on",
    "hosts/*/bgp/peers/*/private_asns",
    "hosts/*/bgp/peers/*/require",
    "hosts/*/bridges/*/publish/on",
    "hosts/*/tunnels/*/peer_address",
    "links/*/ends/*/allowed_ips",
}
"""Lists that no topology of these has: tests/diagnostics/NC0126-empty.toml has all but the first."""


def lists(node: Schema) -> Iterator[str]:
    """Every key of the language that takes a list."""
    yield from (form for form, _ in nodes(node))


def nodes(node: Schema, form: str = "") -> Iterator[tuple[str, Schema]]:
    """The same, each with its place in the schema."""
    if form and "array" in node.get("type", ()):
        yield form, node
    items = node.get("items")
    for table in (node, items if isinstance(items, dict) else {}):
        named = (*table.get("patternProperties", {}).values(), table.get("additionalProperties"))
        for key, inner in (
            *table.get("properties", {}).items(),
            *(("*", one) for one in named if isinstance(one, dict)),
        ):
            yield from nodes(inner, f"{form}/{key}" if form else key)


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


def has_import(topology: dict[str, Any], path: KeyPath) -> bool:
    """Whether the table of that list imports a provider's file."""
    table: Any = topology
    for key in path[:-1]:
        table = table[key]
    return "import" in table


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
def test_an_empty_list_is_an_error(number: int) -> None:
    topology, folder = known()[number]
    opened: list[str] = []
    for path, form in written(topology, schema()):
        said = outcome(changed(topology, path, empty=True), folder)
        if form in NONE and has_import(topology, path):
            opened += [] if not isinstance(said, set) else [f"{form}: is refused beside `import`"]
        elif not isinstance(said, set) or not any(where[: len(path)] == path for _, where in said):
            told = sorted(said) if isinstance(said, set) else "compiled"
            opened.append(f"{form}: is no mistake at its place: {told}")

    assert sorted(set(opened)) == []


def test_lists_that_no_topology_of_these_has_are_refused_too() -> None:
    path = ROOT / "tests" / "diagnostics" / "NC0126-empty.toml"
    said = outcome(path.read_text("utf-8"), path.parent)
    assert isinstance(said, set)
    forms = dict(written(tomllib.loads(path.read_text("utf-8")), schema()))

    assert {forms.get(where) for code, where in said if code == "NC0126"} >= UNSEEN - {"acknowledge"}


def test_editors_refuse_an_empty_list_too() -> None:
    open_ends = {form for form, node in nodes(schema()) if "array" in node["type"] and not node.get("minItems")}

    assert open_ends == JUDGED | NONE


def test_every_list_of_the_language_is_in_some_topology_of_the_tests() -> None:
    seen = {form for topology, _ in known() for _, form in written(topology, schema())}

    assert set(lists(schema())) >= NONE
    assert set(lists(schema())) - seen == UNSEEN
