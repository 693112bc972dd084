"""Every address is held once, and every subnet is on one interface."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct
from netaddr import IPAddress, IPNetwork

from netc.checks.namespaces import usable_pairs
from netc.diagnostic import Diagnostic, KeyPath, dotted
from netc.language.kinds import KINDS
from netc.language.links import Link
from netc.language.names import HostName, NamespaceName
from netc.network.dialling import public
from netc.network.interface import Network
from netc.network.uplinks import own_addresses


class Held(Struct, frozen=True):
    """An address on an interface: its host, where it is written, and whether it is unique in the whole network."""

    net: IPNetwork
    where: KeyPath
    host: HostName
    device: str
    namespace: NamespaceName | None
    shared: bool
    """Part of a link or mesh, or public: no other host may hold it."""


def check(network: Network) -> Iterator[Diagnostic]:
    held = tuple(_held(network))
    yield from _ids(network)
    yield from _twice(held)
    yield from _loopbacks(held, network)
    yield from _overlaps(held)
    yield from _bridged(network)
    yield from _subnets(held)
    yield from map(_unusable, (one for one in held if is_edge(one.net)))
    yield from _no_gateway(network)
    for name, link in network.topology.links.items():
        yield from one_subnet(name, link)


def _held(network: Network) -> Iterator[Held]:
    for host in network.topology.hosts:
        yield from _held_by(host, network)


def _held_by(host: HostName, network: Network) -> Iterator[Held]:
    table = network.topology.hosts[host]
    for index, net in enumerate(table.addresses):
        yield Held(net, ("hosts", host, "addresses", index), host, "the uplink", None, public(net.ip))
    for interface in network.interfaces[host]:
        for index, net in enumerate(interface.addresses):
            if not net.ip.is_link_local():
                ours = interface.origin[0] in ("links", "meshes")
                key = "subnet" if interface.origin[0] == "meshes" else "address"
                at = (*interface.where, key, index)
                yield Held(net, at, host, interface.name, interface.namespace, ours or public(net.ip))
    for name, settings in table.namespaces.items():
        for pair in usable_pairs(settings):
            index = next(n for n, prefix in enumerate(settings.access) if pair.host.ip in prefix)
            at = ("hosts", host, "namespaces", name, "access", index)
            yield Held(pair.host, at, host, f"the veth pair of {name}", None, False)
            yield Held(pair.inner, at, host, f"the veth pair of {name}", name, False)
        for index, net in enumerate(settings.address):
            at = ("hosts", host, "namespaces", name, "address", index)
            yield Held(net, at, host, f"the namespace {name}", name, public(net.ip))
    for bridge_name, bridge in table.bridges.items():
        for index, net in enumerate(bridge.addresses):
            at = ("hosts", host, "bridges", bridge_name, "addresses", index)
            if not net.ip.is_link_local():
                yield Held(net, at, host, f"the bridge {bridge_name}", None, public(net.ip))


def own_places(host: HostName, network: Network) -> dict[IPAddress, str]:
    """Where the host has each of its addresses that are in no namespace, in words. Those of fe80 are left out."""
    table = network.topology.hosts[host]
    found = {net.ip: "`lo`" for net in table.loopback}
    found |= {ip: "an uplink" for ip in own_addresses(host, network) if not ip.is_link_local()}
    return found | {one.net.ip: one.device for one in _held_by(host, network) if one.namespace is None}


def _ids(network: Network) -> Iterator[Diagnostic]:
    seen: dict[int, HostName] = {}
    for host, table in sorted(network.topology.hosts.items()):
        if table.id in seen:
            what = f"{host} and {seen[table.id]} have the same id, {table.id}"
            also = (("hosts", seen[table.id], "id"),)
            yield Diagnostic(
                "NC0401",
                ("hosts", host, "id"),
                what,
                "give the newer host another `id`: ports and addresses are derived from it",
                also,
            )
        seen.setdefault(table.id, host)


def _twice(held: Iterable[Held]) -> Iterator[Diagnostic]:
    seen: dict[tuple[str, int], dict[tuple[object, ...], Held]] = {}
    for one in held:
        for scope in ("", one.host) if one.shared else (one.host,):
            before = seen.setdefault((f"{scope} {one.net.version}", int(one.net.ip)), {})
            other = next((that for that in before.values() if _same_place(one, that, everywhere=not scope)), None)
            # One of each sort is enough: a long list of one address is compared with its first.
            before.setdefault((one.host, one.device, one.namespace, one.where[2], one.net.size == 1), one)
            if other is None:
                continue
            if (other.host, other.device) == (one.host, one.device):
                yield Diagnostic(
                    "NC0402",
                    one.where,
                    f"{one.device} of {one.host} has {one.net.ip} twice",
                    "leave it out",
                    (other.where,),
                )
            else:
                what = (
                    f"{one.device} of {one.host} and {other.device} of {other.host} have the same address, {one.net.ip}"
                )
                yield Diagnostic("NC0402", one.where, what, "give one of the two another address", (other.where,))


def _same_place(one: Held, other: Held, *, everywhere: bool) -> bool:
    if everywhere and other.host == one.host:
        return False
    return not _unnumbered(one, other) and not _apart(one, other)


def _unnumbered(one: Held, other: Held) -> bool:
    """An address alone may be that of several tunnels of one host, as neighbours over fe80 have it."""
    alone = one.net.size == other.net.size == 1
    return alone and one.host == other.host and one.namespace == other.namespace and one.device != other.device


def _apart(one: Held, other: Held) -> bool:
    """A provider may give the same address to all of its customers' tunnels: two namespaces, and a namespace and the
    host, do not see each other's."""
    tunnels = all(held.where[2] == "tunnels" for held in (one, other))
    return one.host == other.host and tunnels and one.namespace != other.namespace


