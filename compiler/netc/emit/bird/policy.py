"""What a router takes from whom and tells to whom, as BIRD's filters.

Every route from outside carries one large community of our own, (ASN, 1, class), from the edge inwards, and what others
say in that name is taken away. To upstreams and peers goes what is ours and what downstreams say: nothing that one of
them said reaches another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

from netaddr import IPAddress, IPNetwork

from netc.emit.bird.filtering import (
    Accept,
    Add,
    Again,
    All,
    Assign,
    Call,
    Communities,
    Community,
    Constants,
    Defined,
    Filter,
    Forget,
    Function,
    Has,
    In,
    Is,
    Longer,
    Not,
    Note,
    Numbers,
    Pairs,
    Prefixes,
    Reject,
    Roa,
    RoaTable,
    Statement,
    When,
)
from netc.language.bgp import Role
from netc.language.values import Family
from netc.plan.bgp import Accepted, Inner, RoaFile, RoaServer, Session, System
from netc.plan.facts import Router

LEARNED_FROM = 1
"""The second number of our own large communities that say by whom a route came in."""

CLASS = {"upstream": 1, "peer": 2, "route-server": 2, "downstream": 3}
LONGEST_PATH = 64
"""Longer ones are nobody's (a loop, or worse: BIRD before 2.17.5 could be harmed by 2048)."""

GRACEFUL_SHUTDOWN = Community((65535, 0))
"""RFC 8326."""

IS_OUTER: dict[str, bool] = {**dict.fromkeys(get_args(Inner), False), **dict.fromkeys(get_args(Role), True)}
"""By the kind of a session."""

LAST = (Add(GRACEFUL_SHUTDOWN), Assign("bgp_local_pref", 0))
"""Of a route that is about to go: others are preferred, inside by its own words, outside by those of RFC 8326."""

NO_EXPORT = Community((65535, 65281))
NO_ADVERTISE, NO_EXPORT_SUBCONFED = Community((65535, 65282)), Community((65535, 65283))
"""RFC 1997."""


def of(router: Router, family: Family) -> tuple[IPNetwork, ...]:
    assert router.system is not None
    return tuple(net for net in router.system.own if net.version == family)


def served(router: Router, family: Family) -> tuple[IPNetwork, ...]:
    """Prefixes of anycast services that are here."""
    return tuple(sorted({net for service in router.anycast if service.family == family for net in service.nets}))


def exactly(nets: tuple[IPNetwork, ...]) -> Prefixes:
    return Prefixes(tuple(Accepted(net, net.prefixlen, net.prefixlen) for net in nets))


def within(nets: tuple[IPNetwork, ...]) -> Prefixes:
    return Prefixes(tuple(Accepted(net, net.prefixlen, 32 if net.version == 4 else 128) for net in nets))


# ---- what all sessions share ---------------------------------------------------------------------------------


def functions(router: Router) -> tuple[Function, ...]:
    """In the order in which they are printed."""
    system = router.system
    if system is None or not any(is_outer(session) for session in router.sessions):
        return ()
    spoken = sorted({family for session in router.sessions if is_outer(session) for family in session.families})
    measured = (_worst(),) if any(session.measures for session in router.sessions) else ()
    return (_path(system), *(_refuse(router, family) for family in spoken), *measured, _arrive(system), _leave(system))


def learned_families(router: Router) -> tuple[Family, ...]:
    found: set[Family] = {4 if net.version == 4 else 6 for net in router.learning.nets} if router.learning else set()
    return tuple(sorted(found))


def roa_sources(router: Router) -> Iterator[tuple[Literal["roa", "flap"], tuple[RoaServer | RoaFile, ...]]]:
    """Those that are asked of: routes from inside were judged at their edge."""
    if router.system and any(map(is_outer, router.sessions)):
        yield "roa", router.system.roa
        yield "flap", router.system.flaps


def roa_tables(router: Router) -> Iterator[RoaTable]:
    """One a purpose and family: a ROA of AS 0, of what flaps, would mean nothing beside one of the owner's."""
    spoken = sorted({family for session in router.sessions if is_outer(session) for family in session.families})
    for kind, sources in roa_sources(router):
        yield from (RoaTable(kind, family) for family in spoken if sources)


