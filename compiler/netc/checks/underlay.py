"""The outer packets of a tunnel: never routed into the tunnel itself, by the tunnel that leads there, and not
fragmented."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress, IPNetwork

from netc.diagnostic import Diagnostic, KeyPath, Place, Severity, dotted
from netc.language.names import DnsName, HostName, InterfaceName, TunnelName
from netc.language.values import Family
from netc.network.derive import DEFAULT_LENGTH, apart, default_routes, to_everywhere
from netc.network.dialling import public
from netc.network.interface import Interface, Mtu, Network, ProgramInterface, WireguardInterface, outer_ends
from netc.network.lookup import Longest
from netc.network.sums import of_mtu
from netc.network.underlay import Underlay
from netc.network.uplinks import uplinks

IPV6_MINIMUM = 1280
"""RFC 8200 section 5."""

INTERNET = 1500
"""What networks of strangers carry in one piece at most (Ethernet)."""

IPV4_MINIMUM = 576
"""What every host accepts (RFC 791 section 3.1), and the least that a topology may have."""


def check(network: Network) -> Iterator[Diagnostic]:
    underlay = Underlay(network)
    looped: set[KeyPath] = set()  # their MTUs follow from the loop
    for host, interfaces in network.interfaces.items():
        yield from _past(host, interfaces, underlay)
        found = [*_rings(interfaces, underlay), *(each for i in interfaces for each in _swallowed(i, underlay))]
        yield from found
        places = [place for loop in found for place in (loop.where, *loop.also) if isinstance(place, tuple)]
        around = {place[:length] for place in places for length in range(len(place) + 1)}
        looped |= {interface.origin for interface in interfaces if interface.origin in around}
        for interface in interfaces:
            yield from _size(interface, network)
    yield from (each for each in _unequal(network) if each.where not in looped)
    yield from _jumbo(network, underlay)


def _swallowed(interface: Interface, underlay: Underlay) -> Iterator[Diagnostic]:
    """A peer with a DNS name is in a route to all addresses, whatever its address is. One of the other family is not,
    but replies of the host are."""
    everywhere = to_everywhere(interface.routes)
    in_main = interface.table is None and interface.namespace is None
    if not (everywhere and in_main):
        return
    named = any(isinstance(end, DnsName) for end in outer_ends(interface))
    if underlay.carrier(interface) == interface:
        return  # a ring
    if named:
        what = f"the outer packets of {interface.name} would be routed into {interface.name} itself"
        yield Diagnostic("NC0701", (*interface.where, "routes"), what, OUT)
        return
    table = underlay.network.topology.hosts[interface.host]
    users = {split.tunnel for split in table.splits.values()} | {uplink.tunnel for uplink in table.uplinks.values()}
    if interface.origin[-1] in users:
        return  # NC1206 or NC1702
    brought = [net for uplink in uplinks(interface.host, underlay.network) for net in uplink.prefixes]
    for index, own in enumerate(table.addresses):
        is_private = own.ip.is_ipv4_private_use() or own.ip.is_ipv6_unique_local()
        if not is_private and _takes_replies(interface, own, brought):
            what = f"replies from {own.ip}, including ssh, would leave by {interface.name}"
            also: KeyPath = ("hosts", interface.host, "addresses", index)
            yield Diagnostic("NC0707", (*interface.where, "routes"), what, OUT, (also,), Severity.WARNING)
            return


def _takes_replies(interface: Interface, own: IPNetwork, brought: list[IPNetwork]) -> bool:
    """Replies from a prefix of an uplink ignore default routes that are not divided into more parts."""
    family: Family = 4 if own.version == 4 else 6
    parts = default_routes(interface.routes, family)
    if any(own.ip in net for net in brought):
        return any(net.prefixlen > DEFAULT_LENGTH[family] for net in parts)
    return bool(parts)


OUT = "take routes out of the tunnel, give it a `table`, or put it into a namespace"


def _rings(interfaces: tuple[Interface, ...], underlay: Underlay) -> Iterator[Diagnostic]:
    """Each interface has one carrier, so a walk along carriers that comes to an interface again has found a ring. No
    interface is walked twice: a chain may have all interfaces."""
    carriers = {interface.name: underlay.carrier(interface) for interface in interfaces}
    walked: set[InterfaceName] = set()
    for interface in interfaces:
        chain: dict[InterfaceName, Interface] = {}
        at: Interface | None = interface
        while at is not None and at.name not in walked:
            walked.add(at.name)
            chain[at.name] = at
            at = carriers[at.name]
        if at is not None and at.name in chain:
            members = [*chain.values()]
            yield _ring(members[[*chain].index(at.name) :])


def _ring(members: list[Interface]) -> Diagnostic:
    """Reported at the interface that is first by name."""
    first = min(range(len(members)), key=lambda number: members[number].name)
    interface, *others = members[first:] + members[:first]
    if not others:
        what = f"the outer packets of {interface.name} would be routed into {interface.name} itself"
        return Diagnostic("NC0701", interface.where, what, OUT, on_key=True)
    through = " -> ".join(each.name for each in (interface, *others, interface))
    what = f"these tunnels of {interface.host} carry each other: {through}"
    hint = "give one of them a peer address that the uplink reaches"
    return Diagnostic("NC0702", interface.where, what, hint, tuple(each.where for each in others), on_key=True)


def _past(host: HostName, interfaces: tuple[Interface, ...], underlay: Underlay) -> Iterator[Diagnostic]:
    """Outer packets start among the host's own interfaces, so routes inside a namespace do not lead them. The table of
    a tunnel is for packets from its addresses, and WireGuard's have no source yet when their route is chosen."""
    aside = [(net, one) for one in interfaces for net in _led_aside(one)]
    if not aside:
        return
    table = underlay.network.topology.hosts[host]
    near = [*table.addresses, *(net for bridge in table.bridges.values() for net in bridge.addresses)]
    near += (net for uplink in uplinks(host, underlay.network) if not uplink.tunnel for net in uplink.prefixes)
    own: list[tuple[IPNetwork, Interface | None]] = [(net, None) for net in near]
    by_prefix = Longest([*own, *aside])
    told: set[tuple[InterfaceName, InterfaceName]] = set()
    for inner in interfaces:
        ends = [end for end in outer_ends(inner) if isinstance(end, IPAddress)]
        carried = {ip for ip, _, _ in underlay.carriers(inner)} if ends else set()
        for ip in ends:
            outer = by_prefix.of(ip)
            pair = (inner.name, outer.name) if outer else None
            if outer and outer != inner and not (ip in carried or pair in told or _is_from(outer, inner)):
                told.add((inner.name, outer.name))
                yield _goes_past(ip, inner, outer)


