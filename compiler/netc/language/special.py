"""Addresses with a special use (RFC 6890, RFC 4291), and which of them each sort of key refuses: one table for all."""

from __future__ import annotations

from typing import Literal

from netaddr import IPAddress, IPNetwork

from netc.language.names import Wrong

Special = Literal["unspecified", "broadcast", "loopback", "multicast", "reserved", "link-local"]

RANGES: dict[Special, tuple[IPNetwork, ...]] = {
    "unspecified": (IPNetwork("0.0.0.0/32"), IPNetwork("::/128")),
    "broadcast": (IPNetwork("255.255.255.255/32"),),
    "loopback": (IPNetwork("127.0.0.0/8"), IPNetwork("::1/128")),
    "multicast": (IPNetwork("224.0.0.0/4"), IPNetwork("ff00::/8")),
    "reserved": (IPNetwork("240.0.0.0/4"),),
    # Only IPv6: the same fe80:: is on every link, and 169.254.0.0/16 has a route of its own.
    "link-local": (IPNetwork("fe80::/10"),),
}
"""The first that holds an address or all of a prefix says what it is."""

Place = Literal[
    "held",
    "reached",
    "dialled",
    "asked",
    "server",
    "resolver",
    "router",
    "peer",
    "router id",
    "routed",
    "carried",
    "sender",
    "announced",
]
"""What the address or prefix of a key is to the host."""

NEVER: tuple[Special, ...] = ("unspecified", "broadcast", "loopback", "multicast", "reserved")

REFUSED: dict[Place, tuple[Special, ...]] = {
    "held": NEVER,
    # From more than one link.
    "reached": (*NEVER, "link-local"),
    "dialled": (*NEVER, "link-local"),
    # A validator of ROAs often runs on the router itself.
    "asked": ("unspecified", "broadcast", "multicast", "reserved", "link-local"),
    "server": NEVER,
    # A service of a namespace may be its resolver.
    "resolver": ("unspecified", "broadcast", "multicast", "reserved", "link-local"),
    "router": NEVER,
    "peer": NEVER,
    "router id": ("unspecified",),
    # The kernel routes 240.0.0.0/4 like any other prefix.
    "routed": ("unspecified", "broadcast", "loopback", "multicast", "link-local"),
    # A routing protocol over WireGuard needs its multicast groups, and fe80::, in `allowed_ips`.
    "carried": ("unspecified", "loopback"),
    "sender": ("unspecified", "broadcast", "loopback", "multicast"),
    "announced": ("unspecified", "broadcast", "loopback", "multicast", "link-local"),
}
"""Lists of what to drop, to leave alone or to take out of a set may hold all of them, so they are no place."""

_ONE: dict[Special, str] = {
    "unspecified": "the unspecified address, which no host can have",
    "broadcast": "the broadcast address, which no host can have",
    "loopback": "a loopback address, which every host has",
    "multicast": "a multicast address, which no host can have",
    "reserved": "in 240.0.0.0/4, which is reserved",
    "link-local": "a link-local address, which says nothing without its interface",
}

_MANY: dict[Special, str] = {
    "loopback": "a prefix of loopback addresses, which every host has",
    "multicast": "a prefix of multicast addresses, which no host can have",
    "reserved": "in 240.0.0.0/4, which is reserved",
    "link-local": "a prefix of link-local addresses, which are on every link",
}


def special(what: IPAddress | IPNetwork) -> Special | None:
    """The sort of special address that it is, or that a whole prefix is."""
    first, last = (what.first, what.last) if isinstance(what, IPNetwork) else (int(what), int(what))
    for sort, ranges in RANGES.items():
        if any(what.version == net.version and net.first <= first and last <= net.last for net in ranges):
            return sort
    return None


CURES: dict[Place, str] = {
    "held": "write an address at which other hosts reach it",
    "reached": "write an address at which other hosts reach it",
    "dialled": "write the address or the name at which other hosts reach it",
    "asked": "write the address or the name of the server",
    "server": "write the address at which the host reaches it",
    "resolver": "write the address of a resolver",
    "router": "write the address of the router",
    "peer": "write the address of the peer",
    "router id": "write an IPv4 address of the host",
    "routed": "write a prefix in which hosts are",
    "carried": "write the prefixes that are behind the peer",
    "sender": "write the prefixes of the clients",
    "announced": "write a prefix in which hosts are",
}
"""A hint where nothing is known of what was meant."""


def refused(what: IPAddress | IPNetwork, place: Place) -> str:
    """What it is, if it cannot be there; else nothing."""
    sort = special(what)
    if sort is None or sort not in REFUSED[place]:
        return ""
    is_one = isinstance(what, IPAddress) or what.size == 1
    return _ONE[sort] if is_one else _MANY[sort]


def check(what: IPAddress | IPNetwork, place: Place) -> None:
    """Raises Wrong for what cannot be there."""
    if kind := refused(what, place):
        is_one = isinstance(what, IPAddress) or what.size == 1
        raise Wrong("NC0406", f"{what.ip if is_one and isinstance(what, IPNetwork) else what} is {kind}", CURES[place])
