"""Interfaces by origin, name, peer, namespace or address, links by interface, and the longest prefix of an address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar, cast

from netaddr import IPAddress, IPNetwork

from netc.diagnostic import KeyPath
from netc.language.links import Link
from netc.language.names import HostName, LinkName, NamespaceName
from netc.language.topology import Topology
from netc.network.interface import Interface, Network
from netc.network.once import once
from netc.network.ranges import BITS

Thing = TypeVar("Thing")


@once
def by_origin(host: HostName, network: Network) -> Mapping[KeyPath, Interface]:
    """A host's interfaces by the tables that they come from: of several, the first."""
    return {interface.origin: interface for interface in reversed(network.interfaces[host])}


@once
def by_device(host: HostName, network: Network) -> Mapping[str, Interface]:
    """By their names: of several, the first."""
    return {interface.name: interface for interface in reversed(network.interfaces[host])}


@once
def by_peer(host: HostName, network: Network) -> Mapping[tuple[KeyPath, HostName | None], Interface]:
    """By the link or mesh, and the host at its other end: of several, the first."""
    return {(interface.origin, interface.far): interface for interface in reversed(network.interfaces[host])}


@once
def by_namespace(host: HostName, network: Network) -> Mapping[NamespaceName, Interface]:
    """Those that are moved into one: of several, the first."""
    found = (interface for interface in reversed(network.interfaces[host]))
    return {interface.namespace: interface for interface in found if interface.namespace is not None}


@once
def by_address(host: HostName, network: Network) -> Mapping[IPAddress, Interface]:
    """Those among the host's own, by each of their addresses: of several, the first."""
    own = [interface for interface in reversed(network.interfaces[host]) if interface.namespace is None]
    return {net.ip: interface for interface in own for net in interface.addresses}


def link_of(interface: Interface, topology: Topology) -> Link | None:
    """The table that it is an end of."""
    return topology.links.get(cast(LinkName, interface.origin[1])) if interface.origin[0] == "links" else None


class Longest(Generic[Thing]):
    """What is said of the longest prefix that holds an address; of two that are the same, by the first."""

    def __init__(self, prefixes: Iterable[tuple[IPNetwork, Thing]]) -> None:
        self._found: dict[tuple[int, int, int], Thing] = {}
        for net, thing in prefixes:
            self._found.setdefault((net.version, net.prefixlen, net.first), thing)
        self._lengths = sorted({key[:2] for key in self._found}, reverse=True)

    def of(self, address: IPAddress) -> Thing | None:
        number, version = int(address), address.version
        for family, length in self._lengths:
            if family == version:
                rest = BITS[4 if family == 4 else 6] - length
                key = (family, length, number >> rest << rest)
                if key in self._found:
                    return self._found[key]
        return None
