"""BIRD's filters as a typed tree: functions have no types, and sets are in brackets."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from netaddr import IPAddress, IPNetwork

from netc.language.names import InterfaceName, ProtocolName
from netc.language.values import Family
from netc.plan.bgp import Accepted
from netc.plan.communities import Community

Attribute = Literal[
    "net",
    "net.type",
    "net.len",
    "source",
    "dest",
    "bgp_path",
    "bgp_path.len",
    "bgp_path.last",
    "bgp_next_hop",
    "from",
    "ifname",
    "proto",
    "bgp_local_pref",
    "bgp_med",
    "bgp_community",
    "bgp_large_community",
    "krt_prefsrc",
    "krt_source",
    "preference",
]
Word = Literal[
    "RTS_STATIC",
    "RTS_BGP",
    "RTS_OSPF",
    "RTS_OSPF_IA",
    "RTS_BABEL",
    "RTS_DEVICE",
    "RTS_INHERIT",
    "RTD_UNREACHABLE",
    "RTD_UNICAST",
    "NET_IP4",
    "NET_IP6",
]


class RoaTable(Struct, frozen=True):
    """`roa4`, `flap6`"""

    kind: Literal["roa", "flap"]
    family: Family


class Prefixes(Struct, frozen=True):
    """`[ 10.0.0.0/8{15,24} ]`"""

    patterns: tuple[Accepted, ...]


class Numbers(Struct, frozen=True):
    """`[ 0, 64496..131071 ]`"""

    spans: tuple[tuple[int, int], ...]


class Asns(Struct, frozen=True):
    """`define OUR_ASNS = [ 64500, 64512..64515 ];`"""

    name: str
    spans: tuple[tuple[int, int], ...]
    about: str


class Number(Struct, frozen=True):
    """`define DN42 = 64511;`"""

    name: str
    value: int
    about: str


class Words(Struct, frozen=True):
    """`[ RTS_BGP, RTS_OSPF ]`"""

    names: tuple[Word, ...]


class Communities(Struct, frozen=True):
    """`define FROM_EXTERNAL = [ (64500, 1, *) ];`: all large communities of an AS, or those with this second number."""

    name: str
    asn: int
    second: int | None
    about: str
    small: bool = False
    """Of two numbers (RFC 1997)."""


Constant = Number | Asns | Community | Communities
"""What has a name, by `define`."""

Set = Prefixes | Numbers | Asns | Words | Communities


class In(Struct, frozen=True):
    """`left ~ set`. A list matches if any of its values is in the set."""

    left: Attribute
    of: Set


class Begins(Struct, frozen=True):
    """An AS path of ASNs of `first` alone, or, with `then`, one that goes on with ASNs of `then` alone."""

    first: Numbers
    then: Numbers | None = None


class Has(Struct, frozen=True):
    """The route carries the community."""

    community: Community


class Is(Struct, frozen=True):
    left: Attribute
    value: Word | int | InterfaceName | ProtocolName


class Differs(Struct, frozen=True):
    left: Attribute
    right: Attribute | IPAddress


class Inside(Struct, frozen=True):
    """`bgp_next_hop ~ 192.0.2.0/24`. No address is in a prefix of the other family."""

    address: Attribute
    net: IPNetwork


class Longer(Struct, frozen=True):
    left: Attribute
    than: int


class Defined(Struct, frozen=True):
    attribute: Attribute


class Roa(Struct, frozen=True):
    """What the table says about the route and the last AS of its path, or about the route and `origin`."""

    table: RoaTable
    verdict: Literal["ROA_VALID", "ROA_INVALID"]
    origin: int | None = None


class Not(Struct, frozen=True):
    condition: Condition


class All(Struct, frozen=True):
    conditions: tuple[Condition, ...]


class Any(Struct, frozen=True):
    conditions: tuple[Condition, ...]


Condition = In | Inside | Begins | Has | Is | Differs | Longer | Defined | Roa | Not | All | Any


class Accept(Struct, frozen=True):
    pass


class Reject(Struct, frozen=True):
    pass


class Refuse(Struct, frozen=True):
    """Rejects a route of an external neighbour. BIRD may log the reason."""

    reason: str


class Argument(Struct, frozen=True):
    """`int pref`: of a function. Most short words are keywords of BIRD's, and these are not."""

    type: Literal["int", "lc", "string"]
    name: str


class Assign(Struct, frozen=True):
    """`attribute = attribute + value`, or without the one or the other."""

    attribute: Attribute
    value: int | IPAddress | Argument
    added: bool = False


class Again(Struct, frozen=True):
    """An attribute gets its own value. BIRD exports MED to another AS only if a filter has set it."""

    attribute: Attribute


class Add(Struct, frozen=True):
    """An argument is a large community."""

    community: Community | Argument


class Forget(Struct, frozen=True):
    """Deletes the values of a set from a list."""

    attribute: Attribute
    of: Set


class When(Struct, frozen=True):
    condition: Condition
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...] = ()


class Call(Struct, frozen=True):
    function: str
    values: tuple[Community | int, ...] = ()


class Note(Struct, frozen=True):
    """A comment."""

    words: str


class Fixed(Struct, frozen=True):
    """Lines that are the same on every router."""

    text: str


Statement = Accept | Reject | Refuse | Assign | Again | Add | Forget | When | Call | Note | Fixed


class Function(Struct, frozen=True):
    """It rejects a route or changes it. Only filters accept."""

    name: str
    about: tuple[str, ...]
    """Lines of a comment."""
    body: tuple[Statement, ...]
    arguments: tuple[Argument, ...] = ()


Filter = tuple[Statement, ...] | bool
"""A body, or `all` (True) or `none` (False)."""
