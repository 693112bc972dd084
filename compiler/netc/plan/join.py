"""Joins what features add into one HostPlan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush
from typing import Any, TypeVar

from msgspec.structs import replace

from netc.diagnostic import KeyPath
from netc.language.names import HostName, Label, PartName
from netc.language.units import UnitName
from netc.language.values import Netfilter, Ports
from netc.plan.facts import AddressSet, Docker, Flowtable, Forwarding, Ruleset, SplitGuard
from netc.plan.facts.device import Device
from netc.plan.facts.docker import DockerAccept, PastDocker
from netc.plan.host_plan import HostPlan, Part, Share
from netc.plan.image import Image
from netc.plan.walks import through_host

One = TypeVar("One")

FIREWALL = PartName("firewall")
FORWARDING = PartName("forwarding")
GUARD = PartName("guard")
OFFLOAD = PartName("offload")
DOCKER = UnitName("docker.service")
WHY_GUARD = "Whatever flushes the packet filter, programs of a split send by its tunnel or not at all."
WHY_OFFLOAD = "Established flows skip the packet filter."
WHY_DOCKER = "Docker drops forwarded packets that are not its own, except those that this chain accepts."
FLUSHING: dict[Netfilter, tuple[UnitName, ...]] = {
    "nftables": (UnitName("nftables.service"),),
    "iptables": (UnitName("netfilter-persistent.service"), UnitName("nftables.service")),
}
"""Units of Debian that flush all rules, also netc's, when they start. nftables.service also does at stop and reload."""


def join(network: Label, host: HostName, netfilter: Netfilter, shares: Iterable[Share]) -> HostPlan:
    """Shared facts become parts. `firewall`, `guard` and `forwarding` come before all other parts except the lists that
    the firewall names. `offload` and `docker` come last."""
    shares = tuple(shares)
    shared = tuple(_shared(shares, host, netfilter))
    named = _lists(shared)
    # Every part brings up the filter before itself, and none takes it down.
    wants = tuple(part.name for part in shared)
    own = _ordered(
        part if part.is_early else replace(_loaded_by(part, netfilter), wants=wants)
        for share in shares
        for part in share.parts
        if part.name not in named
    )
    confined = (unit for share in shares for unit in share.confined)
    parts = (*named.values(), *shared, *own, *_last(shares, own, host))
    asked = {str(one): one for share in reversed(shares) for one in reversed(share.expected)}  # the first says where
    expected = tuple(asked[words] for words in sorted(asked))
    passing = tuple(walk for part in shared for ruleset in part.every(Ruleset) for walk in through_host(ruleset))
    walks = _each((*(share.walks for share in shares), passing))
    around = next((share.around for share in shares if share.around), Image())
    ordered = tuple(sorted(confined, key=lambda confined: confined.unit))
    return HostPlan(network, host, parts, ordered, expected, walks, around=around)


def _shared(shares: tuple[Share, ...], host: HostName, netfilter: Netfilter) -> Iterator[Part]:
    origin = ("hosts", host)
    forwarding = [share.forwarding for share in shares if share.forwarding]
    rulesets = [share.ruleset for share in shares if share.ruleset]
    families = tuple(sorted({family for fact in forwarding for family in fact.families}))
    if families or any(share.docker for share in shares):
        rulesets += (Ruleset(origin, clamps=share.clamps) for share in shares if share.clamps)
    if families:
        wanted = Forwarding(families, tuple(sorted({device for fact in forwarding for device in fact.advertised})))
        yield Part(FORWARDING, origin, f"packet forwarding on {host}", facts=(wanted,), kind="forwarding")
    if rulesets:
        firewall = Part(
            FIREWALL,
            origin,
            f"the packet filter of {host}",
            renewed_by=FLUSHING[netfilter],
            facts=(_joined(rulesets, origin),),
            kind="firewall",
        )
        firewall = _loaded_by(firewall, netfilter)
        yield replace(firewall, wants=tuple(_lists([firewall])))
        if splits := tuple(split for ruleset in firewall.every(Ruleset) for split in ruleset.splits):
            facts = (SplitGuard(origin, splits),)
            yield Part(GUARD, origin, f"the guard of splits of {host}", (WHY_GUARD,), after=(FIREWALL,), facts=facts)


def _loaded_by(part: Part, netfilter: Netfilter) -> Part:
    loaded = (replace(fact, netfilter=netfilter) if isinstance(fact, Ruleset) else fact for fact in part.facts)
    return replace(part, facts=tuple(loaded))


