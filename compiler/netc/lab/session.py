"""What one can do with a lab that is up: each verb of `netc lab`, as lines for who asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from netc.lab import failures, promises, traced
from netc.lab.compared import real
from netc.lab.failures import Failure
from netc.lab.machine import Host
from netc.lab.packets import FIRST, Probe, Seen, sent
from netc.lab.promises import Result
from netc.lab.scene import Scene
from netc.lab.up import Prepared
from netc.walk import text
from netc.walk.journey import Start, journey
from netc.walk.packet import Owner, dialled
from netc.walk.places import Wrong, asked, packet_of, where
from netc.walk.world import World

Say = Callable[[str], None]
CONVERGES = 90
"""Seconds that routers have after something failed."""


class Misused(ValueError):
    """Words that are no call of the verb."""


@dataclass
class Session:
    """`lock`: one at a time sends packets or breaks something."""

    prepared: Prepared
    scene: Scene
    failed: dict[str, Failure] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def paper(self) -> World:
        return failures.paper_with(self.scene.paper, self.failed.values())

    def place(self, name: str) -> tuple[Host, str | None]:
        """`edge`, `seedbox/vpn`, or `internet`. Raises Wrong."""
        host, _, space = name.partition("/")
        if host == "internet":
            return self.scene.internet.host, None
        where(name, self.scene.paper)
        return self.scene.hosts[host], space or None

    # ---- verbs that say something: they give the exit code ------------------------------------------------------

    def visit(self, words: Sequence[str], say: Say) -> int:
        """ADDRESS PLACE:PORT. Raises Wrong."""
        with self.lock:
            _, probe, seen = self._sent(*_two(words, "visit ADDRESS PLACE:PORT"))
        paper = self.paper
        say(f"{_asker(probe, paper)} dials {dialled(probe.packet)}")
        say(f"here:     {promises.here(seen, self.scene)}")
        say(f"on paper: {promises.there(probe, paper)}")
        return 0 if seen.answered else 1

    def trace(self, words: Sequence[str], say: Say) -> int:
        """FROM TO. Raises Wrong."""
        begin, to = _two(words, "trace FROM TO")
        with self.lock, traced.traces(self.scene) as rules:
            start, probe, seen = self._sent(begin, to)
        paper = self.paper
        for line in text.as_text(paper, start, probe.packet, probe.paper, lambda _: "").splitlines():
            say(line)
        say("")
        say("what the kernels' rules said (nft monitor trace)")
        for name, line in rules:
            say(f"  {name}  {line}")
        say("by which interfaces it left")
        for way, left in (("there", seen.there), ("back", seen.back)):
            for name, device in sorted(real(paper, left)):
                say(f"  {way:5}  {name}  {device}")
        say(promises.here(seen, self.scene))
        return 0 if seen.answered else 1

    def fail(self, words: Sequence[str], say: Say) -> int:
        """HOST or LINK, or several. Raises Wrong."""
        if not words:
            raise Misused("fail HOST|LINK…")
        with self.lock:
            for name in words:
                if name not in self.failed:
                    one = failures.failure(name, self.scene.paper)
                    failures.fail(self.scene, one)
                    self.failed[name] = one
                say(f"{name} has failed")
        return 0

    def heal(self, words: Sequence[str], say: Say) -> int:
        """These, or all."""
        with self.lock:
            for name in words or list(self.failed):
                if name not in self.failed:
                    raise Wrong(f"`{name}` has not failed")
                failures.heal(self.scene, self.failed.pop(name))
                say(f"{name} is back")
        return 0

    def test(self, gone: str) -> list[Result]:
        """All promises. With `gone`, those that hold while it has failed too. Raises Wrong."""
        with self.lock:
            if not gone:
                return self._tried(None)
            one = failures.failure(gone, self.scene.paper)
            failures.fail(self.scene, one)
            self.failed[gone] = one
            try:
                return self._tried(one)
            finally:
                failures.heal(self.scene, self.failed.pop(gone))

    def _tried(self, one: Failure | None) -> list[Result]:
        """Routers need a while to notice that something is gone."""
        end = time.monotonic() + (CONVERGES if one and self._has_routers() else 0)
        while True:
            results = list(promises.tried(self.scene, self.prepared.network, self.paper, one))
            if not any(result.faults for result in results) or time.monotonic() > end:
                return results
            time.sleep(2)

    def _has_routers(self) -> bool:
        return any(stack.bird for stack in self.scene.paper.stacks.values())

    def _sent(self, begin: str, to: str) -> tuple[Start, Probe, Seen]:
        """One packet, on paper and here. Raises Wrong."""
        paper = self.paper
        start, packet = packet_of(where(begin, paper), asked(to, paper), paper, Owner(), None)
        if packet.sport == 0:
            raise Wrong("the lab sends TCP and UDP: write `PLACE:443/tcp`")
        number = self.scene.numbered(1)
        packet = replace(packet, sport=FIRST + number)
        probe = Probe(number, start, packet, journey(paper, start, packet))
        return start, probe, sent(self.scene, [probe])[number]


def _asker(probe: Probe, paper: World) -> str:
    return text.asker(paper, probe.start, probe.packet)


def _two(words: Sequence[str], usage: str) -> tuple[str, str]:
    if len(words) != 2:
        raise Misused(usage)
    return words[0], words[1]
