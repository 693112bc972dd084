"""From which addresses a tunnel's outer packets arrive, where that is certain."""

from __future__ import annotations

from netaddr import IPNetwork

from netc.language.links import Kind
from netc.network.interface import Interface, Network


def outer_sources(interface: Interface, network: Network) -> tuple[IPNetwork, ...] | None:
    """Every address that the far ends may send from; None when it could be any. A WireGuard peer may roam and may sit
    behind any NAT, so only hosts of this topology that hold what others dial are held to their addresses."""
    if interface.kind != Kind.WIREGUARD:
        return (IPNetwork(interface.remote),) if interface.remote else None
    if interface.origin[0] == "hosts":
        return None
    link = str(interface.origin[1]) if interface.origin[0] == "links" else None
    here = network.senders.of(interface.host, link)
    if here is None or not here.holds:
        return None  # a name, or an address of another tunnel: nobody knows what leads there
    found: dict[int, IPNetwork] = {}
    for peer in interface.peers:
        there = network.senders.of(peer.name, link)
        if there is None or not there.stays:
            return None
        # A route of the far host that leads to this one takes its packets into another tunnel.
        if any(endpoint.host in net for net in there.routes for endpoint in here.dialled):
            return None
        found |= there.addresses
    return tuple(found[place] for place in sorted(found))
