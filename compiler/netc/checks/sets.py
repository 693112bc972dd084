"""Sets that contain something, and that do not contain themselves."""

from __future__ import annotations

from collections.abc import Iterator

from netc.diagnostic import Diagnostic, KeyPath, Severity
from netc.language.names import SetName
from netc.language.sets import BUILTIN, AddressSet, Source
from netc.network.interface import Network
from netc.network.sets import in_order, members

IPSET = 31
LONGEST = IPSET - len("4-new")
"""An ipset's name has 31 bytes (IPSET_MAXNAMELEN - 1), and netc adds a family and, while it builds, `-new`."""


def too_long(name: SetName) -> str:
    return f"{len(name)} characters > {LONGEST} = {IPSET} (an ipset's name) - {IPSET - LONGEST} (`4-new`)"


def check(network: Network) -> Iterator[Diagnostic]:
    for name, table in network.topology.sets.items():
        where: KeyPath = ("sets", name)
        if name in BUILTIN:
            what = f"`{name}` is the name of a built-in set"
            yield Diagnostic("NC1604", where, what, "write another name", on_key=True)
        elif name in network.sets:
            yield from _members(name, table, where, network)
        if table.ipset and len(name) > LONGEST:
            what = f"`{name}` has {too_long(name)}"
            yield Diagnostic("NC1605", where, what, "leave `ipset` out, or write a shorter name", on_key=True)
    for ring in in_order(network.topology)[1]:
        what = "these sets contain each other: " + ", ".join(f"`{name}`" for name in ring)
        if len(ring) == 1:
            what = f"set `{ring[0]}` contains itself"
        also: tuple[KeyPath, ...] = tuple(("sets", name) for name in ring[1:])
        yield Diagnostic(
            "NC1603",
            ("sets", ring[0]),
            what,
            "take one of them out of another" if also else "take it out of its own `sets`",
            also,
            on_key=True,
        )


def named_sets(name: SetName, table: AddressSet) -> Iterator[tuple[KeyPath, Source]]:
    """Every source that a set names in `sets` and `minus`, and where."""
    for index, other in enumerate(table.sets):
        yield ("sets", name, "sets", index), other
    for index, source in enumerate(table.minus):
        yield ("sets", name, "minus", index), source


def _members(name: SetName, table: AddressSet, where: KeyPath, network: Network) -> Iterator[Diagnostic]:
    left = network.sets[name]
    if left and not table.minus:
        return
    whole = members((*table.prefixes, *table.sets), network.sets, table)
    if not left and not table.may_be_empty:
        what = f"set `{name}` is empty, and an empty set matches no address"
        cure = "give it `prefixes` or `files`, or leave the set out"
        if whole:
            what = f"`minus` removes all addresses of set `{name}`, and an empty set matches no address"
            cure = "take prefixes out of `minus`"
        yield Diagnostic(
            "NC1403", where, what, f"write `may_be_empty = true` if that is intended, else {cure}", on_key=True
        )
    elif table.minus and whole == left:
        what = f"`minus` removes nothing: set `{name}` has none of its addresses"
        yield Diagnostic("NC1606", (*where, "minus"), what, "leave it out", severity=Severity.WARNING, on_key=True)
