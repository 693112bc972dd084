"""Texts that several checks share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from heapq import nsmallest

from netaddr import IPAddress, IPNetwork

from netc.diagnostic import dotted
from netc.language.names import HostName
from netc.network.interface import Interface

MOST = 12
"""Names of a list that a text shows: there may be thousands, and as many diagnostics that show them."""


def some(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:MOST]) + (f" and {len(names) - MOST} more" if len(names) > MOST else "")


def lacks(host: HostName, ip: IPAddress) -> str:
    """Why visitors cannot dial an address at a host."""
    if ip.is_loopback():
        return f"{ip} is a loopback address: only programs on {host} itself can dial it"
    if ip.is_link_local():
        return f"{ip} is link-local: visitors can dial it on one link of {host} only"
    return f"{host} does not have {ip}"


def unlike(on: Sequence[IPAddress], allow: Sequence[IPNetwork]) -> Iterator[tuple[int, str]]:
    """Of a published port, the addresses that nobody may dial: `allow` has none of their family. Index, and what is
    wrong."""
    allowed = {net.version for net in allow}
    if not any(ip.version in allowed for ip in on):
        return  # then each prefix of `allow` is reported, if there are any
    for index, ip in enumerate(on):
        if ip.version not in allowed:
            yield index, f"no client can connect to {ip}: `allow` has no IPv{ip.version} prefix"


@lru_cache(maxsize=8)  # every such diagnostic of a host shows it
def has(host: HostName, own: frozenset[IPAddress]) -> str:
    """A hint: the addresses of a host."""
    if not own:
        return f"the topology has no address of {host}: add it to `addresses`"
    first = ", ".join(map(str, nsmallest(MOST, own)))
    return f"write one of {first}" + (f" and {len(own) - MOST} more" if len(own) > MOST else "")


def with_address(interface: Interface, old: IPNetwork, length: int) -> str:
    """A hint for `address` of a tunnel: one of its addresses with another prefix length."""
    new = [f"{net.ip}/{length}" if net == old else str(net) for net in interface.addresses]
    value = ", ".join(f'"{net}"' for net in new)
    return f"write `address = {f'[{value}]' if len(new) > 1 else value}` in [{dotted(interface.where)}]"


def without(taken: Sequence[IPNetwork], routes: Sequence[IPNetwork]) -> str:
    """A hint for `routes`."""
    if len(taken) == len(routes):
        return "leave it out"
    return f"take {' and '.join(f'`{net}`' for net in taken[:3])}{' and others' if len(taken) > 3 else ''} out of it"
