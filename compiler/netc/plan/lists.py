"""Where a host keeps its lists of addresses: what reviewers read is one file, and long lists are others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from netc.language.names import SetName
from netc.language.values import Family
from netc.network.once import once
from netc.network.ranges import blocks
from netc.network.sets import Sets
from netc.plan.facts import AddressSet, Ruleset
from netc.plan.ruleset import Sources

SHORT = 50
"""Prefixes of a family that stand in the ruleset itself."""


def address_set(name: SetName, sets: Sets) -> AddressSet:
    return AddressSet(name, sets[name].v4, sets[name].v6)


def named_sets(named: Sources, ruleset: Ruleset) -> Sequence[AddressSet]:
    """Those of a ruleset that a rule of it names, in the ruleset's order."""
    places = _places(ruleset)
    return [ruleset.sets[at] for at in sorted(places[name] for name in {*named.sets} if name in places)]


@once
def _places(ruleset: Ruleset) -> Mapping[SetName, int]:
    return {found.name: at for at, found in enumerate(ruleset.sets)}


def is_short(found: AddressSet, family: Family) -> bool:
    return len(list(islice(blocks(found.of(family), family), SHORT + 1))) <= SHORT


def elements_path(found: AddressSet, family: Family) -> str:
    """What a ruleset includes."""
    return f"/etc/netc/sets/{found.name}{family}.nft"
