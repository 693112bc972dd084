"""BIRD's configuration as a small typed tree, and its printer: an option is a field of the block that it belongs to, so
it cannot land in another. What is written was parsed by BIRD 2.0.12 alone, and keeps to what the documentation of later
ones still has (bird.network.cz, doc/bird.sgml): names are in quotes, and no word of BIRD's is one (`'babel'` is none).
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from netaddr import IPAddress, IPNetwork

from netc.emit.bird.filtering import Filter, Function, RoaTable, Statement
from netc.language.names import HostPath, InterfaceName, ProtocolName
from netc.language.values import Endpoint, Family


class Limit(Struct, frozen=True):
    routes: int
    action: Literal["warn", "block", "disable", "restart"]


class Channel(Struct, frozen=True):
    """What goes between a protocol and the table of a family."""

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
    """Of what came in. What was refused counts, and so has to be kept."""
    export_limit: Limit | None = None
    add_paths: bool = False
    """All routes are told, and not the best alone, to whoever can take them (RFC 7911)."""
    import_table: bool = False
    """What came in is kept as it came, so that it can be judged again when ROAs change."""


BgpRole = Literal["provider", "customer", "peer", "rs_client"]


class Device(Struct, frozen=True):
    pass


RESTART_SECONDS, RECOVERY_SECONDS = 90, 30
"""RFC 4724: how long neighbours keep our routes when BIRD has died, and how long a new BIRD waits for all of them
before it takes what nobody said out of the kernel. It is back in a second, sessions in ten."""


class Kernel(Struct, frozen=True):
    """`table` is the kernel's, by its number; None is main. With `learns` it hears of routes that others made."""

    name: ProtocolName
    channel: Channel
    table: int | None
    learns: bool = False


class Connected(Struct, frozen=True):
    """What the host's interfaces are neighbours of (`protocol direct`), but for those of `besides`."""

    name: ProtocolName
    channels: tuple[Channel, ...]
    besides: tuple[InterfaceName, ...]


class Table(Struct, frozen=True):
    """Beside the main one of the family: two kernel protocols cannot share one."""

    name: str
    family: Family


class Pipe(Struct, frozen=True):
    """All that is in `table` is in the main one of the family too."""

    name: ProtocolName
    family: Family
    table: str


class Static(Struct, frozen=True):
    """Routes to nowhere, or by `device`, there while `switch` is on: a file with one line, which outlives a change of
    all else. `attributes` are said of each."""

    name: ProtocolName
    family: Family
    nets: tuple[IPNetwork, ...]
    device: InterfaceName | None = None
    switch: HostPath | None = None
    attributes: tuple[Statement, ...] = ()


class Bfd(Struct, frozen=True):
    """Half a second of silence is nothing on a tunnel around the world; five packets in a row are."""

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
    """Silence is told from death in 30 s and not in 240, if BFD has not done so before, and a session that was cut is
    back as soon as it can be, and not after a minute."""
    bfd: bool = False
    gtsm: bool = False
    graceful: bool = False
    """The neighbour keeps our routes for a while when BIRD has died, and we its (RFC 4724). A new BIRD waits for such
    sessions and no others: those that are merely aware of it would count as well."""


class BgpTemplate(Struct, frozen=True):
    name: str
    about: str
    terms: BgpTerms


class Bgp(Struct, frozen=True):
    name: ProtocolName
    about: str
    local: IPAddress | None
    local_asn: int
    neighbor: IPAddress
    device: InterfaceName | None
    neighbor_asn: int
    terms: BgpTerms | BgpTemplate
    """Its own, or those of many."""
    secret: HostPath | None = None
    """A file with one line, `password "…";`."""


class OspfInterface(Struct, frozen=True):
    device: InterfaceName
    cost: int
    bfd: bool


class Ospf(Struct, frozen=True):
    """One area, of point-to-point links, and the networks that are here."""

    name: ProtocolName
    version: Literal["v2", "v3"]
    channel: Channel
    stubs: tuple[IPNetwork, ...]
    interfaces: tuple[OspfInterface, ...]


class BabelInterface(Struct, frozen=True):
    device: InterfaceName
    cost: int
    next_hop: IPAddress | None
    """Of IPv4: BIRD 2.0.12 knows no IPv4 by way of IPv6."""


class Babel(Struct, frozen=True):
    """RFC 8966, over tunnels. Its router id is another at each start: one that comes back with a sequence number that
    others think old would not be believed for minutes."""

    name: ProtocolName
    channels: tuple[Channel, ...]
    interfaces: tuple[BabelInterface, ...]


class Rpki(Struct, frozen=True):
    """A cache that is away is asked again in half a minute, and what it said holds for two days."""

    name: ProtocolName
    tables: tuple[RoaTable, ...]
    server: Endpoint


class RoaStatic(Struct, frozen=True):
    name: ProtocolName
    table: RoaTable
    file: HostPath


Protocol = Device | Kernel | Connected | Pipe | Static | Bfd | BgpTemplate | Bgp | Ospf | Babel | Rpki | RoaStatic


class Config(Struct, frozen=True):
    about: str
    router_id: IPAddress
    tables: tuple[RoaTable, ...]
    functions: tuple[Function, ...]
    protocols: tuple[Protocol, ...]
    beside: tuple[Table, ...] = ()
    is_graceful: bool = False
    """Some neighbour waits for a BIRD that has died."""