def _is_from(outer: Interface, inner: Interface) -> bool:
    """Whether the rule of a tunnel's table takes the outer packets."""
    local = None if isinstance(inner, WireguardInterface | ProgramInterface) else inner.local
    return outer.namespace is None and any(net.ip == local for net in outer.addresses)


def _led_aside(interface: Interface) -> Iterator[IPNetwork]:
    """What it leads to, but not for the host itself. Routes to (almost) everywhere are not meant for another tunnel."""
    if interface.namespace is None and interface.table is None:
        return
    yield from apart(interface.routes)
    yield from (net for net in interface.addresses if interface.namespace and not net.ip.is_link_local())


def _goes_past(ip: IPAddress, inner: Interface, outer: Interface) -> Diagnostic:
    if outer.namespace:
        where: KeyPath = ("hosts", outer.host, "namespaces", outer.namespace)
        why = f"{outer.name} leads there in namespace `{outer.namespace}` alone"
        hint = f"leave it out, so that {inner.name} goes through {outer.name}: both start on the host"
    else:
        where = (*outer.where, "table")
        why = f"{outer.name} leads there in table {outer.table} alone"
        hint = f"leave it out, so that {inner.name} goes through {outer.name}"
    what = f"the outer packets of {inner.name} to {ip} leave by the uplink: {why}"
    return Diagnostic("NC0706", where, what, hint, (inner.where, outer.where), Severity.WARNING, on_key=True)


