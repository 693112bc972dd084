"""Paper beside the kernel: what each of the two says of packets in a scene."""

from __future__ import annotations

import itertools
import random
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from netaddr import IPAddress

from live.draws import drawn
from live.lab import Lab
from mixed import Mixed
from netc.lab.packets import Probe, Seen, sent
from netc.lab.scene import Scene
from netc.lab.stand_ins import staged
from netc.network.dialling import public
from netc.pipeline import plan as plan_host
from netc.plan.image import Wire
from netc.walk.bird import world
from netc.walk.journey import Journey
from netc.walk.packet import UDP
from netc.walk.stack import SOMEWHERE
from netc.walk.world import World


@dataclass
class Agreed:
    """Figures of one topology, and every difference in words."""

    packets: int = 0
    arrived: int = 0
    false_accepts: list[str] = field(default_factory=list)
    false_drops: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    @property
    def figures(self) -> str:
        counts = f"{len(self.false_accepts)} false accepts, {len(self.false_drops)} false drops"
        return f"{self.packets} packets, {self.arrived} arrived: {counts}, {len(self.others)} other differences"

    @property
    def differences(self) -> list[str]:
        return [*self.false_accepts, *self.false_drops, *self.others]


def agreed(made: Mixed, count: int = 25, *, keep: bool = False) -> Agreed:
    """Brings it up, sends packets, and compares."""
    ours = staged([plan_host(host, made.network) for host in sorted(made.network.topology.hosts)])
    paper = world(ours.plans, userspace=not Path("/sys/module/wireguard").exists())
    with Lab() as lab, TemporaryDirectory() as folder:
        times = [time.monotonic()]
        scene = Scene(lab, ours, paper, Path(folder))
        scene.build()
        times.append(time.monotonic())
        probes = list(drawn(paper, random.Random(made.seed), count, scene))
        times.append(time.monotonic())
        seen = sent(scene, probes)
        times.append(time.monotonic())
        if keep:
            print("seconds", [round(b - a, 1) for a, b in itertools.pairwise(times)])
        found = compared(paper, probes, seen, scene)
        if keep and found.differences:
            for line in found.differences:
                print(line)
        return found


def compared(paper: World, probes: Iterable[Probe], seen: dict[int, Seen], scene: Scene) -> Agreed:
    found = Agreed()
    for probe in probes:
        found.packets += 1
        kernel, said = seen[probe.number], probe.paper
        got = {name for name, _ in kernel.got}
        wanted = _where(paper, said, scene, got)
        arrives = wanted is not None
        found.arrived += bool(got)
        text = f"{probe.text}\n      paper: {_says(paper, said, scene)}\n      kernel: {kernel}\n      {_events(said)}"
        is_udp = probe.packet.protocol == UDP
        if got and not arrives:
            found.false_accepts.append(f"false accept: {text}")
        elif arrives and not got and (is_udp or said.answered):
            found.false_drops.append(f"false drop: {text}")
        elif arrives and got and wanted not in got:
            found.others.append(f"place: {text}")
        elif arrives and got and not _same_source(said, kernel):
            found.others.append(f"source: {text}")
        elif kernel.answered != said.answered and (got or is_udp):
            found.others.append(f"answer: {text}")
        elif _way(paper, said.left) != _real(paper, kernel.there):
            found.others.append(f"way: {text}")
        elif said.answered and _way(paper, said.returned) != _real(paper, kernel.back):
            found.others.append(f"way back: {text}")
    return found


def _events(said: Journey) -> str:
    there = "; ".join(f"{event.place[0]}/{event.place[1]} {event.what}" for event in said.events)
    return f"{there} // " + "; ".join(f"{event.place[0]}/{event.place[1]} {event.what}" for event in said.returning)


def _says(paper: World, said: Journey, scene: Scene) -> str:
    ways = f"{sorted(_way(paper, said.left))} {sorted(_way(paper, said.returned))}"
    return f"{_where(paper, said, scene)} answered={said.answered} {ways}"


def _where(paper: World, said: Journey, scene: Scene, got: set[str] = frozenset()) -> str | None:
    end = said.there
    match end.kind:
        case "host":
            return paper.stacks[end.place].name
        case "behind":
            if isinstance(paper.stacks[end.place].devices[str(end.device)].made, Wire):
                return "world"
            host, name, _ = scene.containers.by_device[end.place, str(end.device)]
            return f"{host.name} {name}"
        case "internet":
            return "world"
        case "beyond":
            is_out = public(IPAddress(end.packet.to, end.packet.family))
            of_device = scene.strangers.ends[end.place, str(end.device)]
            return "world" if is_out else min(of_device & got or of_device)
        case _:
            return None


def _same_source(said: Journey, kernel: Seen) -> bool:
    end = said.there
    if end.device == SOMEWHERE and any(e.place == end.place and e.what.startswith("source NAT") for e in said.events):
        return True  # the address of an interface that netc does not know
    source = str(ip_address(str(IPAddress(said.there.packet.source, said.there.packet.family))))
    return source in {source for _, source in kernel.got}


def _way(paper: World, left: Iterable[tuple[object, str]]) -> set[tuple[str, str]]:
    return {(paper.stacks[place].name, str(device)) for place, device in left}


def _real(paper: World, way: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Without what is no host's, and without ports of bridges."""
    ours = {stack.name: stack for stack in paper.stacks.values()}
    found = set()
    for name, device in way:
        stack = ours.get(name)
        if stack is None or re.fullmatch(r"c\d+|far-.*", device):
            continue
        known = stack.devices.get(device)
        is_port = known is not None and getattr(known.made, "bridge", None) and not known.inner
        if not is_port:
            found.add((name, device))
    return found
