"""Devices that other programs make."""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.names import Argument, HostPath, NamespaceName
from netc.plan.facts.device import Device
from netc.plan.facts.fact import Library, Secret
from netc.plan.questions import NETCS, ask_link
from netc.plan.step import Command, Implicit, Step


class Foreign(Device, frozen=True):
    """A device that another program makes: `start` is run on the host, and the device moved if it is wanted elsewhere.
    With an empty `stop` the program is ended by a signal."""

    start: tuple[Argument, ...]
    stop: tuple[Argument, ...]
    wait: int
    """Seconds until it has to be there."""
    config: HostPath | None = None
    """Holds the program's secrets, and so is root's alone."""
    namespace: NamespaceName | None = None

    runs_anything = True

    def steps(self) -> Iterator[Step]:
        """Its own end comes first, so that the program takes back what it did; it is found wherever it was moved to."""
        yield Step(
            up=("foreign", self.name, self.wait, *self.start),
            down=("end_foreign", self.name, self.namespace or "-", *self.stop),
            holds=(ask_link(self.namespace, self.name, NETCS), ("program_runs", self.name)),
            why="The program may lead everything into its interface: routes to everywhere are taken off it again.",
        )
        if self.namespace:
            yield Step(
                up=("ip", "link", "set", "dev", self.name, "netns", self.namespace),
                down=Implicit(self.name),
                holds=(ask_link(self.namespace, self.name, NETCS),),
                why="Born here, moved there: the program's own packets still leave by the host's own uplink.",
            )

    def needs(self) -> Iterator[Command]:
        yield ("program", self.start[0])

    def secrets(self) -> Iterator[Secret]:
        if self.config:
            yield Secret("config", self.config)

    def libraries(self) -> Iterator[Library]:
        yield Library("foreign.bash")
