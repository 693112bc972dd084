"""Every address is one place's, and every subnet one interface's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from netaddr import IPNetwork

from netc.features.namespaces import pairs
from netc.language.links import Link
from netc.language.names import HostName, NamespaceName
from netc.network.dialling import public
from netc.network.interface import Network
from netc.problem import KeyPath, Problem


@dataclass(frozen=True, slots=True)
class Held:
    """An address on an interface: who holds it, where it is written, and whether the whole network may see it."""

    net: IPNetwork
    where: KeyPath
    host: HostName
    device: str
    namespace: NamespaceName | None
    shared: bool
    """Part of a link or mesh, or public: no other host may hold it."""


def check(network: Network) -> Iterator[Problem]:
    held = tuple(_held(network))
    yield from _ids(network)
    yield from _twice(held)
    yield from _overlaps(held)
    yield from map(_unusable, (one for one in held if _is_edge(one.net)))
    for name, link in network.topology.links.items():
        yield from _one_subnet(name, link)


def _held(network: Network) -> Iterator[Held]:
    for host, table in network.topology.hosts.items():
        for net in table.addresses:
            yield Held(net, ("hosts", host, "addresses"), host, "the uplink", None, public(net.ip))
        for interface in network.interfaces[host]:
            for net in interface.addresses:
                if not net.ip.is_link_local():
                    ours = interface.origin[0] in ("links", "meshes")
                    key = "subnet" if interface.origin[0] == "meshes" else "address"
                    at = (*interface.where, key)
                    yield Held(net, at, host, interface.name, interface.namespace, ours or public(net.ip))
        for name, settings in table.namespaces.items():
            for pair in pairs(settings):
                at = ("hosts", host, "namespaces", name, "access")
                yield Held(pair.host, at, host, f"access of {name}", None, False)
                yield Held(pair.inner, at, host, f"access of {name}", name, False)


def _ids(network: Network) -> Iterator[Problem]:
    seen: dict[int, HostName] = {}
    for host, table in sorted(network.topology.hosts.items()):
        if table.id in seen:
            what = f"the id {table.id} is that of {seen[table.id]} too"
            also = (("hosts", seen[table.id], "id"),)
            yield Problem("NC0401", ("hosts", host, "id"), what, "ports and addresses hang on it: choose another", also)
        seen.setdefault(table.id, host)


def _twice(held: Iterable[Held]) -> Iterator[Problem]:
    seen: dict[tuple[str, int], Held] = {}
    for one in held:
        for scope in ("", one.host) if one.shared else (one.host,):
            key = (f"{scope} {one.net.version}", int(one.net.ip))
            other = seen.setdefault(key, one)
            if other is not one and not (scope == "" and other.host == one.host):
                what = f"{one.net.ip} is on {other.device} of {other.host} too"
                yield Problem("NC0402", one.where, what, "give each place its own address", (other.where,))


def _overlaps(held: Iterable[Held]) -> Iterator[Problem]:
    """Two interfaces of one host and namespace with overlapping subnets: the kernel takes one of the two routes."""
    by_place: dict[tuple[HostName, NamespaceName | None, int], list[Held]] = {}
    for one in held:
        by_place.setdefault((one.host, one.namespace, one.net.version), []).append(one)
    for place in by_place.values():
        place.sort(key=lambda one: (one.net.first, -one.net.last))
        widest = place[0]
        for one in place[1:]:
            if one.device != widest.device and one.net.first <= widest.net.last and one.net.ip != widest.net.ip:
                what = f"{one.net} of {one.device} overlaps {widest.net} of {widest.device}, on {one.host}"
                yield Problem("NC0403", one.where, what, "give each interface a subnet of its own", (widest.where,))
            if one.net.last > widest.net.last:
                widest = one


def _is_edge(net: IPNetwork) -> bool:
    """The first and last address of an IPv4 subnet of more than two are not for hosts (RFC 1122, RFC 3021)."""
    return net.version == 4 and net.prefixlen < 31 and net.ip in (net.network, net.broadcast)


def _unusable(one: Held) -> Problem:
    kind = "network" if one.net.ip == one.net.network else "broadcast"
    return Problem("NC0404", one.where, f"{one.net} is the {kind} address of its subnet", "choose one between")


def _one_subnet(name: str, link: Link) -> Iterator[Problem]:
    ends = [(host, link.ends[host].address) for host in link.between if host in link.ends and link.ends[host].address]
    if len(ends) < 2:
        for host, _ in ends:
            what = f"`{name}` has addresses on {host} alone"
            where: KeyPath = ("links", name, "ends", host, "address")
            yield Problem("NC0405", where, what, "give the other end one too, or leave both to fe80")
        return
    (one, here), (other, there) = ends
    for net in here:
        if not any(net.version == far.version and net.cidr == far.cidr for far in there) and net.size > 1:
            what = f"{net} on {one} and the addresses on {other} are in no common subnet"
            at, also = ("links", name, "ends", one, "address"), (("links", name, "ends", other, "address"),)
            yield Problem("NC0405", at, what, "both ends of a link share a subnet, such as a /31 and a /127", also)
