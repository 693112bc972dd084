"""Routes that BIRD puts into kernels, as far as the plans of all routers decide them: paths of the IGP, and prefixes of
our own routers. What other ASes announce no plan has: where such a route could lead, a path is not known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from typing import Any, get_args

from netaddr import IPAddress, IPNetwork

from netc.diagnostic import KeyPath
from netc.language.names import HostName
from netc.language.values import Family
from netc.network.ranges import merged, minus, of_prefixes
from netc.plan.bgp import Inner, Session
from netc.plan.facts import PlainTunnel, Router, Wireguard
from netc.plan.host_plan import HostPlan
from netc.walk import wires
from netc.walk.kernel import Walk
from netc.walk.outer import carried
from netc.walk.stack import Device, Learned, Stack, Way, in_order
from netc.walk.world import FAMILIES, End, World, bare, far_end

METRIC = 32
"""Of BIRD's routes in the kernel."""

Reached = dict[HostName, tuple[tuple[int, ...], frozenset[str]]]
"""What it costs to get to a router, and the interfaces that the paths of this cost begin with."""


@dataclass
class Routers:
    """All of them, and the tunnels between two that work."""

    made: World
    known: dict[HostName, tuple[Router, KeyPath]]
    ends: dict[tuple[HostName, str], HostName] = field(default_factory=dict)
    """By a router's interface, the router at the other end."""
    sessions: dict[HostName, list[tuple[Session, HostName]]] = field(default_factory=dict)
    _distances: dict[tuple[HostName, Family], Reached] = field(default_factory=dict)
    _origins: dict[Family, dict[IPNetwork, list[HostName]]] = field(default_factory=dict)

    # ---- the IGP ---------------------------------------------------------------------------------------------

    def near(self, host: HostName, family: Family) -> Iterator[tuple[HostName, str, tuple[int, ...]]]:
        """Neighbours by the IGP, with the interface and its cost. Both ends must speak it."""
        for one in self.known[host][0].igp:
            far = self.ends.get((host, one.device))
            if far and family in one.families and host not in self.made.gone and far not in self.made.gone:
                back = (other for other in self.known[far][0].igp if self.ends.get((far, other.device)) == host)
                if any(family in other.families for other in back):
                    yield far, one.device, (one.cost,)

    def distances(self, host: HostName, family: Family) -> Reached:
        key = (host, family)
        if key not in self._distances:
            self._distances[key] = _shortest(host, lambda at: self.near(at, family), 1)
        return self._distances[key]

    # ---- BGP -------------------------------------------------------------------------------------------------

    def origins(self, family: Family) -> dict[IPNetwork, list[HostName]]:
        """Who announces a prefix to our other routers."""
        if family not in self._origins:
            found: dict[IPNetwork, list[HostName]] = {}
            for host, (router, _) in self.known.items():
                if host not in self.made.gone:
                    for net in dict.fromkeys(_announced(self.made, host, router, family)):
                        found.setdefault(net, []).append(host)
            self._origins[family] = found
        return self._origins[family]

    def nearest(self, host: HostName, family: Family, announcing: list[HostName]) -> frozenset[str]:
        """Interfaces by which the nearest of some routers is reached: several, if they are equally near."""
        router, _ = self.known[host]
        if router.system and router.system.recursive:
            reached = self._by_igp(host, family)
        else:
            reached = _shortest(host, self._by_sessions, 3)
            if router.system and router.system.form == "one":  # routes of one router of an AS are not passed on
                direct = {far for _, far in self.sessions[host]}
                reached = {far: found for far, found in reached.items() if far in direct}
        known = [reached[far] for far in announcing if far in reached]
        least = min((cost for cost, _ in known), default=None)
        return frozenset(device for cost, devices in known if cost == least for device in devices)

    def _by_igp(self, host: HostName, family: Family) -> Reached:
        """Next hops are loopbacks. In a fake confederation the shorter path of members comes first."""
        router, _ = self.known[host]
        paths = self.distances(host, family)
        heard = _shortest(host, self._by_sessions, 3)
        fake = router.system is not None and router.system.form == "fake"
        return {
            far: ((heard[far][0][1] if fake else 0, *cost), devices)
            for far, (cost, devices) in paths.items()
            if far in heard
        }

    def _by_sessions(self, host: HostName) -> Iterator[tuple[HostName, str, tuple[int, ...]]]:
        """Whether a drained router is on the path, the members on it, and the cost."""
        for session, far in self.sessions[host]:
            if host in self.made.gone or far in self.made.gone:
                continue
            if session.device is None and far not in self.distances(host, 6 if session.remote.version == 6 else 4):
                continue
            system = self.known[far][0].system
            drained = int(bool(system and system.drained))
            yield far, str(session.device or ""), (drained, int(session.kind == "fake"), session.cost)


