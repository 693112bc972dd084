"""A network stack: a host's own, or that of one of its namespaces. Made of the facts of a HostPlan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from msgspec import Struct
from netaddr import IPAddress, IPNetwork

from netc.diagnostic import KeyPath
from netc.language.names import HostName, NamespaceName
from netc.language.values import Family
from netc.network.derive import EVERYTHING, MAIN
from netc.network.ranges import Ranges, merged
from netc.network.sets import Members, members
from netc.plan.chains import Chain, Hook, base_chains
from netc.plan.facts import (
    Address,
    Bridge,
    Carrier,
    Docker,
    Foreign,
    Forwarding,
    KeptRoute,
    LinkSetting,
    Loopback,
    Loose,
    Namespace,
    PlainTunnel,
    Route,
    RoutingPolicy,
    Rule,
    Ruleset,
    SplitGuard,
    Veth,
    Wireguard,
)
from netc.plan.facts.route import WORST
from netc.plan.host_plan import HostPlan, Part
from netc.plan.image import Image, Wire
from netc.plan.ruleset import Sources
from netc.walk.free import Free, among, between, equals

DEFAULTS: dict[Family, IPNetwork] = {4: EVERYTHING[0], 6: EVERYTHING[1]}
LO = "lo"
SOMEWHERE = "unknown"
"""The interface that leads to machines behind a host, where netc does not know it. No rule can name it."""

Place = tuple[HostName, NamespaceName | None]
Made = Wireguard | PlainTunnel | Foreign | Veth | Bridge | Wire


@dataclass
class Device:
    """`made`: the fact or the wire of the image behind it; None for `lo` and SOMEWHERE. `inner` is the end of a veth
    pair that is inside."""

    name: str
    origin: KeyPath
    made: Made | None = None
    networks: list[IPNetwork] = field(default_factory=list)
    mtu: int | None = None
    rp_filter: int | None = None
    loose: bool = False
    route_localnet: bool = False
    inner: bool = False


class Way(Struct, frozen=True):
    """A route. `device` None: unreachable."""

    first: int
    last: int
    length: int
    metric: int
    device: str | None
    via: IPAddress | None
    source: int | None
    origin: KeyPath
    table: int
    connected: bool = False
    unsure: str = ""
    """Why a packet may take another one."""


class Daemon(Protocol):
    """Routes that a daemon adds to a table (`walk.bird`)."""

    @property
    def table(self) -> int: ...

    def way(self, family: Family, to: int) -> Way | None: ...

    def outside(self, family: Family) -> list[tuple[Ranges, int]]: ...


class Turn(Struct, frozen=True):
    """A policy rule with its source and destination as numbers."""

    rule: Rule
    source: tuple[int, int] | None
    to: tuple[int, int] | None
    origin: KeyPath


@dataclass
class Stack:
    place: Place
    devices: dict[str, Device] = field(default_factory=dict)
    local: dict[tuple[Family, int], Device] = field(default_factory=dict)
    shared: dict[tuple[Family, int], Device] = field(default_factory=dict)
    """What all hosts of a subnet have: its broadcast address, and of IPv6 the anycast address of its routers (RFC 4291
    section 2.6.1)."""
    tables: dict[tuple[Family, int], list[Way]] = field(default_factory=dict)
    turns: dict[Family, list[Turn]] = field(default_factory=lambda: {4: [], 6: []})
    forwards: set[Family] = field(default_factory=set)
    ruleset: Ruleset | None = None
    guard: SplitGuard | None = None
    docker: Docker | None = None
    hooks: dict[Hook, list[Chain]] = field(default_factory=dict)
    chosen: dict[int, Members] = field(default_factory=dict)
    """By the identity of the Sources that a rule has."""
    bird: Daemon | None = None

    def members(self, sources: Sources) -> Members:
        found = self.chosen.get(id(sources))
        if found is None:
            known = {one.name: Members(one.v4, one.v6) for one in self.ruleset.sets} if self.ruleset else {}
            found = self.chosen[id(sources)] = members((*sources.prefixes, *sources.sets), known)
        return found

    @property
    def name(self) -> str:
        host, space = self.place
        return f"{host}/{space}" if space else str(host)


def holder(stack: Stack, family: Family, number: int) -> Device | None:
    """The device that has an address of the stack's own."""
    return _of(stack.local, family, number)