def _loopbacks(held: Iterable[Held], network: Network) -> Iterator[Diagnostic]:
    """The kernel would have it already when netc adds it to `lo`, or would keep packets for the host that has it."""
    others: dict[IPAddress, list[Held]] = {}
    for one in held:
        others.setdefault(one.net.ip, []).append(one)
    for host, table in network.topology.hosts.items():
        own = own_addresses(host, network)
        for index, net in enumerate(table.loopback):
            if net.ip in own:
                what = f"{net.ip} is already the address of an uplink of {host}"
                where: KeyPath = ("hosts", host, "loopback", index)
                other = _of_uplink(net.ip, host, network)
                yield Diagnostic("NC0402", where, what, "write an address of its own", other)
                continue
            for one in [one for one in others.get(net.ip, ()) if _is_sent_to(one, host)][:1]:
                what = f"{net.ip} is already the address of {one.device} of {one.host}"
                where = ("hosts", host, "loopback", index)
                yield Diagnostic("NC0402", where, what, "write an address of its own", (one.where,))


def _is_sent_to(one: Held, host: HostName) -> bool:
    """Whether the host, with this address on `lo`, could not send to it: somebody else's, or inside a namespace of its
    own that is not in a tunnel of the same address."""
    return one.shared if one.host != host else one.namespace is not None and one.where[2] == "namespaces"


def _of_uplink(ip: IPAddress, host: HostName, network: Network) -> tuple[KeyPath, ...]:
    """Where the address is written, if it is."""
    table = network.topology.hosts[host]
    named: list[tuple[KeyPath, IPNetwork]] = [
        (("hosts", host, "addresses", index), net) for index, net in enumerate(table.addresses)
    ]
    for name, uplink in table.uplinks.items():
        at = ("hosts", host, "uplinks", name, "prefixes")
        named += [((*at, index), net) for index, net in enumerate(uplink.prefixes)]
    return tuple(where for where, net in named if net.ip == ip)[:1]


def _bridged(network: Network) -> Iterator[Diagnostic]:
    """A bridge whose subnet is also that of an uplink: the kernel would look for the uplink's gateway on the bridge."""
    for host, table in network.topology.hosts.items():
        for name, uplink in table.uplinks.items():
            connected = [
                (index, net) for index, net in enumerate(uplink.prefixes) if net.size > 1 and net.ip != net.network
            ]
            for bridge_name, bridge in table.bridges.items():
                for number, own in enumerate(bridge.addresses):
                    at: KeyPath = ("hosts", host, "bridges", bridge_name, "addresses", number)
                    for index, net in connected:
                        if own.first <= net.last and net.first <= own.last and uplink.interface:
                            what = f"on {host}, {own.cidr} of {bridge_name} overlaps {net.cidr} of uplink `{name}`"
                            there: KeyPath = ("hosts", host, "uplinks", name, "prefixes", index)
                            yield Diagnostic("NC0403", at, what, "give the bridge another subnet", (there,))


