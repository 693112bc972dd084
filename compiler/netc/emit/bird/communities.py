"""Communities that bird.conf has names for: well-known ones, the classes of our routes, and those of DN42."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.bird.filtering import Communities, Community, Constant, Number
from netc.plan.bgp import System
from netc.plan.facts import Router
from netc.plan.route_class import FROM_DOWNSTREAM, FROM_PEER, FROM_UPSTREAM, LEARNED_FROM, ROUTE_CLASSES, RouteClass

GRACEFUL_SHUTDOWN = Community("GRACEFUL_SHUTDOWN", (65535, 0), "the route is about to be withdrawn (RFC 8326)")
NO_EXPORT = Community("NO_EXPORT", (65535, 65281), "not to other ASes (RFC 1997)")
NO_ADVERTISE = Community("NO_ADVERTISE", (65535, 65282), "not to any neighbour (RFC 1997)")
NO_EXPORT_SUBCONFED = Community(
    "NO_EXPORT_SUBCONFED", (65535, 65283), "not to other members of the confederation (RFC 1997)"
)
WELL_KNOWN = (GRACEFUL_SHUTDOWN, NO_EXPORT, NO_ADVERTISE, NO_EXPORT_SUBCONFED)

CLASS = {
    "upstream": FROM_UPSTREAM,
    "peer": FROM_PEER,
    "route-server": FROM_PEER,
    "downstream": FROM_DOWNSTREAM,
}
"""By the role of a neighbour."""


def constants(router: Router) -> Iterator[Constant]:
    """All that its filters may use, in the order in which they are printed."""
    yield from WELL_KNOWN
    if system := router.system:
        yield from (learned_from(one, system) for one in ROUTE_CLASSES)
        yield from (from_external(system), own_communities(system))
        measures = {number for session in router.sessions for number in session.measures}
        yield DN42
        yield from (dn42(number) for number in sorted({*measures, *system.tags}))


def learned_from(one: RouteClass, system: System) -> Community:
    return Community(one.name, (system.asn, LEARNED_FROM, one.number), one.meaning, is_shown=True)


def from_external(system: System) -> Communities:
    return Communities("FROM_EXTERNAL", system.asn, LEARNED_FROM, "the route came from an external neighbour")


def own_communities(system: System) -> Communities:
    return Communities("OWN_COMMUNITIES", system.asn, None, "every large community of our AS")


DN42 = Number("DN42", 64511, "the AS of DN42's communities (dn42.dev/howto/BGP-communities)")
"""Latency 1 to 9, encryption 31 to 36, bandwidth 21 to 29, region 41 to 70, country 1000 to 1999."""

CRYPTO = {
    31: "not encrypted",
    32: "unsafe encryption",
    33: "safe encryption without forward secrecy",
    34: "safe encryption with forward secrecy",
}
MILLISECONDS = ("2.7", "7.3", "20", "55", "148", "403", "1097", "2981")
"""e to the power of 1, 2 and so on."""

REGIONS = (
    "Europe",
    "eastern North America",
    "central North America",
    "western North America",
    "Central America",
    "eastern South America",
    "western South America",
    "northern Africa",
    "southern Africa",
    "South Asia",
    "Southeast Asia",
    "East Asia",
    "the Pacific",
)
"""From 41."""


def dn42(number: int) -> Community:
    """Of a link, or of the host that originates a route."""
    name, about = _dn42(number)
    return Community(f"DN42_{name}_{number}", (DN42.value, number), about)


def _dn42(number: int) -> tuple[str, str]:
    if number < 10:
        most = f"{MILLISECONDS[number - 1]} ms at most" if number < 9 else f"more than {MILLISECONDS[-1]} ms"
        return "LATENCY", f"latency of {most}"
    if number < 30:
        rate = f"{10 ** (number - 22)}" if number > 21 else "0.1"
        return "BANDWIDTH", f"bandwidth of {rate} Mbit/s at least"
    if number < 40:
        return "CRYPTO", CRYPTO.get(number, f"encryption of class {number}")
    if number < 1000:
        known = number - 41 < len(REGIONS)
        return "REGION", f"originated in {REGIONS[number - 41] if known else f'region {number}'}"
    return "COUNTRY", f"originated in country {number - 1000:03} (ISO 3166-1)"
