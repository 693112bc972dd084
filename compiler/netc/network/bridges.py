"""Bridges: their interface names, the ports published behind them, and the interfaces by which their packets leave."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from msgspec import Struct
from netaddr import IPAddress, IPNetwork

from netc.language.bridges import Bridge, Container, PublishedContainer
from netc.language.names import BridgeName, HostName, InterfaceName, PartName
from netc.language.namespaces import Namespace
from netc.language.topology import Host
from netc.language.values import Family
from netc.network.dialling import public
from netc.network.interface import Network
from netc.network.uplinks import arrives_by, own_addresses


def bridge_device(name: BridgeName, bridge: Bridge) -> InterfaceName:
    """Raises Wrong when the table's name is too long; `checks.names` reports it first."""
    return bridge.interface or InterfaceName(name)


def bridge_part(name: BridgeName) -> PartName:
    return PartName(f"bridge-{name}")


def hardware_address(host: HostName, name: str) -> str:
    """Of a device of the host. Unique (IEEE 802: locally administered, one station), and the same after every start."""
    digest = sha256(f"{host} {name}".encode()).digest()[:5]
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest))


def hidden(net: IPNetwork) -> bool:
    """Whether other networks cannot reply to the prefix (RFC 1918, 6598, 4193), so that source NAT has to hide it.
    Packets from any other prefix are routed unchanged."""
    return not public(net.ip) and not net.ip.is_link_local()


def sources(bridge: Bridge) -> tuple[IPNetwork, ...]:
    """The prefixes to which source NAT applies. None without `masquerade` or `snat`."""
    wanted = {4, 6} if bridge.masquerade else {ip.version for ip in bridge.snat}
    prefixes = (net.cidr for net in bridge.addresses if hidden(net) and net.version in wanted)
    return tuple(dict.fromkeys(prefixes))


def source_of(
    bridge: Bridge, family: int, leaving: InterfaceName, host: HostName, network: Network
) -> IPAddress | None:
    """The address to which source NAT changes packets that leave by `leaving`. None: the address of that interface. A
    fixed address is for its own uplink only, because the provider of another uplink would drop it (BCP 38)."""
    fixed = (ip for ip in bridge.snat if ip.version == family)
    return next((ip for ip in fixed if arrives_by(ip, host, network) == leaving), None)


class Dnat(Struct, frozen=True):
    """One family of a published port: visitors who dial it at one of `on` are served by `to`."""

    on: tuple[IPAddress, ...]
    allow: tuple[IPNetwork, ...]
    to: IPAddress
    port: int


def dnats(publish: PublishedContainer, host: HostName, network: Network) -> Iterator[Dnat]:
    for target in publish.to:
        for to in places(target, network.topology.hosts[host]):
            family: Family = 4 if to.version == 4 else 6
            on = arrivals(publish, host, network, family)
            allow = tuple(net for net in publish.allow if net.version == family)
            if on and (allow or not publish.allow):  # an `allow` without a prefix of a family accepts none of it
                yield Dnat(on, allow, to, target.port or publish.port.number)


def places(target: Container, host: Host) -> tuple[IPAddress, ...]:
    """An address alone, or those of the namespace."""
    if target.address is not None:
        return (target.address,)
    space: Namespace | None = host.namespaces.get(target.namespace) if target.namespace else None
    return tuple(net.ip for net in space.address) if space else ()


def arrivals(publish: PublishedContainer, host: HostName, network: Network, family: int) -> tuple[IPAddress, ...]:
    """Where visitors of a family arrive: the host's public addresses; behind NAT, those that it has."""
    if publish.on:
        return tuple(ip for ip in publish.on if ip.version == family)
    own = tuple(ip for ip in own_addresses(host, network) if ip.version == family)
    return tuple(ip for ip in own if public(ip)) or own
