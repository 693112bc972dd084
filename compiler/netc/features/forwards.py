"""Slim edges: visitors arrive at one host, another one serves them and sees their own addresses.

    [forwards.web]
    at = "edge"
    ports = ["80/tcp", "443/tcp"]
    to = "home"
    via = "edge-home"

The edge changes the destination and nothing else. On the serving host, two policy rules send replies into the link. One
matches the source address of what a process of the host replies, the address of the link. The other matches a mark: the
host marks each connection that comes in by the link, and what it forwards in reply. Every serving host marks, since
Docker, podman and libvirt lead ports to containers by rules that netc does not see.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netaddr import IPAddress, IPNetwork

from netc.diagnostic import KeyPath
from netc.language.forwards import Forward, Target
from netc.language.names import ForwardName, HostName, InterfaceName, LinkName, PartName
from netc.language.values import Family
from netc.network.bridges import bridge_device
from netc.network.derive import MAIN
from netc.network.forwards import forwards_at, forwards_to, target_of
from netc.network.interface import Interface, Network, WireguardInterface
from netc.network.lookup import by_origin
from netc.network.namespaces import host_end, inner_address
from netc.network.passing import arrivals
from netc.network.uplinks import arrives_by, uplinks
from netc.plan.facts import Rule, Ruleset
from netc.plan.facts.forwarding import forwarding
from netc.plan.host_plan import Part, Share
from netc.plan.numbers import Number
from netc.plan.ruleset import LeavesBy, Masquerade, NeverLeavesBy, PortForward, ReturnMark

LAN = 12020
"""The priority of rules about servers in a LAN: after all that lead a packet to a table of its own, BIRD's too."""


def plan(host: HostName, network: Network) -> Iterator[Share]:
    topology = network.topology
    mine = dict((*forwards_at(host, topology), *forwards_to(host, topology)))
    for name, forward in sorted(mine.items()):
        near = _end(forward.via, host, network)
        if near and forward.at == host:
            yield _edge(name, forward, near, network)
        elif near:
            yield from _serving(name, forward, near, network)
    places = sorted(set(_in_a_lan(host, network)))
    if places and not topology.hosts[host].addresses:
        yield Share(parts=(_targets(host, places),))


def _in_a_lan(host: HostName, network: Network) -> Iterator[IPAddress]:
    """Servers behind the host whose interface netc does not know."""
    for _, forward in forwards_to(host, network.topology):
        for target in forward.to:
            to = target.address if target.host == host else None
            if to and _device_behind(target, to, host, network) is None:
                yield to


def _targets(host: HostName, places: Sequence[IPAddress]) -> Part:
    """Where `wan` has its address by DHCP, any server may be in its subnet, so no rule can name the interfaces that do
    not lead there. But no default route does."""
    families: dict[IPAddress, Family] = {to: 4 if to.version == 4 else 6 for to in places}
    rules = (
        rule
        for to, family in families.items()
        for rule in (
            Rule(family, LAN, MAIN, specific=True, to=IPNetwork(to)),
            Rule(family, LAN + 1, None, to=IPNetwork(to)),
        )
    )
    numbers = (
        Number("priority", LAN, "packets to the servers of forwards in a LAN use main, without its default route"),
        Number("priority", LAN + 1, "they never use a default route, while the LAN is down"),
    )
    about = f"servers of forwards in LANs of {host}"
    return Part(PartName("targets"), ("hosts", host), about, facts=tuple(rules), numbers=numbers)


def _end(link: LinkName, host: HostName, network: Network) -> Interface | None:
    return by_origin(host, network).get(("links", link))


def served(target: Target, forward: Forward, network: Network, family: int) -> IPAddress | None:
    """The serving host's end of the link: what the edge sends visitors of a family to."""
    end = _end(forward.via, target.host, network)
    addresses = end.addresses if end else ()
    return next((net.ip for net in addresses if net.version == family and not net.ip.is_link_local()), None)


def _edge(name: ForwardName, forward: Forward, near: Interface, network: Network) -> Share:
    origin: KeyPath = ("forwards", name)
    forwards = tuple(
        PortForward(origin, device, on, ports, there, target.port if target.local else None)
        for on in arrivals(forward, network)
        if (device := arrives_by(on, forward.at, network))
        if (target := target_of(forward, on.version)) and (there := served(target, forward, network, on.version))
        if target.local or _behind(target, on.version, network)
        for ports in forward.ports
    )
    ruleset = Ruleset(
        origin,
        forwards=forwards,
        leaves_by=tuple(LeavesBy(origin, fact.to, near.name) for fact in forwards),
        masquerades=()
        if forward.keep_source
        else tuple(Masquerade(origin, near.name, fact.on, fact.ports) for fact in forwards),
    )
    return Share(
        ruleset=ruleset, forwarding=forwarding({fact.on.version for fact in forwards}, _wan(forward.at, network))
    )


