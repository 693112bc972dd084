"""Sets of addresses, worked out: what is listed and named, less what is taken away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter

from msgspec import Struct
from netaddr import IPAddress, IPNetwork

from netc.language.names import SetName
from netc.language.sets import BUILTIN, AddressSet, Source
from netc.language.topology import Topology
from netc.language.values import Family, Range
from netc.network.ranges import Ranges, holds, merged, minus, of_prefixes


class Members(Struct, frozen=True):
    """The addresses of a set, by family."""

    v4: Ranges = ()
    v6: Ranges = ()

    def of(self, family: Family) -> Ranges:
        return self.v4 if family == 4 else self.v6

    def __contains__(self, address: IPAddress) -> bool:
        return holds(self.of(4 if address.version == 4 else 6), address)

    def __bool__(self) -> bool:
        return bool(self.v4 or self.v6)

    def __sub__(self, taken: Members) -> Members:
        return Members(minus(self.v4, taken.v4), minus(self.v6, taken.v6))


Sets = Mapping[SetName, Members]


@cache
def builtin() -> Sets:
    return {name: _of_prefixes(map(IPNetwork, prefixes)) for name, prefixes in BUILTIN.items()}


def worked_out(topology: Topology) -> Sets:
    """Every set, the built-in ones too. One that hangs on a set that is not there, or on itself, is left out:
    `checks` report it."""
    found = dict(builtin())
    order, _ = in_order(topology)
    for name in order:
        table = topology.sets.get(name)
        if table is not None and name not in found and all(other in found for other in named(table)):
            found[name] = members((*table.prefixes, *table.sets), found, table) - members(table.minus, found)
    return found


def members(sources: Iterable[Source], sets: Sets, listed: AddressSet | None = None) -> Members:
    """The addresses in any of `sources` and in the files of `listed`. A set that does not exist is empty."""
    sources = tuple(sources)
    prefixes = [one for one in sources if isinstance(one, IPNetwork)]
    others = [sets[one] for one in sources if isinstance(one, SetName) and one in sets]
    lists = listed.lists if listed else ()

    def every(family: Family) -> Iterator[Range]:
        yield from of_prefixes(prefixes, family)
        for other in others:
            yield from other.of(family)
        for one in lists:
            yield from one.v4 if family == 4 else one.v6

    if len(others) == 1 and not prefixes and not lists:
        return others[0]
    if not others and not lists:
        return Members(of_prefixes(prefixes, 4), of_prefixes(prefixes, 6))
    return Members(merged(every(4)), merged(every(6)))


def named(table: AddressSet) -> tuple[SetName, ...]:
    """The sets that a set is made of, and those that are taken away from it."""
    return (*table.sets, *(one for one in table.minus if isinstance(one, SetName)))


def in_order(topology: Topology) -> tuple[tuple[SetName, ...], tuple[tuple[SetName, ...], ...]]:
    """Sets after those that they name, and the rings of sets that name each other, which have no order."""
    graph = {name: named(table) for name, table in sorted(topology.sets.items()) if name not in BUILTIN}
    rings: list[tuple[SetName, ...]] = []
    while True:
        try:
            return tuple(TopologicalSorter(graph).static_order()), tuple(rings)
        except CycleError as error:
            rings.append(tuple(reversed(error.args[1][1:])))
            for name in rings[-1]:
                del graph[name]


def _of_prefixes(prefixes: Iterable[IPNetwork]) -> Members:
    nets = tuple(prefixes)
    return Members(of_prefixes(nets, 4), of_prefixes(nets, 6))
