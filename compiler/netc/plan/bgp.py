"""A router's policy and sessions as facts, in the terms of no daemon."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from netaddr import IPAddress, IPNetwork

from netc.diagnostic import KeyPath
from netc.language.bgp import Required, Role
from netc.language.igp import IgpKind
from netc.language.names import HostPath, InterfaceName, ProtocolName
from netc.language.values import Endpoint, Family
from netc.network.interface import Key

Inner = Literal["ibgp", "confederation", "fake"]
"""Kinds of sessions between our own routers: of one AS, of two members (RFC 5065), of two private ASes."""

SessionKind = Inner | Role


class Accepted(Struct, frozen=True):
    """Prefixes that may be announced: those in `net` of `least` to `most` bits."""

    net: IPNetwork
    least: int
    most: int


class RoaServer(Struct, frozen=True):
    """A server of ROAs, by RTR (RFC 8210)."""

    endpoint: Endpoint
    password: Key | None = None
    origin: KeyPath = ()


class RoaFile(Struct, frozen=True):
    """A file on the host, with routes of a ROA table of BIRD's."""

    family: Family
    path: HostPath


class System(Struct, frozen=True):
    """The AS as one of its routers sees it. `members` are private ASNs that no other AS may see.

    Every router exports `own` to external neighbours. `internal` is this host's part, exported to our routers only.
    """

    asn: int
    form: Literal["confederation", "fake", "one"]
    """Members of RFC 5065, members that are ASes of their own, or no members."""
    members: tuple[int, ...]
    own: tuple[IPNetwork, ...]
    ours: tuple[IPNetwork, ...]
    """No external neighbour announces a part of these: `own`, other anycast prefixes, and what routers learn."""
    internal: tuple[IPNetwork, ...]
    accepted: tuple[Accepted, ...]
    refused: tuple[IPNetwork, ...]
    """Ranges of which no part is imported."""
    connected: tuple[IPNetwork, ...]
    """Of which no part is imported either: LANs, links and tunnels of all our routers, and uplinks of this one."""
    held: tuple[IPNetwork, ...]
    """Those of this router. Other routers reach the subnets of its uplinks as any part of the internet."""
    refused_asns: tuple[tuple[int, int], ...]
    """First and last of the ASNs that no AS path may contain."""
    public_asns: tuple[tuple[int, int], ...]
    """All others."""
    private_asns: tuple[int, ...]
    """Refused ASNs that neighbours have. Other ASes do not see them."""
    roa: tuple[RoaServer | RoaFile, ...]
    """Sources of ROAs."""
    roa_strict: bool
    """Routes that no ROA covers are rejected too."""
    flaps: tuple[RoaServer | RoaFile, ...]
    """Sources of ROAs of AS 0, for prefixes that flap. In one table with other ROAs they would have no effect."""
    drained: bool
    """The router is about to go down, and others should use other paths."""
    tags: tuple[int, ...]
    """Of DN42's communities (64511), on our own prefixes."""
    anycast: tuple[IPNetwork, ...]
    """Exported to external neighbours while one of our routers announces it to the others."""
    recursive: bool
    """Next hops are loopbacks, which the IGP resolves. Otherwise each router is the next hop of what it exports."""
    four_over_six: bool
    """Next hops of IPv4 routes are IPv6 loopbacks (RFC 8950)."""


class RouteLimit(Struct, frozen=True):
    """Of the routes that one end of a session exports to the other in a family."""

    family: Family
    routes: int
    action: Literal["warn", "block", "disable", "restart"]


class Session(Struct, frozen=True):
    """Our end of one BGP session. `device` is a direct neighbour's interface, if its address does not say it."""

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
    shared: bool = False
    """Other ASes may be in the subnet of the session, as at an internet exchange."""
    lan: IPNetwork | None = None
    """Of a route server: the subnet that next hops are in, if the topology has it."""
    uplink: int | None = None
    """Of a neighbour behind other routers: the kernel's table of the uplink that leads there, None for main."""
    own_hops: tuple[IPNetwork, ...] = ()
    """Of an upstream behind other routers: networks of ours, where no next hop is."""
    cost: int = 0
    """Of a packet to the neighbour, if it is one of our routers."""
    cluster: IPAddress | None = None
    """Of the route reflector that the neighbour is a client of (RFC 4456)."""
    local_pref: int | None = None
    """Of routes from an external neighbour."""
    limits: tuple[RouteLimit, ...] = ()
    """Of all that the neighbour announces, before filters."""
    export_limits: tuple[RouteLimit, ...] = ()
    only: tuple[Accepted, ...] = ()
    """All that the neighbour may announce. Empty: what the profile accepts."""
    measures: tuple[int, ...] = ()
    """Of DN42's communities (64511), of the link."""
    password: Key | None = None
    gtsm: bool = False
    bfd: bool = False
    send_hold: int | None = None
    """Seconds; None: BIRD's own."""
    private_asns: tuple[int, ...] = ()
    """Refused ASNs that paths of the neighbour may begin with."""
    begins: tuple[int, ...] = ()
    """With such: all that its paths may begin with, before public ASNs. Its own comes first."""
    requires: tuple[Required, ...] = ()
    """Capabilities without which it does not come up."""
    import_table: bool = False
    """BIRD keeps the routes as they came, too."""
    log_rejects: bool = False
    """BIRD logs why it rejects a route of the neighbour."""


def names_its_next_hop(session: Session, family: Family) -> bool:
    """Whether all routes of the neighbour have its own address as next hop. Over fe80 addresses BIRD shows none. A
    neighbour behind a tunnel may announce IPv4 with an IPv4 next hop over IPv6: nobody else is in the tunnel."""
    remote = session.remote
    if session.kind == "route-server" or (session.kind == "upstream" and not session.direct):
        return False
    if remote.version == 6 and remote.is_link_local():
        return False
    return remote.version == family or session.shared


def is_held_to_its_device(session: Session, family: Family) -> bool:
    """Next hops of a direct neighbour are on the interface of the session, where its address does not say more."""
    return session.direct and session.kind != "collector" and not (names_its_next_hop(session, family) or session.lan)


class IgpInterface(Struct, frozen=True):
    """A point-to-point link to another of our routers. OSPFv2 has IPv4 and OSPFv3 IPv6. Babel has both, from fe80
    addresses."""

    kind: IgpKind
    device: InterfaceName
    families: tuple[Family, ...]
    cost: int
    bfd: bool
    next_hop: IPAddress | None = None
    """Babel: our IPv4 address on the link, if IPv4 uses it."""
    extended_next_hop: bool | None = None
    """Babel: whether IPv4 routes may have IPv6 next hops. None: BIRD does not know the word."""
    rtt_cost: int | None = None
    """Babel: what a round trip of 120 ms adds to the cost."""
    password: Key | None = None
    """Babel: what all routers share."""


class Anycast(Struct, frozen=True):
    """Prefixes of a service behind `device`. The protocol `name` announces them while it is enabled, and `draining`
    announces them as the last resort (RFC 8326)."""

    name: ProtocolName
    draining: ProtocolName | None
    family: Family
    nets: tuple[IPNetwork, ...]
    device: InterfaceName


class Learning(Struct, frozen=True):
    """Routes of the kernel's main table to `nets`, or to parts of them, that others made. Not those by `excluded`."""

    nets: tuple[IPNetwork, ...]
    excluded: tuple[InterfaceName, ...]
