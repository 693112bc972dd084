"""Paper beside the kernel: what each of the two says of packets in a scene."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from live.draws import drawn
from live.lab import Lab
from mixed import Mixed
from netc.lab.compared import real, same_source, way, where
from netc.lab.packets import Probe, Seen, sent
from netc.lab.scene import Scene
from netc.lab.stand_ins import staged
from netc.pipeline import plan as plan_host
from netc.walk.bird import world
from netc.walk.journey import Journey
from netc.walk.packet import UDP
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
        wanted = where(paper, said, scene, got)
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
        elif arrives and got and not same_source(said, kernel):
            found.others.append(f"source: {text}")
        elif kernel.answered != said.answered and (got or is_udp):
            found.others.append(f"answer: {text}")
        elif way(paper, said.left) != real(paper, kernel.there):
            found.others.append(f"way: {text}")
        elif said.answered and way(paper, said.returned) != real(paper, kernel.back):
            found.others.append(f"way back: {text}")
    return found


def _events(said: Journey) -> str:
    there = "; ".join(f"{event.place[0]}/{event.place[1]} {event.what}" for event in said.events)
    return f"{there} // " + "; ".join(f"{event.place[0]}/{event.place[1]} {event.what}" for event in said.returning)


def _says(paper: World, said: Journey, scene: Scene) -> str:
    ways = f"{sorted(way(paper, said.left))} {sorted(way(paper, said.returned))}"
    return f"{where(paper, said, scene)} answered={said.answered} {ways}"
