"""What rules are made of: matches and targets, as iptables-extensions(8) spells them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct
from netaddr import IPAddress, IPNetwork

from netc.diagnostic import KeyPath
from netc.emit.render import origin, token
from netc.language.names import InterfaceName
from netc.language.values import Family, Ports
from netc.network.forwards import MARK_MASK
from netc.plan.facts import AddressSet, Ruleset
from netc.plan.facts.address_set import FAMILIES, ipset_names
from netc.plan.lists import named_sets
from netc.plan.ruleset import Sources

Table = Literal["filter", "mangle", "nat"]

Line = tuple[str, str]
"""The words of a rule in a base chain, and a comment, which may be empty."""

TABLES: tuple[Table, ...] = ("mangle", "filter", "nat")
"""In this order they are loaded, each as a whole: what drops stands before what leads."""

HOOKS = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")

Side = Literal["src", "dst"]

ADDRESSES = 8
"""Of one rule; iptables-restore(8) reads lines of 10 KiB."""

MULTIPORT = 15
"""Ports of one rule; a range takes two (iptables-extensions(8), multiport)."""


class Rule(Struct, frozen=True):
    """`words` are all but `-A CHAIN`; `why` is a comment, said before the rule."""

    table: Table
    chain: str
    words: str
    why: str = ""


def said(*words: str) -> str:
    return " ".join(filter(None, words))


def because(path: KeyPath, why: str = "") -> str:
    return f"{origin(path)}: {why}" if why else origin(path)


def entering(name: InterfaceName | None) -> str:
    return f"-i {token(name)}" if name else ""


def leaving(name: InterfaceName | None) -> str:
    return f"-o {token(name)}" if name else ""


def one(family: Family, address: IPAddress | IPNetwork | None) -> bool:
    return address is None or address.version == family


def places(values: Sequence[IPAddress | IPNetwork], side: Side, family: Family) -> Iterator[str]:
    """A match for some of them at a time; none where none is of the family."""
    spelled = [token(_plain(value)) for value in sorted(values) if value.version == family]
    for start in range(0, len(spelled), ADDRESSES):
        yield f"-{side[0]} {','.join(spelled[start : start + ADDRESSES])}"


def _plain(value: IPAddress | IPNetwork) -> IPAddress | IPNetwork:
    return value.ip if isinstance(value, IPNetwork) and value.size == 1 else value


def sources(named: Sources | None, side: Side, family: Family, ruleset: Ruleset) -> Iterator[str]:
    """A match for each place that is named; an empty one, which matches all, only where nothing is said."""
    if named is None:
        yield ""
        return
    yield from places(named.prefixes, side, family)
    for found in named_sets(named, ruleset):
        yield f"-m set --match-set {set_name(found, family)} {side}"


def set_name(found: AddressSet, family: Family) -> str:
    return dict(zip(FAMILIES, ipset_names(found), strict=True))[family]


def span(ports: Ports) -> str:
    return f"{ports.first}" if ports.first == ports.last else f"{ports.first}:{ports.last}"


def dialled(ports: Sequence[Ports]) -> Iterator[str]:
    """A match for some of them at a time, by protocol; an empty one, which matches all, only where none is said."""
    if not ports:
        yield ""
    for protocol in dict.fromkeys(port.protocol for port in ports):
        group: list[str] = []
        room = MULTIPORT
        for port in (port for port in ports if port.protocol == protocol):
            takes = 1 if port.first == port.last else 2
            if takes > room:
                yield _dports(protocol, group)
                group, room = [], MULTIPORT
            group.append(span(port))
            room -= takes
        yield _dports(protocol, group)


def _dports(protocol: str, spans: Sequence[str]) -> str:
    if len(spans) == 1:
        return f"-p {protocol} --dport {spans[0]}"
    return f"-p {protocol} -m multiport --dports {','.join(spans)}"


def masked(mark: int) -> str:
    """netc's bits of a mark, and no other."""
    return f"{mark:#010x}/{MARK_MASK:#010x}"


TCP_OVERHEAD: dict[Family, int] = {4: 40, 6: 60}
"""Bytes of the headers of IP (RFC 791, RFC 8200) and TCP (RFC 9293), without options."""


def segment(size: int | None) -> str:
    """TCP agrees on no larger ones (RFC 6691): of `size` bytes, or as the route says. None gets larger."""
    how = "--clamp-mss-to-pmtu" if size is None else f"--set-mss {size}"
    return f"-p tcp --tcp-flags SYN,RST SYN -j TCPMSS {how}"