def _size(interface: Interface, network: Network) -> Iterator[Diagnostic]:
    mtu = interface.mtu
    if mtu is None:
        return
    made_of = of_mtu(interface, mtu)
    where = (*interface.where, "mtu") if interface.where[0] == "hosts" else (*interface.origin, "mtu")
    if mtu.given and mtu.value > mtu.room:
        what = f"mtu {mtu.value} > {mtu.room} = {made_of}"
        if place := _imported(interface, network):
            where, hint = (*interface.where, "import"), f"write `mtu = {mtu.room}` in {dotted(interface.where)}"
            yield Diagnostic("NC0703", where, what, f"{hint}: it replaces that of the file", place=place)
        else:
            yield Diagnostic("NC0703", where, what, f"leave `mtu` out, or write `mtu = {mtu.room}`")
        return
    made = "" if mtu.given else f" = {made_of}"
    if mtu.value < IPV6_MINIMUM and any(net.version == 6 for net in interface.addresses):
        what = f"mtu {mtu.value}{made} < {IPV6_MINIMUM} (IPv6, which {dotted(interface.origin)} carries)"
        yield Diagnostic(
            "NC0704", where, what, "leave IPv6 addresses out, or raise the MTU of the tunnel or uplink below"
        )
    elif mtu.value < IPV4_MINIMUM:
        what = f"mtu {mtu.value}{made} < {IPV4_MINIMUM} (IPv4)"
        yield Diagnostic("NC0704", where, what, "raise the MTU of the tunnel or uplink below")


def _jumbo(network: Network, underlay: Underlay) -> Iterator[Diagnostic]:
    """Tunnels whose MTU follows from an uplink with jumbo frames. These end where the provider's network ends."""
    told: set[KeyPath] = set()
    for host, interfaces in network.interfaces.items():
        on_link = network.topology.hosts[host].addresses
        for interface in interfaces:
            mtu = interface.mtu
            if mtu is None or mtu.given or mtu.under <= INTERNET or interface.origin in told:
                continue
            beyond = (
                end
                for end in outer_ends(interface)
                if isinstance(end, DnsName) or (public(end) and not any(end in net for net in on_link))
            )
            end = next(beyond, None)
            if end is not None and not underlay.carrier(interface):
                told.add(interface.origin)
                sent = f"{interface.name} of {host} sends packets of {mtu.under} bytes to {end}"
                what = f"{sent}: the internet carries {INTERNET}"
                hint = f"write `mtu = {INTERNET - mtu.overhead}`, or acknowledge it if the peer is in the same network"
                yield Diagnostic("NC0708", interface.origin, what, hint, severity=Severity.WARNING)


def _imported(interface: Interface, network: Network) -> Place | None:
    """The line of a provider's file with the MTU."""
    if interface.origin[0] != "hosts":
        return None
    tunnel = network.topology.hosts[interface.host].tunnels.get(TunnelName(str(interface.origin[-1])))
    return tunnel.place("mtu") if tunnel else None


def _on(interface: Interface, mtu: Mtu) -> str:
    """`1440 on b`, and how it was computed."""
    return f"{mtu.value}{'' if mtu.given else f' = {of_mtu(interface, mtu)}'} on {interface.host}"


def _unequal(network: Network) -> Iterator[Diagnostic]:
    """Both ends of a link need one MTU. Derived ones differ if one end goes through another tunnel."""
    ends: dict[tuple[KeyPath, frozenset[str]], Interface] = {}
    for interfaces in network.interfaces.values():
        for interface in interfaces:
            if interface.far is None or interface.mtu is None:
                continue
            other = ends.setdefault((interface.origin, frozenset((interface.host, interface.far))), interface)
            if other.mtu and other.mtu.value != interface.mtu.value:
                what = f"mtu {_on(other, other.mtu)} differs from {_on(interface, interface.mtu)}"
                least = min(other.mtu.value, interface.mtu.value)
                yield Diagnostic("NC0705", interface.origin, what, f"write `mtu = {least}`", on_key=True)
