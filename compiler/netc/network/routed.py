"""A routing table of BIRD's own: which packets use it, and which never do.

Packets from our addresses, and packets that arrive by an interface of a router, use `main` without its default route,
then this table, and no other. Other packets do the same if their destination is ours or a private network, which no
default route of a server leads to. If no route matches, other packets use the rest of `main`.
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
from netc.network.peers import is_in_world
from netc.network.profiles import WORLD
from netc.network.routing import router_interfaces
from netc.network.speakers import speakers

ROUTED = 14000
"""The table, of which a host has one."""

ROUTED_PART = PartName("bird-table")


class Returning(Struct, frozen=True):
    """Packets from `source` that arrive by `device`, an interface of a router, use `main` alone, as on any other link:
    they are replies to visitors of a forward."""

    source: IPAddress
    device: InterfaceName


class Routed(Struct, frozen=True):
    """The packets that use the table: by source, by the interface that they arrive by, by destination.

    Exceptions, which use `main`: packets from `outer`, the host's addresses that are not in `sources`, and packets to
    `dialled`, the endpoints of tunnels.
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
        dialled=tuple(ip for ip in dialled(host, network) if _within(ip, destinations)),
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


def dialled(host: HostName, network: Network) -> Iterator[IPAddress]:
    """Destinations of outer packets of the host's tunnels. Names are left out: the host resolves them, and netc expects
    addresses of the internet."""
    ends = {end for interface in network.interfaces[host] for end in outer_ends(interface)}
    yield from sorted(end for end in ends if isinstance(end, IPAddress))


def outer(host: HostName, network: Network) -> tuple[IPAddress, ...]:
    """Those of them that neighbours may announce a prefix around."""
    return tuple(ip for ip in dialled(host, network) if is_in_world(IPNetwork(ip), network.topology))


def _returning(host: HostName, network: Network) -> Iterator[Returning]:
    """Replies to visitors of the host's forwards. A server behind the other host replies from that host's address on
    the link."""
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
