"""BGP: one autonomous system on many hosts, and its neighbours."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from netc.language.names import HostName, HostPath, InterfaceName, Label, PeerName, TunnelName, Wrong
from netc.language.tables import Secret, Table
from netc.language.values import Address, Dialled, OneOrMany, Prefix, Some, left_out

RESERVED_ASNS = frozenset((0, 23456, 65535, 4294967295))
"""Nobody's (RFC 7607, 6793, 7300)."""


def _asn(number: int) -> int:
    if number in RESERVED_ASNS:
        raise Wrong("NC2001", f"{number} is a reserved ASN", "write the ASN that was assigned to you")
    return number


Asn = Annotated[int, Field(strict=True, ge=1, le=0xFFFFFFFF), AfterValidator(_asn)]
Switch = Annotated[bool, Field(strict=True)]
RouteCount = Annotated[int, Field(strict=True, ge=1, le=10_000_000)]
Hops = Annotated[int, Field(strict=True, ge=2, le=255)]
LocalPref = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]

InternalBgp = Literal["confederation", "fake-confederation", "mesh", "reflectors"]
Role = Literal["upstream", "peer", "downstream", "collector", "route-server"]
Profile = Literal["dn42", "internet", "private"]


class Members(Table):
    """Numbers of the members of a confederation."""

    base: Asn = Field(description="A host's member ASN is this plus its id.")


class Limit(Table):
    """How many routes of a family are no mistake."""

    ipv4: RouteCount | None = Field(None, description="Routes of IPv4.")
    ipv6: RouteCount | None = Field(None, description="Routes of IPv6.")
    action: Literal["warn", "block", "disable", "restart"] | None = Field(
        None,
        description="In BIRD's words; `block`: what comes after that is forgotten; default: block.",
    )


class Measured(Table):
    """What DN42's communities say of a session's link (64511, RFC 1997)."""

    latency: Annotated[int, Field(strict=True, ge=1, le=9)] | None = Field(
        None, description="1 to 9: e to the n ms at most."
    )
    bandwidth: Annotated[int, Field(strict=True, ge=21, le=29)] | None = Field(
        None, description="21 to 29: 10^(n-22) Mbit/s."
    )
    crypto: Annotated[int, Field(strict=True, ge=31, le=36)] | None = Field(None, description="31 to 36; 34: with PFS.")


class RoaSource(Table):
    """Who may announce what (RFC 6482): an RTR server, or files of BIRD's own on the host."""

    rtr: Dialled | None = Field(None, description="Address or name, with its port (RFC 8210).")
    ipv4: HostPath | None = Field(
        None, description="A file of the host in BIRD's words: `route 172.20.0.0/24 max 28 as 64500;` a line."
    )
    ipv6: HostPath | None = Field(None, description="The same of IPv6.")


class BgpPeer(Table):
    """A router of somebody else's."""

    asn: Asn = Field(description="The neighbour's.")
    role: Role = Field(description="What it is to us: chooses what is learned from it and told to it.")
    address: Address = Field(
        description=(
            "The neighbour's; fe80:: ones need `tunnel` or `interface`. One with an IPv6 address is told IPv4 "
            "routes too (RFC 8950)."
        ),
    )
    local: Address | None = Field(None, description="Our own; default: the tunnel's in the same family.")
    tunnel: TunnelName | None = Field(None, description="The tunnel of this host that it is behind.")
    interface: InterfaceName | None = Field(None, description="Or an interface of the image that it is behind.")
    multihop: Hops | None = Field(
        None, description="It is so many hops away, and dialled from our loopback; default: a direct neighbour."
    )
    limit: Limit | None = Field(
        None,
        description=(
            "More routes than that are a mistake of theirs, counted before any is refused: what we would not let in "
            "shows a leak as well, and takes memory; default: of dn42 9000, of private 10000, of internet by `role`."
        ),
    )
    export_limit: Limit | None = Field(
        None, description="The same of what we tell it, against a mistake of ours; default: none."
    )
    prefixes: Annotated[
        OneOrMany[Prefix],
        Some("prefixes", "we refuse all its routes", left_out("prefixes", "what the profile accepts")),
    ] = Field((), description="All that it may announce, and parts of it; default: what the profile lets in.")
    local_pref: LocalPref | None = Field(
        None, description="Default: 300 of a downstream, 200 of a peer or route server, 100 of an upstream."
    )
    password: Secret | None = Field(None, description="Where the host keeps it (TCP MD5).")
    dn42: Measured | None = Field(
        None, description="What its communities say of the link; routes keep the worst of their way."
    )
    gtsm: Switch = Field(False, description="Only packets from next door count (RFC 5082); at both ends or at none.")
    bfd: Switch = Field(False, description="A dead way is noticed in seconds (RFC 5880); at both ends or at none.")


