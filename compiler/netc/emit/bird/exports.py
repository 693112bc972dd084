"""Which routes a router exports to its neighbours, as functions and filters of BIRD.

Upstreams and peers get our own prefixes and routes from neighbours that we carry packets for, which are downstreams
and those with mutual transit: no route of an upstream or peer reaches another.
"""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPNetwork

from netc.emit.bird.communities import (
    NO_ADVERTISE,
    NO_EXPORT,
    NO_EXPORT_SUBCONFED,
    deletes,
    from_external,
    learned_from,
    of_ours,
)
from netc.emit.bird.filtering import (
    Accept,
    Add,
    Again,
    All,
    Any,
    Assign,
    Call,
    Condition,
    Defined,
    Filter,
    Fixed,
    Forget,
    Function,
    Has,
    In,
    Is,
    Not,
    Note,
    Numbers,
    Reject,
    Statement,
    When,
    Words,
)
from netc.emit.bird.imports import measured
from netc.emit.bird.router import (
    among,
    by_family,
    exactly,
    hop_families,
    is_outer,
    learned_families,
    next_hop,
    of,
    served,
    some_are_unresolved,
    spoken,
)
from netc.language.values import Family
from netc.plan.bgp import Session, System
from netc.plan.communities import BLACKHOLE, GRACEFUL_SHUTDOWN, dn42
from netc.plan.facts import Router
from netc.plan.route_class import FROM_DOWNSTREAM, FROM_MUTUAL_TRANSIT

GETS_ALL = ("downstream", "mutual-transit", "collector")
"""Neighbours that we export the routes of all external neighbours to."""

LAST = (Add(GRACEFUL_SHUTDOWN), Assign("bgp_local_pref", 0))
"""Of a route that is about to be withdrawn: our own routers prefer others by local pref, other ASes by RFC 8326."""

ALL, CUSTOMERS, INTERNAL, MEMBER = "export_all", "export_customers", "export_internal", "export_member"


def functions(router: Router) -> Iterator[Function]:
    """In the order in which they are printed."""
    called = {_called(session) for session in router.sessions}
    makers = {ALL: _export_all, CUSTOMERS: _export_customers, INTERNAL: _export_internal, MEMBER: _export_member}
    yield from (make(router) for name, make in makers.items() if name in called)


def _called(session: Session) -> str:
    if is_outer(session):
        return ALL if session.kind in GETS_ALL else CUSTOMERS
    return MEMBER if session.kind == "fake" else INTERNAL


def export_external(session: Session, router: Router) -> Filter:
    assert router.system is not None
    private = tuple(_without_private(session, router.system))
    otc = (Fixed("unset(bgp_otc);"),) if session.kind == "mutual-transit" else ()
    return (Call(_called(session)), *otc, *private, *measured(session), Accept())


def export_internal(session: Session) -> Filter:
    return (Call(_called(session)), Accept())


# ---- external neighbours -------------------------------------------------------------------------------------


def _without_private(session: Session, system: System) -> Iterator[Statement]:
    """The neighbour itself has to see its own ASN: it rejects what comes back to it."""
    others = tuple((asn, asn) for asn in system.private_asns if asn not in session.private_asns)
    if others:
        yield Forget("bgp_path", Numbers(others))


def _export_all(router: Router) -> Function:
    assert router.system is not None
    about = "Exports our prefixes, and routes of all external neighbours."
    # A route from no external neighbour is our own, and stays in the AS.
    return _export(router, ALL, about, Not(In("bgp_large_community", from_external(router.system))))


def _export_customers(router: Router) -> Function:
    system = router.system
    assert system is not None
    about = "Exports our prefixes, and routes of downstreams and neighbours with mutual transit."
    paying = (Not(Has(learned_from(one, system))) for one in (FROM_DOWNSTREAM, FROM_MUTUAL_TRANSIT))
    return _export(router, CUSTOMERS, about, All(tuple(paying)))


def _export(router: Router, name: str, about: str, is_kept: Condition) -> Function:
    system = router.system
    assert system is not None
    members = " and ASNs of members" if system.form == "fake" else ""
    hides = f"Deletes {of_ours(system)}{members}."
    return Function(name, (f"{about} {hides}",), tuple(_exported(router, system, is_kept)))


