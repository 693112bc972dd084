"""Reverse path filtering of interfaces that netc did not make."""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.names import InterfaceName
from netc.plan.facts.fact import Fact, Library
from netc.plan.step import Command, Step


class Loose(Fact, frozen=True):
    """While the part is up, reverse path filtering (RFC 3704) of a device that netc did not make is loose, if it was
    strict."""

    device: InterfaceName

    def steps(self) -> Iterator[Step]:
        yield Step(
            up=("loosen", self.device),
            down=("tighten", self.device),
            holds=(("rp_filter_is_loose", self.device),),
            why="Strict reverse path filtering would drop forwarded connections that come in by this uplink.",
        )

    def keeps(self) -> Iterator[Command]:
        yield ("loosen", self.device)

    def libraries(self) -> Iterator[Library]:
        yield Library("uplinks.bash")
