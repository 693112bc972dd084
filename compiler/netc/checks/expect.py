"""Expectations: what the author promises of packets, proved by walking every class of them through all plans."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace
from netaddr import IPAddress

from netc.checks.expected import From, To, boxes, devices, dialled, place_of, senders
from netc.checks.supposed import Worlds
from netc.diagnostic import Diagnostic, KeyPath
from netc.language.expect import Expect, Sender
from netc.language.names import NamespaceName
from netc.language.values import Ports, Range
from netc.network.interface import Network
from netc.network.ranges import merged, minus
from netc.plan.facts import Checker
from netc.plan.host_plan import HostPlan
from netc.walk.bird import world
from netc.walk.journey import Journey
from netc.walk.packet import NAMES, TCP, UDP, described
from netc.walk.places import Wrong, somewhere
from netc.walk.space import Box, Class, TooMany, classes
from netc.walk.stack import Place
from netc.walk.text import arrived, outcome
from netc.walk.world import World

BUDGET = 20_000
"""Classes of packets that one sender and one destination may have. A question with more is refused, never sampled."""


class Broken(Struct, frozen=True):
    """A promise that a packet breaks: the key of it, the packet and what becomes of it."""

    key: str
    what: str
    origin: KeyPath = ()
    code: str = "NC3001"


def judge(plans: Sequence[HostPlan], network: Network) -> Iterator[Diagnostic]:
    """What does not hold, or cannot be proved: for each key of an expectation one packet that shows it."""
    wanted = network.topology.expect
    if not wanted:
        return
    worlds = Worlds(plans, world(plans))
    for number, expect in enumerate(wanted):
        broken: dict[str, Broken] = {}
        for one in _judged(expect, worlds, network):
            broken.setdefault(one.key, one)
        yield from (_diagnostic(number, expect, one) for one in broken.values())


def _diagnostic(number: int, expect: Expect, broken: Broken) -> Diagnostic:
    where: KeyPath = ("expect", number, broken.key)
    named = f"“{expect.name}” does not hold: " if expect.name and broken.code == "NC3001" else ""
    hint = "" if broken.code != "NC3001" else "`netc trace` shows the path of a packet"
    also = (broken.origin,) if broken.origin else ()
    return Diagnostic(broken.code, where, f"{named}{broken.what}", hint, also)


def _judged(expect: Expect, worlds: Worlds, network: Network) -> Iterator[Broken]:
    for named in expect.from_:
        try:
            somewhere(worlds.base)
            for sender in senders(named, worlds.base, network):
                yield from _from(expect, sender, worlds, network)
        except Wrong as wrong:
            yield Broken("from", str(wrong), code="NC3002")


def _from(expect: Expect, sender: From, worlds: Worlds, network: Network) -> Iterator[Broken]:
    for named in expect.to:
        try:
            to = dialled(named, sender, worlds.base, network)
        except Wrong as wrong:
            yield Broken("to", str(wrong), code="NC3002")
            continue
        place = place_of(sender.start) or to.place
        if place is None and (expect.leaves_by or expect.never_by):
            key = "leaves_by" if expect.leaves_by else "never_by"
            what = f"neither {sender.text} nor {named} is a host of yours"
            yield Broken(key, f"{what}: netc cannot say by which interface anything leaves", code="NC3003")
            continue
        asked = list(boxes(sender, to, worlds.base))
        if not asked:
            yield Broken("to", f"{sender.text} has no address of a family that {named} has", code="NC3003")
            continue
        try:
            yield from _as_it_is(expect, sender, asked, worlds.base, place)
            if expect.never_by:
                yield from _never(expect, sender, to, worlds)
            yield from _survives(expect, sender, to, worlds)
        except TooMany:
            what = f"{sender.text} to {named} has more than {BUDGET} classes of packets"
            yield Broken("to", f"{what}: netc proves none of them", code="NC3003")
        except Wrong as wrong:
            key = next(key for key in ("leaves_by", "never_by", "survives") if getattr(expect, key))
            yield Broken(key, str(wrong), code="NC3002")


def _every(made: World, sender: From, asked: Iterable[Box]) -> Iterator[Class]:
    for box in asked:
        yield from classes(made, sender.start, box, BUDGET)


def _as_it_is(expect: Expect, sender: From, asked: list[Box], made: World, place: Place | None) -> Iterator[Broken]:
    """`place`: the stack at which interfaces are looked for."""
    ways = {way for name in expect.leaves_by if place for way in devices(name, place, made)}
    answering: dict[int, list[Range]] = {}
    left = 0
    for one in _every(made, sender, asked):
        answers = expect.only is None and expect.arrives != ()
        if unsure := one.found.unsure or (answers and one.found.unsure_back):
            yield Broken("to", f"{_described(one)}: {unsure}", code="NC3003")
            return
        if one.found.there.kind != "lost":
            answering.setdefault(one.packet.protocol, []).extend(one.box.dport)
        left += any(at[0] == place[0] for at, _ in one.found.left) if place else 0
        yield from wrong(expect, one, made, ways, place)
    if ways and not left:
        yield Broken("leaves_by", f"nothing leaves {sender.text} at all")
    for ports in expect.only or ():
        if not _answers(ports, answering):
            yield Broken("only", f"{ports} does not answer")


def _answers(ports: Ports, answering: Mapping[int, list[Range]]) -> bool:
    found = merged(answering.get(TCP if ports.protocol == "tcp" else UDP, ()))
    return not minus(((ports.first, ports.last),), found)


def wrong(
    expect: Expect, one: Class, made: World, ways: set[tuple[Place, str]], place: Place | None
) -> Iterator[Broken]:
    """What of a promise a packet breaks. Whether it leaves by one of `never_by` is another question."""
    found = one.found
    wants_answer = expect.arrives is None and expect.only is None and not (expect.leaves_by or expect.never_by)
    if (expect.arrives is not None or wants_answer) and not _arrives(expect, made, found):
        yield _broken("arrives" if expect.arrives is not None else "to", one, made)
    reached = found.there.kind != "lost"
    if expect.source is not None and reached and found.there.packet.source != _source(expect, one):
        yield _broken("source", one, made)
    if ways and place and (last := [way for way in found.left if way[0][0] == place[0]]) and last[-1] not in ways:
        yield _broken("leaves_by", one, made, f"leaves by {last[-1][1]}")
    if expect.only is not None and reached and one.packet.protocol in (TCP, UDP):
        name = NAMES[one.packet.protocol]
        known = [(ports.first, ports.last) for ports in expect.only if ports.protocol == name]
        if any(not any(a <= first and last <= b for a, b in merged(known)) for first, last in one.box.dport):
            yield _broken("only", one, made)
    passed = {event.place[0] for event in found.events}
    if reached and any(host not in passed for host in expect.through):
        yield _broken("through", one, made, f"passes {', '.join(sorted(map(str, passed)))}")
    if expect.mtu is not None and reached and found.room < expect.mtu:
        yield _broken("mtu", one, made, f"has room for {found.room} bytes")


def _arrives(expect: Expect, made: World, found: Journey) -> bool:
    if expect.arrives == ():
        return found.there.kind == "lost"
    if not found.answered:
        return False
    return expect.arrives is None or any(_is_at(str(place), made, found) for place in expect.arrives)


def _is_at(place: str, made: World, found: Journey) -> bool:
    """A host has its namespaces' and its containers' packets only where these are named."""
    if place == "internet":
        return found.there.kind in ("internet", "beyond")
    end = found.there
    if place == end.place[0] and end.kind == "host" and end.place[1] in _anycast_spaces(made.plans[end.place[0]]):
        return True
    return arrived(made, end) == place.replace("[", "").replace("]", "")


def _anycast_spaces(plan: HostPlan) -> set[NamespaceName]:
    """A host has what its anycast services get."""
    return {one.namespace for part in plan.parts for one in part.every(Checker)}


def _source(expect: Expect, one: Class) -> int:
    return one.found.source if expect.source in (None, "kept") else int(IPAddress(str(expect.source)))


def _broken(key: str, one: Class, made: World, said: str = "") -> Broken:
    found = one.found
    verdict = found.there.verdict or (found.back.verdict if found.back else None)
    deciding = verdict.origin if verdict else next((e.origin for e in reversed(found.events) if e.origin), ())
    return Broken(key, f"{_described(one)} {said or outcome(made, found)}", deciding)


def _described(one: Class) -> str:
    """With the source that the kernel chose."""
    return described(replace(one.packet, source=one.found.source))


def _never(expect: Expect, sender: From, to: To, worlds: Worlds) -> Iterator[Broken]:
    place = place_of(sender.start) or to.place
    if place is None:
        return
    for when, made in worlds.supposing(place):
        ways = {way for name in expect.never_by for way in devices(name, place, worlds.base)}
        for one in _every(made, sender, boxes(sender, to, made)):
            used = [device for at, device in one.found.left if (at, device) in ways]
            if used:
                yield _broken("never_by", one, made, f"leaves by {used[0]}{when}")
                return


def _survives(expect: Expect, sender: From, to: To, worlds: Worlds) -> Iterator[Broken]:
    """Addresses are those that it dials while everything is there: nobody dials another because a host is gone."""
    place = place_of(sender.start) or to.place
    for named in expect.survives:
        for when, made in worlds.without(named, _spared(expect)):
            for one in _as_it_is(expect, sender, list(boxes(sender, to, made)), made, place):
                yield replace(one, key="survives", what=f"{one.what}{when}")
                break


def _spared(expect: Expect) -> frozenset[str]:
    """Hosts without which a promise says nothing."""
    arriving = [str(place) for place in expect.arrives or ()]
    places = [*map(_host_of, expect.from_), *map(_host_of, expect.to), *(arriving if len(arriving) == 1 else ())]
    return frozenset(re.split("[/:]", place)[0] for place in places)


def _host_of(place: str | Sender) -> str:
    return str(place.host) if isinstance(place, Sender) else str(place)