def _lists(parts: Iterable[Part]) -> dict[PartName, Part]:
    """iptables has no sets of its own. The sets that its rules name are ipsets, each a part of its own."""
    rulesets = (ruleset for part in parts for ruleset in part.every(Ruleset) if ruleset.netfilter == "iptables")
    found = (set_part(one) for ruleset in rulesets for one in ruleset.sets)
    return {part.name: part for part in sorted(found, key=lambda part: part.name)}


def set_part(found: AddressSet) -> Part:
    """The part that holds a list as ipsets."""
    return Part(PartName(f"set-{found.name}"), ("sets", found.name), f"sets.{found.name}", facts=(found,))


def _last(shares: tuple[Share, ...], own: list[Part], host: HostName) -> Iterator[Part]:
    """Parts about all that the packet filter forwards."""
    origin = ("hosts", host)
    ruleset = _joined([share.ruleset for share in shares if share.ruleset], origin)
    for wan in (share.offload for share in shares if share.offload):
        arriving = {fact.device for fact in ruleset.forwards}
        leaving = {fact.device for fact in ruleset.leaves_by}
        leaving |= {fact.device for fact in ruleset.replies_only}
        passing = {device for fact in ruleset.passages for device in (fact.entering, fact.leaving)}
        devices = {wan, *arriving, *leaving, *passing}
        table = Flowtable((*origin, "offload"), tuple(sorted(devices)), bool(ruleset.splits))
        makers = tuple(part.name for part in own if any(device.name in devices for device in part.every(Device)))
        about = f"the flowtable of {host}"
        yield Part(OFFLOAD, origin, about, (WHY_OFFLOAD,), after=makers, follows=makers, facts=(table,))
    if any(share.docker for share in shares):
        forwards: list[PastDocker | DockerAccept] = [
            PastDocker(fact.on, fact.ports, fact.to) for fact in ruleset.forwards
        ]
        forwards += [
            PastDocker(on, Ports(nat.port.number, nat.port.number, nat.port.protocol), nat.to)
            for nat in ruleset.nats
            for on in nat.on
        ]
        forwards += [DockerAccept(fact.entering, fact.leaving) for fact in ruleset.passages]
        forwards += [DockerAccept(one, other) for t in ruleset.transits for one in t.devices for other in t.devices]
        about = f"the rules of {host} in the chain DOCKER-USER"
        facts = (Docker(_each([tuple(forwards)])),) if forwards else ()
        yield Part(PartName("docker"), origin, about, (WHY_DOCKER,), renewed_by=(DOCKER,), facts=facts)


def _joined(rulesets: list[Ruleset], origin: KeyPath) -> Ruleset:
    """Every fact once, in the order of the features."""
    whole = ("origin", "namespace", "netfilter", "filter")
    kinds = [field for field in Ruleset.__struct_fields__ if field not in whole]
    facts: dict[str, Any] = {kind: _each(getattr(ruleset, kind) for ruleset in rulesets) for kind in kinds}
    return Ruleset(origin, filter=next((r.filter for r in rulesets if r.filter), None), **facts)


FEW = 16
"""Up to so many facts are compared one by one: the hash of one that names 1,000 prefixes takes longer."""


def _each(facts: Iterable[tuple[One, ...]]) -> tuple[One, ...]:
    every = [fact for some in facts for fact in some]
    if len(every) > FEW:
        return tuple(dict.fromkeys(every))
    return tuple(fact for number, fact in enumerate(every) if fact not in every[:number])


def _ordered(parts: Iterable[Part]) -> list[Part]:
    """By name, except that a part comes after those that it needs."""
    known = {part.name: part for part in parts}
    needs = {name: {other for other in part.after if other in known} for name, part in known.items()}
    needed_by: dict[PartName, list[PartName]] = {}
    for name, others in needs.items():
        for other in others:
            needed_by.setdefault(other, []).append(name)
    ready = [name for name, others in needs.items() if not others]
    heapify(ready)
    ordered: list[Part] = []
    while ready:
        done = heappop(ready)
        ordered.append(known[done])
        for name in needed_by.get(done, ()):
            needs[name].discard(done)
            if not needs[name]:
                heappush(ready, name)
    if len(ordered) < len(known):
        raise AssertionError("parts need each other")
    return ordered
