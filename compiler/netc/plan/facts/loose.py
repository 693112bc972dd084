"""Reverse path filtering of the image's own devices."""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.names import InterfaceName
from netc.plan.facts.fact import Fact, Library
from netc.plan.step import Command, Step


class Loose(Fact, frozen=True):
    """Reverse path filtering (RFC 3704) of the image's own device is loose while the part is up, if it was strict."""

    device: InterfaceName

    def steps(self) -> Iterator[Step]:
        yield Step(
            up=("loosen", self.device),
            down=("tighten", self.device),
            holds=(("is_loose", self.device),),
            why="Whoever dials this uplink and is passed on is answered by it: strict reverse path filtering cannot "
            "know.",
        )

    def keeps(self) -> Iterator[Command]:
        yield ("loosen", self.device)

    def libraries(self) -> Iterator[Library]:
        yield Library("uplinks.bash")
