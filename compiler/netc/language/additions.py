"""Adds a table to the text of a topology, in which nothing else changes."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from netc.diagnostic import dotted


class NotAdded(Exception):
    """The text has something else in the place of the table, or a form to which netc cannot add it."""


def added(text: str, path: tuple[str, ...], table: Mapping[str, Any], comments: tuple[str, ...] = ()) -> str:
    """`text`, which is TOML, with the table at `path`, at the end, and with `comments` below it. If the table around it
    is an inline table or has dotted keys, netc inserts it there. Raises NotAdded."""
    wanted = _with(tomllib.loads(text), path, table)
    for way in (_appended, _inserted):
        try:
            made = way(text, path, table)
            if comments:
                lines = "".join(f"{tomlkit.comment(comment).as_string().strip()}\n" for comment in comments)
                made = made.rstrip("\n") + "\n" + lines
            if tomllib.loads(made) == wanted:
                return made
        except (TOMLKitError, tomllib.TOMLDecodeError, ValueError, KeyError, TypeError):
            continue
    raise NotAdded(f"there is no place for {dotted(path)}")


def with_text(text: str, path: tuple[str, ...], value: str) -> str:
    """`text` is TOML, and says `value` at `path`, in the place of what was there, if anything was. Raises NotAdded."""
    *above, key = path
    try:
        document = tomlkit.parse(text)
        node: Any = document
        for name in above:
            node = node[name]
        node[key] = value
        made = document.as_string()
        data = tomllib.loads(made)
        wanted: Any = tomllib.loads(text)
        inner = wanted
        for name in above:
            inner = inner[name]
        inner[key] = value
        if data == wanted:
            return made
    except (TOMLKitError, tomllib.TOMLDecodeError, ValueError, KeyError, TypeError):
        pass
    raise NotAdded(f"there is no place for {dotted(path)}")


def without(text: str, path: tuple[str, ...]) -> str:
    """`text` is TOML, and says nothing at `path` any more. Raises NotAdded if there is nothing to remove, or in a
    form that netc cannot change."""
    *above, key = path
    try:
        document = tomlkit.parse(text)
        node: Any = document
        inner: Any = tomllib.loads(text)
        wanted = inner
        for name in above:
            node, inner = node[name], inner[name]
        del node[key], inner[key]
        made = document.as_string()
        if tomllib.loads(made) == wanted:
            return made
    except (TOMLKitError, tomllib.TOMLDecodeError, ValueError, KeyError, TypeError):
        pass
    raise NotAdded(f"{dotted(path)} cannot be removed")


def _with(data: dict[str, Any], path: tuple[str, ...], table: Mapping[str, Any]) -> dict[str, Any]:
    key, *rest = path
    inner = data.get(key, {})
    if not isinstance(inner, dict) or (not rest and key in data):
        raise NotAdded(f"{key} exists already")
    return {**data, key: _with(inner, tuple(rest), table) if rest else dict(table)}


def _appended(text: str, path: tuple[str, ...], table: Mapping[str, Any]) -> str:
    lines = (f"{key} = {_written(value, lines=True)}\n" for key, value in table.items())
    before = text.rstrip("\n") + "\n\n" if text.strip("\n") else ""
    return f"{before}[{dotted(path)}]\n{''.join(lines)}"


def _inserted(text: str, path: tuple[str, ...], table: Mapping[str, Any]) -> str:
    document = tomlkit.parse(text)
    node: Any = document
    for key in path[:-1]:
        if key not in node:
            node[key] = tomlkit.inline_table()
        node = node[key]
    node[path[-1]] = tomlkit.parse(f"x = {_written(table)}\n")["x"]
    return document.as_string()


def _written(value: Any, lines: bool = False) -> str:
    """TOML; several tables in a list stand below each other."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_written(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        if lines and len(value) > 1 and all(isinstance(item, Mapping) for item in value):
            return "[\n" + "".join(f"  {_written(item)},\n" for item in value) + "]"
        return "[" + ", ".join(map(_written, value)) + "]"
    written: str = tomlkit.item(value).as_string()
    return written
