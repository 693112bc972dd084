"""BGP: one autonomous system on many hosts, and its neighbours."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from netc.language.names import HostName, HostPath, InterfaceName, Label, PeerName, TunnelName, Wrong
from netc.language.placed import Announced, Neighbour, OwnInSubnet, RouterId, Server
from netc.language.tables import Secret, Table
from netc.language.values import OneOrMany, Prefix, Some, left_out

RESERVED_ASNS = frozenset((0, 23456, 65535, 4294967295))
"""Nobody's (RFC 7607, 6793, 7300)."""


def _asn(number: int) -> int:
    if number in RESERVED_ASNS:
        raise Wrong("NC2001", f"{number} is a reserved ASN", "write an assigned ASN, our own or the neighbour's")
    return number


Asn = Annotated[int, Field(strict=True, ge=1, le=0xFFFFFFFF), AfterValidator(_asn)]
Switch = Annotated[bool, Field(strict=True)]
RouteCount = Annotated[int, Field(strict=True, ge=1, le=10_000_000)]
Hops = Annotated[int, Field(strict=True, ge=2, le=255)]
LocalPref = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]

InternalBgp = Literal["confederation", "fake-confederation", "mesh", "reflectors"]
Role = Literal["upstream", "peer", "downstream", "mutual-transit", "collector", "route-server"]
Required = Literal["as4", "route-refresh", "enhanced-route-refresh", "graceful-restart", "roles", "extended-next-hop"]
Profile = Literal["dn42", "internet", "private"]


class Members(Table):
    """ASNs of the members of a confederation."""

    base: Asn = Field(description="A host's member ASN is this plus its id.")


class Limit(Table):
    """How many routes of each family are allowed."""

    ipv4: RouteCount | None = Field(None, description="The largest number of IPv4 routes.")
    ipv6: RouteCount | None = Field(None, description="The largest number of IPv6 routes.")
    action: Literal["warn", "block", "disable", "restart"] | None = Field(
        None,
        description="What BIRD does beyond the limit, in BIRD's terms. `block` ignores further routes. Default: block.",
    )


class Measured(Table):
    """The quality of a session's link, as DN42's communities state it (64511, RFC 1997)."""

    latency: Annotated[int, Field(strict=True, ge=1, le=9)] | None = Field(
        None, description="1 to 9: n means at most e^n ms."
    )
    bandwidth: Annotated[int, Field(strict=True, ge=21, le=29)] | None = Field(
        None, description="21 to 29: n means 10^(n-22) Mbit/s."
    )
    crypto: Annotated[int, Field(strict=True, ge=31, le=36)] | None = Field(
        None, description="31 to 36: 34 means encrypted with perfect forward secrecy."
    )


class RoaSource(Table):
    """ROAs (RFC 9582): an RTR server, or files on the host in BIRD's syntax."""

    rtr: Server | None = Field(None, description="The RTR server's address or name, with its port (RFC 8210).")
    password: Secret | None = Field(
        None, description="Where the host keeps the password of the RTR session (TCP MD5). BIRD 2.16."
    )
    ipv4: HostPath | None = Field(
        None,
        description=(
            "A file on the host in BIRD's syntax, with a line `route 172.20.0.0/24 max 28 as 64500;` for each ROA."
        ),
    )
    ipv6: HostPath | None = Field(None, description="The same for IPv6.")


class BgpPeer(Table):
    """A neighbour in another AS."""

    asn: Asn = Field(description="The neighbour's AS number.")
    role: Role | None = Field(
        None,
        description=(
            "What the neighbour is to our AS. It decides what we import from it and export to it. With mutual-transit, "
            "each of the two exports all its routes to the other. Default: mutual-transit for dn42; other profiles "
            "need it."
        ),
    )
    address: Neighbour = Field(
        description=(
            "The neighbour's address. An fe80:: address needs `tunnel` or `interface`. A session over IPv6 "
            "carries IPv4 routes too (RFC 8950)."
        ),
    )
    local: OwnInSubnet | None = Field(
        None,
        description=(
            "Our own address. Default: the tunnel's in the same family. With a length, such as `192.0.2.7/24`, routers "
            "refuse this subnet from everybody: write it for the LAN of an internet exchange."
        ),
    )
    private_asns: OneOrMany[Asn] = Field(
        (),
        description=(
            "ASNs that the profile refuses and the neighbour's paths may begin with, after its own: providers have "
            "such between themselves and the internet. Routers remove them from paths that other ASes get."
        ),
    )
    tunnel: TunnelName | None = Field(None, description="The tunnel of this host that leads to the neighbour.")
    interface: InterfaceName | None = Field(None, description="Or an interface of the image that leads to it.")
    multihop: Hops | None = Field(
        None,
        description=(
            "The number of hops to the neighbour. The session then uses our loopback address. Default: the "
            "neighbour is directly connected."
        ),
    )
    limit: Limit | None = Field(
        None,
        description=(
            "The largest number of routes that the neighbour may announce, counted before the import filter: "
            "rejected routes show a leak too, and take memory. Default: 9000 for dn42, 10000 for private, by "
            "`role` for internet."
        ),
    )
    export_limit: Limit | None = Field(
        None, description="The same for routes that we announce, against an error of ours. Default: none."
    )
    prefixes: Annotated[
        OneOrMany[Announced],
        Some(
            "prefixes",
            "we refuse all its routes",
            left_out("prefixes", "what the profile accepts") + ": a downstream needs them",
        ),
    ] = Field(
        (),
        description=(
            "Prefixes that it may announce, with all parts of them, and no others. Default: what the profile accepts."
        ),
    )
    local_pref: LocalPref | None = Field(
        None,
        description=(
            "The local preference. Default: 300 for a downstream, 200 for a peer, route server or mutual transit, 100 "
            "for an upstream."
        ),
    )
    password: Secret | None = Field(None, description="Where the host keeps the session's password (TCP MD5).")
    send_hold: Annotated[int, Field(strict=True, ge=240, le=65535)] | None = Field(
        None,
        description=(
            "Seconds, 240 and more, after which BIRD ends a session whose neighbour reads nothing (RFC 9687). Default: "
            "480 from BIRD 2.15 on, which this key needs."
        ),
    )
    require: Annotated[
        OneOrMany[Required], Some("require", "it requires nothing", left_out("require", "no requirement"))
    ] = Field((), description="Capabilities without which the session does not come up (RFC 5492). BIRD 2.15.")
    dn42: Measured | None = Field(
        None, description="The quality of the link, for DN42's communities. A route keeps the worst values of its path."
    )
    import_table: Switch = Field(
        False,
        description=(
            "Keep all routes of the neighbour as it announced them, too (`import table` of BIRD). Filters that change, "
            "and ROAs, are then applied to those, which takes half as much memory again. Without it, BIRD asks the "
            "neighbour for its routes (route refresh, RFC 2918). A session that does not have this is reset when "
            "filters change or the first ROAs come, and not when ROAs of an RTR server change later."
        ),
    )
    log_rejects: Switch = Field(
        False,
        description=(
            "Log each route of the neighbour that the import filter rejects, with the reason. Turn it on to find an "
            "error, and off again: the neighbour decides how much is logged."
        ),
    )
    gtsm: Switch = Field(
        False,
        description="Accept only packets from a direct neighbour (GTSM, RFC 5082). Set it at both ends or at none.",
    )
    bfd: Switch = Field(
        False, description="Detect a dead link within seconds (BFD, RFC 5880). Set it at both ends or at none."
    )


