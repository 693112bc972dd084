"""A UDP port of a host is one interface's; what is published is not what netc or ssh needs."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress

from netc.language.links import Kind
from netc.language.names import HostName
from netc.language.values import Port
from netc.network.interface import Interface, Network
from netc.problem import KeyPath, Problem


def check(network: Network) -> Iterator[Problem]:
    for host, interfaces in network.interfaces.items():
        yield from _listening(interfaces)
        yield from _published(host, network)


def _listening(interfaces: tuple[Interface, ...]) -> Iterator[Problem]:
    """Sockets stay where the device was born, so namespaces do not separate them. VXLAN devices share one."""
    seen: dict[int, Interface] = {}
    for interface in interfaces:
        if interface.port is None:
            continue
        other = seen.setdefault(interface.port, interface)
        if other is not interface and not interface.kind == other.kind == Kind.VXLAN:
            what = f"UDP port {interface.port} of {interface.host} is that of {other.name} too"
            yield Problem(
                "NC0501", _port_key(interface), what, "set another `port` for one of them", (_port_key(other),)
            )


def _port_key(interface: Interface) -> KeyPath:
    return (*interface.where, "port")


def _published(host: HostName, network: Network) -> Iterator[Problem]:
    table = network.topology.hosts[host]
    taken = {Port(i.port, "udp"): i for i in network.interfaces[host] if i.port}
    seen: dict[tuple[Port, IPAddress | None], KeyPath] = {}
    for name, settings in sorted(table.namespaces.items()):
        for index, publish in enumerate(settings.publish):
            where: KeyPath = ("hosts", host, "namespaces", name, "publish", index, "port")
            if publish.port == Port(table.ssh, "tcp"):
                what = f"{publish.port} is the port of ssh on {host}"
                yield Problem("NC0503", where, what, "publish another port; `to` keeps the one inside")
            if other := taken.get(publish.port):
                what = f"{publish.port} is the port of {other.name} on {host}"
                yield Problem(
                    "NC0503", where, what, "publish another port; `to` keeps the one inside", (_port_key(other),)
                )
            for address in publish.on or (None,):
                key = (publish.port, address)
                first = seen.setdefault(key, where)
                if first != where and (address is not None or first[3] == name):
                    at = f" of {address}" if address else ""
                    yield Problem(
                        "NC0502", where, f"{publish.port}{at} is published twice", "keep one of the two", (first,)
                    )