def sharer(stack: Stack, family: Family, number: int) -> Device | None:
    """The device in whose subnet all have an address."""
    return _of(stack.shared, family, number)


def _of(held: dict[tuple[Family, int], Device], family: Family, number: int) -> Device | None:
    if isinstance(number, Free):
        own = tuple((ip, ip) for of, ip in held if of == family)
        if not own or not among(number, merged(own)):
            return None
        equals(number, int(number))
    return held.get((family, number))


def is_loopback(family: int, number: int) -> bool:
    """127.0.0.0/8"""
    return family == 4 and between(number, 127 << 24, (128 << 24) - 1)


def stacks(plan: HostPlan) -> dict[Place, Stack]:
    """The host's own, and one for each namespace."""
    own = Stack((plan.host, None))
    found = {own.place: own}
    for part in plan.parts:
        for space in part.every(Namespace):
            place = (plan.host, space.name)
            found[place] = Stack(place)
    for stack in found.values():
        stack.devices[LO] = Device(LO, ("hosts", plan.host), networks=[IPNetwork("127.0.0.1/8"), IPNetwork("::1/128")])
    _around(plan.around, own)
    behind(own, plan.around.behind)
    for part in plan.parts:
        _devices(part, plan.host, found)
    for part in plan.parts:
        _held(part, plan.host, found)
    for stack in found.values():
        _connected(stack)
    for part in plan.parts:
        _routing(part, plan.host, found)
        _filtering(part, plan.host, found)
    for stack in found.values():
        _sorted(stack)
        _shared(stack)
    return found


# ---- devices and addresses -----------------------------------------------------------------------------------


def _around(image: Image, own: Stack) -> None:
    for wire in image.wires:
        own.devices[wire.device] = Device(wire.device, wire.origin, wire, list(wire.networks), wire.mtu)
    if image.behind:
        own.devices[SOMEWHERE] = Device(SOMEWHERE, ("hosts", own.place[0]))


def _devices(part: Part, host: HostName, found: dict[Place, Stack]) -> None:
    for fact in part.facts:
        match fact:
            case Wireguard() | PlainTunnel() | Foreign():
                found[host, fact.namespace].devices[fact.name] = Device(fact.name, part.origin, fact)
            case Bridge():
                found[host, None].devices[fact.name] = Device(fact.name, part.origin, fact)
            case Veth():
                found[host, None].devices[fact.name] = Device(fact.name, part.origin, fact)
                found[host, fact.namespace].devices[fact.inner] = Device(fact.inner, part.origin, fact, inner=True)
            case _:
                pass


def _held(part: Part, host: HostName, found: dict[Place, Stack]) -> None:
    for fact in part.facts:
        match fact:
            case Address():
                stack = found[host, fact.namespace]
                stack.devices[fact.device].networks.append(fact.network)
                if fact.peer is not None and fact.peer.version == 4:
                    ip, own = IPNetwork(fact.peer), int(fact.network.ip)
                    _way(stack, ip, fact.device, MAIN, part.origin, source=own, connected=True)
            case Loopback():
                found[host, None].devices[LO].networks.append(fact.network)
            case Carrier():
                found[host, fact.namespace].devices[fact.device].mtu = fact.mtu
            case LinkSetting(key="rp_filter"):
                found[host, fact.namespace].devices[fact.device].rp_filter = fact.value
            case LinkSetting(key="route_localnet"):
                found[host, fact.namespace].devices[fact.device].route_localnet = bool(fact.value)
            case Loose():
                if device := found[host, None].devices.get(fact.device):
                    device.loose = True
            case _:
                pass


