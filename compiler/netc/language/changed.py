"""Defaults that changed under the same `version = 1`: netc warns an author who built with an earlier netc.

It warns once and stores nothing for that: DIR names the netc that compiled it, and after the build it names this one.
If DIR cannot name it, netc warns at every build, until the author acknowledges the warning.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from netc.diagnostic import Diagnostic, KeyPath, Severity

BEFORE_ALL = "0"
"""The version of a netc that did not yet say its own where it compiled."""

CODE = "NC0125"


class Compiler(Struct, frozen=True):
    """Which netc compiled a DIR before."""

    version: str
    said: bool = True
    """Whether DIR will say this one after the build: it does not where its `.gitattributes` is somebody else's."""


class Change(Struct, frozen=True):
    """A default that is another since a release."""

    since: str
    """The first version of netc with the new one."""

    table: tuple[str, ...]
    """Where the key would stand: `("hosts", "*", "firewall", "allow", "[]")`, with `*` for any name and `[]` for each
    table of a list, or the one that stands for it."""

    key: str
    entry: str
    """What CHANGELOG.md says of it, in one sentence."""

    beside: tuple[str, ...] = ()
    """What the table has where the default matters: keys, `a|b` for one of two, `!mode=except` for no such value."""

    before: str = ""
    """What to write for what it meant before, as TOML; empty where there is no such value."""


_ALL = 'open = ["1-65535/tcp", "1-65535/udp"]'

CHANGES: tuple[Change, ...] = (
    Change(
        "0.2.0",
        ("hosts", "*", "namespaces", "*"),
        "open",
        "New connections that arrive by the tunnel of a namespace are dropped, except to the ports of `open`.",
        beside=("tunnel",),
        before=_ALL,
    ),
    Change(
        "0.2.0",
        ("hosts", "*", "splits", "*"),
        "open",
        "On a host without `firewall`, new connections that arrive by the tunnel of a split are dropped, except to the "
        "ports of `open`. With `firewall`, those to ssh are.",
        beside=("tunnel",),
        before=_ALL,
    ),
    Change(
        "0.2.0",
        ("hosts", "*", "tunnels", "*"),
        "open",
        "On a host without `firewall`, new connections that arrive by a tunnel outside of a namespace are dropped, "
        "except to the ports of `open`. With `firewall`, those to ssh are.",
        beside=("routes",),
        before=_ALL,
    ),
    Change(
        "0.2.0",
        ("hosts", "*", "splits", "*"),
        "serve",
        "On a host without `firewall`, programs of a split answer clients of UDP that come by an uplink only in "
        "`direct` and at the ports of `serve`.",
        beside=("group|user|service|slice",),
        before='serve = "1-65535/udp"',
    ),
    Change(
        "0.2.0",
        ("hosts", "*", "namespaces", "*"),
        "dbus",
        "Services in the namespace of a tunnel do not reach the system bus (D-Bus).",
        beside=("tunnel",),
        before="dbus = true",
    ),
    Change(
        "0.2.0",
        ("hosts", "*", "splits", "*"),
        "dbus",
        "Services and the command of a split with `dns` do not reach the system bus (D-Bus).",
        beside=("dns", "service|command", "!mode=except"),
        before="dbus = true",
    ),
)
"""By version. A change goes in with the commit that makes it, and never out."""


def changed(text: str, compiler: Compiler) -> tuple[Diagnostic, ...]:
    """Warnings for the author of a topology (TOML without errors) whose DIR `compiler` wrote: one for each table that
    leaves out a key whose default changed since."""
    later = [change for change in CHANGES if _number(compiler.version) < _number(change.since)]
    document = tomllib.loads(text) if later else {}
    return tuple(
        _reported(change, where, said=compiler.said)
        for change in later
        for where, table in _tables(document, change.table)
        if change.key not in table and all(_has(table, each) for each in change.beside)
    )


def _has(table: dict[str, Any], said: str) -> bool:
    if said.startswith("!"):
        key, _, value = said[1:].partition("=")
        return table.get(key) != value
    return any(key in table for key in said.split("|"))


def _reported(change: Change, where: KeyPath, *, said: bool) -> Diagnostic:
    what = f"`{change.key}` is not written here, and its default changed in netc {change.since}: {change.entry}"
    hint = f"write `{change.before or change.key}` if it should be as before"
    if said:
        hint += ". After this build, netc does not report it again"
    else:
        hint += ", else acknowledge it: DIR/.gitattributes is not from netc, so netc reports it at every build"
    return Diagnostic(CODE, where, what, hint, severity=Severity.WARNING, on_key=bool(where))


def _tables(value: Any, names: tuple[str, ...], where: KeyPath = ()) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    if names[:1] == ("[]",):
        listed = enumerate(value) if isinstance(value, list) else ()
        for index, item in listed:
            yield from _tables(item, names[1:], (*where, index))
        names = names[1:]  # of a table that stands for the list
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
