"""Which routes a router imports and exports, as BIRD's filters.

The router that imports a route from another AS sets a large community of our own on it, (ASN, 1, class), and deletes
those that the neighbour set. Upstreams and peers get our own prefixes and routes from neighbours that we carry packets
for, which are downstreams and those with mutual transit: no route of an upstream or peer reaches another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec.structs import replace
from netaddr import IPNetwork

from netc.emit.bird.communities import (
    CLASS,
    NO_ADVERTISE,
    NO_EXPORT,
    NO_EXPORT_SUBCONFED,
    from_external,
    learned_from,
)
from netc.emit.bird.filtering import (
    Accept,
    Add,
    Again,
    All,
    Assign,
    Call,
    Defined,
    Differs,
    Filter,
    Forget,
    Has,
    In,
    Is,
    Not,
    Note,
    Numbers,
    Prefixes,
    Reject,
    Roa,
    RoaTable,
    Statement,
    When,
    Words,
)
from netc.emit.bird.functions import clean_export, clean_import, keep_worst, reject_path, reject_prefix
from netc.emit.bird.router import (
    exactly,
    hop_families,
    learned_families,
    next_hop,
    of,
    served,
    some_are_unresolved,
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


def _measured(session: Session) -> Iterator[Statement]:
    if session.measures:
        yield from (Add(dn42(number)) for number in session.measures)
        yield Call(keep_worst())


# ---- external neighbours -------------------------------------------------------------------------------------


def import_external(session: Session, router: Router, family: Family) -> Filter:
    system = router.system
    assert system is not None
    if session.kind == "collector":
        return False
    return tuple(_import(session, system, router, family))


def _import(session: Session, system: System, router: Router, family: Family) -> Iterator[Statement]:
    yield Call(reject_path(router, session.private_asns))
    yield Call(reject_prefix(router, family))
    if _names_its_next_hop(session, family):
        yield Note("No neighbour sends our packets to a third router (RFC 7454, section 10).")
        yield When(Differs("bgp_next_hop", "from"), (Reject(),))
    if session.only:
        only = Prefixes(tuple(one for one in session.only if one.net.version == family))
        yield When(Not(In("net", only)), (Reject(),))
    if system.roa:
        verdict: Literal["ROA_VALID", "ROA_INVALID"] = "ROA_VALID" if system.roa_strict else "ROA_INVALID"
        yield from _judged(Roa(RoaTable("roa", family), verdict), session, system)
    if system.flaps:
        yield When(Roa(RoaTable("flap", family), "ROA_INVALID"), (Reject(),))
    yield Call(clean_import(system))
    yield from _measured(session)
    yield Add(learned_from(CLASS[session.kind], system))
    if session.local_pref is not None:
        yield Assign("bgp_local_pref", session.local_pref)
    yield When(Has(GRACEFUL_SHUTDOWN), (Assign("bgp_local_pref", 0),))
    if system.recursive:
        yield Assign("bgp_next_hop", next_hop(router, family))
    yield Accept()


def _names_its_next_hop(session: Session, family: Family) -> bool:
    """Whether all routes of the neighbour have its own address as next hop. Over fe80 addresses BIRD shows none. A
    neighbour behind a tunnel may announce IPv4 with an IPv4 next hop over IPv6: nobody else is in the tunnel."""
    remote = session.remote
    if session.kind == "route-server" or (session.kind == "upstream" and not session.direct):
        return False
    if remote.version == 6 and remote.is_link_local():
        return False
    return remote.version == family or session.shared


def _judged(said: Roa, session: Session, system: System) -> Iterator[Statement]:
    judge = When(Not(said) if system.roa_strict else said, (Reject(),))
    if session.kind != "downstream" or not session.private_asns:
        yield judge
        return
    ours = replace(said, origin=system.asn)
    yield Note("Other ASes see our AS as the origin of routes from a private ASN.")
    private = In("bgp_path.last", Numbers(tuple((asn, asn) for asn in session.private_asns)))
    yield When(private, (When(Not(ours) if system.roa_strict else ours, (Reject(),)),), (judge,))


def export_external(session: Session, router: Router, family: Family) -> Filter:
    return tuple(_export(session, router, family))


def _without_private(session: Session, system: System) -> Iterator[Statement]:
    """The neighbour itself has to see its own ASN: it rejects what comes back to it."""
    others = tuple((asn, asn) for asn in system.private_asns if asn not in session.private_asns)
    if others:
        yield Forget("bgp_path", Numbers(others))


def _export(session: Session, router: Router, family: Family) -> Iterator[Statement]:
    system = router.system
    assert system is not None
    last = (Add(GRACEFUL_SHUTDOWN),) if system.drained else ()
    go = (*_measured(session), *last, *_without_private(session, system), Call(clean_export(system)), Accept())
    tags = tuple(Add(dn42(number)) for number in system.tags)
    anycast = tuple(net for net in system.anycast if net.version == family)
    here = (*of(router, family), *(net for net in served(router, family) if net in anycast))
    yield When(All((Is("source", "RTS_STATIC"), In("net", exactly(here)))), (*tags, *go))
    yield When(Not(Is("source", "RTS_BGP")), (Reject(),))
    if some_are_unresolved(router):
        yield When(Is("dest", "RTD_UNREACHABLE"), (Reject(),))
    yield When(Has(BLACKHOLE), (Reject(),))
    if anycast:
        ours = Not(In("bgp_large_community", from_external(system)))
        yield When(All((In("net", exactly(anycast)), ours)), go)
    if session.kind in GETS_ALL:
        # A route from no external neighbour is our own, and stays in the AS.
        yield When(Not(In("bgp_large_community", from_external(system))), (Reject(),))
    else:
        paying = (Not(Has(learned_from(one, system))) for one in (FROM_DOWNSTREAM, FROM_MUTUAL_TRANSIT))
        yield When(All(tuple(paying)), (Reject(),))
    yield from go


# ---- our own routers -----------------------------------------------------------------------------------------


def import_internal(session: Session) -> Filter:
    """All routes. Where each router is the next hop, MED is the cost of the path through the AS."""
    if not session.cost:
        return True
    more = (Assign("bgp_med", session.cost, added=True),)
    said = Note(f"MED is the cost of the path through our routers. This link costs {session.cost}.")
    return (said, When(Defined("bgp_med"), more, (Assign("bgp_med", session.cost),)), Accept())


def export_internal(session: Session, router: Router, family: Family) -> Filter:
    return tuple(_export_internal(session, router, family))


def _export_internal(session: Session, router: Router, family: Family) -> Iterator[Statement]:
    system = router.system
    assert system is not None
    internal = (*(net for net in system.internal if net.version == family), *served(router, family))
    own: list[Statement] = [Assign("bgp_next_hop", next_hop(router, family))] if system.recursive else []
    if internal:
        here = All((Is("source", "RTS_STATIC"), In("net", exactly(internal))))
        yield When(here, (*own, *_last_of(served(router, family), system), Accept()))
    if family in learned_families(router):
        learned = In("source", Words(("RTS_DEVICE", "RTS_INHERIT")))
        # Kernel routes that resolve next hops, and nothing else, do not carry it.
        only = All((learned, Has(NO_EXPORT))) if family in hop_families(router) else learned
        yield When(only, (*own, Accept()))
    yield When(Not(Is("source", "RTS_BGP")), (Reject(),))
    if some_are_unresolved(router):
        yield When(Is("dest", "RTD_UNREACHABLE"), (Reject(),))
    if system.drained:
        yield Assign("bgp_local_pref", 0)
    if session.kind == "fake":
        for community in (NO_ADVERTISE, NO_EXPORT_SUBCONFED):
            yield When(Has(community), (Reject(),))
        yield Note("BIRD exports MED to another ASN only if a filter sets it.")
        yield When(Defined("bgp_med"), (Again("bgp_med"),))
    yield Accept()


def _last_of(nets: tuple[IPNetwork, ...], system: System) -> Iterator[Statement]:
    """A drained router still serves if no other host does."""
    if nets and system.drained:
        yield When(In("net", exactly(nets)), (Assign("bgp_local_pref", 0),))


# ---- Babel -----------------------------------------------------------------------------------------------------


def export_babel(router: Router, family: Family) -> Filter:
    """Loopbacks of routers, and no BGP routes: they would lose their AS paths."""
    here = exactly(tuple(net for net in router.loopbacks if net.version == family))
    own = All((Is("source", "RTS_STATIC"), In("net", here)))
    return (When(Is("source", "RTS_BABEL"), (Accept(),)), When(own, (Accept(),)), Reject())
