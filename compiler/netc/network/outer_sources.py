"""From which addresses a tunnel's outer packets arrive, where that is certain."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPNetwork

from netc.language.links import End, Kind
from netc.language.names import HostName
from netc.language.topology import Topology
from netc.language.values import Endpoint
from netc.network.derive import alone
from netc.network.dialling import candidates
from netc.network.interface import Interface


def outer_sources(interface: Interface, topology: Topology) -> tuple[IPNetwork, ...] | None:
    """Every address that the far ends may send from; None when it could be any. A WireGuard peer may roam and may sit
    behind any NAT, so only hosts of this topology that hold what others dial are held to their addresses."""
    if interface.kind != Kind.WIREGUARD:
        return (IPNetwork(interface.remote),) if interface.remote else None
    if interface.origin[0] == "hosts":
        return None
    found: set[IPNetwork] = set()
    for peer in interface.peers:
        far = HostName(peer.name)
        if far not in topology.hosts or not _stays(far, interface, topology):
            return None
        found |= {alone(net) for net in topology.hosts[far].addresses}
    return tuple(sorted(found))


def _stays(far: HostName, near: Interface, topology: Topology) -> bool:
    """Whether `far` sends to `near` from its uplink and from nowhere else."""
    if topology.hosts[far].uplinks:
        return False
    there = candidates(topology.hosts[far], _end(near, far, topology))
    here = candidates(topology.hosts[near.host], _end(near, near.host, topology))
    if not there or not all(_held(endpoint, far, topology) for endpoint in there):
        return False
    if not all(_held(endpoint, near.host, topology) for endpoint in here):
        return False  # a name, or an address of another tunnel: nobody knows what leads there
    # A route of the far host that leads to this one takes its packets into another tunnel.
    routes = tuple(_routes(far, topology))
    return not any(endpoint.host in net for endpoint in here for net in routes)


def _end(near: Interface, host: HostName, topology: Topology) -> End | None:
    link = next((table for name, table in topology.links.items() if near.origin == ("links", name)), None)
    return link.ends.get(host) if link else None


def _held(endpoint: Endpoint, host: HostName, topology: Topology) -> bool:
    return any(net.ip == endpoint.host for net in topology.hosts[host].addresses)


def _routes(host: HostName, topology: Topology) -> Iterator[IPNetwork]:
    """All that the host's main table leads into tunnels."""
    for link in topology.links.values():
        end = link.ends.get(host)
        yield from end.routes if end and end.table is None else ()
    for tunnel in topology.hosts[host].tunnels.values():
        yield from tunnel.routes if tunnel.table is None else ()
