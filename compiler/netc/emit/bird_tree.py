"""BIRD's configuration as a small typed tree, and its printer: an option is a field of the block that it belongs to, so
it cannot land in another. What is written parses with BIRD 2.0.12 and with all that came after (bird.network.cz,
doc/bird.sgml): functions have no types, names are in quotes, sets are in brackets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from netaddr import IPAddress, IPNetwork

from netc.language.names import HostPath, InterfaceName, ProtocolName
from netc.language.values import Endpoint, Family
from netc.plan.bgp import Accepted

# ---- filters -------------------------------------------------------------------------------------------------

Attribute = Literal[
    "net",
    "source",
    "dest",
    "bgp_path",
    "bgp_path.len",
    "bgp_next_hop",
    "bgp_local_pref",
    "bgp_med",
    "bgp_community",
    "bgp_large_community",
    "krt_prefsrc",
]
Constant = Literal["RTS_STATIC", "RTS_BGP", "RTS_OSPF", "RTS_OSPF_IA", "RTS_BABEL", "RTD_UNREACHABLE"]


@dataclass(frozen=True, slots=True)
class Prefixes:
    """`[ 10.0.0.0/8{15,24} ]`"""

    patterns: tuple[Accepted, ...]


@dataclass(frozen=True, slots=True)
class Numbers:
    """`[ 0, 64496..131071 ]`"""

    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Pairs:
    """`[ (64511, 1..8) ]`: communities of RFC 1997."""

    asn: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Constants:
    names: tuple[Constant, ...]


@dataclass(frozen=True, slots=True)
class Community:
    """Of two numbers (RFC 1997) or of three (RFC 8092)."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Communities:
    """All of an AS's large ones, or those with this second number: `(64500, 1, *)`."""

    asn: int
    second: int | None = None


Set = Prefixes | Numbers | Constants | Communities | Pairs


@dataclass(frozen=True, slots=True)
class In:
    """`left ~ set`; of a list, whether any of it is in the set."""

    left: Attribute
    of: Set


@dataclass(frozen=True, slots=True)
class Has:
    """The route carries the community."""

    community: Community


@dataclass(frozen=True, slots=True)
class Is:
    left: Attribute
    constant: Constant


@dataclass(frozen=True, slots=True)
class Longer:
    left: Attribute
    than: int


@dataclass(frozen=True, slots=True)
class Defined:
    attribute: Attribute


@dataclass(frozen=True, slots=True)
class Roa:
    """What the table says of the route and the last AS of its path."""

    table: RoaTable
    verdict: Literal["ROA_VALID", "ROA_INVALID"]


@dataclass(frozen=True, slots=True)
class Not:
    condition: Condition


@dataclass(frozen=True, slots=True)
class All:
    conditions: tuple[Condition, ...]


Condition = In | Has | Is | Longer | Defined | Roa | Not | All


@dataclass(frozen=True, slots=True)
class Accept:
    pass


@dataclass(frozen=True, slots=True)
class Reject:
    pass


@dataclass(frozen=True, slots=True)
class Assign:
    """`attribute = attribute + value`, or without the one or the other."""

    attribute: Attribute
    value: int | IPAddress | None
    added: bool = False


@dataclass(frozen=True, slots=True)
class Again:
    """An attribute gets its own value, which marks it as set here: else it is left out when the AS changes."""

    attribute: Attribute


@dataclass(frozen=True, slots=True)
class Add:
    community: Community


@dataclass(frozen=True, slots=True)
class Forget:
    """Takes what is in the set out of a list."""

    attribute: Attribute
    of: Set


@dataclass(frozen=True, slots=True)
class When:
    condition: Condition
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    function: Function


@dataclass(frozen=True, slots=True)
class Note:
    """A comment: netc's own words."""

    words: str


Statement = Accept | Reject | Assign | Again | Add | Forget | When | Call | Note


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    about: str
    body: tuple[Statement, ...]


Filter = tuple[Statement, ...] | bool
"""A body, or all (True) or nothing (False)."""

# ---- protocols -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limit:
    routes: int
    action: Literal["warn", "block", "disable", "restart"]


@dataclass(frozen=True, slots=True)
class Channel:
    """What goes between a protocol and the table of a family."""

    family: Family
    import_: Filter
    export: Filter


@dataclass(frozen=True, slots=True)
class BgpChannel(Channel):
    next_hop_self: bool = False
    recursive: bool = False
    extended_next_hop: bool = False
    import_limit: Limit | None = None
    import_table: bool = False
    """What came in is kept as it came, so that it can be judged again when ROAs change."""


BgpRole = Literal["provider", "customer", "peer", "rs_client"]


@dataclass(frozen=True, slots=True)
class Device:
    pass


@dataclass(frozen=True, slots=True)
class Kernel:
    name: ProtocolName
    channel: Channel


@dataclass(frozen=True, slots=True)
class Static:
    """Routes to nowhere, or by `device`, there while `switch` is on: a file with one line, which outlives a change of
    all else. `attributes` are said of each."""

    name: ProtocolName
    family: Family
    nets: tuple[IPNetwork, ...]
    device: InterfaceName | None = None
    switch: HostPath | None = None
    attributes: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class Bfd:
    """Half a second of silence is nothing on a tunnel around the world; five packets in a row are."""

    name: ProtocolName


@dataclass(frozen=True, slots=True)
class Bgp:
    name: ProtocolName
    about: str
    local: IPAddress | None
    local_asn: int
    neighbor: IPAddress
    device: InterfaceName | None
    neighbor_asn: int
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
    secret: HostPath | None = None
    """A file with one line, `password "…";`."""


@dataclass(frozen=True, slots=True)
class OspfInterface:
    device: InterfaceName
    cost: int
    bfd: bool


@dataclass(frozen=True, slots=True)
class Ospf:
    """One area, of point-to-point links, and the networks that are here."""

    name: ProtocolName
    version: Literal["v2", "v3"]
    channel: Channel
    stubs: tuple[IPNetwork, ...]
    interfaces: tuple[OspfInterface, ...]


@dataclass(frozen=True, slots=True)
class BabelInterface:
    device: InterfaceName
    cost: int
    next_hop: IPAddress | None
    """Of IPv4: BIRD 2.0.12 knows no IPv4 by way of IPv6."""


@dataclass(frozen=True, slots=True)
class Babel:
    """RFC 8966, over tunnels. Its router id is another at each start: one that comes back with a sequence number that
    others think old would not be believed for minutes."""

    name: ProtocolName
    channels: tuple[Channel, ...]
    interfaces: tuple[BabelInterface, ...]


@dataclass(frozen=True, slots=True)
class RoaTable:
    """`roa4`, `flap6`"""

    kind: Literal["roa", "flap"]
    family: Family


@dataclass(frozen=True, slots=True)
class Rpki:
    """A cache that is away is asked again in half a minute, and what it said holds for two days."""

    name: ProtocolName
    tables: tuple[RoaTable, ...]
    server: Endpoint


@dataclass(frozen=True, slots=True)
class RoaStatic:
    name: ProtocolName
    table: RoaTable
    file: HostPath


Protocol = Device | Kernel | Static | Bfd | Bgp | Ospf | Babel | Rpki | RoaStatic


@dataclass(frozen=True, slots=True)
class Config:
    about: str
    router_id: IPAddress
    tables: tuple[RoaTable, ...]
    functions: tuple[Function, ...]
    protocols: tuple[Protocol, ...]