def _connected(stack: Stack) -> None:
    """The kernel's own routes: each address, its subnet, and the image's default routes."""
    for device in stack.devices.values():
        for net in device.networks:
            family: Family = 4 if net.version == 4 else 6
            stack.local.setdefault((family, int(net.ip)), device)
            if net.size > 1 and device.name != LO:
                metric = 0 if family == 4 else 256
                source = int(net.ip) if family == 4 else None
                _way(stack, net.cidr, device.name, MAIN, device.origin, metric=metric, source=source, connected=True)
        if isinstance(device.made, Wire):
            for family in device.made.defaults:
                everything = DEFAULTS[family]
                via = next((ip for ip in device.made.gateways if ip.version == family), None)
                _way(stack, everything, device.name, MAIN, device.origin, via=via, metric=0 if family == 4 else 1024)


def behind(stack: Stack, machines: tuple[IPAddress, ...]) -> None:
    """Whatever interface leads to them, the image has a route to each."""
    for ip in machines:
        _way(stack, IPNetwork(ip), SOMEWHERE, MAIN, ("hosts", stack.place[0]), connected=True)


def _shared(stack: Stack) -> None:
    """The kernel's own routes for whole subnets. Those of two addresses have none (RFC 3021, RFC 6164)."""
    for device in stack.devices.values():
        for net in device.networks:
            if net.size > 2 and device.name != LO and not net.ip.is_link_local():
                if net.version == 4:
                    stack.shared.setdefault((4, net.last), device)
                elif 6 in stack.forwards and net.first:
                    stack.shared.setdefault((6, net.first), device)
    stack.shared = {ip: device for ip, device in stack.shared.items() if ip not in stack.local}


# ---- routes and rules ----------------------------------------------------------------------------------------


def _way(
    stack: Stack,
    to: IPNetwork,
    device: str | None,
    table: int,
    origin: KeyPath,
    *,
    via: IPAddress | None = None,
    source: int | None = None,
    metric: int = 0,
    connected: bool = False,
) -> None:
    family: Family = 4 if to.version == 4 else 6
    first, last = to.first, to.last
    way = Way(first, last, to.prefixlen, metric, device, via, source, origin, table, connected)
    stack.tables.setdefault((family, table), []).append(way)


def _routing(part: Part, host: HostName, found: dict[Place, Stack]) -> None:
    for fact in part.facts:
        match fact:
            case Route():
                metric = WORST if fact.device is None else (0 if fact.to.version == 4 else 1024)
                source = int(fact.source) if fact.source else None
                stack = found[host, fact.namespace]
                table = fact.table or MAIN
                _way(stack, fact.to, fact.device, table, part.origin, via=fact.via, source=source, metric=metric)
            case KeptRoute():
                source = int(fact.source) if fact.source else None
                metric, to = 0 if fact.family == 4 else 1024, DEFAULTS[fact.family]
                stack = found[host, None]
                _way(stack, to, fact.device, fact.table, part.origin, via=fact.via, source=source, metric=metric)
            case Rule():
                _turn(found[host, fact.namespace], fact, part.origin)
            case RoutingPolicy():
                for rule in fact.rules:
                    _turn(found[host, rule.namespace], rule, part.origin)
            case Forwarding():
                found[host, None].forwards.update(fact.families)
            case _:
                pass


def _turn(stack: Stack, rule: Rule, origin: KeyPath) -> None:
    stack.turns[rule.family].append(Turn(rule, _span(rule.source), _span(rule.to), origin))


def _span(net: IPAddress | IPNetwork | None) -> tuple[int, int] | None:
    if net is None:
        return None
    return (int(net), int(net)) if isinstance(net, IPAddress) else (net.first, net.last)


def _filtering(part: Part, host: HostName, found: dict[Place, Stack]) -> None:
    for fact in part.facts:
        match fact:
            case Ruleset():
                stack = found[host, fact.namespace]
                stack.ruleset = fact
                for chain in base_chains(fact):
                    stack.hooks.setdefault(chain.hook, []).append(chain)
            case SplitGuard():
                found[host, None].guard = fact
            case Docker():
                found[host, None].docker = fact
            case _:
                pass


def _sorted(stack: Stack) -> None:
    """As the kernel looks: rules by priority, of one priority the first added; routes by length, then metric."""
    for turns in stack.turns.values():
        turns.sort(key=lambda turn: turn.rule.priority)
    for ways in stack.tables.values():
        ways.sort(key=lambda way: (-way.length, way.metric))
