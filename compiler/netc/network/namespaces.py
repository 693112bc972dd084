"""The two ends of the pair that leads into a namespace."""

from __future__ import annotations

from msgspec import Struct
from netaddr import IPAddress, IPNetwork

from netc.language.names import InterfaceName, NamespaceName, PartName
from netc.language.namespaces import Namespace as Settings
from netc.language.values import Family
from netc.network.interface import Interface

INNER = InterfaceName("access")
"""The inner end of the veth pair beside a tunnel."""

ON_BRIDGE = InterfaceName("eth0")
"""The inner end of the veth pair that leads to a bridge, as containers have it."""


class Pair(Struct, frozen=True):
    """One family of `access`: the host's end and the namespace's."""

    family: Family
    host: IPNetwork
    inner: IPNetwork


def pairs(settings: Settings) -> tuple[Pair, ...]:
    return tuple(map(_pair, settings.access))


def _pair(prefix: IPNetwork) -> Pair:
    """RFC 3021 and 6164: a prefix of two has two usable addresses; in a larger one the first is the network's."""
    first = prefix.first if prefix.size <= 2 else prefix.first + 1
    ends = [IPNetwork(f"{IPAddress(first + n, prefix.version)}/{prefix.prefixlen}") for n in (0, 1)]
    return Pair(4 if prefix.version == 4 else 6, *ends)


def inner_address(settings: Settings, family: int) -> IPAddress | None:
    """Where a namespace is reached from its host."""
    if settings.bridge:
        return next((net.ip for net in settings.address if net.version == family), None)
    return next((pair.inner.ip for pair in pairs(settings) if pair.family == family), None)


def asked(settings: Settings, tunnel: Interface) -> tuple[IPAddress, ...]:
    """The resolvers that all DNS queries of a namespace go to. None if one of them is inside: it asks others itself."""
    own = {net.ip for net in (*tunnel.addresses, *(pair.inner for pair in pairs(settings)))}
    found = settings.dns or tunnel.dns
    return () if any(ip.is_loopback() or ip in own for ip in found) else tuple(found)


def leaves_from(settings: Settings, tunnel: Interface) -> IPAddress | None:
    """The address from which queries to 127.0.0.0/8 leave by the tunnel."""
    if not any(ip.version == 4 for ip in asked(settings, tunnel)):
        return None
    return next((net.ip for net in tunnel.addresses if net.version == 4), None)


def host_end(name: NamespaceName, settings: Settings) -> InterfaceName:
    """Raises Wrong when the derived name is too long; `checks.names` reports it first."""
    return settings.interface or InterfaceName(f"ve-{name}")


def part_name(name: NamespaceName) -> PartName:
    return PartName(f"namespace-{name}")
