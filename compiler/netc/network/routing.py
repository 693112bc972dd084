"""Which links, meshes and tunnels carry routing, and so packets from everywhere to everywhere."""

from __future__ import annotations

from typing import cast

from netaddr import IPAddress, IPNetwork

from netc.diagnostic import KeyPath
from netc.language.bgp import BgpPeer
from netc.language.names import HostName, InterfaceName, MeshName
from netc.language.topology import Topology
from netc.network.derive import is_alone
from netc.network.interface import Interface, Network
from netc.network.lookup import link_of
from netc.network.once import once
from netc.network.uplinks import arrives_by


@once  # every interface asks
def bgp_links(topology: Topology) -> frozenset[str]:
    """Names of links and meshes that carry sessions between our routers; those of the IGP unless they are said."""
    if topology.bgp is None:
        return frozenset()
    igp = topology.igp.over if topology.igp else ()
    return frozenset(map(str, topology.bgp.over or igp))


@once
def igp_links(topology: Topology) -> frozenset[str]:
    return frozenset(map(str, topology.igp.over)) if topology.igp else frozenset()


def carries_routing(origin: KeyPath, topology: Topology) -> bool:
    """Whether a link or a mesh carries routing."""
    return origin[0] in ("links", "meshes") and (origin[1] in bgp_links(topology) or origin[1] in igp_links(topology))


def is_shared_by_routers(name: MeshName, topology: Topology) -> bool:
    """Whether a mesh that carries routing has one interface for all peers, which connects no routers."""
    return carries_routing(("meshes", name), topology) and topology.meshes[name].interfaces == "shared"


@once
def router_interfaces(host: HostName, network: Network) -> tuple[InterfaceName, ...]:
    """The interfaces by which a router forwards packets, in the order of names: links, and those with neighbours."""
    table = network.topology.hosts[host]
    peers = table.bgp.peers.values() if table.bgp else ()
    tunnels = {peer.tunnel for peer in peers if peer.tunnel}
    ways = {i.name for i in network.interfaces[host] if carries_routing(i.origin, network.topology)}
    behind = {i.name for i in network.interfaces[host] if i.origin[0] == "hosts" and i.origin[-1] in tunnels}
    unsaid = (peer for peer in peers if not (peer.tunnel or peer.interface))
    uplinks = {device for peer in unsaid if (device := arrives_by(_nearest(peer), host, network))}
    return tuple(sorted({*ways, *behind, *uplinks, *(peer.interface for peer in peers if peer.interface)}))


def _nearest(peer: BgpPeer) -> IPAddress:
    """The address that says by which uplink packets of a neighbour come."""
    return peer.local.ip if peer.local else peer.address


def made_interfaces(host: HostName, network: Network) -> tuple[InterfaceName, ...]:
    """Those of them that netc makes: tunnels."""
    made = {interface.name for interface in network.interfaces[host]}
    return tuple(device for device in router_interfaces(host, network) if device in made)


@once  # every interface asks
def passing_interfaces(host: HostName, network: Network) -> frozenset[InterfaceName]:
    """The same, to look one up."""
    return frozenset(router_interfaces(host, network))


def cost_of(interface: Interface, topology: Topology) -> int:
    """The cost of a link, for packets that leave by it."""
    link = link_of(interface, topology)
    return link.cost if link else topology.meshes[cast(MeshName, interface.origin[1])].cost


def _meet(own: IPNetwork, other: IPNetwork, near: Interface, far: Interface) -> bool:
    """In one subnet, or the two ends of a point-to-point interface."""
    if other.ip in near.peer_addresses and own.ip in far.peer_addresses:
        return is_alone(own) and is_alone(other)
    return other.ip in own.cidr and own.ip in other.cidr


def joined(near: Interface, far: Interface, version: int) -> tuple[IPAddress, IPAddress] | None:
    """Addresses of both ends that are neighbours of each other, fe80 before others; None where there are none."""
    pairs = [
        (own.ip, other.ip)
        for own in near.addresses
        for other in far.addresses
        if own.version == other.version == version and _meet(own, other, near, far)
    ]
    return min(pairs, key=lambda pair: not pair[0].is_link_local(), default=None)
