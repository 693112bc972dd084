"""What routers of ours announce to each other, and which of their paths are the shortest: by the IGP, and by BGP."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from heapq import heappop, heappush
from typing import get_args

from netaddr import IPAddress, IPNetwork

from netc.diagnostic import KeyPath
from netc.language.names import HostName
from netc.language.values import Family
from netc.network.derive import MAIN
from netc.network.ranges import Ranges, merged, minus, of_prefixes
from netc.plan.bgp import IgpInterface, Inner, Session
from netc.plan.facts import Router
from netc.walk.heard import is_adjacent, opens_session
from netc.walk.stack import Stack, Way
from netc.walk.world import FAMILIES, World


@dataclass
class Announced:
    """Prefixes that some router of ours announces: by the IGP, to our other routers, or as our own."""

    by_igp: dict[IPNetwork, list[HostName]]
    by_bgp: dict[IPNetwork, list[HostName]]
    lengths: list[tuple[int, dict[int, IPNetwork]]]
    """The longest first, with prefixes by their first address."""
    all: Ranges
    _inside: dict[IPNetwork, list[IPNetwork]] = field(default_factory=dict)

    def inside(self, net: IPNetwork) -> list[IPNetwork]:
        """Longer ones that are parts of one."""
        if net not in self._inside:
            longer = (one for length, found in self.lengths if length > net.prefixlen for one in found.values())
            self._inside[net] = [one for one in longer if net.first <= one.first <= net.last]
        return self._inside[net]


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
    others: dict[tuple[HostName, str], str] = field(default_factory=dict)
    """And its interface."""
    _sessions: dict[HostName, list[tuple[Session, HostName]]] = field(default_factory=dict)
    _near: dict[Family, dict[HostName, list[tuple[HostName, str, tuple[int, ...]]]]] = field(default_factory=dict)
    _announced: dict[Family, Announced] = field(default_factory=dict)
    _outside: dict[HostName, dict[Family, list[tuple[Ranges, int]]]] = field(default_factory=dict)
    _ways: dict[tuple[HostName, IPNetwork], Way | None] = field(default_factory=dict)
    _distances: dict[tuple[HostName, Family], Reached] = field(default_factory=dict)
    _origins: dict[Family, dict[IPNetwork, list[HostName]]] = field(default_factory=dict)

    # ---- the IGP ---------------------------------------------------------------------------------------------

    def near(self, family: Family) -> dict[HostName, list[tuple[HostName, str, tuple[int, ...]]]]:
        """Neighbours of each router by the IGP, with the interface and its cost. Both ends must speak it."""
        if family not in self._near:
            spoken = {
                (host, self.ends[host, one.device]): one
                for host, (router, _) in self.known.items()
                for one in router.igp
                if family in one.families and (host, one.device) in self.ends and host not in self.made.gone
            }
            found: dict[HostName, list[tuple[HostName, str, tuple[int, ...]]]] = {host: [] for host in self.known}
            for (host, far), one in spoken.items():
                if (far, host) in spoken and self._is_adjacent(one, family, host, far):
                    costly = spoken[far, host] if one.kind == "babel" else one  # Babel counts what the receiver says
                    found[host].append((far, one.device, (costly.cost,)))
            self._near[family] = found
        return self._near[family]

    def _is_adjacent(self, one: IgpInterface, family: Family, host: HostName, far: HostName) -> bool:
        near, other = self.made.stacks[host, None], self.made.stacks[far, None]
        ends = (near, near.devices[one.device]), (other, other.devices[self.others[host, one.device]])
        return is_adjacent(one.kind, family, *ends)

    def distances(self, host: HostName, family: Family) -> Reached:
        key = (host, family)
        if key not in self._distances:
            self._distances[key] = _shortest(host, self.near(family).__getitem__, 1)
        return self._distances[key]

    # ---- BGP -------------------------------------------------------------------------------------------------

    @cached_property
    def dialled(self) -> set[tuple[HostName, HostName | None]]:
        """Who has a session to which of our routers: it comes up if both ends have it."""
        inner = (
            (host, one) for host, (router, _) in self.known.items() for one in router.sessions if one.kind in INNER
        )
        return {(host, self.far(host, session)) for host, session in inner}

    def far(self, host: HostName, session: Session) -> HostName | None:
        """By a tunnel, or to a loopback."""
        return self.ends.get((host, session.device)) if session.device else self.loopbacks.get(session.remote)

    def sessions(self, host: HostName) -> list[tuple[Session, HostName]]:
        if host not in self._sessions:
            self._sessions[host] = list(_sessions(self, host))
        return self._sessions[host]

    @cached_property
    def is_outer(self) -> bool:
        """Whether a neighbour in another AS may announce something."""
        every = (session.kind for router, _ in self.known.values() for session in router.sessions)
        return any(kind not in INNER and kind != "collector" for kind in every)

    @cached_property
    def learning(self) -> list[Router]:
        return [router for router, _ in self.known.values() if router.learning]

    def announced(self, family: Family) -> Announced:
        if family not in self._announced:
            self._announced[family] = announced(self, family)
        return self._announced[family]

    def outside(self, host: HostName) -> dict[Family, list[tuple[Ranges, int]]]:
        if host not in self._outside:
            self._outside[host] = _outside(self, self.known[host][0])
        return self._outside[host]

    def way(self, host: HostName, net: IPNetwork) -> Way | None:
        if (host, net) not in self._ways:
            self._ways[host, net] = _way(self, host, net)
        return self._ways[host, net]

    @cached_property
    def loopbacks(self) -> dict[IPAddress, HostName]:
        return {net.ip: far for far, (other, _) in self.known.items() for net in other.loopbacks}

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
                direct = {far for _, far in self.sessions(host)}
                reached = {far: found for far, found in reached.items() if far in direct}
        known = [reached[far] for far in announcing if far in reached]
        least = min((cost for cost, _ in known), default=None)
        return frozenset(device for cost, devices in known if cost == least for device in devices)

    def _by_igp(self, host: HostName, family: Family) -> Reached:
        """Next hops are loopbacks. In a fake confederation the shorter path of members comes first."""
        router, _ = self.known[host]
        over_six = router.system is not None and router.system.four_over_six
        paths = self.distances(host, 6 if over_six else family)
        heard = _shortest(host, self._by_sessions, 3)
        fake = router.system is not None and router.system.form == "fake"
        return {
            far: ((heard[far][0][1] if fake else 0, *cost), devices)
            for far, (cost, devices) in paths.items()
            if far in heard
        }

    def _by_sessions(self, host: HostName) -> Iterator[tuple[HostName, str, tuple[int, ...]]]:
        """Whether a drained router is on the path, the members on it, and the cost."""
        for session, far in self.sessions(host):
            if host in self.made.gone or far in self.made.gone:
                continue
            if session.device is None and far not in self.distances(host, 6 if session.remote.version == 6 else 4):
                continue
            system = self.known[far][0].system
            drained = int(bool(system and system.drained))
            yield far, str(session.device or ""), (drained, int(session.kind == "fake"), session.cost)


Near = Callable[[HostName], Iterable[tuple[HostName, str, tuple[int, ...]]]]

INNER = frozenset(get_args(Inner))


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
        for way in made.stacks[host, None].tables.get((family, MAIN), ()):
            if way.connected and way.device not in router.learning.excluded:
                net = IPNetwork(f"{IPAddress(way.first, family)}/{way.length}")
                if any(net in one for one in router.learning.nets):
                    yield net


def _sessions(routers: Routers, host: HostName) -> Iterator[tuple[Session, HostName]]:
    """Those to our other routers."""
    for session in routers.known[host][0].sessions:
        if session.kind in INNER:
            far = routers.far(host, session)
            if far and (far, host) in routers.dialled and opens_session(session, *_ends(routers, host, session, far)):
                yield session, far


def _ends(
    routers: Routers, host: HostName, session: Session, far: HostName
) -> tuple[Stack, Stack, tuple[str, ...], tuple[str, ...]]:
    """Both stacks, and the interfaces by which packets of a session may come to them."""
    stacks = routers.made.stacks[host, None], routers.made.stacks[far, None]
    if session.device:
        return *stacks, (session.device,), (routers.others[host, session.device],)
    by, at = (tuple(str(one.device) for one in routers.known[name][0].igp) for name in (host, far))
    return *stacks, by, at


def _way(routers: Routers, host: HostName, net: IPNetwork) -> Way | None:
    """Of a router, to one of the prefixes that some router announces."""
    router, origin = routers.known[host]
    family: Family = 4 if net.version == 4 else 6
    source = next((int(ip) for ip in router.sources if ip.version == family), None)
    devices = _leading(routers, host, router, family, net)
    if devices is None:
        return None
    several = "two paths cost the same" if len(devices) > 1 else ""
    by = min(devices, default=None)
    return Way(net.first, net.last, net.prefixlen, METRIC, by, None, source, origin, router.table, unsure=several)


def _leading(routers: Routers, host: HostName, router: Router, family: Family, net: IPNetwork) -> frozenset[str] | None:
    """The interfaces of its routes: none for what is unreachable. None: it has no route."""
    announced = routers.announced(family)
    if net in announced.by_igp and not any(net.first == way.first for way in _connected(routers.made, host, family)):
        paths = routers.distances(host, family)
        reached = [paths[far] for far in announced.by_igp[net] if far in paths]
        if reached:
            least = min(cost for cost, _ in reached)
            return frozenset(device for cost, devices in reached if cost == least for device in devices)
    if announcing := announced.by_bgp.get(net):
        if host in announcing:
            local = next((one.device for one in router.anycast if net in one.nets), None)
            return frozenset({str(local)}) if local else None
        if devices := _devices(routers, host, family, announcing):
            return devices
    return frozenset() if router.system and net in router.system.own else None


def _connected(made: World, host: HostName, family: Family) -> Iterator[Way]:
    yield from (way for way in made.stacks[host, None].tables.get((family, MAIN), ()) if way.connected)


def _devices(routers: Routers, host: HostName, family: Family, announcing: list[HostName]) -> frozenset[str]:
    return frozenset(device for device in routers.nearest(host, family, announcing) if device)


def announced(routers: Routers, family: Family) -> Announced:
    by_igp: dict[IPNetwork, list[HostName]] = {}
    for host in routers.known:
        if host not in routers.made.gone:
            for net in dict.fromkeys(_of_igp(routers, host, family)):
                by_igp.setdefault(net, []).append(host)
    by_bgp = routers.origins(family)
    own = [net for router, _ in routers.known.values() if router.system for net in router.system.own]
    every = {*by_igp, *by_bgp, *(net for net in own if net.version == family)}
    lengths: dict[int, dict[int, IPNetwork]] = {}
    for net in every:
        lengths.setdefault(net.prefixlen, {})[net.first] = net
    ordered = sorted(lengths.items(), reverse=True)
    return Announced(by_igp, by_bgp, ordered, merged((net.first, net.last) for net in every))


def _of_igp(routers: Routers, host: HostName, family: Family) -> Iterator[IPNetwork]:
    """Loopbacks. OSPF also announces the subnets of its links."""
    router, _ = routers.known[host]
    yield from (net.cidr for net in router.loopbacks if net.version == family)
    for one in router.igp:
        device = routers.made.stacks[host, None].devices.get(one.device)
        if one.kind == "ospf" and device and family in one.families:
            yield from (net.cidr for net in device.networks if net.version == family and not net.ip.is_link_local())


def _outside(routers: Routers, router: Router) -> dict[Family, list[tuple[Ranges, int]]]:
    """What neighbours in other ASes, or programs of a host, may announce: ranges, and the longest prefix in each."""
    system = router.system
    spans: dict[Family, list[tuple[Ranges, int]]] = {4: [], 6: []}
    for family in FAMILIES:
        if system and routers.is_outer:
            barred = merged((*of_prefixes(system.own, family), *of_prefixes(system.refused, family)))
            for one in system.accepted:
                if one.net.version == family:
                    spans[family].append((minus(((one.net.first, one.net.last),), barred), one.most))
        for other in routers.learning:
            for net in other.learning.nets if other.learning else ():
                if net.version == family:
                    spans[family].append((((net.first, net.last),), 32 if family == 4 else 128))
    return spans
