"""The configuration of a router as facts, independent of any daemon."""

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
    """The AS as one of its routers sees it. `members` are private ASNs that other ASes must not see.

    Every router announces `own` to other ASes. `inside` is this host's part of it, announced to our own routers only.
    """

    asn: int
    form: Literal["confederation", "fake", "one"]
    """Members of RFC 5065, members that are ASes of their own, or no members."""
    members: tuple[int, ...]
    own: tuple[IPNetwork, ...]
    inside: tuple[IPNetwork, ...]
    accepted: tuple[Accepted, ...]
    refused: tuple[IPNetwork, ...]
    """Prefixes that nobody may announce, nor any part of them."""
    refused_asns: tuple[tuple[int, int], ...]
    """Ranges of ASNs (first, last) that no AS path may contain."""
    roa: tuple[RoaServer | RoaFile, ...]
    """Sources of ROAs."""
    roa_strict: bool
    """Routes without any ROA are refused as well."""
    flaps: tuple[RoaServer | RoaFile, ...]
    """Prefixes that nobody may announce for now. Their own table: beside another ROA, one of AS 0 has no effect."""
    drained: bool
    """The router is about to go away, and its routes become the last resort (RFC 8326)."""
    tags: tuple[int, ...]
    """Communities of DN42 (64511) on our own routes."""
    anycast: tuple[IPNetwork, ...]
    """Announced to other ASes while one of our routers announces it internally."""
    recursive: bool
    """Next hops are loopbacks, which the IGP resolves. Otherwise each router is the next hop of its routes."""


class RouteLimit(Struct, frozen=True):
    """A limit of the routes that one end of a session announces in a family."""

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
    """Of the path to the neighbour; internal sessions only."""
    cluster: IPAddress | None = None
    """Of a reflector, whose client the neighbour is (RFC 4456)."""
    local_pref: int | None = None
    """Of routes from an external neighbour."""
    limits: tuple[RouteLimit, ...] = ()
    """Of what the neighbour announces, before anything is refused."""
    export_limits: tuple[RouteLimit, ...] = ()
    only: tuple[Accepted, ...] = ()
    """The only prefixes that the neighbour may announce. If it is empty, there is no such limit."""
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
    """Prefixes of a service behind `device`. The protocol `name` announces them while its switch is on, and `draining`
    announces them as the last resort (RFC 8326) while its own is on."""

    name: ProtocolName
    draining: ProtocolName | None
    family: Family
    nets: tuple[IPNetwork, ...]
    device: InterfaceName


class Learning(Struct, frozen=True):
    """Routes of the kernel's main table to `nets`, or to parts of them, that others made: not those by `besides`."""

    nets: tuple[IPNetwork, ...]
    besides: tuple[InterfaceName, ...]
