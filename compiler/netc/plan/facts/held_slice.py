"""Slices that the packet filter knows (systemd.slice(5))."""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.units import ServiceName, SliceName
from netc.plan.facts.fact import Fact, Library
from netc.plan.step import Command, Step


class HeldSlice(Fact, frozen=True):
    """A slice whose control group exists before the packet filter is loaded and before anything in it starts, and the
    services in it. With `asks_by_packet`, these send DNS queries themselves and do not use the host's resolver daemons.
    """

    name: SliceName
    services: tuple[ServiceName, ...]
    asks_by_packet: bool

    def steps(self) -> tuple[Step, ...]:
        """None: it is drop-ins of units."""
        return ()

    def questions(self) -> Iterator[Command]:
        if self.services:
            yield ("services_run_in_slice", self.name, *self.services)

    def asks(self) -> Iterator[Command]:
        yield ("look_at_services", self.name, *self.services)

    def libraries(self) -> Iterator[Library]:
        yield Library("slices.bash", ("up",))
        if self.services:
            yield Library("confined.bash", ("check",))
