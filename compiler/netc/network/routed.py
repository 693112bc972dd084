"""A routing table of the routers' own: which packets look there, and which never do.

What has an address of ours, and what comes in by a way of routers, looks there and nowhere else, but for what `main`
knows more exactly than by its default route. What has another address looks there if it is for us, or for a network
of private addresses, which no default route of a server leads to.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from netaddr import IPAddress, IPNetwork, cidr_merge

from netc.language.names import HostName, InterfaceName, PartName
from netc.language.topology import Topology
from netc.network.anycast import anycast_device, services_at
from netc.network.derive import EVERYTHING, MAIN
from netc.network.forwards import target_of
from netc.network.interface import Interface, Network, outer_ends
from netc.network.learning import learned_at
from netc.network.lookup import by_origin
from netc.network.profiles import WORLD
from netc.network.routing import router_interfaces
from netc.network.speakers import speakers

ROUTED = 14000
"""The table, of which a host has one."""

ROUTED_PART = PartName("bird-table")


class Returning(Struct, frozen=True):
    """What was passed on over a way of routers comes back by it, and goes on as if that were any link."""

    source: IPAddress
    device: InterfaceName


class Routed(Struct, frozen=True):
    """Who looks in the table: by its own address, by the interface it came in by, by where it goes.

    `outer`: addresses of ours that are the image's, and `dialled`: far ends of tunnels, which `main` leads to.
    """

    sources: tuple[IPNetwork, ...]
    devices: tuple[InterfaceName, ...]
    destinations: tuple[IPNetwork, ...]
    outer: tuple[IPAddress, ...]
    dialled: tuple[IPAddress, ...]
    returning: tuple[Returning, ...]


def has_own_table(host: HostName, topology: Topology) -> bool:
    bgp = topology.hosts[host].bgp
    return topology.bgp is not None and bgp is not None and bgp.table == "own"


def table_of(host: HostName, topology: Topology) -> int:
    return ROUTED if has_own_table(host, topology) else MAIN


def routed(host: HostName, network: Network) -> Routed:
    topology = network.topology
    ours = our_addresses(topology)
    private = (net for net in _internet(topology) if net not in EVERYTHING)
    learned = (net for speaker in speakers(topology) for net in learned_at(speaker, topology))
    destinations = tuple(cidr_merge([*private, *ours, *learned]))
    inner = tuple(anycast_device(name) for name, _ in services_at(host, topology))
    return Routed(
        sources=ours,
        devices=(*router_interfaces(host, network), *inner),
        destinations=destinations,
        outer=tuple(net.ip for net in topology.hosts[host].addresses if not _within(net.ip, ours)),
        dialled=tuple(ip for ip in _dialled(host, network) if _within(ip, destinations)),
        returning=tuple(dict.fromkeys(_returning(host, network))),
    )


def our_addresses(topology: Topology) -> tuple[IPNetwork, ...]:
    """All that packets of ours can carry, as the fewest prefixes."""
    own = topology.bgp.prefixes if topology.bgp else ()
    loopbacks = (net for table in topology.hosts.values() for net in table.loopback)
    services = topology.anycast.values()
    served = (net.cidr for service in services for net in service.addresses)
    alone = (net for service in services for nets in service.unicast.values() for net in nets)
    return tuple(cidr_merge([*own, *loopbacks, *served, *alone]))


def _internet(topology: Topology) -> Iterator[IPNetwork]:
    """Private addresses alone: the internet is where the default route leads to as well."""
    if topology.bgp and topology.bgp.profile != "internet":
        yield from (net for net, _, _ in WORLD[topology.bgp.profile])


def _within(ip: IPAddress, nets: tuple[IPNetwork, ...]) -> bool:
    return any(ip in net for net in nets)


def _dialled(host: HostName, network: Network) -> Iterator[IPAddress]:
    """What outer packets of the host's tunnels go to; a name is looked up later, and is the world's."""
    ends = {end for interface in network.interfaces[host] for end in outer_ends(interface)}
    yield from sorted(end for end in ends if isinstance(end, IPAddress))


def _returning(host: HostName, network: Network) -> Iterator[Returning]:
    """Answers to visitors whom the host passes on; what stands behind the far end answers by its address there."""
    interfaces = router_interfaces(host, network)
    for _, forward in sorted(network.topology.forwards.items()):
        near = _end(forward.via, host, network)
        if forward.at != host or near is None or near.name not in interfaces:
            continue
        for family in (4, 6):
            target = target_of(forward, family)
            far = _end(forward.via, target.host, network) if target else None
            for net in far.addresses if far else ():
                if net.version == family and not net.ip.is_link_local():
                    yield Returning(net.ip, near.name)


def _end(link: str, host: HostName, network: Network) -> Interface | None:
    return by_origin(host, network).get(("links", link))
