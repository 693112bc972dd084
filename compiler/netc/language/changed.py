"""Defaults that mean something else than they did under the same `version = 1`: who built with an earlier netc is told.

Once, without anything remembered: DIR says which netc compiled it, and after the build it says this one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from netc.problem import KeyPath, Problem, Severity

BEFORE_ALL = "0"
"""The version of a netc that did not yet say its own where it compiled."""


class Change(Struct, frozen=True):
    """A default that is another since a release."""

    since: str
    """The first version of netc with the new one."""

    table: tuple[str, ...]
    """Where the key would stand: `("hosts", "*", "firewall")`, with `*` for any name."""

    key: str
    entry: str
    """What CHANGELOG.md says of it, in one sentence."""


CHANGES: tuple[Change, ...] = ()
"""By version. A change goes in with the commit that makes it, and never out."""


def changed(text: str, compiled_by: str, changes: Iterable[Change] = CHANGES) -> tuple[Problem, ...]:
    """What the author of a topology (TOML without mistakes) should know, whose DIR that version compiled: a warning for
    each table that is there without the key."""
    document = tomllib.loads(text)
    later = [change for change in changes if _number(compiled_by) < _number(change.since)]
    return tuple(
        _told(change, where)
        for change in later
        for where, table in _tables(document, change.table)
        if change.key not in table
    )


def _told(change: Change, where: KeyPath) -> Problem:
    what = f"`{change.key}`, which is not said here, means something else since netc {change.since}: {change.entry}"
    hint = f"say `{change.key}`, if it should be as before; once this is built, it is not told again"
    return Problem("NC0125", where, what, hint, severity=Severity.WARNING, on_key=bool(where))


def _tables(value: Any, names: tuple[str, ...], where: KeyPath = ()) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    if not isinstance(value, dict):
        return
    if not names:
        yield where, value
        return
    for key in value if names[0] == "*" else [names[0]]:
        if key in value:
            yield from _tables(value[key], names[1:], (*where, key))


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