def _exported(router: Router, system: System, is_kept: Condition) -> Iterator[Statement]:
    families = spoken(router, outer=True)
    anycast = tuple(net for net in system.anycast if net.version in families)
    own = (net for family in families for net in of(router, family))
    here = (*own, *(net for family in families for net in served(router, family) if net in anycast))
    static = All((Is("source", "RTS_STATIC"), among(here)))
    rejects: list[Statement] = [When(_not_bgp(router, Has(BLACKHOLE)), (Reject(),))]
    if anycast:
        # Our own routers announce it: it comes from no external neighbour.
        ours = All((among(anycast), Not(In("bgp_large_community", from_external(system)))))
        is_kept = All((is_kept, Not(ours)))
    rejects.append(When(is_kept, (Reject(),)))
    tags = tuple(Add(dn42(number)) for number in system.tags)
    yield When(static, tags, tuple(rejects)) if tags else When(Not(static), tuple(rejects))
    if system.drained:
        yield Add(GRACEFUL_SHUTDOWN)
    yield from deletes(system)
    if system.form == "fake":
        yield Forget("bgp_path", Numbers(tuple((asn, asn) for asn in system.members)))


def _not_bgp(router: Router, *more: Condition) -> Condition:
    """No BGP route, or one whose next hop is not resolved."""
    unresolved = (Is("dest", "RTD_UNREACHABLE"),) if some_are_unresolved(router) else ()
    found = (Not(Is("source", "RTS_BGP")), *unresolved, *more)
    return Any(found) if len(found) > 1 else found[0]


# ---- our own routers -----------------------------------------------------------------------------------------


def _export_internal(router: Router) -> Function:
    about = "Exports prefixes of this router, and all BGP routes, to our own routers."
    return Function(INTERNAL, (about,), tuple(_to_our_own(router)))


def _export_member(router: Router) -> Function:
    about = "The same, to routers of other members, which are other ASes for BIRD."
    return Function(MEMBER, (about,), (*_to_our_own(router), *_as_inside()))


def _to_our_own(router: Router) -> Iterator[Statement]:
    system, families = router.system, spoken(router, outer=False)
    assert system is not None
    here = tuple(net for family in families for net in served(router, family))
    internal = (*(net for net in system.internal if net.version in families), *here)
    ours: list[Condition] = [All((Is("source", "RTS_STATIC"), among(internal)))] if internal else []
    ours += _learned(router, families)
    other = (When(_not_bgp(router), (Reject(),)), *((Assign("bgp_local_pref", 0),) if system.drained else ()))
    if not ours:
        yield from other
        return
    own: tuple[Statement, ...] = ()
    if system.recursive:
        own = (by_family("bgp_next_hop", {family: next_hop(router, family) for family in families}),)
    own += tuple(_last_of(here, system))
    known = ours[0] if len(ours) == 1 else Any(tuple(ours))
    yield When(known, own, other) if own else When(Not(known), other)


def _learned(router: Router, families: tuple[Family, ...]) -> list[Condition]:
    """Kernel routes that resolve next hops, and nothing else, do not carry NO_EXPORT."""
    if not set(learned_families(router)) & set(families):
        return []
    learned = In("source", Words(("RTS_DEVICE", "RTS_INHERIT")))
    return [All((learned, Has(NO_EXPORT))) if hop_families(router) else learned]


def _last_of(nets: tuple[IPNetwork, ...], system: System) -> Iterator[Statement]:
    """A drained router still serves if no other host does."""
    if nets and system.drained:
        yield When(among(nets), (Assign("bgp_local_pref", 0),))


def _as_inside() -> Iterator[Statement]:
    """Members are other ASes for BIRD. It exports MED to another AS only if a filter has set it."""
    for community in (NO_ADVERTISE, NO_EXPORT_SUBCONFED):
        yield When(Has(community), (Reject(),))
    yield Note("BIRD exports MED to another ASN only if a filter sets it.")
    yield When(Defined("bgp_med"), (Again("bgp_med"),))


# ---- Babel -----------------------------------------------------------------------------------------------------


def export_babel(router: Router, family: Family) -> Filter:
    """Loopbacks of routers, and no BGP routes: they would lose their AS paths."""
    here = exactly(tuple(net for net in router.loopbacks if net.version == family))
    own = All((Is("source", "RTS_STATIC"), In("net", here)))
    return (When(Is("source", "RTS_BABEL"), (Accept(),)), When(own, (Accept(),)), Reject())
