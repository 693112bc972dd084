"""The network as its plans have it, and as it is when something is gone: a tunnel, a link, a host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from netc.language.names import HostName
from netc.plan.host_plan import HostPlan
from netc.walk.bird import world
from netc.walk.places import Wrong
from netc.walk.stack import Place
from netc.walk.world import World, far_end, is_tunnel

Tunnels = frozenset[tuple[Place, str]]
NONE: Tunnels = frozenset()


@dataclass
class Worlds:
    plans: Sequence[HostPlan]
    base: World
    known: dict[object, World] = field(default_factory=dict)

    def supposing(self, place: Place) -> Iterator[tuple[str, World]]:
        """What else may hold for a host: IPv6 by router advertisements, and each of its tunnels down or away."""
        yield "", self.base
        yield " if the uplink has both families", self._made("perhaps")
        for stack, device in self.base.devices():
            if stack.place[0] == place[0] and is_tunnel(device):
                one = frozenset({(stack.place, device.name)})
                yield f" while {device.name} is away", self._made((one, NONE, None))
                yield f" while {device.name} is down", self._made((NONE, one, None))

    def without(self, named: str, spared: frozenset[str]) -> Iterator[tuple[str, World]]:
        """With one host or link gone, and each in turn for `any host` and `any link`, but for the hosts that the
        promise is about. Raises Wrong."""
        known = dict(links(self.base))
        hosts = [host for host in self.base.plans if str(host) not in spared]
        gone = [host for host in self.base.plans if str(host) == named] if named != "any host" else hosts
        cut = known.values() if named == "any link" else [known[named]] if named in known else []
        if not (gone or cut) and not named.startswith("any "):
            raise Wrong(f"no host and no link is called `{named}`")
        yield from ((f" while {host} is gone", self._made((NONE, NONE, host))) for host in gone)
        for ends in cut:
            what = " and ".join(sorted(f"{device} of {place[0]}" for place, device in ends))
            yield f" while {what} is down", self._made((NONE, ends, None))

    def _made(self, key: tuple[Tunnels, Tunnels, HostName | None] | str) -> World:
        if key not in self.known:
            if isinstance(key, str):
                self.known[key] = world(self.plans, perhaps=True)
            else:
                away, down, gone = key
                self.known[key] = world(self.plans, away=away, down=down, gone=frozenset({gone} if gone else ()))
        return self.known[key]


def links(made: World) -> Iterator[tuple[str, Tunnels]]:
    """Tunnels between two hosts of ours, by the name of the link. One of a mesh has those of its ends."""
    for stack, device in made.devices():
        far = far_end(made, stack, device)
        if far and device.origin[:1] in (("links",), ("meshes",)):
            ends = sorted(((stack.place, device.name), (far[0].place, far[1].name)))
            name = str(device.origin[1])
            if device.origin[0] == "meshes":
                name = f"{name}:{ends[0][0][0]}-{ends[1][0][0]}"
            yield name, frozenset(ends)
