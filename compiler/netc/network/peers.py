"""How a BGP neighbour of somebody else's is reached."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress, IPNetwork

from netc.language.bgp import Bgp, BgpPeer, Role
from netc.language.names import HostName, InterfaceName
from netc.language.topology import Topology
from netc.language.values import Family
from netc.network.interface import Interface, Network
from netc.network.lookup import by_origin
from netc.network.once import once
from netc.network.profiles import REFUSED, WORLD, is_refused
from netc.network.speakers import families, loopback, speakers


def peer_tunnel(host: HostName, peer: BgpPeer, network: Network) -> Interface | None:
    return by_origin(host, network).get(("hosts", host, "tunnels", peer.tunnel)) if peer.tunnel else None


def peer_device(host: HostName, peer: BgpPeer, network: Network) -> InterfaceName | None:
    """What a direct neighbour is behind; None where a route says it."""
    tunnel = peer_tunnel(host, peer, network)
    return tunnel.name if tunnel else peer.interface


def peer_local(host: HostName, peer: BgpPeer, network: Network) -> IPAddress | None:
    """Our own address of the session; None where BIRD takes that of the interface."""
    if peer.local:
        return peer.local.ip
    if peer.multihop:
        return loopback(host, peer.address.version, network.topology)
    tunnel = peer_tunnel(host, peer, network)
    held = [net.ip for net in tunnel.addresses] if tunnel else []
    is_near = is_fe80(peer.address)
    return next((ip for ip in held if ip.version == peer.address.version and is_fe80(ip) == is_near), None)


def peer_lan(host: HostName, peer: BgpPeer, network: Network) -> IPNetwork | None:
    """The subnet that a direct neighbour is in: that of `local`, or of an interface of the host."""
    if peer.multihop or is_fe80(peer.address):
        return None
    table = network.topology.hosts[host]
    given = [peer.local] if peer.local and peer.local.size > 1 else []
    held = [*given, *table.addresses, *(net for one in network.interfaces[host] for net in one.addresses)]
    return next((net.cidr for net in held if net.size > 1 and peer.address in net), None)


def is_fe80(address: IPAddress) -> bool:
    """Every interface has this subnet. Of IPv4's 169.254.0.0/16, providers route single addresses."""
    return bool(address.version == 6 and address.is_link_local())


def private_asns(peer: BgpPeer, bgp: Bgp) -> tuple[int, ...]:
    """ASNs that the profile refuses, and that paths of this neighbour may begin with."""
    return tuple(sorted({asn for asn in (peer.asn, *peer.private_asns) if is_refused(asn, bgp.profile)}))


@once
def all_private_asns(topology: Topology) -> tuple[int, ...]:
    """Those of all neighbours of the AS."""
    bgp = topology.bgp
    tables = (topology.hosts[host].bgp for host in speakers(topology))
    peers = (peer for table in tables if table for peer in table.peers.values())
    return tuple(sorted({asn for peer in peers for asn in private_asns(peer, bgp)})) if bgp else ()


def connected(host: HostName, network: Network) -> Iterator[IPNetwork]:
    """Subnets of the router's interfaces that the profile would accept, and that are not ours anyway."""
    bgp, table = network.topology.bgp, network.topology.hosts[host]
    if bgp is None:
        return
    held = [*table.addresses, *(net for bridge in table.bridges.values() for net in bridge.addresses)]
    held += [net for uplink in table.uplinks.values() for net in uplink.prefixes]
    held += [net for interface in network.interfaces[host] for net in interface.addresses]
    held += [peer.local for peer in (table.bgp.peers.values() if table.bgp else ()) if peer.local]
    for net in sorted({net.cidr for net in held if net.size > 1}):
        is_accepted = any(net in span or span in net for span, _, _ in WORLD[bgp.profile])
        refused = (*REFUSED[bgp.profile], *bgp.refuse, *bgp.prefixes)
        if is_accepted and net.prefixlen > 0 and not any(net in one for one in refused):
            yield net


def role_of(peer: BgpPeer, bgp: Bgp) -> Role | None:
    """In DN42, everybody carries everybody's packets."""
    return peer.role or ("mutual-transit" if bgp.profile == "dn42" else None)


def peer_families(peer: BgpPeer, bgp: Bgp) -> tuple[Family, ...]:
    """The families that a session carries: over IPv6 also IPv4 (RFC 8950), over IPv4 only IPv4."""
    return tuple(family for family in families(bgp) if family == 4 or peer.address.version == 6)
