"""Which routes a router imports and exports, as BIRD's filters.

The router that imports a route from another AS sets a large community of our own on it, (ASN, 1, class), and deletes
those that the neighbour set. Upstreams and peers get our own prefixes and routes from neighbours that we carry packets
for, which are downstreams and those with mutual transit: no route of an upstream or peer reaches another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

from msgspec.structs import replace
from netaddr import IPAddress, IPNetwork

from netc.emit.bird.communities import (
    CLASS,
    DN42,
    NO_ADVERTISE,
    NO_EXPORT,
    NO_EXPORT_SUBCONFED,
    from_external,
    learned_from,
    own_communities,
    small_communities,
)
from netc.emit.bird.filtering import (
    Accept,
    Add,
    Again,
    All,
    Assign,
    Begins,
    Call,
    Defined,
    Differs,
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
    Words,
)
from netc.language.bgp import Role
from netc.language.values import Family
from netc.plan.bgp import Accepted, Inner, RoaFile, RoaServer, Session, System
from netc.plan.communities import BLACKHOLE, GRACEFUL_SHUTDOWN, dn42
from netc.plan.facts import Router
from netc.plan.route_class import FROM_DOWNSTREAM, FROM_MUTUAL_TRANSIT

LONGEST_PATH = 64
"""A longer path is an error or an attack: one of 2048 ASNs could harm BIRD before 2.17.5."""

IS_OUTER: dict[str, bool] = {**dict.fromkeys(get_args(Inner), False), **dict.fromkeys(get_args(Role), True)}
"""By the kind of a session."""

GETS_ALL = ("downstream", "mutual-transit", "collector")
"""Neighbours that we export the routes of all external neighbours to."""

LAST = (Add(GRACEFUL_SHUTDOWN), Assign("bgp_local_pref", 0))
"""Of a route that is about to be withdrawn: our own routers prefer others by local pref, other ASes by RFC 8326."""


def of(router: Router, family: Family) -> tuple[IPNetwork, ...]:
    assert router.system is not None
    return tuple(net for net in router.system.own if net.version == family)


def served(router: Router, family: Family) -> tuple[IPNetwork, ...]:
    """Prefixes of anycast services on this host."""
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
    measured = (_keep_worst(),) if any(session.measures for session in router.sessions) else ()
    rejecting = (*(_reject_path(router, private) for private in _begun(router)), *(_reject_prefix(router, family) for family in spoken))
    return (*rejecting, *measured, _import_external(system), _export_external(system))


def learned_families(router: Router) -> tuple[Family, ...]:
    found: set[Family] = {4 if net.version == 4 else 6 for net in router.learning.nets} if router.learning else set()
    return tuple(sorted(found))


def roa_sources(router: Router) -> Iterator[tuple[Literal["roa", "flap"], tuple[RoaServer | RoaFile, ...]]]:
    """Of routers with external neighbours. The others get routes that such a router has checked."""
    if router.system and any(map(is_outer, router.sessions)):
        yield "roa", router.system.roa
        yield "flap", router.system.flaps


def roa_tables(router: Router) -> Iterator[RoaTable]:
    """One for each purpose and family. In one table, a flapping prefix's ROA of AS 0 would not make a route invalid
    that the owner's ROA makes valid."""
    spoken = sorted({family for session in router.sessions if is_outer(session) for family in session.families})
    for kind, sources in roa_sources(router):
        yield from (RoaTable(kind, family) for family in spoken if sources)


def is_outer(session: Session) -> bool:
    found = IS_OUTER.get(session.kind)
    if found is None:
        raise TypeError(f"no session is {session.kind!r}")
    return found


def is_multihop(session: Session) -> bool:
    """An external neighbour behind other routers. The kernel's own routes say how packets reach its next hops."""
    return is_outer(session) and not session.direct and session.kind != "collector"


def hop_families(router: Router) -> tuple[Family, ...]:
    """The families of next hops that multihop neighbours may announce."""
    found: set[Family] = set()
    for session in filter(is_multihop, router.sessions):
        found |= {*session.families, 4 if session.remote.version == 4 else 6}
    return tuple(sorted(found))


def some_are_unresolved(router: Router) -> bool:
    """Whether BIRD looks next hops up, and may find nothing."""
    return bool((router.system and router.system.recursive) or hop_families(router))


def _begun(router: Router) -> tuple[tuple[int, ...], ...]:
    external = [session for session in router.sessions if is_outer(session) and session.kind != "collector"]
    return tuple(sorted({session.private_asns for session in external}))


