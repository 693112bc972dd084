"""What a router learns from the kernel: routes that others made there, and no interface of netc's own."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPNetwork

from netc.language.names import HostName, InterfaceName
from netc.language.topology import Topology
from netc.network.anycast import anycast_device, services_at
from netc.network.bridges import bridge_device
from netc.network.interface import Network
from netc.network.namespaces import host_end


def learned_at(host: HostName, topology: Topology) -> tuple[IPNetwork, ...]:
    """What such routes lead to, or to a part of."""
    bgp = topology.hosts[host].bgp
    return tuple(sorted(bgp.learn)) if topology.bgp and bgp else ()


def own_devices(host: HostName, network: Network) -> tuple[InterfaceName, ...]:
    """The interfaces that netc makes in the host's own namespace. `learn` leaves them out: other keys decide what BIRD
    announces of their networks."""
    return tuple(sorted(set(_devices(host, network))))


def _devices(host: HostName, network: Network) -> Iterator[InterfaceName]:
    table = network.topology.hosts[host]
    yield from (interface.name for interface in network.interfaces[host])
    yield from (bridge_device(name, bridge) for name, bridge in table.bridges.items())
    yield from (host_end(name, space) for name, space in table.namespaces.items() if space.access or space.bridge)
    yield from (anycast_device(name) for name, _ in services_at(host, network.topology))
