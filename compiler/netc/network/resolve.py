"""Network of a Topology: every interface of every host and every set of addresses, with nothing left to guess."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from netc.diagnostic import Diagnostic
from netc.language.names import HostName
from netc.language.topology import Topology
from netc.network.interface import Interface, Network
from netc.network.links import link_interfaces
from netc.network.meshes import mesh_interfaces
from netc.network.sets import worked_out
from netc.network.speakers import known_speakers
from netc.network.tunnels import tunnel_interface
from netc.network.underlay import Underlay


def resolve(topology: Topology) -> tuple[Network, tuple[Diagnostic, ...]]:
    """What can be derived, and a Diagnostic for each thing that cannot. References to nothing are passed over here:
    `checks.references` reports them."""
    found = tuple(_everything(topology))
    by_host: dict[HostName, list[Interface]] = {host: [] for host in sorted(topology.hosts)}
    for interface in found:
        if not isinstance(interface, Diagnostic):
            by_host[interface.host].append(interface)
    interfaces = {host: tuple(sorted(found, key=_order)) for host, found in by_host.items()}
    network = Network(topology, interfaces, worked_out(topology), known_speakers(topology))
    # A host without a key lacks it for each of its links. netc reports that once.
    diagnostics = {
        (p.code, p.where, p.code != "NC0301" and p.what): p for p in reversed(found) if isinstance(p, Diagnostic)
    }
    return _settled(network), tuple(reversed(diagnostics.values()))


def _order(interface: Interface) -> tuple[str, str]:
    return interface.part, interface.name


def _everything(topology: Topology) -> Iterator[Interface | Diagnostic]:
    for name, link in sorted(topology.links.items()):
        if link.between[0] != link.between[1] and all(host in topology.hosts for host in link.between):
            yield from link_interfaces(name, link, topology)
    for mesh_name, mesh in sorted(topology.meshes.items()):
        yield from mesh_interfaces(mesh_name, mesh, topology)
    for host_name, host in sorted(topology.hosts.items()):
        for tunnel_name, tunnel in sorted(host.tunnels.items()):
            yield from tunnel_interface(host_name, host, tunnel_name, tunnel)


DEEPEST = 8
"""Tunnels in tunnels that are settled; a ring of them would go on for ever and is reported by `checks.underlay`."""


def _settled(network: Network) -> Network:
    """A derived MTU follows the tunnel that carries it, from the outermost inwards."""
    for _ in range(DEEPEST):
        underlay = Underlay(network)
        inner = {
            host: tuple(_nested(interface, underlay) for interface in interfaces)
            for host, interfaces in network.interfaces.items()
        }
        if inner == network.interfaces:
            break
        network = replace(network, interfaces=inner)
    return network


def _nested(interface: Interface, underlay: Underlay) -> Interface:
    carrier = underlay.carrier(interface)
    if carrier is None or carrier == interface:
        return interface
    size, below = interface.mtu, carrier.mtu
    if size is None or below is None or below.value >= size.under:
        return interface
    value = size.value if size.given else below.value - size.overhead
    return replace(interface, mtu=replace(size, under=below.value, value=value, under_name=f"{carrier.name} below it"))
