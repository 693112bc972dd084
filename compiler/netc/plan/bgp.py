"""What a router knows, tells and asks, as facts, in no daemon's own words."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from netaddr import IPAddress, IPNetwork

from netc.diagnostic import KeyPath
from netc.language.bgp import Role
from netc.language.igp import IgpKind
from netc.language.names import HostPath, InterfaceName, ProtocolName
from netc.language.values import Endpoint, Family
from netc.network.interface import Key

Inner = Literal["ibgp", "confederation", "fake"]
"""Kinds of sessions between our own routers: of one AS, of two members (RFC 5065), of two private ASes."""

SessionKind = Inner | Role


class RouteClass(Struct, frozen=True):
    """A large community, (our ASN, `LEARNED_FROM`, `number`), that the router sets which imports a route from another
    AS. `name` is its name in bird.conf."""

    name: str
    number: int
    meaning: str


LEARNED_FROM = 1
"""The second number of those."""

FROM_UPSTREAM = RouteClass("FROM_UPSTREAM", 1, "the route came from an upstream")
FROM_PEER = RouteClass("FROM_PEER", 2, "the route came from a peer or a route server")
FROM_DOWNSTREAM = RouteClass("FROM_DOWNSTREAM", 3, "the route came from a downstream")
ROUTE_CLASSES = (FROM_UPSTREAM, FROM_PEER, FROM_DOWNSTREAM)


class Accepted(Struct, frozen=True):
    """What may be announced: prefixes in `net` of `least` to `most` bits."""

    net: IPNetwork
    least: int
    most: int


class RoaServer(Struct, frozen=True):
    """Asked by RTR (RFC 8210)."""

    endpoint: Endpoint


class RoaFile(Struct, frozen=True):
    """On the host, with what BIRD calls routes of a ROA table."""

    family: Family
    path: HostPath


class System(Struct, frozen=True):
    """The AS as one of its routers sees it. `members` are private ASNs that nobody outside may see.

    `own` is told to the world, by every router; `inside` is this host's part of it, told to our own routers alone.
    """

    asn: int
    form: Literal["confederation", "fake", "one"]
    """How it is made: members of RFC 5065, members that are ASes of their own, or no members."""
    members: tuple[int, ...]
    own: tuple[IPNetwork, ...]
    inside: tuple[IPNetwork, ...]
    accepted: tuple[Accepted, ...]
    refused: tuple[IPNetwork, ...]
    """Ranges that nobody may announce any part of."""
    refused_asns: tuple[tuple[int, int], ...]
    """First and last of ASNs that no path may hold."""
    roa: tuple[RoaServer | RoaFile, ...]
    """Who may announce what."""
    roa_strict: bool
    """What no ROA is about is refused as well."""
    flaps: tuple[RoaServer | RoaFile, ...]
    """What nobody may announce for now. Kept apart: in one table a ROA of AS 0 beside another means nothing."""
    drained: bool
    """Whoever has another way takes it: the router is about to go."""
    tags: tuple[int, ...]
    """Of DN42's communities (64511), on what is ours."""
    anycast: tuple[IPNetwork, ...]
    """Told to the world while some router of ours tells it inside."""
    recursive: bool
    """Next hops are loopbacks, which the IGP finds; else every router is the next hop of what it tells."""


class RouteLimit(Struct, frozen=True):
    """Of what one end of a session tells the other in a family."""

    family: Family
    routes: int
    action: Literal["warn", "block", "disable", "restart"]


class Session(Struct, frozen=True):
    """Our end of one BGP session. `device` is what a direct neighbour is behind, where its address does not say."""

    origin: KeyPath
    name: ProtocolName
    kind: SessionKind
    families: tuple[Family, ...]
    local: IPAddress | None
    local_asn: int
    remote: IPAddress
    remote_asn: int
    device: InterfaceName | None
    direct: bool
    hops: int | None = None
    cost: int = 0
    """Of a packet that goes to the neighbour; inside only."""
    cluster: IPAddress | None = None
    """Of a reflector, whose client the neighbour is (RFC 4456)."""
    local_pref: int | None = None
    """Of what a neighbour outside says."""
    limits: tuple[RouteLimit, ...] = ()
    """Of what the neighbour announces, before anything is refused."""
    export_limits: tuple[RouteLimit, ...] = ()
    only: tuple[Accepted, ...] = ()
    """All that the neighbour may announce; nothing more is said if it is empty."""
    measures: tuple[int, ...] = ()
    """Of DN42's communities (64511), of the link."""
    password: Key | None = None
    gtsm: bool = False
    bfd: bool = False


class IgpInterface(Struct, frozen=True):
    """A point-to-point link to another of our routers. OSPF's version 2 speaks IPv4 and its version 3 IPv6; Babel
    speaks of both, from fe80 addresses."""

    kind: IgpKind
    device: InterfaceName
    families: tuple[Family, ...]
    cost: int
    bfd: bool
    next_hop: IPAddress | None = None
    """Babel: our IPv4 address that is the neighbour's neighbour, if IPv4 goes by it."""


class Anycast(Struct, frozen=True):
    """Prefixes of a service that is behind `device`: told of by `name` while a switch is on, and by `draining` as the
    last resort while another is (RFC 8326)."""

    name: ProtocolName
    draining: ProtocolName | None
    family: Family
    nets: tuple[IPNetwork, ...]
    device: InterfaceName


class Learning(Struct, frozen=True):
    """Routes of the kernel's main table to `nets`, or to parts of them, that others made: not those by `besides`."""

    nets: tuple[IPNetwork, ...]
    besides: tuple[InterfaceName, ...]
