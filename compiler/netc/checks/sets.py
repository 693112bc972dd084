"""Sets that hold something, and can be worked out."""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.names import SetName
from netc.language.sets import BUILTIN, AddressSet, Source
from netc.network.interface import Network
from netc.network.sets import in_order, members
from netc.problem import KeyPath, Problem, Severity

IPSET = 31
LONGEST = IPSET - len("4-new")
"""An ipset's name has 31 bytes (IPSET_MAXNAMELEN - 1), and netc adds a family and, while it builds, `-new`."""


def too_long(name: SetName) -> str:
    return f"{len(name)} characters > {LONGEST} = {IPSET} (an ipset's name) - {IPSET - LONGEST} (`4-new`)"


def check(network: Network) -> Iterator[Problem]:
    for name, table in network.topology.sets.items():
        where: KeyPath = ("sets", name)
        if name in BUILTIN:
            what = f"`{name}` is a set that is always there"
            yield Problem("NC1604", where, what, "choose another name for your own", on_key=True)
        elif name in network.sets:
            yield from _members(name, table, where, network)
        if table.ipset and len(name) > LONGEST:
            what = f"`{name}` has {too_long(name)}"
            yield Problem("NC1605", where, what, "choose a shorter name, or leave `ipset` out", on_key=True)
    for ring in in_order(network.topology)[1]:
        what = "these sets name each other in a ring: " + ", ".join(f"`{name}`" for name in ring)
        if len(ring) == 1:
            what = f"the set `{ring[0]}` names itself"
        also: tuple[KeyPath, ...] = tuple(("sets", name) for name in ring[1:])
        yield Problem(
            "NC1603", ("sets", ring[0]), what, "take one out of another" if also else "take it out", also, on_key=True
        )


def named_sets(name: SetName, table: AddressSet) -> Iterator[tuple[KeyPath, Source]]:
    """Every set that a set names, and where."""
    for index, other in enumerate(table.sets):
        yield ("sets", name, "sets", index), other
    for index, source in enumerate(table.minus):
        yield ("sets", name, "minus", index), source


def _members(name: SetName, table: AddressSet, where: KeyPath, network: Network) -> Iterator[Problem]:
    left = network.sets[name]
    if left and not table.minus:
        return
    whole = members((*table.prefixes, *table.sets), network.sets, table)
    if not left and not table.may_be_empty:
        what = f"the set `{name}` is empty, and would match nobody"
        cure = "give it `prefixes` or `files`, or take it out"
        if whole:
            what = f"`minus` takes away all that is in the set `{name}`, which would match nobody"
            cure = "take away less"
        yield Problem("NC1403", where, what, f"{cure}; if that is meant, write `may_be_empty = true`", on_key=True)
    elif table.minus and whole == left:
        what = f"`minus` takes nothing away: none of it is in the set `{name}`"
        yield Problem("NC1606", (*where, "minus"), what, severity=Severity.WARNING, on_key=True)