class HostBgp(Table):
    """What a host says in the network's routing."""

    member: Asn | None = Field(None, description="ASN of the member that it belongs to; default: base + id.")
    router_id: Address | None = Field(None, description="Default: its IPv4 loopback, else its id.")
    prefixes: OneOrMany[Prefix] = Field(
        (), description="Parts of the network that are here, on a bridge for one; told inside alone."
    )
    peers: Mapping[PeerName, BgpPeer] = Field(default_factory=dict, description="Routers of somebody else's.")
    learn: OneOrMany[Prefix] = Field(
        (),
        description=(
            "Kernel routes that others made to these prefixes or parts of them (Docker, wg-quick, you yourself) are "
            "told inside too."
        ),
    )
    table: Literal["main", "own"] = Field(
        "main", description="Where the kernel has the routes; the host itself does not look in its `own` (below)."
    )
    drain: Switch = Field(False, description="Before the host goes down: whoever has another way takes it (RFC 8326).")
    region: Annotated[int, Field(strict=True, ge=41, le=70)] | None = Field(
        None, description="dn42: 41 and up, of its communities, on what is ours."
    )
    country: Annotated[int, Field(strict=True, ge=1000, le=1999)] | None = Field(
        None, description="dn42: 1000 + ISO 3166-1 numeric, of its communities, on what is ours."
    )


class Bgp(Table):
    """The autonomous system."""

    asn: Asn = Field(description="What the world sees.")
    internal: InternalBgp = Field(
        description=(
            "How our own routers tell each other: in a confederation (RFC 5065), a fake one, a full mesh, or "
            "by reflectors."
        ),
    )
    next_hop: Literal["recursive", "med"] | None = Field(
        None,
        description=(
            "Of a confederation: recursive, where an `[igp]` finds the shortest way to the edge, or med, "
            "where each router adds what the way costs."
        ),
    )
    members: Members | None = Field(None, description="Of a confederation: numbers of its members.")
    over: Annotated[
        OneOrMany[Label],
        Some("over", "our routers have no sessions", left_out("over", "the links of the `[igp]`")),
    ] = Field(
        (),
        description="Links and per-peer meshes that carry sessions between our routers; default: those of the `[igp]`.",
    )
    reflectors: OneOrMany[HostName] = Field(
        (), description="Hosts that tell all others of their AS (RFC 4456); with an `[igp]`."
    )
    bfd: Switch = Field(True, description="Between our own routers, a dead way is noticed in 5 s (RFC 5880).")
    prefixes: Annotated[
        OneOrMany[Prefix],
        Some("prefixes", "the AS announces nothing", "write the prefixes of the AS, such as `172.22.76.184/29`"),
    ] = Field(
        description="What is ours: told to the world by every router, and unreachable where nobody has a part of it."
    )
    refuse: OneOrMany[Prefix] = Field(
        (),
        description="What nobody may announce any part of, beside what the profile refuses (internet: the set bogons).",
    )
    roa: OneOrMany[RoaSource] = Field((), description="Who may announce what.")
    flaps: OneOrMany[RoaSource] = Field((), description="What nobody may announce for now, as ROAs of AS 0.")
    roa_unknown: Literal["accept", "refuse"] | None = Field(
        None, description="What no ROA is about; default: refuse in dn42, else accept."
    )
    profile: Profile = Field(
        description=(
            "What the world is, and so which prefixes of which lengths are let in: dn42, internet, private "
            "(RFC 1918, RFC 4193)."
        ),
    )
