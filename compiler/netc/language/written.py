"""Addresses that an author wrote, wherever: of hosts, of the ends of links, of bridges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from netaddr import AddrFormatError, IPAddress, IPNetwork

from netc.language.respelt import as_address


def subnets_of(addresses: Any) -> Iterator[IPNetwork]:
    for each in addresses if isinstance(addresses, list) else [addresses]:
        try:
            yield IPNetwork(each).cidr
        except (AddrFormatError, ValueError, TypeError):
            continue


def items_of(table: Any) -> Iterator[tuple[str, Any]]:
    return iter(table.items()) if isinstance(table, dict) else iter(())


def ends_of(data: Any, link: str) -> Iterator[tuple[str, Any]]:
    links = data.get("links") if isinstance(data, dict) else None
    table = links.get(link) if isinstance(links, dict) else None
    return items_of(table.get("ends") if isinstance(table, dict) else None)


def addresses_of(table: Any, key: str = "address") -> tuple[IPAddress, ...]:
    value = table.get(key) if isinstance(table, dict) else None
    values = value if isinstance(value, list) else [value]
    return tuple(ip for each in values if isinstance(each, str) and (ip := as_address(each.partition("/")[0])))