def _overlaps(held: Iterable[Held]) -> Iterator[Diagnostic]:
    """Two interfaces of one host and namespace with overlapping subnets: the kernel uses only one of the two routes."""
    by_place: dict[tuple[HostName, NamespaceName | None, int], list[Held]] = {}
    for one in held:
        by_place.setdefault((one.host, one.namespace, one.net.version), []).append(one)
    for place in by_place.values():
        place.sort(key=lambda one: (one.net.first, -one.net.last))
        widest = place[0]
        for one in place[1:]:
            if (
                one.device != widest.device
                and one.net.size > 1
                and one.net.first <= widest.net.last
                and one.net.ip != widest.net.ip
            ):
                what = f"on {one.host}, {one.net.cidr} of {one.device} overlaps {widest.net.cidr} of {widest.device}"
                yield Diagnostic(
                    "NC0403", one.where, what, "give one of the two interfaces another subnet", (widest.where,)
                )
            if one.net.last > widest.net.last:
                widest = one


def _subnets(held: Iterable[Held]) -> Iterator[Diagnostic]:
    """Overlaps of links and meshes that no host has in common: no host sees both, but no route can lead to both."""
    nets = [one for one in held if one.where[0] in ("links", "meshes") and one.net.size > 1]
    nets.sort(key=lambda one: (one.net.version, one.net.first, -one.net.last, dotted(one.where)))
    hosts: dict[KeyPath, set[HostName]] = {}
    for one in nets:
        hosts.setdefault(one.where[:2], set()).add(one.host)
    reported: set[KeyPath] = set()
    widest: Held | None = None
    for one in nets:
        if widest is None or one.net.version != widest.net.version or one.net.first > widest.net.last:
            widest = one
        elif not hosts[one.where[:2]] & hosts[widest.where[:2]] and one.where[:2] not in reported:
            reported.add(one.where[:2])
            what = f"{one.net.cidr} overlaps {widest.net.cidr} of {dotted(widest.where[:2])}"
            yield Diagnostic("NC0403", one.where, what, "give one of the two another subnet", (widest.where,))


def _no_gateway(network: Network) -> Iterator[Diagnostic]:
    """On Ethernet a route needs a next hop, in the route's family."""
    for interfaces in network.interfaces.values():
        for interface in interfaces:
            if not KINDS[interface.kind].ethernet:
                continue
            for index, to in enumerate(interface.routes):
                if not any(ip.version == to.version for ip in interface.gateways):
                    far = interface.far or "the peer"
                    what = f"{to} has no next hop: {far} has no IPv{to.version} address in a subnet of {interface.name}"
                    length = "/31" if to.version == 4 else "/127"
                    hint = f"give both ends IPv{to.version} addresses in one subnet, such as a {length}"
                    yield Diagnostic("NC0408", (*interface.where, "routes", index), what, hint)


def is_edge(net: IPNetwork) -> bool:
    """The first and last address of an IPv4 subnet of more than two are not for hosts (RFC 1122, RFC 3021)."""
    return net.version == 4 and net.prefixlen < 31 and net.ip in (net.network, net.broadcast)


def _between(net: IPNetwork) -> str:
    return f"write an address from {IPAddress(net.first + 1, 4)} to {IPAddress(net.last - 1, 4)}"


def _unusable(one: Held) -> Diagnostic:
    kind = "network" if one.net.ip == one.net.network else "broadcast"
    return Diagnostic("NC0404", one.where, f"{one.net} is the {kind} address of its subnet", _between(one.net))


def one_subnet(name: str, link: Link) -> Iterator[Diagnostic]:
    ends = [(host, link.ends[host].address) for host in link.between if host in link.ends and link.ends[host].address]
    if len(ends) < 2:
        for host, _ in ends:
            other = next((far for far in link.between if far != host), host)
            what = f"link `{name}` has an address on {host} and none on {other}"
            where: KeyPath = ("links", name, "ends", host, "address")
            yield Diagnostic(
                "NC0405", where, what, f"give {other} an `address` too, or leave `address` out on both ends"
            )
        return
    (one, here), (other, there) = ends
    for index, net in enumerate(here):
        if not any(net.version == far.version and net.cidr == far.cidr for far in there) and net.size > 1:
            what = f"{net} of {one} is in no subnet of {other}"
            at, also = ("links", name, "ends", one, "address", index), (("links", name, "ends", other, "address"),)
            yield Diagnostic("NC0405", at, what, "put both ends into one subnet, such as a /31 or a /127", also)
