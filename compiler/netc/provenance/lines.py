"""Lines of output, and what becomes of them when a topology changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from difflib import SequenceMatcher
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from netaddr import IPNetwork

from netc.checks import references
from netc.diagnostic import KeyPath, Severity
from netc.emit import EMITTERS, emit
from netc.emit.file import File
from netc.language.names import HostName
from netc.language.topology import Topology
from netc.network.resolve import resolve
from netc.pipeline import plan
from netc.plan.host_plan import HostPlan
from netc.provenance.alter import otherwise, tables, without

Place = tuple[HostName, str]
"""A host, and the path of one of its files."""

Emitter = Callable[[HostPlan], Iterator[File]]

Lines = frozenset[tuple[HostName, str, int]]
"""Of the topology as it is; the number counts from 1."""


class Compiled(Struct, frozen=True):
    """What some hosts get: plans, and texts by file; but for MANIFEST, which is of all the others."""

    topology: Topology
    plans: Mapping[HostName, HostPlan]
    texts: Mapping[Place, str]
    said: Mapping[HostName, Any]
    """Plans, for comparison."""
    emitters: tuple[Emitter, ...]

    def of(self, place: Place) -> Compiled:
        """One file alone, and whatever the same printer makes."""
        host, path = place
        found = next(one for one in self.emitters if any(file.path == path for file in one(self.plans[host])))
        return replace(self, plans={host: self.plans[host]}, texts={place: self.texts[place]}, emitters=(found,))


def manifest(base: Compiled, host: HostName) -> str:
    """The MANIFEST of a host, which `texts` do not have."""
    return emit(base.plans[host])[0].text


def compiled(topology: Topology, hosts: Set[HostName], like: Compiled | None = None) -> Compiled | None:
    """None for a topology that is none. Texts are those of `like` where a host's facts are the same."""
    emitters = like.emitters if like else EMITTERS
    try:
        network, _ = resolve(topology)
        plans = {host: plan(host, network) for host in sorted(hosts)}
        said = {host: _said(facts) for host, facts in plans.items()}
        texts: dict[Place, str] = {}
        for host, facts in plans.items():
            if like and said[host] == like.said[host]:
                texts |= {place: text for place, text in like.texts.items() if place[0] == host}
            else:
                texts |= {(host, file.path): file.text for one in emitters for file in one(facts)}
    except Exception:  # a thing said otherwise may be nonsense, which nothing after the checks is made for
        return None
    return Compiled(topology, plans, texts, said, emitters)


def _said(fact: Any) -> Any:
    """Facts as tuples of their values: a `Peer` equals only itself, and netaddr takes two addresses of one subnet for
    equal."""
    if isinstance(fact, tuple) and fact and isinstance(fact[0], Struct | IPNetwork):
        return tuple(map(_said, fact))
    if isinstance(fact, IPNetwork):
        return fact.ip, fact.prefixlen
    if isinstance(fact, Struct):
        return (type(fact), *(_said(getattr(fact, each)) for each in fact.__struct_fields__))
    return fact


def from_leaf(path: KeyPath, base: Compiled) -> Lines:
    """Lines that are others, or are not there, when it is said otherwise."""
    for other in otherwise(base.topology, path):
        if made := compiled(other, base.plans.keys(), base):
            return lost(base, made)
    return frozenset()


def from_table(path: KeyPath, base: Compiled) -> Lines:
    """Lines that go with the table, and not because another table goes that needs it."""
    rest = _without_what_needs(path, base)
    without_both = rest and compiled(without(rest.topology, path), base.plans.keys(), rest)
    if not rest or not without_both:
        return frozenset()
    return lost(base, without_both) - lost(base, rest)


def _without_what_needs(path: KeyPath, base: Compiled) -> Compiled | None:
    """The same without tables that name this one, and those that name them."""
    topology = base.topology
    known = frozenset(tables(topology))
    for _ in known:
        network, _ = resolve(without(topology, path))
        wrong = [p.where for p in references.check(network, frozenset()) if p.severity is Severity.ERROR]
        if not wrong:
            return base if topology is base.topology else compiled(topology, base.plans.keys(), base)
        owner = next((wrong[0][:n] for n in range(len(wrong[0]), 0, -1) if wrong[0][:n] in known), None)
        if owner is None:
            return None
        topology = without(topology, owner)
    return None


def lost(before: Compiled, after: Compiled) -> Lines:
    """Lines of `before` that `after` has not got at their place. Empty ones are nobody's."""
    return frozenset(
        (*place, number)
        for place, text in before.texts.items()
        if text is not (new := after.texts.get(place, ""))
        for number in _lost(text.splitlines(), new.splitlines())
    )


CLOSE = 2000
"""Lines that are compared one by one; in longer stretches, a line is lost when it is nowhere in the other."""


def _lost(old: list[str], new: list[str]) -> Iterator[int]:
    start, same = 0, min(len(old), len(new))
    while start < same and old[start] == new[start]:
        start += 1
    end = 0
    while end < same - start and old[-1 - end] == new[-1 - end]:
        end += 1
    mine, others = old[start : len(old) - end], new[start : len(new) - end]
    if len(mine) + len(others) > CLOSE:
        there = frozenset(others)
        yield from (start + number for number, line in enumerate(mine, 1) if line and line not in there)
        return
    for what, first, last, _, _ in SequenceMatcher(None, mine, others, autojunk=False).get_opcodes():
        if what in ("replace", "delete"):
            yield from (start + number + 1 for number in range(first, last) if mine[number])
