"""A service that can only leave through a tunnel.

    [hosts.seedbox.namespaces.vpn]
    tunnel = "azire"
    access = ["10.200.0.0/31", "fd00:200::/127"]
    publish = [{ port = "9091/tcp", on = "198.51.100.7", allow = ["203.0.113.0/24"] }]
    services = ["transmission-daemon.service"]

The namespace holds the tunnel and, with `access`, one end of a veth pair. Two filters keep services from leaving by the
pair: the namespace sends only replies by it, and the host accepts only replies from it. The tunnel leads to strangers:
from there, only replies and connections to the ports of `open` come in.
"""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPNetwork

from netc.diagnostic import KeyPath
from netc.language.names import HostName, NamespaceName, PartName
from netc.language.namespaces import Namespace as Settings
from netc.language.namespaces import Publish
from netc.language.values import Ports
from netc.network.derive import EVERYTHING
from netc.network.interface import Interface, Network
from netc.network.namespaces import INNER, Pair, asked, host_end, leaves_from, pairs, part_name
from netc.network.strangers import past
from netc.plan.facts import Address, Carrier, LinkSetting, Namespace, Route, Rule, Ruleset, Veth
from netc.plan.facts.forwarding import forwarding
from netc.plan.host_plan import Confined, Part, Share
from netc.plan.numbers import Number
from netc.plan.opened import opened
from netc.plan.ruleset import DestinationNat, LeavesBy, Queries, RepliesOnly, SourceNat, Stranger

TABLE = 7000
"""The table, inside, of replies to what was published; the namespace is netc's own, so the number is free there."""

LOOPBACK = IPNetwork("127.0.0.0/8")

REPLY_PRIORITY = 7000
"""Rules that send replies back by the veth pair come before main (32766)."""


def plan(host: HostName, network: Network) -> Iterator[Share]:
    tunnels = {i.namespace: i for i in network.interfaces[host] if i.namespace}
    for name, settings in sorted(network.topology.hosts[host].namespaces.items()):
        if name in tunnels:
            yield _share(name, settings, tunnels[name], host, network)


def _share(name: NamespaceName, settings: Settings, tunnel: Interface, host: HostName, network: Network) -> Share:
    origin: KeyPath = ("hosts", host, "namespaces", name)
    part = part_name(name)
    outer = host_end(name, settings)
    nats = tuple(nat for publish in settings.publish for nat in _nats(publish, settings, origin, host, network))
    wan = network.topology.hosts[host].wan
    return Share(
        parts=(_part(part, name, settings, tunnel, origin, _udp(settings, host, name, network)),),
        ruleset=Ruleset(
            origin,
            nats=nats,
            leaves_by=tuple(LeavesBy(origin, nat.to, outer) for nat in nats),
            replies_only=(RepliesOnly(origin, outer),),
        )
        if settings.access
        else None,
        forwarding=forwarding({nat.to.version for nat in nats}, wan),
        confined=tuple(Confined(unit, name, part, tunnel.part, settings.dbus) for unit in settings.services),
    )


def _part(
    part: PartName, name: NamespaceName, settings: Settings, tunnel: Interface, origin: KeyPath, udp: tuple[Ports, ...]
) -> Part:
    resolvers = settings.dns or tunnel.dns
    ruleset = _ruleset(name, settings, tunnel, origin)
    if not settings.access:
        return Part(part, origin, _about(origin), facts=(Namespace(name, resolvers, settings.services), ruleset))
    outer = host_end(name, settings)
    ends = pairs(settings)
    return Part(
        part,
        origin,
        _about(origin),
        facts=(
            Namespace(name, resolvers, settings.services),
            ruleset,
            Veth(outer, INNER, name),
            # No other host is on the pair. Duplicate address detection would delay the first packets, and a program
            # inside could send router advertisements.
            *(
                LinkSetting(end, "ipv6", key, 0, where)
                for end, where in ((outer, None), (INNER, name))
                for key in ("accept_dad", "accept_ra")
            ),
            *(Address(pair.host, outer, nodad=pair.family == 6) for pair in ends),
            *(Address(pair.inner, INNER, name, nodad=pair.family == 6) for pair in ends),
            Carrier(outer, None),
            Carrier(INNER, None, name),
            *(_reply_route(pair, name) for pair in ends),
            *_reply_rules(settings, name, udp),
        ),
        numbers=(
            Number(
                "table",
                TABLE,
                "the routes for replies by the veth pair",
                PartName("replies"),
                inside=True,
            ),
            Number("priority", REPLY_PRIORITY, f"replies to visitors of the namespace use table {TABLE}", inside=True),
        ),
    )


def _ruleset(name: NamespaceName, settings: Settings, tunnel: Interface, origin: KeyPath) -> Ruleset:
    resolvers, source = asked(settings, tunnel), leaves_from(settings, tunnel)
    return Ruleset(
        origin,
        name,
        replies_only=(RepliesOnly(origin, INNER),) if settings.access else (),
        strangers=(Stranger(origin, tunnel.name, opened(settings.open, origin)),),
        queries=(Queries(origin, tunnel.name, resolvers, source is not None),) if resolvers else (),
        sources=(SourceNat(origin, LOOPBACK, (tunnel.name,), source),) if source else (),
    )


def _about(origin: KeyPath) -> str:
    return f"hosts.{origin[1]}.namespaces.{origin[3]}"


def _reply_route(pair: Pair, name: NamespaceName) -> Route:
    everything = next(net for net in EVERYTHING if net.version == pair.family)
    return Route(everything, INNER, pair.host.ip, pair.inner.ip, TABLE, name)


def _reply_rules(settings: Settings, name: NamespaceName, udp: tuple[Ports, ...]) -> Iterator[Rule]:
    """A TCP server answers from the address that the client dialled. For a UDP server that listens on every address,
    routes choose the source address, so a rule matches the source port of its replies."""
    for pair in pairs(settings):
        yield Rule(pair.family, REPLY_PRIORITY, TABLE, source=pair.inner.ip, namespace=name)
        for ports in udp:
            yield Rule(pair.family, REPLY_PRIORITY, TABLE, source_ports=ports, namespace=name)


def _udp(settings: Settings, host: HostName, name: NamespaceName, network: Network) -> tuple[Ports, ...]:
    """The UDP ports inside that visitors reach, by `publish` or by a forward."""
    published = {p.to or p.port.number for p in settings.publish if p.port.protocol == "udp"}
    own = {Ports(number, number, "udp") for number in published}
    forwarded = {
        Ports(target.port, target.port, "udp") if target.port else ports
        for forward in network.topology.forwards.values()
        for target in forward.to
        if target.host == host and target.namespace == name
        for ports in forward.ports
        if ports.protocol == "udp"
    }
    return tuple(sorted(own | forwarded, key=lambda ports: (ports.first, ports.last)))


def _nats(
    publish: Publish, settings: Settings, origin: KeyPath, host: HostName, network: Network
) -> Iterator[DestinationNat]:
    for pair in pairs(settings):
        on = tuple(ip for ip in publish.on if ip.version == pair.family) if publish.on else (pair.host.ip,)
        sources = tuple(net for net in publish.allow if net.version == pair.family)
        if not on or (publish.allow and not sources):
            continue  # an `allow` without a prefix of this family accepts no address of it
        shut = past(sources, on, host, network)
        port = publish.to or publish.port.number
        yield DestinationNat(origin, publish.port, on, sources, pair.inner.ip, port, shut)
