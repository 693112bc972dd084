"""Slices that the packet filter knows (systemd.slice(5))."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress

from netc.language.names import SplitName
from netc.language.units import ServiceName, SliceName
from netc.plan.facts.fact import Fact, Library
from netc.plan.step import Command, Step


class HeldSlice(Fact, frozen=True):
    """A slice whose control group exists before the packet filter is loaded and before anything in it starts, and the
    services in it. With `resolvers`, these send DNS queries themselves: the host's resolver daemons are hidden
    from them, with the system bus unless they keep it (`dbus`)."""

    split: SplitName
    name: SliceName
    services: tuple[ServiceName, ...]
    resolvers: tuple[IPAddress, ...]
    dbus: bool = False

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
