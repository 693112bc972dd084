"""A service in a namespace of its own on a bridge, where it is one container among others.

[hosts.lin.namespaces.web]
bridge = "br0"
address = ["10.0.3.20/24", "fd00:3::20/64"]
services = ["nginx.service"]
"""

from __future__ import annotations

from collections.abc import Iterator

from netc.diagnostic import KeyPath, dotted
from netc.language.bridges import Bridge
from netc.language.names import BridgeName, HostName, NamespaceName
from netc.language.namespaces import Namespace as Settings
from netc.language.topology import Host
from netc.network.bridges import bridge_device, bridge_part
from netc.network.derive import EVERYTHING
from netc.network.interface import Network
from netc.network.namespaces import ON_BRIDGE, host_end, part_name
from netc.plan.facts import Address, Carrier, LinkSetting, Namespace, Route, Veth
from netc.plan.host_plan import Confined, Part, Share


def plan(host: HostName, network: Network) -> Iterator[Share]:
    table = network.topology.hosts[host]
    for name, settings in sorted(table.namespaces.items()):
        if settings.bridge:
            yield _share(name, settings, settings.bridge, host, table)


def _share(name: NamespaceName, settings: Settings, bridge_name: BridgeName, host: HostName, table: Host) -> Share:
    origin: KeyPath = ("hosts", host, "namespaces", name)
    bridge = bridge_part(bridge_name)
    outer = host_end(name, settings)
    port = bridge_device(bridge_name, table.bridges[bridge_name])
    part = Part(
        part_name(name),
        origin,
        dotted(origin),
        after=(bridge,),
        bound=(bridge,),
        facts=(
            Namespace(name, settings.dns, settings.services),
            Veth(outer, ON_BRIDGE, name, port),
            # Its address and its router are in the topology, so it needs no router advertisements.
            LinkSetting(ON_BRIDGE, "ipv6", "accept_dad", 0, name),
            LinkSetting(ON_BRIDGE, "ipv6", "accept_ra", 0, name),
            *(Address(net, ON_BRIDGE, name, nodad=net.version == 6) for net in settings.address),
            Carrier(outer, None),
            Carrier(ON_BRIDGE, None, name),
            *_routes(name, settings, table.bridges[bridge_name]),
        ),
    )
    confined = (Confined(unit, name, part.name, bridge) for unit in settings.services)
    return Share(parts=(part,), confined=tuple(confined))


def _routes(name: NamespaceName, settings: Settings, bridge: Bridge) -> Iterator[Route]:
    """The host is the router, at its address in the subnet."""
    for net in settings.address:
        everything = next(all_ for all_ in EVERYTHING if all_.version == net.version)
        gateway = next(own.ip for own in bridge.addresses if net.ip in own)
        yield Route(everything, ON_BRIDGE, gateway, None, None, name)
