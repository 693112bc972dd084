"""The JSON Schema of the language for editors, generated from the model.

It uses only what taplo reads (JSON Schema draft 4): no `$ref`, beside which other keywords are ignored, and no `anyOf`,
for which taplo reports only that nothing matches. If a key takes several types, each keyword is about one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from netc.diagnostic import KeyPath
from netc.language.topology import Topology

Schema = dict[str, Any]

TYPES = {bool: "boolean", int: "integer", str: "string"}


@cache
def schema() -> Schema:
    made = Topology.model_json_schema()
    head = {"$schema": "http://json-schema.org/draft-04/schema#", "title": "A topology of netc"}
    return head | _plain(made, made["$defs"])


def inside(node: Schema, key: str | int) -> Schema:
    """What a key of a table holds, or one of its names, or an entry of a list; empty where there is nothing."""
    if isinstance(key, int):
        entries = node.get("items") or {}
        if isinstance(entries, list):
            entries = dict(enumerate(entries)).get(key, {})
        return entries
    named = node.get("patternProperties") or {"": node.get("additionalProperties") or {}}
    found: Schema = node.get("properties", {}).get(key) or next(iter(named.values()))
    return found


def described(path: KeyPath) -> str:
    """What a key means, also without the indexes of lists; empty where there is no such key."""
    node = schema()
    for key in path:
        is_entry = (
            isinstance(node.get("items"), dict) and not isinstance(key, int) and key not in node.get("properties", {})
        )
        node = inside(node["items"] if is_entry else node, key)
    text: str = node.get("description", "")
    return text


def _plain(node: Schema, definitions: Schema) -> Schema:
    """One place of the schema, with everything within it."""
    if "$ref" in node:
        target = definitions[node["$ref"].rpartition("/")[2]]
        return _plain({**target, **{key: value for key, value in node.items() if key != "$ref"}}, definitions)
    if "anyOf" in node:
        forms = [_plain(form, definitions) for form in node["anyOf"] if form != {"type": "null"}]
        return _one_of(forms) | _plain({key: value for key, value in node.items() if key != "anyOf"}, definitions)
    plain = {new: value for key, old in node.items() for new, value in _keyword(key, old, node, definitions)}
    if "default" in plain:
        plain["description"] = f"{plain['description']} Default: {_written(plain['default'])}."
    return plain


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _keyword(key: str, value: Any, node: Schema, definitions: Schema) -> Iterator[tuple[str, Any]]:
    match key:
        case "properties" | "patternProperties":
            yield key, {name: _plain(inner, definitions) for name, inner in value.items()}
            if key == "patternProperties":
                yield "additionalProperties", False
        case "items" | "additionalProperties" if isinstance(value, dict):
            yield key, _plain(value, definitions)
        case "prefixItems":
            yield "items", [_plain(inner, definitions) for inner in value]
            yield "additionalItems", False
        case "const":
            yield "enum", [value]
        case "default" if type(value) in TYPES and TYPES[type(value)] == node.get("type"):
            yield key, value
        case "title" | "default" | "$defs":
            pass
        case _:
            yield key, value


def _one_of(forms: list[Schema]) -> Schema:
    """Several forms of a value, each of a type of its own."""
    merged: Schema = {}
    types: list[str] = []
    for form in forms:
        types += form["type"] if isinstance(form["type"], list) else [form["type"]]
        only_false = form.get("enum") == [False] and len(forms) > 1
        others = {key: value for key, value in form.items() if key != "type"}
        if form["type"] == "string" and "enum" in others and len(forms) > 1:  # `enum` is about every type
            others["pattern"] = f"^({'|'.join(others.pop('enum'))})$"
        merged |= {"not": {"enum": [True]}} if only_false else others
    return merged | {"type": types[0] if len(types) == 1 else types}