class HostBgp(Table):
    """A host as a router of the AS."""

    member: Asn | None = Field(None, description="The ASN of the member that the host belongs to. Default: base + id.")
    router_id: RouterId | None = Field(
        None, description="The router ID. Default: the host's IPv4 loopback, else its id."
    )
    prefixes: OneOrMany[Announced] = Field(
        (),
        description=(
            "Parts of the network that are on this host, for example on a bridge. Only our own routers learn them."
        ),
    )
    peers: Mapping[PeerName, BgpPeer] = Field(default_factory=dict, description="Neighbours in other ASes.")
    learn: OneOrMany[Prefix] = Field(
        (),
        description=(
            "Prefixes. Our own routers also learn kernel routes to these, or to parts of them, that Docker, wg-quick "
            "or you made, and not netc or BIRD."
        ),
    )
    table: Literal["main", "own"] = Field(
        "main", description="The kernel's routing table for BIRD's routes. The host's own traffic does not use `own`."
    )
    drain: Switch = Field(
        False, description="Set it before the host goes down: routers that have another path use that (RFC 8326)."
    )
    region: Annotated[int, Field(strict=True, ge=41, le=70)] | None = Field(
        None, description="dn42: the region community on our own prefixes, 41 and up."
    )
    country: Annotated[int, Field(strict=True, ge=1000, le=1999)] | None = Field(
        None, description="dn42: the country community on our own prefixes, 1000 + ISO 3166-1 numeric."
    )


class Bgp(Table):
    """The autonomous system."""

    asn: Asn = Field(description="The AS number that other ASes see.")
    internal: InternalBgp = Field(
        "mesh",
        description=(
            "How our own routers exchange routes: a confederation (RFC 5065), a fake one, a full mesh, or "
            "route reflectors. Default: mesh. A single router has nobody to exchange routes with."
        ),
    )
    next_hop: Literal["recursive", "med"] | None = Field(
        None,
        description=(
            "In a confederation. recursive: an `[igp]` finds the shortest path to the edge. med: each router "
            "adds the cost of its link."
        ),
    )
    members: Members | None = Field(None, description="In a confederation: the ASNs of its members.")
    over: Annotated[
        OneOrMany[Label],
        Some("over", "our routers have no sessions", left_out("over", "the links of the `[igp]`")),
    ] = Field(
        (),
        description="Links and per-peer meshes that carry sessions between our routers. Default: those of the `[igp]`.",
    )
    reflectors: OneOrMany[HostName] = Field(
        (),
        description="Hosts that are route reflectors for all other routers of the AS (RFC 4456). They need an `[igp]`.",
    )
    bfd: Switch = Field(True, description="Detect a dead link between our own routers within 5 s (BFD, RFC 5880).")
    prefixes: Annotated[
        OneOrMany[Announced],
        Some("prefixes", "the AS announces nothing", "write the prefixes of the AS, such as `172.22.76.184/29`"),
    ] = Field(
        description=(
            "Our own prefixes. Every router announces them to other ASes. Parts that no host has are unreachable."
        )
    )
    refuse: OneOrMany[Prefix] = Field(
        (),
        description=(
            "Further prefixes to reject, with all parts of them. The profile already rejects some (internet: "
            "the set bogons)."
        ),
    )
    roa: OneOrMany[RoaSource] = Field((), description="Sources of ROAs, which say who may announce what.")
    flaps: OneOrMany[RoaSource] = Field(
        (), description="Sources of ROAs with AS 0, for what nobody may announce at the moment."
    )
    roa_unknown: Literal["accept", "refuse"] | None = Field(
        None, description="What happens to routes that no ROA covers. Default: refuse in dn42, else accept."
    )
    profile: Profile = Field(
        description=(
            "The network that the AS belongs to. It decides which prefixes of which lengths routers import: "
            "dn42, internet, private (RFC 1918, RFC 4193)."
        ),
    )
