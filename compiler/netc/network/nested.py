"""Tunnels whose outer packets enter another tunnel of the same host: while that one is down, the uplink must not take
them.

The main table leads to the peer only while the outer interface is there. So these packets use a table of their own, in
which an unreachable route comes after the outer interface's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from netaddr import IPAddress, IPNetwork

from netc.language.names import DnsName, HostName, InterfaceName, PartName
from netc.network.derive import apart, is_alone
from netc.network.interface import (
    Interface,
    Network,
    ProgramInterface,
    SixToFourInterface,
    WireguardInterface,
    outer_ends,
)
from netc.network.once import once
from netc.network.underlay import Underlay

NESTED = 14001
"""The table, of which a host has one."""

NESTED_MARK = 0xFE000000
"""On the packets that a WireGuard device sends itself, if all its peers are reached through other tunnels."""

NESTED_PART = PartName("nested")


class Nested(Struct, frozen=True):
    """What is so on one host. `led`: the prefixes that hold peers of inner tunnels, by the outer interface that leads
    there. `outer`: the parts of the outer interfaces, by the name of the inner one. `marked`: inner interfaces all of
    whose packets are marked. `dialled`: peers of the others, which no mark can tell from the rest of the host.
    `held`: prefixes that tunnels lead to, on a host with tunnels whose peers netc does not know: see `unsure`."""

    led: Mapping[InterfaceName, tuple[IPNetwork, ...]]
    outer: Mapping[InterfaceName, tuple[PartName, ...]]
    marked: frozenset[InterfaceName]
    dialled: tuple[IPAddress, ...]
    held: tuple[IPNetwork, ...]
    unsure: frozenset[InterfaceName]
    """Interfaces whose peers a program or the DNS knows."""

    def holds(self, interface: InterfaceName) -> bool:
        """Whether it must not be up without the part."""
        return interface in self.outer or (bool(self.held) and interface in self.unsure)


@once
def _underlay(network: Network) -> Underlay:
    return Underlay(network)


@once
def nested(host: HostName, network: Network) -> Nested:
    led: dict[InterfaceName, dict[IPNetwork, None]] = {}
    outer: dict[InterfaceName, tuple[PartName, ...]] = {}
    marked: set[InterfaceName] = set()
    dialled: dict[IPAddress, None] = {}
    interfaces = network.interfaces[host]
    for interface in interfaces:
        found = _underlay(network).carriers(interface)
        if not found:
            continue
        outer[interface.name] = tuple(sorted({carrier.part for _, _, carrier in found}))
        for _, net, carrier in found:
            led.setdefault(carrier.name, {})[net.cidr] = None
        if isinstance(interface, WireguardInterface) and len(found) == len(interface.peers):
            marked.add(interface.name)
        else:
            dialled.update((end, None) for end, _, _ in found)
    unsure = frozenset(interface.name for interface in interfaces if _is_unsure(interface))
    return Nested(
        {name: tuple(nets) for name, nets in led.items()},
        outer,
        frozenset(marked),
        tuple(sorted(dialled)),
        tuple(sorted(set(_held(interfaces, unsure)))),
        unsure,
    )


def _is_unsure(interface: Interface) -> bool:
    match interface:
        case ProgramInterface() | SixToFourInterface():
            return True
        case _:
            return any(isinstance(end, DnsName) for end in outer_ends(interface))


def _held(interfaces: Sequence[Interface], unsure: frozenset[InterfaceName]) -> list[IPNetwork]:
    """What a tunnel leads to in the main table, if there is another tunnel whose peer may be there. Default routes are
    left out: without them the host has its own. The peer of a program may be in a subnet too: names and 6to4 lead to
    public addresses."""
    programs = {one.name for one in interfaces if isinstance(one, ProgramInterface)}
    return [
        net.cidr
        for interface in interfaces
        if interface.namespace is None and interface.table is None and unsure - {interface.name}
        for net in (*apart(interface.routes), *(_subnets(interface) if programs - {interface.name} else ()))
    ]


def _subnets(interface: Interface) -> list[IPNetwork]:
    """Those that have another address than ours."""
    return [net for net in interface.addresses if not (is_alone(net) or net.ip.is_link_local())]