def is_outer(session: Session) -> bool:
    found = IS_OUTER.get(session.kind)
    if found is None:
        raise TypeError(f"no session is {session.kind!r}")
    return found


def _path(system: System) -> Function:
    own = tuple((asn, asn) for asn in sorted({system.asn, *system.members}))
    body = (
        When(Longer("bgp_path.len", LONGEST_PATH), (Reject(),)),
        When(In("bgp_path", Numbers(own)), (Reject(),)),
        When(In("bgp_path", Numbers(system.refused_asns)), (Reject(),)),
    )
    return Function("refuse_path", "What came through ourselves, or through nobody.", body)


def _refuse(router: Router, family: Family) -> Function:
    system = router.system
    assert system is not None
    refused = tuple(net for net in system.refused if net.version == family)
    accepted = Prefixes(tuple(one for one in system.accepted if one.net.version == family))
    body: list[Statement] = [When(In("net", within(of(router, family))), (Reject(),))]
    if refused:
        body.append(When(In("net", within(refused)), (Reject(),)))
    body.append(When(Not(In("net", accepted)), (Reject(),)))
    return Function(f"refuse{family}", "What is ours, and what nobody announces.", tuple(body))


DN42 = 64511
"""Whose communities measure ways: latency 1 to 9, the larger the worse; bandwidth 21 to 29 and encryption 31 to 36, the
smaller the worse (dn42.dev/howto/BGP-communities)."""


def _worst() -> Function:
    """A way is as good as the worst link of it."""
    beaten = [(number, 1, number - 1) for number in range(9, 1, -1)]
    beaten += [(number, number + 1, last) for first, last in ((21, 29), (31, 36)) for number in range(first, last)]
    body = tuple(
        When(Has(Community((DN42, number))), (Forget("bgp_community", Pairs(DN42, first, last)),))
        for number, first, last in beaten
    )
    return Function("worst", "A way is as slow, as narrow and as open as its worst link.", body)


def _measured(session: Session) -> Iterator[Statement]:
    if session.measures:
        yield from (Add(Community((DN42, number))) for number in session.measures)
        yield Call(_worst())


def _arrive(system: System) -> Function:
    body = (Forget("bgp_large_community", Communities(system.asn)), Assign("bgp_med", 0))
    return Function("arrive", "Nobody outside speaks in our name, or chooses our ways by his own measure.", body)


def _leave(system: System) -> Function:
    body: list[Statement] = [Forget("bgp_large_community", Communities(system.asn))]
    if system.form == "fake":
        body.append(Forget("bgp_path", Numbers(tuple((asn, asn) for asn in system.members))))
    return Function("leave", "What is ours alone stays here. The last step of all ways out, never inside.", tuple(body))


# ---- outside -------------------------------------------------------------------------------------------------


def from_outside(session: Session, router: Router, family: Family) -> Filter:
    system = router.system
    assert system is not None
    if session.kind == "collector":
        return False
    return tuple(_from_outside(session, system, router, family))


def _from_outside(session: Session, system: System, router: Router, family: Family) -> Iterator[Statement]:
    yield Call(_path(system))
    yield Call(_refuse(router, family))
    if session.only:
        only = Prefixes(tuple(one for one in session.only if one.net.version == family))
        yield When(Not(In("net", only)), (Reject(),))
    if system.roa:
        verdict: Literal["ROA_VALID", "ROA_INVALID"] = "ROA_VALID" if system.roa_strict else "ROA_INVALID"
        said = Roa(RoaTable("roa", family), verdict)
        yield When(Not(said) if system.roa_strict else said, (Reject(),))
    if system.flaps:
        yield When(Roa(RoaTable("flap", family), "ROA_INVALID"), (Reject(),))
    yield Call(_arrive(system))
    yield from _measured(session)
    yield Add(Community((system.asn, LEARNED_FROM, CLASS[session.kind])))
    if session.local_pref is not None:
        yield Assign("bgp_local_pref", session.local_pref)
    yield When(Has(GRACEFUL_SHUTDOWN), (Assign("bgp_local_pref", 0),))
    if system.recursive:
        yield Assign("bgp_next_hop", source(router, family))
    yield Accept()


