"""What filters ask of a router: its prefixes, its sessions, and its addresses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

from netaddr import IPAddress, IPNetwork

from netc.emit.bird.filtering import (
    Prefixes,
    RoaTable,
)
from netc.language.bgp import Role
from netc.language.values import Family
from netc.network.once import once
from netc.plan.bgp import Accepted, Inner, RoaFile, RoaServer, Session
from netc.plan.facts import Router

IS_OUTER: dict[str, bool] = {**dict.fromkeys(get_args(Inner), False), **dict.fromkeys(get_args(Role), True)}
"""By the kind of a session."""


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


@once
def hop_families(router: Router) -> tuple[Family, ...]:
    """The families of next hops that multihop neighbours may announce."""
    found: set[Family] = set()
    for session in filter(is_multihop, router.sessions):
        found |= {*session.families, 4 if session.remote.version == 4 else 6}
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
