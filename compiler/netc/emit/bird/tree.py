"""BIRD's configuration as a small typed tree: an option is a field of the block that it belongs to, so it cannot be in
another. BIRD 2.0.12 has parsed all of it, and the documentation of later versions still has it (bird.network.cz,
doc/bird.sgml). No name is a keyword of BIRD's (`babel` and `ibgp` are keywords) or needs quotes.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from netaddr import IPAddress, IPNetwork

from netc.emit.bird.filtering import Constant, Filter, Function, RoaTable, Statement
from netc.language.bgp import Required
from netc.language.names import HostPath, InterfaceName, ProtocolName
from netc.language.values import Endpoint, Family


class Limit(Struct, frozen=True):
    routes: int
    action: Literal["warn", "block", "disable", "restart"]


class Channel(Struct, frozen=True):
    """Between a protocol and a table of a family."""

    family: Family
    import_: Filter
    export: Filter
    table: str | None = None
    """Beside the main one of the family."""


class BgpChannel(Channel, frozen=True):
    next_hop_self: bool = False
    recursive: bool = False
    extended_next_hop: bool = False
    receive_limit: Limit | None = None
    """Of all that the neighbour announces. Rejected routes count too, so BIRD has to keep them."""
    export_limit: Limit | None = None
    add_paths: bool = False
    """All routes are exported, and not only the best, to a neighbour that supports it (RFC 7911)."""
    requires_extended_next_hop: bool = False
    import_table: bool = False
    """BIRD keeps routes as they came, too, and filters them again when filters or ROAs change."""
    igp_tables: tuple[str, ...] = ()
    """Tables whose routes resolve next hops. Empty: the main one of the family."""


BgpRole = Literal["provider", "customer", "peer", "rs_client"]


class Device(Struct, frozen=True):
    pass


RESTART_SECONDS, RECOVERY_SECONDS = 90, 30
"""RFC 4724: how long neighbours keep our routes after BIRD has died, and how long a new BIRD waits for all of them
before it removes stale routes from the kernel. BIRD is back in a second, sessions in ten."""


class Kernel(Struct, frozen=True):
    """`table` is the number of the kernel's table, None for main. With `learns` it imports routes that others made."""

    name: ProtocolName
    channel: Channel
    table: int | None
    learns: bool = False


class Connected(Struct, frozen=True):
    """Connected networks of the host's interfaces (`protocol direct`), without those of `excluded`."""

    name: ProtocolName
    about: str
    channels: tuple[Channel, ...]
    excluded: tuple[InterfaceName, ...]


class Table(Struct, frozen=True):
    """Beside the main one of the family: two kernel protocols cannot share one."""

    name: str
    family: Family


class Pipe(Struct, frozen=True):
    """Copies routes of `table` into another."""

    name: ProtocolName
    about: str
    table: str
    into: str
    export: Filter = True


class Static(Struct, frozen=True):
    """Routes that are unreachable, or by `device`. `switch` is a file that says whether the protocol is disabled: it
    keeps its state when BIRD reads a new configuration. Each route has the `attributes`."""

    name: ProtocolName
    about: str
    family: Family
    nets: tuple[IPNetwork, ...]
    device: InterfaceName | None = None
    switch: HostPath | None = None
    attributes: tuple[Statement, ...] = ()


class Bfd(Struct, frozen=True):
    """A session is down when five packets in a row are lost. On a long tunnel, half a second without one is common."""

    name: ProtocolName


class BgpTerms(Struct, frozen=True):
    """What a session may have in common with others."""

    hops: int | None
    """None: a direct neighbour; 0: as many as there are."""
    channels: tuple[BgpChannel, ...]
    confederation: int | None = None
    confederation_member: bool = False
    role: BgpRole | None = None
    enforce_first_as: bool = False
    allow_local_pref: bool = False
    med_metric: bool = False
    interpret_communities: bool = True
    rr_client: bool = False
    rr_cluster: IPAddress | None = None
    quick: bool = False
    """A dead neighbour is noticed after 30 s and not 240, unless BFD notices it first."""
    bfd: bool = False
    gtsm: bool = False
    graceful: bool = False
    """The neighbour keeps our routes for a while after BIRD has died, and we keep its routes (RFC 4724). A new BIRD
    waits for these sessions alone. The default, `aware`, would make it wait for the others too."""
    send_hold: int | None = None
    requires: tuple[Required, ...] = ()
    """Capabilities of the session as a whole."""


class Bgp(Struct, frozen=True):
    name: ProtocolName
    about: str
    local: IPAddress | None
    local_asn: int
    neighbor: IPAddress
    device: InterfaceName | None
    neighbor_asn: int
    terms: BgpTerms
    secret: HostPath | None = None
    """A file with one line, `password "…";`, from 2.17 on after `authentication md5;`."""


class BgpGroup(Struct, frozen=True):
    """Sessions of a kind. A template has what all of them have in common."""

    name: str
    sessions: tuple[Bgp, ...]


class OspfInterface(Struct, frozen=True):
    device: InterfaceName
    cost: int
    bfd: bool


class Ospf(Struct, frozen=True):
    """One area, of point-to-point links, and the host's own networks."""

    name: ProtocolName
    version: Literal["v2", "v3"]
    channel: Channel
    stubs: tuple[IPNetwork, ...]
    interfaces: tuple[OspfInterface, ...]


class BabelInterface(Struct, frozen=True):
    device: InterfaceName
    cost: int
    next_hop: IPAddress | None
    """Of IPv4, if it has one on the link."""
    extended_next_hop: bool | None = None
    """IPv4 routes may have IPv6 next hops (RFC 9229). None: BIRD before 2.13 does not know the word."""
    rtt_cost: int | None = None
    secret: HostPath | None = None
    """A file with the words of its authentication."""


class Babel(Struct, frozen=True):
    """RFC 8966, over tunnels. Its router id is a new one at each start. With the old one, others would ignore its
    routes for minutes, because its sequence numbers start again."""

    name: ProtocolName
    channels: tuple[Channel, ...]
    interfaces: tuple[BabelInterface, ...]


class Rpki(Struct, frozen=True):
    """If the server does not answer, BIRD asks again after 30 s. Its ROAs expire after two days."""

    name: ProtocolName
    tables: tuple[RoaTable, ...]
    server: Endpoint
    secret: HostPath | None = None


class RoaStatic(Struct, frozen=True):
    name: ProtocolName
    table: RoaTable
    file: HostPath


Protocol = Device | Kernel | Connected | Pipe | Static | Bfd | BgpGroup | Ospf | Babel | Rpki | RoaStatic


class Config(Struct, frozen=True):
    about: str
    router_id: IPAddress
    constants: tuple[Constant, ...]
    """All that may be printed: those that filters use are."""
    tables: tuple[RoaTable, ...]
    functions: tuple[Function, ...]
    protocols: tuple[Protocol, ...]
    beside: tuple[Table, ...] = ()
    is_graceful: bool = False
    """Some neighbour keeps our routes after BIRD has died."""
