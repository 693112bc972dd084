"""Plans that differ from others in one rule, route, or mark, and packets that tell two plans apart on paper."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from msgspec.structs import replace

from netc.checks.expected import ANY_PORT, ASKING, NO_PORT, internet
from netc.checks.exposed import senders
from netc.language.values import Family, Ports
from netc.network.derive import EVERYTHING
from netc.network.ranges import Ranges, merged
from netc.plan.facts import Forwarding, KeptRoute, Route, Router, Rule, Ruleset
from netc.plan.host_plan import HostPlan
from netc.plan.ruleset import Sources
from netc.walk.journey import Journey, Process, Start, Stranger, journey
from netc.walk.packet import ICMP, ICMP6, TCP, UDP, Owner, Packet
from netc.walk.routers import INNER
from netc.walk.space import Box, classes
from netc.walk.stack import LO
from netc.walk.world import FAMILIES, World, is_public

RULES = (
    *("openings", "denials", "passages", "forwards", "nats", "masquerades", "hairpins", "sources", "marks"),
    *("leaves_by", "never_by", "replies_only", "strangers", "transits", "queries", "splits"),
)
OTHER = 0x40000000
"""Of a mark, what another one has. No mark becomes 0: a rule for packets without a mark would lead the outer packets of
a tunnel into it, and then it is chance whether the ends have met before."""
ALL_PORTS = (Ports(1, 65535, "tcp"), Ports(1, 65535, "udp"))


class Mutant(NamedTuple):
    what: str
    plans: list[HostPlan]


def mutants(plans: list[HostPlan], chance: random.Random, kind: type = object) -> Iterator[Mutant]:
    """All of facts of a kind, in an order of chance."""
    found = [
        (f"{plan.host}, {part.name}: {what}", host, number, at, fact)
        for host, plan in enumerate(plans)
        for number, part in enumerate(plan.parts)
        for at, old in enumerate(part.facts)
        if isinstance(old, kind)
        for what, fact in _changed(old)
    ]
    chance.shuffle(found)
    for what, host, number, at, fact in found:
        part = plans[host].parts[number]
        facts = (*part.facts[:at], *((fact,) if fact is not None else ()), *part.facts[at + 1 :])
        parts = (*plans[host].parts[:number], replace(part, facts=facts), *plans[host].parts[number + 1 :])
        yield Mutant(what, [replace(one, parts=parts) if n == host else one for n, one in enumerate(plans)])


def _changed(fact: Any) -> Iterator[tuple[str, Any]]:
    match fact:
        case Ruleset():
            yield from _rules(fact)
        case Route():
            yield f"no route to {fact.to}", None
        case KeptRoute():
            yield f"no default route of IPv{fact.family}", None
        case Rule():
            yield f"no policy rule at {fact.priority}", None
            if fact.mark is not None:
                yield f"another mark at {fact.priority}", replace(fact, mark=fact.mark ^ OTHER)
        case Router():
            yield from _router(fact)
        case Forwarding() if len(fact.families) > 1:
            yield "forwards one family", replace(fact, families=fact.families[:1])


def _rules(fact: Ruleset) -> Iterator[tuple[str, Ruleset]]:
    """A rule dropped, swapped with the next, or widened."""
    for field in RULES:
        rules = getattr(fact, field)
        for n, rule in enumerate(rules):
            yield f"no {field}[{n}]", replace(fact, **{field: (*rules[:n], *rules[n + 1 :])})
            if n:
                swapped = (*rules[: n - 1], rule, rules[n - 1], *rules[n + 1 :])
                yield f"{field}[{n}] before the one before", replace(fact, **{field: swapped})
            for what, other in _altered(field, rule):
                yield f"{field}[{n}] {what}", replace(fact, **{field: (*rules[:n], other, *rules[n + 1 :])})
    if fact.filter and fact.filter.input == "drop":
        yield "input accepts", replace(fact, filter=replace(fact.filter, input="accept"))
    if fact.filter and fact.filter.forward == "drop":
        yield "forward accepts", replace(fact, filter=replace(fact.filter, forward="accept"))


def _router(fact: Router) -> Iterator[tuple[str, Router]]:
    """A link of the IGP or a session dropped, a link that costs more, a network that is not announced."""
    for n, one in enumerate(fact.igp):
        yield f"no IGP by {one.device}", replace(fact, igp=(*fact.igp[:n], *fact.igp[n + 1 :]))
        dear = replace(one, cost=one.cost + 1000)
        yield f"{one.device} costs more", replace(fact, igp=(*fact.igp[:n], dear, *fact.igp[n + 1 :]))
    for n, session in enumerate(fact.sessions):
        if session.kind in INNER:
            without = (*fact.sessions[:n], *fact.sessions[n + 1 :])
            yield f"no session {session.name}", replace(fact, sessions=without)
    for net in fact.system.internal if fact.system else ():
        internal = tuple(one for one in fact.system.internal if one != net)
        yield f"does not announce {net}", replace(fact, system=replace(fact.system, internal=internal))


def _altered(field: str, rule: Any) -> Iterator[tuple[str, Any]]:
    """Widened, or with another mark."""
    if field == "openings" and rule.sources is not None:
        yield "for more", replace(rule, sources=None)
    elif field == "openings" and rule.ports:
        yield "for more", replace(rule, ports=ALL_PORTS)
    if field == "nats" and rule.sources:
        yield "for more", replace(rule, sources=())
    if field in ("marks", "splits"):
        yield "with another mark", replace(rule, mark=rule.mark ^ OTHER)
    if field == "splits":
        yield "with all direct", replace(rule, direct=Sources(EVERYTHING))
        yield "for the others", replace(rule, others=not rule.others)
        if rule.resolvers:
            yield "without a resolver", replace(rule, resolvers=())
        if rule.ipv6 == "block":
            yield "with IPv6 direct", replace(rule, ipv6="direct")


# ---- what tells two apart ------------------------------------------------------------------------------------


class Told(NamedTuple):
    start: Start
    packet: Packet


def told_apart(one: World, other: World, sport: int) -> Iterator[Told]:
    """Packets that have another fate in the other world. If there are none, there are none at all: each class of the
    one is cut into the classes of the other, and a class is exact."""
    for start, box in _boxes(one):
        for found in classes(one, start, box, 50_000):
            for part in classes(other, start, found.box, 50_000):
                if fate(part.found) != fate(found.found):
                    packet = replace(part.packet, sport=sport) if part.packet.sport else part.packet
                    if fate(journey(one, start, packet)) != fate(journey(other, start, packet)):
                        yield Told(start, packet)


def fate(found: Journey) -> tuple[object, ...]:
    end = found.there
    where = (end.kind, end.place, end.device, end.packet.source, end.packet.to, end.packet.dport)
    arrived = where if end.kind != "lost" else ("lost",)
    return (*arrived, found.answered, found.left, found.returned if found.answered else ())


def _boxes(made: World) -> Iterator[tuple[Start, Box]]:
    """From programs of each stack, and from all who are next to a host, to everything that we have and to the
    internet."""
    for family in FAMILIES:
        held = _held(made, family)
        public = tuple(span for span in held if is_public(family, span[0]))
        for stack in made.stacks.values():
            splits = stack.ruleset.splits if stack.ruleset else ()
            named = [Owner(group=one.group, user=one.user) for one in splits if one.group or one.user]
            own = {number for of, number in stack.local if of == family}
            others = [span for span in held if span[0] not in own]
            for owner in (Owner(), *named):
                to = merged((*others, *internet(made, family)))
                yield from ((Process(stack.place, owner), box) for box in _to(family, to, ()))
            for sender in senders(made, stack) if stack.place[1] is None else ():
                sources = sender.sources.get(family)
                to = public if isinstance(sender.start, Stranger) else merged((*held, *internet(made, family)))
                if sources:
                    yield from ((sender.start, box) for box in _to(family, to, sources))


def _held(made: World, family: Family) -> Ranges:
    return merged(
        (int(net.ip), int(net.ip))
        for _, device in made.devices()
        for net in device.networks
        if net.version == family and device.name != LO and not net.ip.is_link_local()
    )


def _to(family: Family, to: Ranges, sources: Ranges) -> Iterator[Box]:
    if to:
        yield Box(family, TCP, sources, to, ASKING, ANY_PORT)
        yield Box(family, UDP, sources, to, ASKING, ANY_PORT)
        yield Box(family, ICMP if family == 4 else ICMP6, sources, to, NO_PORT, NO_PORT)
