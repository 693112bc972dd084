"""Packets that are sent in a scene, and what the kernels do with them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from netaddr import IPAddress

from netc.lab.machine import Host
from netc.lab.process import Process as Started
from netc.lab.scene import Scene
from netc.lab.waiting import Late
from netc.walk.journey import Journey, Process, Start, Stranger
from netc.walk.packet import TCP, UDP, Owner, Packet, described

AGENT = Path(__file__).with_name("agent.py")
FIRST = 61000
"""Of source ports: each packet has one of its own."""


@dataclass
class Probe:
    """One packet, and what paper says of it."""

    number: int
    start: Start
    packet: Packet
    paper: Journey

    @property
    def text(self) -> str:
        who = self.start if not isinstance(self.start, Stranger) else "internet"
        return f"{self.number}: {who}: {described(self.packet)}"


@dataclass
class Seen:
    """What the kernels did with it. `got`: places that got it, with the source that they saw."""

    got: set[tuple[str, str]] = field(default_factory=set)
    answered: bool = False
    there: set[tuple[str, str]] = field(default_factory=set)
    back: set[tuple[str, str]] = field(default_factory=set)


def sent(scene: Scene, probes: list[Probe]) -> dict[int, Seen]:
    scene.internet.answer_for([probe.packet for probe in probes])
    scene.containers.answer_for(probe.paper.there for probe in probes)
    scene.warm()
    ports = {
        protocol: ",".join(sorted({str(port) for p in probes if p.packet.protocol == protocol for port in _ends(p)}))
        for protocol in (UDP, TCP)
    }
    watching: dict[str, Started] = {}
    for name, host, space, any_ in scene.places():
        words = ["watch", name, "1" if any_ else "0", ports[UDP], ports[TCP]]
        watching[name] = start(host, space, *words)
    for started in watching.values():
        started.wait_for("ready", 120)
    asking: list[Started] = []
    by_place: dict[str, list[Probe]] = {}
    for probe in probes:
        by_place.setdefault(scene.place_of(probe.start, probe.packet), []).append(probe)
    for name, host, space, any_ in scene.places():
        if name in by_place:
            said = json.dumps([_asked(scene, probe, any_) for probe in by_place[name]])
            asking.append(start(host, space, "ask", said))
    for started in asking:
        started.wait(60)
    seen = {probe.number: Seen() for probe in probes}
    for started in asking:
        for line in lines_of(started):
            if "answered" in line:
                seen[line["answered"]].answered = True
    for name, started in watching.items():
        started.stop(patience=60)
        watched(name, started, seen)
    return seen


def _asked(scene: Scene, probe: Probe, any_: bool) -> dict[str, object]:
    packet, owner = probe.packet, (isinstance(probe.start, Process) and probe.start.owner) or Owner()
    return {
        "number": probe.number,
        "protocol": "tcp" if packet.protocol == TCP else "udp",
        "source": str(IPAddress(packet.source, packet.family)) if packet.source else "",
        "to": str(IPAddress(packet.to, packet.family)),
        "port": packet.dport,
        "gid": scene.numbers.get(str(owner.group), 0),
        "uid": scene.numbers.get(str(owner.user), 0),
        "any": any_,
    }


def watched(name: str, started: Started, seen: dict[int, Seen]) -> None:
    """Raises Late if it may have missed a packet: what nobody saw would count as what did not happen."""
    if not any(line.get("missed") == 0 for line in lines_of(started)):
        why = started.texts()[1].strip().rpartition("\n")[2]
        raise Late(f"the lab has not seen every packet at {name}{f': {why}' if why else ', this machine is too busy'}")
    for line in lines_of(started):
        if "got" in line and line["got"] in seen:
            seen[line["got"]].got.add((name, str(ip_address(line["source"].partition("%")[0]))))
        if "out" in line and line["number"] in seen:
            way = seen[line["number"]].there if line["there"] else seen[line["number"]].back
            way.add((name, line["out"]))


def _ends(probe: Probe) -> set[int]:
    """Before and after destination NAT."""
    return {probe.packet.dport, probe.paper.there.packet.dport}


def start(host: Host, namespace: str | None, *words: str) -> Started:
    """An agent there."""
    program = AGENT.read_text(encoding="utf-8")
    return host.start_beside([sys.executable, "-I", "-S", "-c", program], namespace, json.dumps(words))


def lines_of(started: Started) -> Iterator[dict[str, Any]]:
    for line in started.out.read_text(encoding="utf-8").splitlines():
        if line.startswith("{"):
            yield json.loads(line)
