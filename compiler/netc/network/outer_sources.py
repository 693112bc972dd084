"""From which addresses a tunnel's outer packets arrive, where that is certain."""

from __future__ import annotations

from netaddr import IPAddress, IPNetwork

from netc.network.interface import Interface, Network, NumberedInterface, PlainInterface, WireguardInterface


def outer_sources(interface: Interface, network: Network) -> tuple[IPNetwork, ...] | None:
    """Every address that peers may send outer packets from. None if it could be any address: a WireGuard peer can roam
    or be behind NAT. Only hosts of this topology that hold the addresses which others dial are known to use these."""
    if isinstance(interface, PlainInterface | NumberedInterface):
        return (IPNetwork(interface.remote),)
    if not isinstance(interface, WireguardInterface) or interface.origin[0] == "hosts":
        return None
    link = str(interface.origin[1]) if interface.origin[0] == "links" else None
    near = interface.host
    here = network.senders.of(near, link)
    if here is None or not here.holds:
        return None  # a name, or an address of another tunnel: nobody knows what leads there
    crowd = network.senders.crowd(frozenset([near, *(peer.name for peer in interface.peers)]), link)
    if crowd.restless - {near}:
        return None
    # A route of a far host that leads to this one takes its packets into another tunnel.
    dialled = [end.host for end in here.dialled if isinstance(end.host, IPAddress)]
    led = [routes for far, routes in crowd.routes if far != near]
    if any(ip.version in routes and routes[ip.version].holds(int(ip), int(ip)) for routes in led for ip in dialled):
        return None
    own = here.addresses
    return tuple(net for place, net in crowd.addresses.items() if place not in own)