def source(router: Router, family: Family) -> IPAddress:
    """What others resolve its routes by, and its own packets carry."""
    found = next((ip for ip in router.sources if ip.version == family), None)
    if found is None:
        raise TypeError(f"a router without an IPv{family} address of its own is no next hop")
    return found


def to_outside(session: Session, router: Router, family: Family) -> Filter:
    return tuple(_to_outside(session, router, family))


def _to_outside(session: Session, router: Router, family: Family) -> Iterator[Statement]:
    system = router.system
    assert system is not None
    last = (Add(GRACEFUL_SHUTDOWN),) if system.drained else ()
    go = (*_measured(session), *last, Call(_leave(system)), Accept())
    tags = tuple(Add(Community((DN42, number))) for number in system.tags)
    anycast = tuple(net for net in system.anycast if net.version == family)
    here = (*of(router, family), *(net for net in served(router, family) if net in anycast))
    yield When(All((Is("source", "RTS_STATIC"), In("net", exactly(here)))), (*tags, *go))
    yield When(Not(Is("source", "RTS_BGP")), (Reject(),))
    if system.recursive:
        yield When(Is("dest", "RTD_UNREACHABLE"), (Reject(),))
    if anycast:
        ours = Not(In("bgp_large_community", Communities(system.asn, LEARNED_FROM)))
        yield When(All((In("net", exactly(anycast)), ours)), go)
    if session.kind in ("downstream", "collector"):
        # What came in by no edge is our own, and told inside alone.
        yield When(Not(In("bgp_large_community", Communities(system.asn, LEARNED_FROM))), (Reject(),))
    else:
        paid = Community((system.asn, LEARNED_FROM, CLASS["downstream"]))
        yield When(Not(Has(paid)), (Reject(),))
    yield from go


# ---- inside --------------------------------------------------------------------------------------------------


def from_inside(session: Session) -> Filter:
    """A route from inside has all that its edge gave it; where routers are next hops, its way is measured."""
    if not session.cost:
        return True
    more = (Assign("bgp_med", session.cost, added=True),)
    return (When(Defined("bgp_med"), more, (Assign("bgp_med", session.cost),)), Accept())


def to_inside(session: Session, router: Router, family: Family) -> Filter:
    return tuple(_to_inside(session, router, family))


def _to_inside(session: Session, router: Router, family: Family) -> Iterator[Statement]:
    system = router.system
    assert system is not None
    inside = (*(net for net in system.inside if net.version == family), *served(router, family))
    own: list[Statement] = [Assign("bgp_next_hop", source(router, family))] if system.recursive else []
    if inside:
        here = All((Is("source", "RTS_STATIC"), In("net", exactly(inside))))
        yield When(here, (*own, *_last_of(served(router, family), system), Accept()))
    if family in learned_families(router):
        yield When(In("source", Constants(("RTS_DEVICE", "RTS_INHERIT"))), (*own, Accept()))
    yield When(Not(Is("source", "RTS_BGP")), (Reject(),))
    if system.recursive:
        yield When(Is("dest", "RTD_UNREACHABLE"), (Reject(),))
    if system.drained:
        yield Assign("bgp_local_pref", 0)
    if session.kind == "fake":
        for community in (NO_ADVERTISE, NO_EXPORT_SUBCONFED):
            yield When(Has(community), (Reject(),))
        yield Note("Set again, or it would be left out between two ASNs.")
        yield When(Defined("bgp_med"), (Again("bgp_med"),))
    yield Accept()


def _last_of(nets: tuple[IPNetwork, ...], system: System) -> Iterator[Statement]:
    """A router that is about to go still serves, if nobody else does."""
    if nets and system.drained:
        yield When(In("net", exactly(nets)), (Assign("bgp_local_pref", 0),))


# ---- Babel -----------------------------------------------------------------------------------------------------


def to_babel(router: Router, family: Family) -> Filter:
    """Where each router itself is, and nothing of what BGP knows: its paths would be lost."""
    here = exactly(tuple(net for net in router.loopbacks if net.version == family))
    own = All((Is("source", "RTS_STATIC"), In("net", here)))
    return (When(Is("source", "RTS_BABEL"), (Accept(),)), When(own, (Accept(),)), Reject())