Near = Callable[[HostName], Iterable[tuple[HostName, str, tuple[int, ...]]]]


def _is_inner(session: Session) -> bool:
    return session.kind in get_args(Inner)


def _shortest(host: HostName, near: Near, width: int) -> Reached:
    """Dijkstra's, with all first interfaces of paths that cost the same."""
    best: dict[HostName, tuple[int, ...]] = {host: (0,) * width}
    first: dict[HostName, set[str]] = {host: set()}
    waiting = [((0,) * width, host)]
    done: set[HostName] = set()
    while waiting:
        cost, at = heappop(waiting)
        if at in done:
            continue
        done.add(at)
        for far, device, more in near(at):
            total = tuple(a + b for a, b in zip(cost, more, strict=True))
            by = {device} if at == host else first[at]
            if far not in best or total < best[far]:
                best[far], first[far] = total, set(by)
                heappush(waiting, (total, far))
            elif total == best[far] and far not in done:
                first[far] |= by
    return {far: (best[far], frozenset(first[far])) for far in done if far != host}


def _announced(made: World, host: HostName, router: Router, family: Family) -> Iterator[IPNetwork]:
    """Prefixes of this host alone, its anycast services, and what it learns of networks that the image has."""
    if router.system:
        yield from (net for net in router.system.internal if net.version == family)
    for service in router.anycast:
        yield from (net for net in service.nets if service.family == family)
    if router.learning:
        for way in made.stacks[host, None].tables.get((family, 254), ()):
            if way.connected and way.device not in router.learning.excluded:
                net = IPNetwork(f"{IPAddress(way.first, family)}/{way.length}")
                if any(net in one for one in router.learning.nets):
                    yield net


# ---- into the stacks -----------------------------------------------------------------------------------------


def world(plans: Iterable[HostPlan], **supposed: Any) -> World:
    """All stacks. That of a router gets BIRD's routes when a packet first asks for one."""
    made = bare(plans, **supposed)
    known = {
        plan.host: (router, part.origin)
        for plan in made.plans.values()
        for part in plan.parts
        for router in part.every(Router)
    }
    if not known:
        return made
    routers = Routers(made, known)
    routers.ends = {
        (stack.place[0], device.name): far[0].place[0]
        for stack, device, far in _joined(made)
        if far[0].place[0] in known
    }
    for host, (router, _) in known.items():
        routers.sessions[host] = list(_sessions(routers, host, router))
    made.carried.clear()  # they may use BIRD's routes themselves
    for host in known:
        stack = made.stacks[host, None]
        stack.late = partial(_learn, routers, stack, host)
    return made


def _joined(made: World) -> Iterator[tuple[Stack, Device, End]]:
    """Tunnels between two of our hosts, over which packets get both ways."""
    for stack, device in made.devices():
        far = far_end(made, stack, device) if stack.place[1] is None else None
        if far and _works(made, stack, device.name) and _works(made, *_named(far)):
            yield stack, device, far


def _named(end: End) -> tuple[Stack, str]:
    return end[0], end[1].name


