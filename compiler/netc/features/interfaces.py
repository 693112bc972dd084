"""Links, meshes and tunnels: every interface is a part of its own.

[links.edge-home]
kind = "wireguard"
between = ["edge", "home"]
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from netaddr import IPAddress, IPNetwork

from netc.diagnostic import dotted
from netc.language.kinds import KINDS
from netc.language.names import DnsName, HostName, PartName
from netc.language.values import Family
from netc.network.bridges import hardware_address
from netc.network.derive import EVERYTHING, is_alone
from netc.network.interface import (
    Interface,
    Network,
    NumberedInterface,
    PlainInterface,
    ProgramInterface,
    SixToFourInterface,
    WireguardInterface,
)
from netc.network.lookup import by_peer
from netc.network.namespaces import part_name
from netc.network.nested import NESTED, NESTED_MARK, NESTED_PART, Nested, nested
from netc.network.routing import passing_interfaces
from netc.network.splits import OUTER_MARK, answers_loopback, carries_split
from netc.network.strangers import strangers
from netc.network.uplinks import every_address
from netc.plan.facts import (
    Address,
    Carrier,
    Filtered,
    Foreign,
    LinkSetting,
    NamedEndpoint,
    PlainTunnel,
    Route,
    Rule,
    Successor,
    Wireguard,
)
from netc.plan.facts.device import Device
from netc.plan.facts.forwarding import forwarding
from netc.plan.facts.wireguard import successor
from netc.plan.host_plan import Part, Share
from netc.plan.numbers import Number

NOBODYS = IPNetwork("192.0.0.8/32")
"""The IPv4 dummy address (RFC 7600)."""

IN6_ADDR_GEN_MODE_NONE = 1
"""The kernel generates no fe80 address (linux/if_link.h)."""


def plan(host: HostName, network: Network) -> Iterator[Share]:
    shut = {interface.name for interface in strangers(host, network)}
    yield Share(
        parts=tuple(_part(interface, network, interface.name in shut) for interface in network.interfaces[host]),
        forwarding=forwarding(_passed_on(host, network), network.topology.hosts[host].wan),
    )


def _passed_on(host: HostName, network: Network) -> Iterator[int]:
    """The families in which the other end of a link has `routes` to more than this host itself: it passes them on."""
    own = every_address(host, network)
    for interface in network.interfaces[host]:
        other = by_peer(interface.far, network).get((interface.origin, host)) if interface.far else None
        yield from (net.version for net in (other.routes if other else ()) if net.size > 1 or net.ip not in own)


def _part(interface: Interface, network: Network, shut: bool) -> Part:
    inside = interface.namespace
    holder = (part_name(inside),) if inside else ()
    peers = interface.peers if isinstance(interface, WireguardInterface) else ()
    successors = [peer for peer in map(successor, peers) if peer]
    within = nested(interface.host, network)
    guard = (NESTED_PART,) if within.holds(interface.name) else ()
    return Part(
        name=interface.part,
        origin=interface.origin,
        about=_about(interface),
        reasons=tuple(_reasons(interface, within)),
        after=(*holder, *guard, *within.outer.get(interface.name, ())),
        bound=(*holder, *guard),
        facts=(
            *((Filtered(),) if shut else ()),
            _device(interface, _mark(interface, network)),
            *_settings(interface, network),
            *(
                Address(
                    net,
                    interface.name,
                    inside,
                    nodad=net.version == 6 and KINDS[interface.kind].ethernet,
                    again=_is_there_already(interface),
                    peer=_peer(net, interface),
                )
                for net in _addresses(interface, network)
            ),
            Carrier(interface.name, interface.mtu.value if interface.mtu else None, inside),
            *(_to_peer(ip, interface) for ip in interface.peer_addresses if ip.version == 6),
            *(_route(to, interface) for to in _routes(interface)),
            *_back_routes(interface),
            *(_leading(net, interface) for net in within.led.get(interface.name, ())),
            *(*_rules(interface), *_back_rules(interface)),
            *(
                NamedEndpoint(interface.name, peer, inside)
                for peer in (*peers, *successors)
                if peer.endpoint and isinstance(peer.endpoint.host, DnsName)
            ),
            *(Successor(interface.name, peer) for peer in peers if peer.next_key),
        ),
        numbers=tuple(_numbers(interface, _mark(interface, network), within)),
    )


def _numbers(interface: Interface, mark: int | None, within: Nested) -> Iterator[Number]:
    inside = interface.namespace is not None
    if interface.table is not None and interface.priority is not None:
        yield Number("table", interface.table, f"the routes by {interface.name}", interface.part, inside=inside)
        what = f"packets from the addresses of {interface.name} use table {interface.table}"
        yield Number("priority", interface.priority, what, inside=inside)
    if back := interface.back:
        yield Number(
            "table",
            back.table,
            f"the routes for replies to visitors of {interface.far}",
            PartName(f"replies-{interface.far}"),
        )
        yield Number("priority", back.table, f"replies to visitors of {interface.far} use table {back.table}")
        yield Number("mark", back.mark, f"connections of visitors of {interface.far}")
    if interface.name in within.led:
        yield Number("table", NESTED, "the routes to peers of tunnels in tunnels", NESTED_PART)
    if mark == OUTER_MARK:
        yield Number("mark", OUTER_MARK, "packets that a WireGuard device sends itself, which no split takes")


def _about(interface: Interface) -> str:
    name = dotted(interface.origin)
    return name if interface.origin[0] == "hosts" else f"{name}, the end on {interface.host}"


def _reasons(interface: Interface, within: Nested) -> Iterator[str]:
    if outer := within.outer.get(interface.name):
        yield f"Its peer is behind {', '.join(outer)}: its outer packets leave there, or not at all (table {NESTED})."
    if interface.back and interface.back.by_source:
        yield f"Visitors of {interface.far} served here: a rule by source address sends replies into the link."
    if interface.back:
        yield f"Visitors of {interface.far} forwarded from here: a rule by mark sends replies into the link."


def _routes(interface: Interface) -> tuple[IPNetwork, ...]:
    """In a namespace the tunnel has the default route of each family that it has an address of."""
    if not interface.namespace:
        return interface.routes
    families = {net.version for net in interface.addresses}
    return interface.routes or tuple(net for net in EVERYTHING if net.version in families)


def _route(to: IPNetwork, interface: Interface) -> Route:
    via = next((ip for ip in interface.gateways if ip.version == to.version), None)
    again = _is_there_already(interface) and interface.table is None
    return Route(to, interface.name, via=via, table=interface.table, namespace=interface.namespace, again=again)


def _to_peer(ip: IPAddress, interface: Interface) -> Route:
    """The kernel makes its own for IPv4. For IPv6 it does so only if the device is up before it has the address."""
    return Route(IPNetwork(ip), interface.name, namespace=interface.namespace, again=_is_there_already(interface))


def _leading(to: IPNetwork, interface: Interface) -> Route:
    """For the outer packets of tunnels whose peers are there."""
    return Route(to, interface.name, via=_gateway(to, interface), table=NESTED)


def _gateway(to: IPNetwork, interface: Interface) -> IPAddress | None:
    """A connected network needs none."""
    if any(to == net.cidr for net in interface.addresses):
        return None
    return next((ip for ip in interface.gateways if ip.version == to.version), None)


def _addresses(interface: Interface, network: Network) -> tuple[IPNetwork, ...]:
    """On an interface without an IPv4 address, the kernel treats loose reverse path filtering as strict
    (fib_validate_source) and drops IPv4 of asymmetric paths. So there a router gets the IPv4 dummy address."""
    bare = all(net.version != 4 for net in interface.addresses) and not interface.namespace
    routed = interface.name in passing_interfaces(interface.host, network)
    return (*interface.addresses, NOBODYS) if bare and routed else interface.addresses


def _peer(net: IPNetwork, interface: Interface) -> IPAddress | None:
    held = net in interface.addresses and is_alone(net)
    return next((ip for ip in interface.peer_addresses if held and ip.version == net.version), None)


def _is_there_already(interface: Interface) -> bool:
    """Whether addresses and routes from the program are still there: a move to a namespace removes them."""
    return isinstance(interface, ProgramInterface) and interface.namespace is None


def _rules(interface: Interface) -> Iterator[Rule]:
    """A table of an interface is for packets from its addresses only."""
    if interface.table is None or interface.priority is None:
        return
    for net in interface.addresses:
        if not net.ip.is_link_local():
            family: Family = 4 if net.version == 4 else 6
            yield Rule(family, interface.priority, interface.table, source=net.ip, namespace=interface.namespace)


def _settings(interface: Interface, network: Network) -> Iterator[LinkSetting]:
    """Packets of visitors and replies to a split arrive by the tunnel, but the route to their source is by the uplink.
    Between routers, paths are asymmetric. Strict reverse path filtering (RFC 3704) would drop both. Loose (2) on the
    device wins over a strict `all`.
    """
    routed = interface.name in passing_interfaces(interface.host, network)
    if interface.back or carries_split(interface, network) or routed:
        yield LinkSetting(interface.name, "ipv4", "rp_filter", 2)
    if interface.origin[0] == "hosts" or not isinstance(interface, WireguardInterface):
        # A stranger, or anybody who forges the outer address of a tunnel without keys, would become the default router
        # (RFC 4861). Only the author's own hosts have the keys of WireGuard links.
        yield LinkSetting(interface.name, "ipv6", "accept_ra", 0, interface.namespace)
    if routed and any(net.ip.is_link_local() and net.version == 6 for net in interface.addresses):
        # With several fe80 addresses, BIRD may use one for OSPF, and BFD would expect packets from the other.
        yield LinkSetting(interface.name, "ipv6", "addr_gen_mode", IN6_ADDR_GEN_MODE_NONE)
    if answers_loopback(interface, network):
        yield LinkSetting(interface.name, "ipv4", "route_localnet", 1, interface.namespace)


def _back_routes(interface: Interface) -> Iterator[Route]:
    """Replies leave by the link or are rejected."""
    if interface.back:
        for everything in EVERYTHING:
            if everything.version in _families(interface):
                via = next((ip for ip in interface.gateways if ip.version == everything.version), None)
                yield Route(everything, interface.name, via=via, table=interface.back.table)
                yield Route(everything, None, table=interface.back.table)


def _back_rules(interface: Interface) -> Iterator[Rule]:
    if not interface.back:
        return
    table = interface.back.table
    for net in interface.addresses:
        if interface.back.by_source and not net.ip.is_link_local():
            yield Rule(4 if net.version == 4 else 6, table, table, source=net.ip)
    for family in sorted(_families(interface)):
        yield Rule(4 if family == 4 else 6, table, table, mark=interface.back.mark)


def _families(interface: Interface) -> set[int]:
    return {net.version for net in interface.addresses if not net.ip.is_link_local()}


def _mark(interface: Interface, network: Network) -> int | None:
    """On the packets that a WireGuard device sends itself."""
    if not isinstance(interface, WireguardInterface):
        return None
    if interface.name in nested(interface.host, network).marked:
        return NESTED_MARK
    return OUTER_MARK if carries_split(interface, network) else None


def _device(interface: Interface, mark: int | None) -> Device:
    name, kind, inside = interface.name, interface.kind, interface.namespace
    match interface:
        case WireguardInterface():
            return Wireguard(
                name,
                interface.private_key,
                interface.identity,
                interface.peers,
                interface.keepalive,
                interface.port,
                inside,
                mark,
            )
        case PlainInterface():
            local, remote, ttl, key = interface.local, interface.remote, interface.ttl, interface.key
            return PlainTunnel(name, kind, local, remote, ttl, key=key, namespace=inside)
        case NumberedInterface():
            local, remote, ttl, vni = interface.local, interface.remote, interface.ttl, interface.vni
            address = hardware_address(interface.host, dotted(interface.origin)) if KINDS[kind].ethernet else None
            return PlainTunnel(
                name,
                kind,
                local,
                remote,
                ttl,
                vni=vni,
                port=interface.port,
                namespace=inside,
                hardware_address=address,
            )
        case SixToFourInterface():
            return PlainTunnel(name, kind, interface.local, None, interface.ttl, namespace=inside)
        case ProgramInterface():
            return Foreign(name, interface.start, interface.stop, interface.wait, interface.config, inside)
        case _:
            assert_never(interface)
