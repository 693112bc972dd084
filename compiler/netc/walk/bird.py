"""Routes that BIRD puts into kernels, as far as the plans of all routers decide them: paths of the IGP, and prefixes of
our own routers. What other ASes announce no plan has: where such a route could lead, a path is not known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from netc.language.names import HostName
from netc.language.values import Family
from netc.network.ranges import Ranges
from netc.plan.facts import PlainTunnel, Router, Wireguard
from netc.plan.host_plan import HostPlan
from netc.walk import wires
from netc.walk.free import among, between
from netc.walk.kernel import Walk
from netc.walk.outer import carried
from netc.walk.routers import Routers
from netc.walk.stack import Device, Stack, Way
from netc.walk.world import End, World, bare, far_end


class Bird(NamedTuple):
    """BIRD's routes of one host, for the walk."""

    host: HostName
    routers: Routers

    @property
    def table(self) -> int:
        return self.routers.known[self.host][0].table

    def way(self, family: Family, to: int) -> Way | None:
        """The one of the longest prefix."""
        announced = self.routers.announced(family)
        if not among(to, announced.all):
            return None
        bits = 32 if family == 4 else 128
        for length, found in announced.lengths:
            net = found.get(int(to) >> (bits - length) << (bits - length))
            if net is not None and (way := self.routers.way(self.host, net)):
                for longer in announced.inside(net):
                    between(to, longer.first, longer.last)
                between(to, net.first, net.last)
                return way
        return None

    def outside(self, family: Family) -> list[tuple[Ranges, int]]:
        """Where others may announce what no plan has, and the longest prefix there."""
        return self.routers.outside(self.host)[family]


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
    joined = [one for one in _joined(made) if one[2][0].place[0] in known]
    routers.ends = {(stack.place[0], device.name): far[0].place[0] for stack, device, far in joined}
    routers.others = {(stack.place[0], device.name): far[1].name for stack, device, far in joined}
    made.carried.clear()  # they may use BIRD's routes themselves
    for host in known:
        made.stacks[host, None].bird = Bird(host, routers)
    return made


def _joined(made: World) -> Iterator[tuple[Stack, Device, End]]:
    """Tunnels between two of our hosts, over which packets get there and back."""
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
