"""Tunnels whose other end is somebody else's: connections begin there only where the author says so."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from netaddr import IPAddress, IPNetwork

from netc.language.names import HostName, InterfaceName
from netc.network.interface import Interface, Network
from netc.network.routing import router_interfaces
from netc.network.uplinks import uplink_interfaces


def strangers(host: HostName, network: Network) -> Iterator[Interface]:
    """Those of `tunnels` that are in no namespace, whose filter is its own. By an uplink, and from a BGP neighbour,
    others are meant to begin: such a host is for its `firewall` to guard."""
    meant = {*uplink_interfaces(host, network), *router_interfaces(host, network)}
    for interface in network.interfaces[host]:
        if interface.origin[0] == "hosts" and interface.namespace is None and interface.name not in meant:
            yield interface


def past(
    sources: Collection[IPNetwork], on: Collection[IPAddress], host: HostName, network: Network
) -> tuple[InterfaceName, ...]:
    """Where a port that is published to `sources` alone is not: a stranger sends from any source. Who publishes a port
    at the tunnel's own address means the tunnel."""
    if not sources:
        return ()
    others = (one for one in strangers(host, network) if not any(net.ip in on for net in one.addresses))
    return tuple(sorted(one.name for one in others))