def _serving(name: ForwardName, forward: Forward, near: Interface, network: Network) -> Iterator[Share]:
    """What the serving host adds: marks, and where another address than the host's own serves, the next DNAT."""
    origin: KeyPath = ("forwards", name)
    passed = tuple(
        PortForward(origin, near.name, net.ip, ports, there, target.port)
        for net in near.addresses
        if not net.ip.is_link_local()
        if (target := target_of(forward, net.version)) and not target.local
        if (there := _behind(target, net.version, network))
        for ports in forward.ports
    )
    marks: tuple[ReturnMark, ...] = ()
    if near.back and forward.keep_source:
        marks = (ReturnMark(near.name, near.back.mark, scrub=not isinstance(near, WireguardInterface), held=True),)
    if passed or marks:
        leaves_by = tuple(
            LeavesBy(origin, fact.to, device)
            for fact in passed
            if (device := _device_behind(target_of(forward, fact.to.version), fact.to, near.host, network))
        )
        unknown = [fact for fact in passed if _is_lan(forward, fact.to, near.host, network)]
        never_by = tuple(
            NeverLeavesBy(origin, fact.to, device) for fact in unknown for device in _elsewhere(fact.to, near, network)
        )
        # To a machine of a LAN the edge's address is one of the internet, and its router may be another than this host.
        lan = [] if forward.keep_source else unknown
        masquerades = tuple(Masquerade(origin, None, fact.on, fact.ports) for fact in lan)
        ruleset = Ruleset(
            origin, forwards=passed, masquerades=masquerades, leaves_by=leaves_by, never_by=never_by, marks=marks
        )
        families = {fact.on.version for fact in passed}
        yield Share(ruleset=ruleset, forwarding=forwarding(families, _wan(near.host, network)))


def _behind(target: Target, family: int, network: Network) -> IPAddress | None:
    if target.namespace is None:
        return target.address
    settings = network.topology.hosts[target.host].namespaces.get(target.namespace)
    return inner_address(settings, family) if settings else None


def _is_lan(forward: Forward, to: IPAddress, host: HostName, network: Network) -> bool:
    return _device_behind(target_of(forward, to.version), to, host, network) is None


def _device_behind(target: Target | None, to: IPAddress, host: HostName, network: Network) -> InterfaceName | None:
    """The bridge or veth pair that leads to a server behind the host. None for a machine of a LAN: netc does not know
    its interface."""
    table = network.topology.hosts[host]
    space = table.namespaces.get(target.namespace) if target and target.namespace else None
    if target and target.namespace and space and not space.bridge:
        return host_end(target.namespace, space)
    bridged = ((name, bridge) for name, bridge in table.bridges.items() if any(to in net for net in bridge.addresses))
    return next((bridge_device(name, bridge) for name, bridge in bridged), None)


def _elsewhere(to: IPAddress, near: Interface, network: Network) -> list[InterfaceName]:
    """The interfaces that do not lead to a server whose interface netc does not know: links and tunnels, whose routes
    may cover the LAN and take over while it is down, and uplinks; of both, those without a subnet that it is in. A
    tunnel leads to it too if `routes` name the server alone. A `wan` without `addresses` may have any subnet:
    `_targets` is for that."""
    table = network.topology.hosts[near.host]
    subnets = {
        one.name: {*(net.cidr for net in one.addresses), *(net for net in one.routes if net.size == 1)}
        for one in network.interfaces[near.host]
        if one.namespace is None
    }
    if table.wan and table.addresses:
        subnets.setdefault(table.wan, set()).update(net.cidr for net in table.addresses)
    for uplink in uplinks(near.host, network):
        if uplink.device != table.wan or table.addresses:
            subnets.setdefault(uplink.device, set()).update(uplink.prefixes)
    return sorted(device for device, nets in subnets.items() if not any(to in net for net in nets))


def _wan(host: HostName, network: Network) -> InterfaceName | None:
    return network.topology.hosts[host].wan
