"""Profiles: the prefixes that other ASes of each network may announce, and how long these may be."""

from __future__ import annotations

from netaddr import IPNetwork

from netc.language.bgp import Profile, Role
from netc.language.names import SetName
from netc.language.sets import BUILTIN

Span = tuple[IPNetwork, int, int]
"""A range, and the shortest and the longest prefix in it."""


def _spans(*lines: str) -> tuple[Span, ...]:
    """`172.20.0.0/14 21 29`"""
    words = (line.split() for line in lines)
    return tuple((IPNetwork(net), int(least), int(most)) for net, least, most in words)


WORLD: dict[Profile, tuple[Span, ...]] = {
    # The list that DN42's wiki gives (howto/Bird2): its own, its anycast addresses, and networks that it is joined to.
    "dn42": _spans(
        "172.20.0.0/14 21 29",
        "172.20.0.0/24 28 32",
        "172.21.0.0/24 28 32",
        "172.22.0.0/24 28 32",
        "172.23.0.0/24 28 32",
        "172.31.0.0/16 16 32",
        "10.100.0.0/14 14 32",
        "10.127.0.0/16 16 32",
        "10.0.0.0/8 15 24",
        "fd00::/8 44 64",
    ),
    # What is routed on the internet: bogons (RFC 6890) are left out by `refused`. Longer prefixes are not routed.
    "internet": _spans("0.0.0.0/0 8 24", "2000::/3 16 48"),
    # RFC 1918 and RFC 4193: networks of one's own, which share what lengths they like.
    "private": _spans("10.0.0.0/8 8 32", "172.16.0.0/12 12 32", "192.168.0.0/16 16 32", "fc00::/7 8 128"),
}

REFUSED: dict[Profile, tuple[IPNetwork, ...]] = {
    "dn42": (),
    "internet": tuple(IPNetwork(net) for net in BUILTIN[SetName("bogons")]),
    "private": (),
}
"""Ranges of which nothing is announced."""

DOCUMENTED = tuple(map(IPNetwork, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20")))
"""Of documentation (RFC 5737, 3849, 9637): examples have them in place of the author's own."""


def reserved(net: IPNetwork, profile: Profile) -> IPNetwork | None:
    """The refused range that a prefix is in, so that announcing it is in vain."""
    return next((one for one in REFUSED[profile] if net in one and one not in DOCUMENTED), None)


REFUSED_ASNS: dict[Profile, tuple[tuple[int, int], ...]] = {
    "dn42": ((0, 0), (23456, 23456), (65535, 65535), (4294967295, 4294967295)),
    # Also for documentation (RFC 5398), private use (RFC 6996), and what IANA holds back in between.
    "internet": ((0, 0), (23456, 23456), (64496, 131071), (4200000000, 4294967295)),
    "private": ((0, 0), (23456, 23456), (65535, 65535), (4294967295, 4294967295)),
}
"""First and last of ASNs that no path may hold: reserved by RFC 7607, 6793, 7300."""


def is_refused(asn: int, profile: Profile) -> bool:
    """Whether no path may contain it, unless the topology says that a neighbour has it."""
    return any(first <= asn <= last for first, last in REFUSED_ASNS[profile])


def public_asns(profile: Profile) -> tuple[tuple[int, int], ...]:
    """First and last of the ASNs that paths may contain."""
    edges = [0, *(edge for first, last in REFUSED_ASNS[profile] for edge in (first, last + 1))]
    spans = zip(edges[::2], [*edges[1::2], 1 << 32], strict=True)
    return tuple((first, end - 1) for first, end in spans if first < end)


LIMITS: dict[Profile, tuple[int, int]] = {
    "dn42": (9000, 9000),
    "internet": (1_500_000, 400_000),
    "private": (10_000, 10_000),
}
"""Of IPv4 and IPv6 routes that a neighbour announces, unless it has limits of its own."""

SMALLER: dict[Role, tuple[int, int]] = {
    "route-server": (600_000, 300_000),
    "peer": (400_000, 250_000),
    "downstream": (10_000, 10_000),
}
"""On the internet, for neighbours that do not announce the full table: the largest of 2026, plus half."""


def limits(profile: Profile, role: Role) -> tuple[int, int]:
    return SMALLER.get(role, LIMITS[profile]) if profile == "internet" else LIMITS[profile]


LOCAL_PREF: dict[Role, int] = {
    "downstream": 300,
    "peer": 200,
    "route-server": 200,
    "mutual-transit": 200,
    "upstream": 100,
}
"""Neighbours that pay us are preferred, then those that cost nothing."""
