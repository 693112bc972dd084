"""Routes: a prefix has one in a table, and no pieces of a subnet take it away from its interface."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from netaddr import IPNetwork, cidr_merge

from netc.checks.namespaces import usable_pairs
from netc.diagnostic import Diagnostic, KeyPath
from netc.language.names import HostName, NamespaceName
from netc.network.interface import Interface, Network


class Direct(Struct, frozen=True):
    """A subnet to which the kernel has a route in the main table, since an interface has an address in it."""

    namespace: NamespaceName | None
    net: IPNetwork
    device: str
    where: KeyPath


def check(network: Network) -> Iterator[Diagnostic]:
    for host, interfaces in network.interfaces.items():
        direct = tuple(_direct(host, network))
        yield from _twice(host, interfaces, direct)
        yield from _covered(host, interfaces, direct)
        yield from _hidden(host, interfaces, network)


def _direct(host: HostName, network: Network) -> Iterator[Direct]:
    table = network.topology.hosts[host]
    for index, net in enumerate(table.addresses):
        if net.size > 1:
            yield Direct(None, net.cidr, "the uplink", ("hosts", host, "addresses", index))
    for name, uplink in table.uplinks.items():
        for index, net in enumerate(uplink.prefixes):
            if uplink.interface and net.size > 1 and net.ip != net.network:
                there: KeyPath = ("hosts", host, "uplinks", name, "prefixes", index)
                yield Direct(None, net.cidr, f"uplink `{name}`", there)
    for space, settings in table.namespaces.items():
        for index, prefix in enumerate(settings.access):
            there = ("hosts", host, "namespaces", space, "access", index)
            yield Direct(None, prefix.cidr, f"the veth pair of {space}", there)
    for bridge_name, bridge in table.bridges.items():
        for index, net in enumerate(bridge.addresses):
            there = ("hosts", host, "bridges", bridge_name, "addresses", index)
            yield Direct(None, net.cidr, f"the bridge {bridge_name}", there)
    for interface in network.interfaces[host]:
        for index, net in enumerate(interface.addresses):
            if interface.table is None and not net.ip.is_link_local():
                there = (*interface.where, "address", index)
                yield Direct(interface.namespace, net.cidr, interface.name, there)
        for index, ip in enumerate(interface.peer_addresses if interface.origin[0] == "hosts" else ()):
            yield Direct(interface.namespace, IPNetwork(ip), interface.name, (*interface.where, "peer_address", index))


def _twice(host: HostName, interfaces: tuple[Interface, ...], direct: tuple[Direct, ...]) -> Iterator[Diagnostic]:
    """The kernel refuses the second of two equal routes of one table."""
    seen: dict[object, tuple[str, KeyPath]] = {}
    for one in direct:
        seen.setdefault((one.namespace, None, one.net), (one.device, one.where))
    for interface in interfaces:
        for index, net in enumerate(interface.routes):
            at: KeyPath = (*interface.where, "routes", index)
            device, there = seen.setdefault((interface.namespace, interface.table, net), (interface.name, at))
            if there != at:
                what = f"{host} already has a route to {net} through {device}"
                yield Diagnostic("NC0407", at, what, "leave it out", (there,))


class Piece(Struct, frozen=True):
    net: IPNetwork
    device: str
    where: KeyPath


def _covered(host: HostName, interfaces: tuple[Interface, ...], direct: tuple[Direct, ...]) -> Iterator[Diagnostic]:
    """The kernel takes the longest prefix: the halves of a subnet get all its packets, also those to its gateway."""
    pieces = _pieces(interfaces)
    for one in direct:
        inside = [piece for piece in _inside(one.net, pieces.get(one.namespace, [])) if piece.device != one.device]
        if len(inside) > 1 and one.net in cidr_merge([piece.net for piece in inside]):
            what = f"on {host}, {len(inside)} routes cover all of {one.net}: nothing for it leaves by {one.device}"
            also = (one.where, *(piece.where for piece in inside[:-1][:MOST]))
            yield Diagnostic("NC0407", inside[-1].where, what, "leave it out", also)


def _hidden(host: HostName, interfaces: tuple[Interface, ...], network: Network) -> Iterator[Diagnostic]:
    """The address inside a namespace is one alone: a more specific route takes all that is sent there."""
    pieces = _pieces(interfaces).get(None, ())
    for space, settings in sorted(network.topology.hosts[host].namespaces.items()):
        for pair in usable_pairs(settings):
            index = next(n for n, prefix in enumerate(settings.access) if pair.inner.ip in prefix)
            access = settings.access[index]
            for piece in _inside(access, pieces):
                if pair.inner.ip in piece.net:
                    what = f"on {host}, {piece.net} leads to {pair.inner.ip}, which is in namespace `{space}`"
                    there: KeyPath = ("hosts", host, "namespaces", space, "access", index)
                    yield Diagnostic("NC0407", piece.where, what, "leave it out", (there,))


MOST = 3
"""Routes of one subnet that a diagnostic shows beside its own."""


def _pieces(interfaces: tuple[Interface, ...]) -> Mapping[NamespaceName | None, Sequence[Piece]]:
    """Routes of main tables, by namespace, in the order of their prefixes."""
    found: defaultdict[NamespaceName | None, list[Piece]] = defaultdict(list)
    for interface in interfaces:
        for index, net in enumerate(interface.routes if interface.table is None else ()):
            found[interface.namespace].append(Piece(net, interface.name, (*interface.where, "routes", index)))
    return {space: sorted(pieces, key=_begin) for space, pieces in found.items()}


def _inside(net: IPNetwork, pieces: Sequence[Piece]) -> list[Piece]:
    family = int(net.version)
    first = bisect_left(pieces, (family, net.first), key=_begin)
    after = bisect_left(pieces, (family, net.last + 1), key=_begin)
    return [piece for piece in pieces[first:after] if piece.net.prefixlen > net.prefixlen]


def _begin(piece: Piece) -> tuple[int, int]:
    return int(piece.net.version), piece.net.first
