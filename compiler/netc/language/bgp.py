"""BGP: one autonomous system on many hosts, and its neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from netc.language.names import HostName, HostPath, InterfaceName, Label, PeerName, TunnelName, Wrong
from netc.language.tables import Secret, Table
from netc.language.values import Address, Dialled, OneOrMany, Prefix

RESERVED_ASNS = frozenset((0, 23456, 65535, 4294967295))
"""Nobody's (RFC 7607, 6793, 7300)."""


def _asn(number: int) -> int:
    if number in RESERVED_ASNS:
        raise Wrong("NC2001", f"{number} is no AS's number", "it is reserved; write the one that was assigned")
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

    ipv4: RouteCount | None = None
    ipv6: RouteCount | None = None
    action: Literal["warn", "block", "disable", "restart"] | None = Field(
        None, description="What becomes of more: bird's own words; default: block."
    )


class Measured(Table):
    """What DN42's communities say of a session's link (64511, RFC 1997)."""

    latency: Annotated[int, Field(strict=True, ge=1, le=9)] | None = Field(None, description="e to the n ms at most.")
    bandwidth: Annotated[int, Field(strict=True, ge=21, le=29)] | None = Field(None, description="Mbit/s: 10^(n-22).")
    crypto: Annotated[int, Field(strict=True, ge=31, le=36)] | None = Field(None, description="34: with PFS.")


class RoaSource(Table):
    """Who may announce what (RFC 6482): an RTR server, or files of BIRD's own on the host."""

    rtr: Dialled | None = Field(None, description="Address or name, with its port (RFC 8210).")
    ipv4: HostPath | None = Field(None, description="`route 172.20.0.0/24 max 28 as 64500;` a line.")
    ipv6: HostPath | None = None


class BgpPeer(Table):
    """A router of somebody else's."""

    asn: Asn
    role: Role = Field(description="What it is to us: chooses what is learned from it and told to it.")
    address: Address = Field(description="The neighbour's; fe80:: ones need `tunnel` or `interface`.")
    local: Address | None = Field(None, description="Our own; default: the tunnel's in the same family.")
    tunnel: TunnelName | None = Field(None, description="The tunnel of this host that it is reached by; or")
    interface: InterfaceName | None = Field(None, description="an interface of the image; or neither.")
    multihop: Hops | None = Field(None, description="It is so many hops away; default: a direct neighbour.")
    limit: Limit | None = Field(None, description="Of what it announces, let in or not; default: the profile's.")
    export_limit: Limit | None = Field(None, description="Of what it is told; default: none.")
    prefixes: OneOrMany[Prefix] = Field((), description="All that it may announce; default: what the profile lets in.")
    local_pref: LocalPref | None = Field(None, description="Default: 300 downstream, 200 peer, 100 upstream.")
    password: Secret | None = Field(None, description="Where the host keeps the session's TCP MD5 password.")
    dn42: Measured | None = Field(None, description="dn42: what its communities say of the link.")
    gtsm: Switch = Field(False, description="Only packets that were sent next door count (RFC 5082); at both ends.")
    bfd: Switch = Field(False, description="A dead way is noticed in seconds (RFC 5880); at both ends.")


class HostBgp(Table):
    """What a host says in the network's routing."""

    member: Asn | None = Field(None, description="ASN of the member that it belongs to; default: base + id.")
    router_id: Address | None = Field(None, description="Default: its IPv4 loopback, else its id.")
    prefixes: OneOrMany[Prefix] = Field((), description="Parts of the network that are here; told inside alone.")
    peers: Mapping[PeerName, BgpPeer] = Field(default_factory=dict)
    learn: OneOrMany[Prefix] = Field(
        (), description="Kernel routes of others to these, or to parts; told inside alone."
    )
    table: Literal["main", "own"] = Field("main", description="Which of the kernel's tables the routes are in.")
    drain: Switch = Field(False, description="Others find other ways (RFC 8326), before the host goes down.")
    region: Annotated[int, Field(strict=True, ge=41, le=70)] | None = Field(None, description="dn42: where it is.")
    country: Annotated[int, Field(strict=True, ge=1000, le=1999)] | None = Field(
        None, description="dn42: 1000 + ISO 3166-1 numeric."
    )


class Bgp(Table):
    """The autonomous system."""

    asn: Asn = Field(description="What the world sees.")
    internal: InternalBgp = Field(description="How our own routers tell each other.")
    next_hop: Literal["recursive", "med"] | None = Field(
        None, description="confederation: how the shortest way wins; recursive needs an IGP."
    )
    members: Members | None = None
    over: OneOrMany[Label] = Field((), description="Links and meshes that carry sessions between our routers.")
    reflectors: OneOrMany[HostName] = Field((), description="reflectors: hosts that tell all others.")
    bfd: Switch = Field(True, description="Between our own routers, a dead way is noticed in 5 s (RFC 5880).")
    prefixes: OneOrMany[Prefix] = Field(description="What is ours, and told to the world.")
    refuse: OneOrMany[Prefix] = Field((), description="What nobody may announce any part of, beside the profile's.")
    roa: OneOrMany[RoaSource] = Field((), description="Who may announce what.")
    flaps: OneOrMany[RoaSource] = Field((), description="What nobody may announce for now, as ROAs of AS 0.")
    roa_unknown: Literal["accept", "refuse"] | None = Field(
        None, description="What no ROA is about; default: refuse in dn42, else accept."
    )
    profile: Profile = Field(description="What the world is: which prefixes and lengths are let in.")
