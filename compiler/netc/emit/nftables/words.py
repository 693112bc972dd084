"""How nft spells interfaces and addresses."""

from __future__ import annotations

from collections.abc import Sequence

from netaddr import IPAddress, IPNetwork

from netc.emit.render import Verbatim, token
from netc.language.names import InterfaceName
from netc.language.values import Family

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
