"""Where a host keeps its lists of addresses: what reviewers read is one file, and long lists are others."""

from __future__ import annotations

from itertools import islice

from netc.language.names import SetName
from netc.language.values import Family
from netc.network.ranges import blocks
from netc.network.sets import Sets
from netc.plan.facts import AddressSet

SHORT = 50
"""Prefixes of a family that stand in the ruleset itself."""


def address_set(name: SetName, sets: Sets) -> AddressSet:
    return AddressSet(name, sets[name].v4, sets[name].v6)


def is_short(found: AddressSet, family: Family) -> bool:
    return len(list(islice(blocks(found.of(family), family), SHORT + 1))) <= SHORT


def elements_path(found: AddressSet, family: Family) -> str:
    """What a ruleset includes."""
    return f"/etc/netc/sets/{found.name}{family}.nft"