def _works(made: World, stack: Stack, name: str) -> bool:
    device = stack.devices[name]
    match device.made:
        case Wireguard() as fact:
            return carried(Walk(made, wires), stack, device, fact.peers[0]) is None
        case PlainTunnel():
            return carried(Walk(made, wires), stack, device, None) is None
        case _:
            return False


def _sessions(routers: Routers, host: HostName, router: Router) -> Iterator[tuple[Session, HostName]]:
    """Those to our other routers: by a tunnel, or to a loopback."""
    loopbacks = {net.ip: far for far, (other, _) in routers.known.items() for net in other.loopbacks}
    for session in router.sessions:
        if _is_inner(session):
            far = routers.ends.get((host, session.device)) if session.device else loopbacks.get(session.remote)
            if far:
                yield session, far


def _learn(routers: Routers, stack: Stack, host: HostName) -> None:
    router, origin = routers.known[host]
    for family in FAMILIES:
        ways = stack.tables.setdefault((family, router.table), [])
        ways += _ways(routers, host, router, family, origin)
        stack.tables[family, router.table] = in_order(ways)
    stack.learned = _outside(routers, router)


def _ways(routers: Routers, host: HostName, router: Router, family: Family, origin: KeyPath) -> Iterator[Way]:
    source = next((int(ip) for ip in router.sources if ip.version == family), None)

    def way(net: IPNetwork, devices: frozenset[str]) -> Way:
        several = "two paths cost the same" if len(devices) > 1 else ""
        by = min(devices, default=None)
        return Way(net.first, net.last, net.prefixlen, METRIC, by, None, source, origin, router.table, unsure=several)

    held = {way_.first for way_ in routers.made.stacks[host, None].tables.get((family, 254), ()) if way_.connected}
    for far, (_, devices) in routers.distances(host, family).items():
        for net in _of_igp(routers, far, family):
            if net.first not in held:
                yield way(net, devices)
    for net, announcing in routers.origins(family).items():
        if host in announcing:
            local = next((one.device for one in router.anycast if net in one.nets), None)
            if local:
                yield way(net, frozenset({str(local)}))
        elif devices := _devices(routers, host, family, announcing):
            yield way(net, devices)
    for net in router.system.own if router.system else ():
        if net.version == family:
            yield way(net, frozenset())


def _devices(routers: Routers, host: HostName, family: Family, announcing: list[HostName]) -> frozenset[str]:
    return frozenset(device for device in routers.nearest(host, family, announcing) if device)


def _of_igp(routers: Routers, host: HostName, family: Family) -> Iterator[IPNetwork]:
    """Loopbacks. OSPF also announces the subnets of its links."""
    router, _ = routers.known[host]
    yield from (net.cidr for net in router.loopbacks if net.version == family)
    for one in router.igp:
        device = routers.made.stacks[host, None].devices.get(one.device)
        if one.kind == "ospf" and device and family in one.families:
            yield from (net.cidr for net in device.networks if net.version == family and not net.ip.is_link_local())


def _outside(routers: Routers, router: Router) -> Learned:
    """What neighbours in other ASes, or programs of a host, may announce: ranges, and the longest prefix in each."""
    every = [one for one, _ in routers.known.values()]
    outer = any(not _is_inner(session) and session.kind != "collector" for one in every for session in one.sessions)
    system = router.system
    spans: dict[Family, list[tuple[tuple[tuple[int, int], ...], int]]] = {4: [], 6: []}
    for family in FAMILIES:
        if system and outer:
            barred = merged((*of_prefixes(system.own, family), *of_prefixes(system.refused, family)))
            for one in system.accepted:
                if one.net.version == family:
                    spans[family].append((minus(((one.net.first, one.net.last),), barred), one.most))
        for other in every:
            for net in other.learning.nets if other.learning else ():
                if net.version == family:
                    spans[family].append((((net.first, net.last),), 32 if family == 4 else 128))
    return Learned(router.table, spans)
