"""Sessions between our own routers: each has two ends, and both come from one link, mesh or pair."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from netaddr import IPAddress

from netc.diagnostic import KeyPath
from netc.language.kinds import KINDS
from netc.language.names import HostName, InterfaceName, PartName
from netc.network.interface import Interface, Network
from netc.network.lookup import by_peer
from netc.network.once import once
from netc.network.routing import bgp_links, cost_of, igp_links, joined
from netc.network.speakers import families, is_recursive


@once
def four_over_six(network: Network) -> bool:
    """Whether IPv4 routes have IPv6 next hops inside the AS (RFC 8950), since a link of the IGP has no IPv4 addresses.
    The IGP then has IPv6 alone, and BGP announces our IPv4 loopbacks."""
    topology = network.topology
    extended = topology.igp is not None and topology.igp.extended_next_hop
    if topology.bgp is None or extended or not is_recursive(topology) or len(families(topology.bgp)) < 2:
        return False
    return any(_is_without_four(interface, network) for held in network.interfaces.values() for interface in held)


def _is_without_four(interface: Interface, network: Network) -> bool:
    if interface.origin[0] == "hosts" or interface.origin[1] not in igp_links(network.topology):
        return False
    other = peer_end(interface, network)
    return other is not None and 4 in KINDS[interface.kind].carries and joined(interface, other, 4) is None


LOOPBACK_PART = PartName("loopback")


class End(Struct, frozen=True):
    """One end of a session between two of our routers. `device` is None between loopbacks."""

    near: HostName
    far: HostName
    origin: KeyPath
    device: InterfaceName | None
    local: IPAddress
    local_asn: int | None
    remote: IPAddress
    remote_asn: int | None
    cost: int
    is_reflected: bool = False
    """The neighbour is a client of this route reflector."""


def ends(host: HostName, network: Network) -> tuple[End, ...]:
    """The host's ends of sessions with our other routers, in the order of interfaces and hosts."""
    if network.topology.bgp is None or host not in network.speakers:
        return ()
    return (*_over_links(host, network), *_over_loopbacks(host, network))


def _over_links(host: HostName, network: Network) -> Iterator[End]:
    topology = network.topology
    links, routers = bgp_links(topology), network.speakers
    for interface in network.interfaces[host]:
        far = interface.far
        if interface.origin[0] == "hosts" or interface.origin[1] not in links or far is None or far not in routers:
            continue
        local_asn, remote_asn = routers[host].asn, routers[far].asn
        other = peer_end(interface, network)
        if other is None or (local_asn == remote_asn and is_recursive(topology)):
            continue
        pair = joined(interface, other, 6) or joined(interface, other, 4)
        if pair:
            cost = cost_of(interface, topology)
            yield End(host, far, interface.origin, interface.name, pair[0], local_asn, pair[1], remote_asn, cost)


def peer_end(interface: Interface, network: Network) -> Interface | None:
    """The other end of a link or of a mesh's tunnel."""
    if interface.far is None or interface.far not in network.interfaces:
        return None
    return by_peer(interface.far, network).get((interface.origin, interface.host))


def link_ends(host: HostName, network: Network) -> dict[InterfaceName, tuple[tuple[IPAddress, IPAddress], ...]]:
    """Of each link: our address and that of the other end, at most one pair a family."""
    others = ((near, peer_end(near, network)) for near in network.interfaces[host])
    pairs = {near.name: [joined(near, far, version) for version in (4, 6)] for near, far in others if far}
    return {name: tuple(pair for pair in found if pair) for name, found in pairs.items()}


def _over_loopbacks(host: HostName, network: Network) -> Iterator[End]:
    """With an IGP, routers of one AS have sessions wherever they are."""
    topology = network.topology
    here = network.speakers[host]
    if topology.bgp is None or not is_recursive(topology) or here.loopback is None:
        return
    reflectors = set(topology.bgp.reflectors)
    origin = ("bgp",)
    for far, there in network.speakers.items():
        if far == host or there.asn != here.asn or there.loopback is None:
            continue
        if not reflectors or host in reflectors or far in reflectors:
            is_reflected = host in reflectors and far not in reflectors
            yield End(host, far, origin, None, here.loopback, here.asn, there.loopback, there.asn, 0, is_reflected)
