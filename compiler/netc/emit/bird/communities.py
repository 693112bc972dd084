"""Communities that bird.conf has names for: well-known ones, the classes of our routes, and those of DN42."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.bird.filtering import Asns, Communities, Constant, Forget, Number, Statement
from netc.plan.bgp import System
from netc.plan.communities import BLACKHOLE, DN42_AS, GRACEFUL_SHUTDOWN, Community, dn42
from netc.plan.facts import Router
from netc.plan.route_class import (
    LEARNED_FROM,
    ROUTE_CLASSES,
    RouteClass,
)

NO_EXPORT = Community("NO_EXPORT", (65535, 65281), "not to other ASes (RFC 1997)")
NO_ADVERTISE = Community("NO_ADVERTISE", (65535, 65282), "not to any neighbour (RFC 1997)")
NO_EXPORT_SUBCONFED = Community(
    "NO_EXPORT_SUBCONFED", (65535, 65283), "not to other members of the confederation (RFC 1997)"
)
WELL_KNOWN = (GRACEFUL_SHUTDOWN, BLACKHOLE, NO_EXPORT, NO_ADVERTISE, NO_EXPORT_SUBCONFED)


def constants(router: Router) -> Iterator[Constant]:
    """All that its filters may use, in the order in which they are printed."""
    yield from WELL_KNOWN
    if system := router.system:
        yield from (learned_from(one, system) for one in ROUTE_CLASSES)
        yield from (from_external(system), own_communities(system))
        yield from small_communities(system)
        yield DN42
        yield from (dn42(number) for number in sorted(system.tags))
        yield from (our_asns(system), reserved_asns(system))


def learned_from(one: RouteClass, system: System) -> Community:
    return Community(one.name, (system.asn, LEARNED_FROM, one.number), one.meaning, is_shown=True)


def from_external(system: System) -> Communities:
    return Communities("FROM_EXTERNAL", system.asn, LEARNED_FROM, "the route came from an external neighbour")


def own_communities(system: System) -> Communities:
    return Communities("OWN_COMMUNITIES", system.asn, None, "every large community of our AS")


def small_communities(system: System) -> tuple[Communities, ...]:
    """Of RFC 1997. Only an ASN of 16 bits has them."""
    about = "every community of our AS (RFC 1997)"
    return (Communities("OWN_SMALL_COMMUNITIES", system.asn, None, about, small=True),) if system.asn < 1 << 16 else ()


DN42 = Number("DN42", DN42_AS, "the AS of DN42's communities (dn42.dev/howto/BGP-communities)")


def deletes(system: System) -> Iterator[Statement]:
    """Of all communities of our AS."""
    yield Forget("bgp_large_community", own_communities(system))
    yield from (Forget("bgp_community", one) for one in small_communities(system))


def of_ours(system: System) -> str:
    return "our communities" if small_communities(system) else "our large communities"


def our_asns(system: System) -> Asns:
    spans = tuple((asn, asn) for asn in sorted({system.asn, *system.members}))
    return Asns("OUR_ASNS", spans, "our AS and the members of our confederation" if system.members else "our AS")


def reserved_asns(system: System) -> Asns:
    about = "AS 0 (RFC 7607), AS_TRANS (RFC 6793), the last of 16 and of 32 bits (RFC 7300)"
    if any(first != last for first, last in system.refused_asns):
        about = "AS 0 (RFC 7607), AS_TRANS (RFC 6793), documentation (RFC 5398), private use (RFC 6996)"
    return Asns("RESERVED_ASNS", system.refused_asns, about)
