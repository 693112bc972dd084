"""What filters ask of a router: its prefixes, its sessions, and its addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, get_args

from netaddr import IPAddress, IPNetwork

from netc.emit.bird.filtering import (
    All,
    Any,
    Assign,
    Attribute,
    Condition,
    In,
    Is,
    Prefixes,
    RoaTable,
    Statement,
    When,
)
from netc.language.bgp import Role
from netc.language.names import HostPath, ProtocolName
from netc.language.values import Family
from netc.network.once import once
from netc.plan.bgp import Accepted, Inner, RoaFile, RoaServer, Session
from netc.plan.facts import Router
from netc.plan.facts.router import BIRD_PASSWORDS

IS_OUTER: dict[str, bool] = {**dict.fromkeys(get_args(Inner), False), **dict.fromkeys(get_args(Role), True)}
"""By the kind of a session."""


def of(router: Router, family: Family) -> tuple[IPNetwork, ...]:
    assert router.system is not None
    return tuple(net for net in router.system.own if net.version == family)


def served(router: Router, family: Family) -> tuple[IPNetwork, ...]:
    """Prefixes of anycast services on this host."""
    return tuple(sorted({net for service in router.anycast if service.family == family for net in service.nets}))


def spoken(router: Router, *, outer: bool) -> tuple[Family, ...]:
    """The families of sessions with external neighbours, or of those with our own routers."""
    some = (session for session in router.sessions if is_outer(session) == outer)
    return tuple(sorted({family for session in some for family in session.families}))


@once
def router_families(router: Router) -> tuple[Family, ...]:
    """Those of sessions and of the IGP."""
    found = {family for session in router.sessions for family in session.families}
    found |= {family for interface in router.igp for family in interface.families}
    return tuple(sorted(found))


def among(nets: tuple[IPNetwork, ...], *, parts: bool = False) -> Condition:
    """The route is to one of these, or to a part of one."""
    return _in_one(nets, within if parts else exactly)


def covers(addresses: Iterable[IPAddress]) -> Condition:
    """The route is to a prefix with one of these."""
    return _in_one(tuple(map(IPNetwork, addresses)), around)


def _in_one(nets: tuple[IPNetwork, ...], patterns: Callable[[tuple[IPNetwork, ...]], Prefixes]) -> Condition:
    """A set of BIRD's has one family, and no route of the other."""
    families = sorted({net.version for net in nets}) or (4,)
    each = (tuple(net for net in nets if net.version == family) for family in families)
    sets = tuple(In("net", patterns(some)) for some in each)
    return sets[0] if len(sets) == 1 else Any(sets)


IS_IPV4 = Is("net.type", "NET_IP4")


def of_family(family: Family, families: tuple[Family, ...], condition: Condition) -> Condition:
    """In a function for routes of these families, a condition on those of one of them."""
    if families == (family,):
        return condition
    return All((IS_IPV4 if family == 4 else Is("net.type", "NET_IP6"), condition))


def by_family(attribute: Attribute, values: dict[Family, IPAddress]) -> Statement:
    """Sets an address of the route's family."""
    first, *others = dict.fromkeys(values.values())
    if not others:
        return Assign(attribute, first)
    return When(IS_IPV4, (Assign(attribute, values[4]),), (Assign(attribute, values[6]),))


def exactly(nets: tuple[IPNetwork, ...]) -> Prefixes:
    return Prefixes(tuple(Accepted(net, net.prefixlen, net.prefixlen) for net in nets))


def within(nets: tuple[IPNetwork, ...]) -> Prefixes:
    return Prefixes(tuple(Accepted(net, net.prefixlen, 32 if net.version == 4 else 128) for net in nets))


def around(nets: tuple[IPNetwork, ...]) -> Prefixes:
    return Prefixes(tuple(Accepted(net, 0, net.prefixlen) for net in nets))


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
    for kind, sources in roa_sources(router):
        yield from (RoaTable(kind, family) for family in spoken(router, outer=True) if sources)


def is_outer(session: Session) -> bool:
    found = IS_OUTER.get(session.kind)
    if found is None:
        raise TypeError(f"no session is {session.kind!r}")
    return found


def is_multihop(session: Session) -> bool:
    """An external neighbour behind other routers. The kernel's own routes say how packets reach its next hops."""
    return is_outer(session) and not session.direct and session.kind != "collector"


@once
def hop_families(router: Router) -> tuple[Family, ...]:
    """The families of next hops that multihop neighbours may announce."""
    found: set[Family] = set()
    for session in filter(is_multihop, router.sessions):
        found |= {*session.families, 4 if session.remote.version == 4 else 6}
    return tuple(sorted(found))


def uplinks(router: Router) -> tuple[tuple[int, Family], ...]:
    """Tables of uplinks that resolve next hops, with the families of these."""
    found: set[tuple[int, Family]] = set()
    for session in filter(is_multihop, router.sessions):
        if session.uplink is not None:
            spoken: set[Family] = {*session.families, 4 if session.remote.version == 4 else 6}
            found |= {(session.uplink, family) for family in spoken}
    return tuple(sorted(found))


def some_are_unresolved(router: Router) -> bool:
    """Whether BIRD looks next hops up, and may find nothing."""
    return bool((router.system and router.system.recursive) or hop_families(router))


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


def secret_at(name: ProtocolName) -> HostPath:
    return HostPath(f"{BIRD_PASSWORDS}/{name}")
