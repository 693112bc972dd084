"""Uplinks of a host, with every value in force."""

from __future__ import annotations

from zlib import crc32

from msgspec import Struct
from netaddr import IPAddress, IPNetwork

from netc.diagnostic import KeyPath
from netc.language.names import HostName, InterfaceName, PartName, UplinkName
from netc.language.uplinks import Uplink as Settings
from netc.language.values import Family
from netc.network.derive import alone
from netc.network.dialling import public
from netc.network.interface import Interface, Network, SixToFourInterface, WireguardInterface
from netc.network.lookup import Longest, by_address, by_origin
from netc.network.once import once

TABLES = range(12000, 13000)
"""Where the table of an uplink is, by its name."""

PREFERRED = 11998
"""The table that holds the default routes of the preferred uplinks."""

PREFERENCE = 32764
"""The priority of the first of two rules for packets that no other rule took, right before main (32766)."""


class DefaultRoute(Struct, frozen=True):
    """The default route of one family. `onlink`: the gateway is not in the uplink's own prefixes."""

    family: Family
    gateway: IPAddress | None
    onlink: bool
    source: IPAddress | None


class Uplink(Struct, frozen=True):
    """`addresses` are the host's own on it, `prefixes` all that it brings; `tunnel` is the part that makes the device,
    None where the image does."""

    name: UplinkName
    origin: KeyPath
    device: InterfaceName
    tunnel: PartName | None
    prefixes: tuple[IPNetwork, ...]
    addresses: tuple[IPAddress, ...]
    default_routes: tuple[DefaultRoute, ...]
    preferred: bool
    table: int
    mark: int
    """Within MARK_MASK."""
    scrub: bool
    """The tunnel's own packets would keep the mark of what they carry."""


@once
def uplinks(host: HostName, network: Network) -> tuple[Uplink, ...]:
    """By name; what refers to nothing is left out, since `checks.references` reports it."""
    table = network.topology.hosts[host].uplinks
    found = ((name, settings, _device(settings, host, network)) for name, settings in sorted(table.items()))
    return tuple(_uplink(name, settings, device, host) for name, settings, device in found if device)


def _device(settings: Settings, host: HostName, network: Network) -> Interface | InterfaceName | None:
    if settings.tunnel is None:
        return settings.interface
    origin: KeyPath = ("hosts", host, "tunnels", settings.tunnel)
    return by_origin(host, network).get(origin)


def _uplink(name: UplinkName, settings: Settings, device: Interface | InterfaceName, host: HostName) -> Uplink:
    tunnel = None if isinstance(device, InterfaceName) else device
    given = tuple(net.cidr for net in settings.prefixes)
    held = tuple(net.ip for net in settings.prefixes if _is_address(net))
    own = tuple(net for net in tunnel.addresses if not net.ip.is_link_local()) if tunnel else ()
    prefixes = tuple(dict.fromkeys((*given, *(net for o in own if (net := _of(o, tunnel)) not in given))))
    addresses = (*held, *(net.ip for net in own))
    families = sorted({net.version for net in prefixes})
    return Uplink(
        name,
        ("hosts", host, "uplinks", name),
        tunnel.name if tunnel else InterfaceName(str(device)),
        tunnel.part if tunnel else None,
        prefixes,
        addresses,
        tuple(
            _default_route(4 if family == 4 else 6, settings, (*prefixes, *own), tunnel, addresses)
            for family in families
        ),
        settings.preferred,
        settings.table or TABLES[crc32(name.encode()) % len(TABLES)],
        (settings.mark or crc32(name.encode()) % 255 + 1) << 24,
        scrub=tunnel is not None and not isinstance(tunnel, WireguardInterface),
    )


def _is_address(net: IPNetwork) -> bool:
    return net.ip != net.network or net.size == 1


def _of(own: IPNetwork, tunnel: Interface | None) -> IPNetwork:
    """A tunnel's own address brings itself, and in 6to4 the /48 of which it is the first (RFC 3056 section 2)."""
    if isinstance(tunnel, SixToFourInterface):
        return IPNetwork(f"{own.ip}/48").cidr
    return alone(own)


def _default_route(
    family: Family,
    settings: Settings,
    connected: tuple[IPNetwork, ...],
    tunnel: Interface | None,
    held: tuple[IPAddress, ...],
) -> DefaultRoute:
    gateway = next((ip for ip in settings.gateway or () if ip.version == family), None)
    near = gateway is None or gateway.is_link_local() or any(gateway in net for net in connected if net.size > 1)
    compatible = isinstance(tunnel, SixToFourInterface)  # ::192.88.99.1 is no neighbour
    return DefaultRoute(
        family, gateway, not near and not compatible, next((ip for ip in held if ip.version == family), None)
    )


def arrives_by(on: IPAddress, host: HostName, network: Network) -> InterfaceName | None:
    """The interface that holds an address: of a link, else of the uplink with the longest prefix, else `wan`."""
    link = by_address(host, network).get(on)
    return link.name if link else _brought(host, network).of(on) or network.topology.hosts[host].wan


@once
def _brought(host: HostName, network: Network) -> Longest[InterfaceName]:
    """The uplink's device by the prefixes that it brings; of two for one prefix, the last by name."""
    by_device = sorted(uplinks(host, network), key=lambda uplink: uplink.device, reverse=True)
    return Longest((net, uplink.device) for uplink in by_device for net in uplink.prefixes)


@once
def own_addresses(host: HostName, network: Network) -> tuple[IPAddress, ...]:
    """The host's addresses on its connections to the internet: on `wan`, then on its uplinks."""
    declared = (net.ip for net in network.topology.hosts[host].addresses)
    return tuple(dict.fromkeys((*declared, *(ip for uplink in uplinks(host, network) for ip in uplink.addresses))))


@once
def held_addresses(host: HostName, network: Network) -> frozenset[IPAddress]:
    """All that the host holds among its own interfaces, those of its tunnels as well."""
    return frozenset((*own_addresses(host, network), *by_address(host, network)))


@once
def every_address(host: HostName, network: Network) -> frozenset[IPAddress]:
    """The same, with the `loopback` of a router: packets to these arrive by any of its interfaces."""
    return held_addresses(host, network) | {net.ip for net in network.topology.hosts[host].loopback}


@once
def public_addresses(host: HostName, network: Network) -> tuple[IPAddress, ...]:
    return tuple(ip for ip in own_addresses(host, network) if public(ip))


def uplink_interfaces(host: HostName, network: Network, family: int | None = None) -> tuple[InterfaceName, ...]:
    """The interfaces that lead to the internet, in any family or in one."""
    table = network.topology.hosts[host]
    declared = {net.version for net in table.addresses} or {4, 6}
    wan = (table.wan,) if table.wan and (family is None or family in declared) else ()
    found = (
        u.device
        for u in uplinks(host, network)
        if family is None or any(default.family == family for default in u.default_routes)
    )
    return tuple(dict.fromkeys((*wan, *found)))
