"""The lists of addresses that rules name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netc.language.names import SetName
from netc.network.once import once
from netc.network.sets import Sets
from netc.plan.facts import AddressSet, Ruleset
from netc.plan.ruleset import Sources


def address_set(name: SetName, sets: Sets) -> AddressSet:
    return AddressSet(name, sets[name].v4, sets[name].v6)


def named_sets(named: Sources, ruleset: Ruleset) -> Sequence[AddressSet]:
    """Those of a ruleset that a rule of it names, in the ruleset's order."""
    places = _places(ruleset)
    return [ruleset.sets[at] for at in sorted(places[name] for name in {*named.sets} if name in places)]


@once
def _places(ruleset: Ruleset) -> Mapping[SetName, int]:
    return {found.name: at for at, found in enumerate(ruleset.sets)}

