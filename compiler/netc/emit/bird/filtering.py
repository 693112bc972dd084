"""BIRD's filters as a typed tree: functions have no types, and sets are in brackets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from netaddr import IPAddress

from netc.language.values import Family
from netc.plan.bgp import Accepted

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
    "krt_source",
    "preference",
]
Constant = Literal[
    "RTS_STATIC",
    "RTS_BGP",
    "RTS_OSPF",
    "RTS_OSPF_IA",
    "RTS_BABEL",
    "RTS_DEVICE",
    "RTS_INHERIT",
    "RTD_UNREACHABLE",
    "RTD_UNICAST",
]


@dataclass(frozen=True, slots=True)
class RoaTable:
    """`roa4`, `flap6`"""

    kind: Literal["roa", "flap"]
    family: Family


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
    constant: Constant | int


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
