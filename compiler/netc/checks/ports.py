"""A UDP port of a host belongs to one interface. Published ports are not those that netc or ssh needs."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from netaddr import IPAddress

from netc.checks.namespaces import usable_pairs
from netc.diagnostic import Diagnostic, KeyPath, Place
from netc.language.kinds import KINDS, Kind
from netc.language.names import HostName
from netc.language.topology import Topology
from netc.language.values import Port
from netc.network.bridges import dnats
from netc.network.interface import (
    Interface,
    Network,
    NumberedInterface,
    PlainInterface,
    SixToFourInterface,
    listens_at,
)
from netc.network.sums import both, of_port, of_vni

BGP = 179
"""RFC 4271."""


def check(network: Network) -> Iterator[Diagnostic]:
    reported: set[tuple[KeyPath, KeyPath | Place]] = set()  # two meshes that clash do so on every host
    for host, interfaces in network.interfaces.items():
        for diagnostic in _listening(interfaces, network.topology):
            if (diagnostic.where, diagnostic.also[0]) not in reported:
                reported.add((diagnostic.where, diagnostic.also[0]))
                yield diagnostic
        for diagnostic in _same_tunnel(interfaces, network.topology):
            if (diagnostic.where, diagnostic.also[0]) not in reported:
                reported.add((diagnostic.where, diagnostic.also[0]))
                yield diagnostic
        yield from _published(host, network)


def _listening(interfaces: tuple[Interface, ...], topology: Topology) -> Iterator[Diagnostic]:
    """A socket stays in the namespace where its device was made, so namespaces do not separate ports. Numbered devices
    of one kind share a port."""
    seen: dict[int, Interface] = {}
    for interface in interfaces:
        port = listens_at(interface)
        if port is None:
            continue
        other = seen.setdefault(port, interface)
        shared = isinstance(interface, NumberedInterface) and interface.kind == other.kind
        if other is not interface and not shared:
            what = f"{both(interface, other)} have the same UDP port, {port}"
            what += of_port(interface, topology) or of_port(other, topology)
            yield Diagnostic("NC0501", port_key(interface), what, "give one of them another `port`", (port_key(other),))


def _same_tunnel(interfaces: tuple[Interface, ...], topology: Topology) -> Iterator[Diagnostic]:
    """The kernel distinguishes tunnels without ports by outer addresses and key, and numbered ones by their number."""
    seen: dict[object, Interface] = {}
    for interface in interfaces:
        code, same = "NC0505", "the same outer addresses"
        match interface:
            case NumberedInterface():
                ends: tuple[object, ...] = (interface.port, interface.vni)
                code, same = "NC0504", f"the VNI {interface.vni}{of_vni(interface, topology)}"
            case PlainInterface():
                ends = (interface.local, interface.remote, interface.key)
            case SixToFourInterface():
                ends = (interface.local,)
            case _:
                continue
        other = seen.setdefault((interface.kind, *ends), interface)
        if other is not interface:
            what = f"{both(interface, other)} have {same}"
            yield Diagnostic(code, _reported_at(interface), what, _apart(interface.kind), (_reported_at(other),))


def _reported_at(interface: Interface) -> KeyPath:
    """The key that distinguishes it from another. For a link, the key that both ends share."""
    if KINDS[interface.kind].form == "numbered":
        return (*interface.origin, "vni")
    if KINDS[interface.kind].takes("KEY") and interface.origin[0] == "links":
        return (*interface.origin, "key")
    return interface.origin if interface.origin[0] == "links" else (*interface.origin, "remote")


def _apart(kind: Kind) -> str:
    if KINDS[kind].form == "numbered":
        return "give one of them another `vni`"
    if KINDS[kind].takes("KEY"):
        return "write `key = 1`, or another key, on both ends"
    return "keep one of the two: the kernel refuses the second"


def port_key(interface: Interface) -> KeyPath:
    if isinstance(interface, NumberedInterface):  # of a link, both ends have it from one key
        return (*interface.origin, "port")
    return (*interface.where, "port")


class Published(Struct, frozen=True):
    """A port at addresses of a host, published for the namespace or bridge called `name`."""

    name: str
    where: KeyPath
    port: Port
    on: tuple[IPAddress, ...]


def published(host: HostName, network: Network) -> Iterator[Published]:
    table = network.topology.hosts[host]
    for name, settings in sorted(table.namespaces.items()):
        for index, publish in enumerate(settings.publish):
            where: KeyPath = ("hosts", host, "namespaces", name, "publish", index, "port")
            ends = tuple(pair.host.ip for pair in usable_pairs(settings))
            yield Published(name, where, publish.port, publish.on or ends)
    for bridge_name, bridge in sorted(table.bridges.items()):
        for index, container in enumerate(bridge.publish):
            where = ("hosts", host, "bridges", bridge_name, "publish", index, "port")
            on = tuple(ip for dnat in dnats(container, host, network) for ip in dnat.on)
            yield Published(bridge_name, where, container.port, on)


def _published(host: HostName, network: Network) -> Iterator[Diagnostic]:
    table = network.topology.hosts[host]
    taken = {Port(port, "udp"): i for i in network.interfaces[host] if (port := listens_at(i))}
    seen: dict[tuple[Port, IPAddress], KeyPath] = {}
    for one in published(host, network):
        if one.port == Port(table.ssh, "tcp"):
            what = f"{one.port} is the port of ssh on {host}"
            yield Diagnostic(
                "NC0503", one.where, what, "publish another port, and write the port of the server in `to`"
            )
        if one.port == Port(BGP, "tcp") and host in network.speakers:
            what = f"{one.port} is the port of BGP on {host}, which is a router"
            yield Diagnostic(
                "NC0503", one.where, what, "publish another port, and write the port of the server in `to`"
            )
        if other := taken.get(one.port):
            what = f"{one.port} is the port of {other.name} on {host}{of_port(other, network.topology)}"
            hint = "publish another port, and write the port of the server in `to`"
            yield Diagnostic("NC0503", one.where, what, hint, (port_key(other),))
        for address in one.on:
            first = seen.setdefault((one.port, address), one.where)
            if first != one.where:
                what = f"{one.port} of {address} is published twice"
                yield Diagnostic("NC0502", one.where, what, "keep one of the two", (first,))
                break
