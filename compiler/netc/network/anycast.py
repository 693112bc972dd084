"""Where anycast services are, which prefixes are announced, and the names of all that belongs to one."""

from __future__ import annotations

from collections.abc import Mapping

from netaddr import IPNetwork

from netc.language.anycast import Anycast
from netc.language.names import AnycastName, HostName, InterfaceName, NamespaceName, PartName, ProtocolName
from netc.language.topology import Topology
from netc.language.values import Family
from netc.network.once import once
from netc.network.profiles import WORLD


def services_at(host: HostName, topology: Topology) -> tuple[tuple[AnycastName, Anycast], ...]:
    return _by_host(topology).get(host, ())


@once
def _by_host(topology: Topology) -> Mapping[HostName, tuple[tuple[AnycastName, Anycast], ...]]:
    """In the order of their names."""
    found: dict[HostName, list[tuple[AnycastName, Anycast]]] = {}
    for name, one in sorted(topology.anycast.items()):
        for host in dict.fromkeys(one.hosts):
            found.setdefault(host, []).append((name, one))
    return {host: tuple(services) for host, services in found.items()}


def prefixes(service: Anycast, family: Family) -> tuple[IPNetwork, ...]:
    """The prefixes that are announced for a service."""
    return tuple(sorted({net.cidr for net in service.addresses if net.version == family}))


def unicast(service: Anycast, host: HostName) -> tuple[IPNetwork, ...]:
    """Addresses of a service that are one host's alone."""
    return next((nets for name, nets in service.unicast.items() if name == host), ())


def service_families(service: Anycast) -> tuple[Family, ...]:
    found: set[Family] = {4 if net.version == 4 else 6 for net in service.addresses}
    return tuple(sorted(found))


def announced_externally(topology: Topology) -> tuple[IPNetwork, ...]:
    """Prefixes of services that other ASes accept. All others are exported to our own routers only."""
    found = {net.cidr for one in topology.anycast.values() for net in one.addresses}
    return tuple(sorted(net for net in found if is_taken(net, topology)))


def is_taken(net: IPNetwork, topology: Topology) -> bool:
    """Whether other ASes accept a prefix of that range and length."""
    spans = WORLD[topology.bgp.profile] if topology.bgp else ()
    return any(
        span.version == net.version and net in span and least <= net.prefixlen <= most for span, least, most in spans
    )


def anycast_part(name: AnycastName) -> PartName:
    return PartName(f"anycast-{name}")


def anycast_namespace(name: AnycastName) -> NamespaceName:
    return NamespaceName(f"anycast-{name}")


def anycast_device(name: AnycastName) -> InterfaceName:
    """The host's end of the pair that leads to it."""
    return InterfaceName(f"ac-{name}")


def anycast_protocol(name: AnycastName, family: Family) -> ProtocolName:
    """The protocol of BIRD that announces it."""
    return ProtocolName.of("any", f"{name}{family}")


def drain_protocol(name: AnycastName, family: Family) -> ProtocolName:
    """The protocol of BIRD that announces it as the last resort."""
    return ProtocolName.of("any", f"{name}{family}-drain")
