"""The documents say what the language is: its tables of keys are the schema's, and nothing is told of twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netc.language.schema import schema

ROOT = Path(__file__).parents[1]
LANGUAGE = ROOT / "docs" / "language.md"
TABLE = re.compile(r"<!-- keys of (\S+) -->\n(?:\|.*\n)*")
"""`pytest --update` writes what follows the comment."""

Schema = dict[str, Any]


def tables(node: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """A table and every table in it, by its place: `hosts.*.tunnels.*`."""
    if "properties" in node:
        yield path or "all", node["properties"]
    for key, inner in node.get("properties", {}).items():
        yield from tables(inner, f"{path}.{key}".lstrip("."))
    for inner in node.get("patternProperties", {}).values():
        yield from tables(inner, f"{path}.*")


TABLES = dict(tables(schema()))


def rows(path: str) -> str:
    """What has to be there is bold."""
    table = node(path)
    bold = dict.fromkeys(table.get("required", ()), "**")
    lines = (f"| {bold.get(key, '')}`{key}`{bold.get(key, '')} | {said(k)} |" for key, k in table["properties"].items())
    return "\n".join(["| key | |", "|---|---|", *lines]) + "\n"


def node(path: str) -> Schema:
    found: Schema = schema()
    for step in path.split(".") if path != "all" else ():
        inside: Schema = found["properties"] if step != "*" else {"*": next(iter(found["patternProperties"].values()))}
        found = inside[step]
    return found


def said(key: Schema) -> str:
    choices = [choice for choice in key.get("enum", ()) if isinstance(choice, str)]
    one_of = " One of " + ", ".join(f"`{choice}`" for choice in choices) + "." if len(choices) > 1 else ""
    text: str = key["description"]
    return text + one_of


def written() -> list[str]:
    return TABLE.findall(LANGUAGE.read_text())


def test_every_table_of_the_language_is_told_of_in_the_words_of_its_schema(update: bool) -> None:
    text = LANGUAGE.read_text()
    wanted = TABLE.sub(lambda found: f"<!-- keys of {found[1]} -->\n{rows(found[1])}", text)
    if update:
        LANGUAGE.write_text(wanted)

    assert LANGUAGE.read_text() == wanted, "`pytest tests/test_docs.py --update` writes it"


def test_no_table_of_the_language_is_left_out_or_told_of_twice() -> None:
    told = [TABLES[path] for path in written()]

    assert len(set(written())) == len(written())
    assert [path for path, table in TABLES.items() if table not in told] == []


@pytest.mark.parametrize("path", TABLES)
def test_every_key_is_described(path: str) -> None:
    odd = {
        key: said
        for key, said in ((key, inner.get("description", "")) for key, inner in TABLES[path].items())
        if not re.fullmatch(r"\S(.|\n)*\S\.", said) or "|" in said or "\n" in said
    }

    assert odd == {}
