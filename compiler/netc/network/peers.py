"""How a BGP neighbour of somebody else's is reached."""

from __future__ import annotations

from netaddr import IPAddress

from netc.language.bgp import Bgp, BgpPeer
from netc.language.names import HostName, InterfaceName
from netc.language.values import Family
from netc.network.interface import Interface, Network
from netc.network.lookup import by_origin
from netc.network.speakers import families, loopback


def peer_tunnel(host: HostName, peer: BgpPeer, network: Network) -> Interface | None:
    return by_origin(host, network).get(("hosts", host, "tunnels", peer.tunnel)) if peer.tunnel else None


def peer_device(host: HostName, peer: BgpPeer, network: Network) -> InterfaceName | None:
    """What a direct neighbour is behind; None where a route says it."""
    tunnel = peer_tunnel(host, peer, network)
    return tunnel.name if tunnel else peer.interface


def peer_local(host: HostName, peer: BgpPeer, network: Network) -> IPAddress | None:
    """Our own address of the session; None where BIRD takes that of the interface."""
    if peer.local:
        return peer.local
    if peer.multihop:
        return loopback(host, peer.address.version, network.topology)
    tunnel = peer_tunnel(host, peer, network)
    held = [net.ip for net in tunnel.addresses] if tunnel else []
    is_near = peer.address.is_link_local()
    return next((ip for ip in held if ip.version == peer.address.version and ip.is_link_local() == is_near), None)


def peer_families(peer: BgpPeer, bgp: Bgp) -> tuple[Family, ...]:
    """The families that a session carries: over IPv6 also IPv4 (RFC 8950), over IPv4 only IPv4."""
    return tuple(family for family in families(bgp) if family == 4 or peer.address.version == 6)
