"""How a BGP neighbour of somebody else's is reached."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netaddr import IPAddress, IPNetwork, cidr_merge

from netc.language.bgp import Bgp, BgpPeer, Role
from netc.language.names import HostName, InterfaceName
from netc.language.topology import Topology
from netc.language.values import Family
from netc.network.anycast import is_taken, services_at
from netc.network.interface import Interface, Network
from netc.network.learning import learned_at
from netc.network.lookup import by_origin
from netc.network.once import once
from netc.network.profiles import REFUSED, WORLD, is_refused
from netc.network.speakers import families, loopback, speakers
from netc.network.uplinks import Uplink, uplinks


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
    subnets = [*given, *table.addresses, *_lans(host, network)]
    subnets += [net for uplink in table.uplinks.values() for net in uplink.prefixes]
    return next((net.cidr for net in subnets if net.size > 1 and peer.address in net), None)


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


def held(host: HostName, network: Network) -> tuple[IPNetwork, ...]:
    """Subnets of the router's interfaces that the profile would accept, and that are not ours anyway."""
    table = network.topology.hosts[host]
    uplinks = [*table.addresses, *(net for uplink in table.uplinks.values() for net in uplink.prefixes)]
    return _refusable([*uplinks, *_lans(host, network)], network.topology)


def connected(host: HostName, network: Network) -> tuple[IPNetwork, ...]:
    """Networks of ours that the router believes no neighbour about."""
    shared = _all_lans(network)
    return tuple(sorted((*shared, *(net for net in held(host, network) if not any(net in one for one in shared)))))


@once
def _all_lans(network: Network) -> tuple[IPNetwork, ...]:
    """Those of all our routers but for uplinks, as the fewest prefixes. One router that believed in a part of another's
    LAN would cut it off from the neighbours there."""
    found = (net for host in speakers(network.topology) for net in _lans(host, network))
    return tuple(cidr_merge(list(_refusable(found, network.topology))))


def _lans(host: HostName, network: Network) -> Iterator[IPNetwork]:
    table = network.topology.hosts[host]
    yield from (net for bridge in table.bridges.values() for net in bridge.addresses)
    for interface in network.interfaces[host]:
        yield from (*interface.addresses, *map(IPNetwork, interface.peer_addresses))
    yield from (peer.local for peer in (table.bgp.peers.values() if table.bgp else ()) if peer.local)


def peer_uplink(host: HostName, peer: BgpPeer, network: Network) -> Uplink | None:
    """Of a neighbour behind other routers: the uplink that has our address of the session, if it is not `wan`."""
    local = peer_local(host, peer, network) if peer.multihop else None
    if local is None:
        return None
    spans = ((net.prefixlen, uplink) for uplink in uplinks(host, network) for net in uplink.prefixes if local in net)
    return max(spans, key=lambda span: span[0], default=(0, None))[1]


def own_hops(host: HostName, peer: BgpPeer, network: Network) -> tuple[IPNetwork, ...]:
    """Where no next hop of a neighbour behind other routers is: networks of ours, LANs of other neighbours, uplinks but
    for that of the session, and addresses that are no host's."""
    topology = network.topology
    bgp, table, known = topology.bgp, topology.hosts[host].bgp, _subnets(host, topology)
    near = tuple(ip for ip in (peer_local(host, peer, network), peer.address) if ip)
    own = [nets for nets in known if any(ip in net for net in nets for ip in near)] or known
    between = {net for nets in own for net in nets}
    served = (net for _, service in services_at(host, topology) for net in service.addresses)
    ours = [*(bgp.prefixes if bgp else ()), *served, *learned_at(host, topology)]
    ours += [net for net in known_subnets(host, network) if net not in between]
    ours += [IPNetwork(ip) for one in network.interfaces[host] if not one.namespace for ip in one.peer_addresses]
    ours += [other.local for other in (table.peers.values() if table else ()) if other.local]
    nobody = (IPNetwork(ip) for net in between for ip in _of_nobody(net))
    apart = [net.cidr for net in ours if net.prefixlen > 0 and not is_fe80(net.ip)]
    found = cidr_merge([*(net for net in apart if not any(ip in net for ip in near)), *nobody])
    return tuple(net for net in found if peer.address.version == 6 or net.version == 4)


def _subnets(host: HostName, topology: Topology) -> list[tuple[IPNetwork, ...]]:
    """Subnets by uplink: first those of the image's own, which may have several."""
    table = topology.hosts[host]
    return [table.addresses, *(uplink.prefixes for uplink in table.uplinks.values())]


def _of_nobody(net: IPNetwork) -> tuple[IPAddress, ...]:
    """The first and the last address of an IPv4 subnet (RFC 922), but for /31 (RFC 3021) and /32."""
    return (IPAddress(net.first, 4), IPAddress(net.last, 4)) if net.version == 4 and net.prefixlen < 31 else ()


def _refusable(nets: Iterable[IPNetwork], topology: Topology) -> tuple[IPNetwork, ...]:
    bgp = topology.bgp
    if bgp is None:
        return ()
    refused = (*REFUSED[bgp.profile], *bgp.refuse, *bgp.prefixes)
    some = sorted({net.cidr for net in nets if net.prefixlen > 0 and (net.size > 1 or is_taken(net, topology))})
    return tuple(net for net in some if is_in_world(net, topology) and not any(net in one for one in refused))


def is_in_world(net: IPNetwork, topology: Topology) -> bool:
    """Whether the profile accepts a part of it, or a prefix around it."""
    spans = WORLD[topology.bgp.profile] if topology.bgp else ()
    return any(net in span or span in net for span, _, _ in spans)


@once
def ours_elsewhere(topology: Topology) -> tuple[IPNetwork, ...]:
    """What is ours and not in `bgp.prefixes`: of anycast services, and what our routers learn from their kernels."""
    own = topology.bgp.prefixes if topology.bgp else ()
    found = [net for host in speakers(topology) for net in learned_at(host, topology)]
    for service in topology.anycast.values():
        found += [net.cidr for nets in (service.addresses, *service.unicast.values()) for net in nets]
    others = [net for net in found if is_in_world(net, topology) and not any(net in one for one in own)]
    return tuple(cidr_merge(others))


def known_subnets(host: HostName, network: Network) -> list[IPNetwork]:
    """The host's addresses on interfaces that BIRD finds neighbours on, with their lengths."""
    table = network.topology.hosts[host]
    found = [*table.addresses, *(net for bridge in table.bridges.values() for net in bridge.addresses)]
    found += [net for uplink in table.uplinks.values() for net in uplink.prefixes]
    return found + [net for one in network.interfaces[host] if not one.namespace for net in one.addresses]


def role_of(peer: BgpPeer, bgp: Bgp) -> Role | None:
    """In DN42, everybody carries everybody's packets."""
    return peer.role or ("mutual-transit" if bgp.profile == "dn42" else None)


def peer_families(peer: BgpPeer, bgp: Bgp) -> tuple[Family, ...]:
    """The families that a session carries: over IPv6 also IPv4 (RFC 8950), over IPv4 only IPv4."""
    return tuple(family for family in families(bgp) if family == 4 or peer.address.version == 6)
