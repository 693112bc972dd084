"""How nft spells interfaces and addresses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netaddr import IPAddress, IPNetwork

from netc.emit.render import Verbatim, token
from netc.language.names import InterfaceName
from netc.language.values import Family
from netc.network.forwards import MARK_MASK

Printed = tuple[list[str], list[str]]
"""Lines of a comment, and rules."""

FAMILIES: dict[Family, str] = {4: "ip", 6: "ip6"}


def devices(names: Sequence[InterfaceName]) -> Verbatim:
    """One name alone, or a set in braces."""
    if not names:
        raise TypeError("a rule for no device would be one for all")
    printed = [quoted(name) for name in sorted(names)]
    return Verbatim(printed[0] if len(printed) == 1 else "{ " + ", ".join(printed) + " }")


def quoted(name: InterfaceName) -> Verbatim:
    return Verbatim(f'"{token(name)}"')


def members(values: Sequence[IPAddress | IPNetwork]) -> Verbatim:
    """One value alone, or a set in braces; nft has no spelling for an empty one."""
    if not values:
        raise TypeError("an empty set matches nothing or everything, and nft cannot say which")
    printed = [token(value) for value in sorted(values)]
    return Verbatim(printed[0] if len(printed) == 1 else "{ " + ", ".join(printed) + " }")


# ---- marks and segments ---------------------------------------------------------------------------------------

MARK = f"{MARK_MASK:#010x}"
"""netc's bits of a mark."""

REST = f"{MARK_MASK ^ 0xFFFFFFFF:#010x}"

UNMARKED = f"meta mark set meta mark and {REST}"


def mark_value(mark: int) -> Verbatim:
    return Verbatim(f"{mark:#010x}")


def set_mark(mark: int, what: str = "meta") -> str:
    """nft 1.0.6 cannot merge two marks, so every bit is spelled out."""
    return f"{what} mark set {what} mark and {REST} or {mark_value(mark)}"


def has_mark(mark: int, what: str = "meta") -> str:
    return f"{what} mark and {MARK} == {mark_value(mark)}"


SYN = "tcp flags syn / syn,rst tcp option maxseg size"

TCP_OVERHEAD = {4: 40, 6: 60}
"""Bytes of the headers of IP (RFC 791, RFC 8200) and TCP (RFC 9293), without options."""


def segments(mtu: int | None) -> Iterator[str]:
    """TCP agrees on no larger ones (RFC 6691). Where the MTU is unknown, only the route of what leaves knows it."""
    for family, overhead in TCP_OVERHEAD.items():
        if mtu is not None:
            size = mtu - overhead
            yield f"meta nfproto ipv{family} {SYN} > {size} tcp option maxseg size set {size}"