def _reject_path(router: Router, private: tuple[int, ...]) -> Function:
    """`private` are refused ASNs that the neighbour's paths may begin with."""
    system = router.system
    assert system is not None
    own = tuple((asn, asn) for asn in sorted({system.asn, *system.members}))
    body = (
        When(Longer("bgp_path.len", LONGEST_PATH), (Reject(),)),
        # The last ASN is 0 if the path ends in a set, and another one than the last before a set inside.
        When(All((Is("bgp_path.last", 0), Longer("bgp_path.len", 0))), (Reject(),)),
        When(Differs("bgp_path.last", "bgp_path.last_nonaggregated"), (Reject(),)),
        When(In("bgp_path", Numbers(own)), (Reject(),)),
        *(_begins(system, private) if private else (When(In("bgp_path", Numbers(system.refused_asns)), (Reject(),)),)),
    )
    about = (
        f"Rejects AS paths of more than {LONGEST_PATH} ASNs, with an AS_SET (RFC 9774), an ASN of ours (a loop), or a "
        "refused ASN"
    )
    if not private:
        return Function("reject_path", f"{about}.", body)
    twin = [other for other in _begun(router) if other[:1] == private[:1]].index(private)
    name = f"reject_path_{private[0]}" + (f"_{twin + 1}" if twin else "")
    return Function(name, f"{about} after {', '.join(map(str, private))}.", body)


def _begins(system: System, private: tuple[int, ...]) -> Iterator[Statement]:
    first = Numbers(tuple((asn, asn) for asn in private))
    neither = All((Not(Begins(first)), Not(Begins(first, Numbers(system.public_asns)))))
    yield When(neither, (Reject(),))


def _reject_prefix(router: Router, family: Family) -> Function:
    system = router.system
    assert system is not None
    refused = tuple(net for net in system.refused if net.version == family)
    connected = tuple(net for net in system.connected if net.version == family)
    accepted = Prefixes(tuple(one for one in system.accepted if one.net.version == family))
    body: list[Statement] = [When(In("net", within(of(router, family))), (Reject(),))]
    if refused:
        body.append(When(In("net", within(refused)), (Reject(),)))
    body.append(When(Not(In("net", accepted)), (Reject(),)))
    if connected:
        body.insert(1, When(In("net", within(connected)), (Reject(),)))
    kinds = [name for name, nets in (("connected networks", connected), ("refused ranges", refused)) if nets]
    ranges = ", ".join(("", *kinds, "")).rstrip() if kinds else ""
    about = f"Rejects our own prefixes{ranges} and prefixes that the profile does not accept."
    return Function(f"reject_prefix{family}", about, tuple(body))


def _keep_worst() -> Function:
    """A path is as good as the worst link of it."""
    body: list[Statement] = [Note("Latency, 1 to 9: the largest number is the slowest link.")]
    body += [_beaten(number, 1, number - 1) for number in range(9, 1, -1)]
    body.append(Note("Bandwidth, 21 to 29: the smallest number is the slowest link."))
    body += [_beaten(number, number + 1, 29) for number in range(21, 29)]
    body.append(Note("Encryption, 31 to 36: the smallest number is the least safe link."))
    body += [_beaten(number, number + 1, 36) for number in range(31, 36)]
    return Function("dn42_keep_worst", "Keeps the DN42 communities of the worst link on the path.", tuple(body))


def _beaten(number: int, first: int, last: int) -> Statement:
    return When(In("bgp_community", Pairs(DN42, number, number)), (Forget("bgp_community", Pairs(DN42, first, last)),))


def _measured(session: Session) -> Iterator[Statement]:
    if session.measures:
        yield from (Add(dn42(number)) for number in session.measures)
        yield Call(_keep_worst())


def _import_external(system: System) -> Function:
    body = (*_forgets(system), Assign("bgp_med", 0))
    about = f"Deletes our {_of_ours(system)} and sets MED to 0: neighbours may set neither."
    return Function("import_external", about, body)


def _forgets(system: System) -> Iterator[Statement]:
    yield Forget("bgp_large_community", own_communities(system))
    yield from (Forget("bgp_community", one) for one in small_communities(system))


def _of_ours(system: System) -> str:
    return "communities" if small_communities(system) else "large communities"


def _export_external(system: System) -> Function:
    body: list[Statement] = list(_forgets(system))
    members = ""
    if system.form == "fake":
        members = ", and ASNs of members from the AS path"
        body.append(Forget("bgp_path", Numbers(tuple((asn, asn) for asn in system.members))))
    about = f"Deletes our {_of_ours(system)}{members}. The last call of each filter that exports to another AS."
    return Function("export_external", about, tuple(body))


# ---- external neighbours -------------------------------------------------------------------------------------


def import_external(session: Session, router: Router, family: Family) -> Filter:
    system = router.system
    assert system is not None
    if session.kind == "collector":
        return False
    return tuple(_import(session, system, router, family))


def _import(session: Session, system: System, router: Router, family: Family) -> Iterator[Statement]:
    yield Call(_reject_path(router, session.private_asns))
    yield Call(_reject_prefix(router, family))
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
    yield Call(_import_external(system))
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


def next_hop(router: Router, family: Family) -> IPAddress:
    """Of routes that it exports to our other routers."""
    over_six = router.system is not None and router.system.four_over_six
    return source(router, 6 if over_six else family)


def source(router: Router, family: Family) -> IPAddress:
    """The source of its own packets."""
    found = next((ip for ip in router.sources if ip.version == family), None)
    if found is None:
        raise TypeError(f"a router without an IPv{family} address of its own is no next hop")
    return found


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
    go = (*_measured(session), *last, *_without_private(session, system), Call(_export_external(system)), Accept())
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
