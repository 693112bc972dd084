"""Kinds of links, meshes and tunnels, and all that netc knows of each.

A new kind is its word in `Kind`, in `TunnelKind` and, where both ends can be netc's, in `LinkKind`, and a row of KINDS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Literal, get_args

from msgspec import Struct

from netc.language.values import Family


class Kind(StrEnum):
    """How packets are wrapped."""

    WIREGUARD = "wireguard"
    GRE = "gre"
    IP6GRE = "ip6gre"
    IPIP = "ipip"
    SIT = "sit"
    VXLAN = "vxlan"
    SIX_TO_FOUR = "6to4"
    TUNSAFE = "tunsafe"
    EXTERNAL = "external"


LinkKind = Literal["wireguard", "gre", "ip6gre", "ipip", "sit", "vxlan"]
TunnelKind = Literal["wireguard", "gre", "ip6gre", "ipip", "sit", "vxlan", "6to4", "tunsafe", "external"]

Form = Literal["wireguard", "plain", "numbered", "6to4", "program"]
"""What the interface is made of, and so which one of `netc.network.interface`: keys and peers, two outer addresses,
these with a number (VNI) and a UDP port, one outer address, or another program."""


class Properties(Struct, frozen=True, kw_only=True):
    """What is so of every interface of a kind."""

    form: Form
    prefix: str = ""
    """What a derived name of the interface begins with; none where the program names it."""
    ip_link: str = ""
    """`type` and its options as `ip link add` takes them (ip-link(8)). LOCAL, REMOTE, TTL, KEY, VNI and PORT stand for
    what the interface has; an option of which it has none is left out."""
    outer: Family | None = None
    """The outer family, where the kind allows one alone."""
    overhead: int = 0
    """Bytes that it adds to the outer IP header, without GRE's key."""
    carries: tuple[Family, ...] = (4, 6)
    ethernet: bool = False
    """It carries frames, so a route leads to a neighbour, which has to be found."""
    protocol: int | None = None
    """The IP protocol of outer packets (IANA, protocol numbers); None for UDP, and where the program knows."""
    port: int = 0
    """The UDP port at which both ends of a numbered kind listen, unless their author says another."""
    keys: tuple[str, ...] = ()
    """Keys of a tunnel that belong to this program alone; it cannot do without the first."""
    start: str = ""
    stop: str = ""
    """What netc runs to start and end the program, NAME and CONFIG of the tunnel in it; else the author says it."""

    def takes(self, word: str) -> bool:
        """Whether the command `ip link add` has this placeholder, such as LOCAL or KEY."""
        return word in self.ip_link.split()

    @property
    def link_type(self) -> str:
        """As `ip link add` and the kernel call it."""
        return self.ip_link.split()[1]

    @property
    def chooses_family(self) -> bool:
        return self.outer is None and self.form != "program"


KINDS: Mapping[str, Properties] = {
    # UDP 8, its header 16, tag 16 (wireguard.com/papers).
    Kind.WIREGUARD: Properties(form="wireguard", prefix="wg-", overhead=40),
    # RFC 2784.
    Kind.GRE: Properties(
        form="plain",
        prefix="gre-",
        ip_link="type gre local LOCAL remote REMOTE ttl TTL key KEY",
        outer=4,
        overhead=4,
        protocol=47,
    ),
    Kind.IP6GRE: Properties(
        form="plain",
        prefix="gre6-",
        ip_link="type ip6gre local LOCAL remote REMOTE ttl TTL encaplimit none key KEY",
        outer=6,
        overhead=4,
        protocol=47,
    ),
    # RFC 2003.
    Kind.IPIP: Properties(
        form="plain",
        prefix="ipip-",
        ip_link="type ipip local LOCAL remote REMOTE ttl TTL",
        outer=4,
        carries=(4,),
        protocol=4,
    ),
    # RFC 4213.
    Kind.SIT: Properties(
        form="plain",
        prefix="sit-",
        ip_link="type sit local LOCAL remote REMOTE ttl TTL",
        outer=4,
        carries=(6,),
        protocol=41,
    ),
    # RFC 7348: UDP 8, its header 8, the inner Ethernet header 14.
    Kind.VXLAN: Properties(
        form="numbered",
        prefix="vx-",
        ip_link="type vxlan id VNI local LOCAL remote REMOTE ttl TTL dstport PORT",
        overhead=30,
        ethernet=True,
        port=4789,
    ),
    # RFC 3056: the inner destination address holds the outer one.
    Kind.SIX_TO_FOUR: Properties(
        form="6to4",
        prefix="6to4-",
        ip_link="type sit local LOCAL remote any ttl TTL",
        outer=4,
        carries=(6,),
        protocol=41,
    ),
    Kind.EXTERNAL: Properties(form="program", keys=("start", "stop")),
    Kind.TUNSAFE: Properties(
        form="program", keys=("config",), start="tunsafe start -n NAME -d CONFIG", stop="tunsafe stop NAME"
    ),
}


def those(has: Callable[[Properties], bool]) -> tuple[str, ...]:
    """The kinds of which that is so, in the order of the table."""
    return tuple(str(kind) for kind, properties in KINDS.items() if has(properties))


def listed(kinds: tuple[str, ...]) -> str:
    """As a sentence names them: `a, b and c`"""
    *before, last = kinds
    return f"{', '.join(before)} and {last}" if before else last


def has_port(kind: object) -> bool:
    """Whether the key `port` of a link is of this kind."""
    return isinstance(kind, str) and kind in KINDS and bool(KINDS[kind].port)


TUNNELS_ONLY = tuple(kind for kind in get_args(TunnelKind) if kind not in get_args(LinkKind))
"""Kinds that no link has: the other end is not netc's."""
