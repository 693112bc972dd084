"""Devices that other programs make."""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.names import Argument, HostPath, NamespaceName
from netc.plan.facts.device import Device
from netc.plan.facts.fact import Library, Secret
from netc.plan.questions import NETCS, ask_link
from netc.plan.step import Command, Implicit, Step


class Foreign(Device, frozen=True):
    """A device that another program makes. `start` runs on the host, and the device is moved if it has a `namespace`.
    If `stop` is empty, a signal ends the program."""

    start: tuple[Argument, ...]
    stop: tuple[Argument, ...]
    wait: int
    """Seconds that the program has to make it."""
    config: HostPath | None = None
    """Holds the program's secrets, so only root may have access."""
    namespace: NamespaceName | None = None

    runs_anything = True

    def steps(self) -> Iterator[Step]:
        """`down` runs the program's own stop command first, so that the program undoes what it did."""
        yield Step(
            up=("foreign", self.name, self.wait, *self.start),
            down=("end_foreign", self.name, self.namespace or "-", *self.stop),
            holds=(ask_link(self.namespace, self.name, NETCS), ("program_runs", self.name), *self._stays_apart()),
            why="Runs the program. Default routes by its interface, and policy rules that it adds, are deleted again.",
        )
        if self.namespace:
            yield Step(
                up=("ip", "link", "set", "dev", self.name, "netns", self.namespace),
                down=Implicit(self.name),
                holds=(ask_link(self.namespace, self.name, NETCS),),
                why="Made on the host and then moved: the program's own packets still use the routes of the host.",
            )

    def _stays_apart(self) -> Iterator[Command]:
        """In a namespace the tunnel has the default route."""
        if not self.namespace:
            yield ("leads_nothing", self.name)

    def needs(self) -> Iterator[Command]:
        yield ("program", self.start[0])

    def secrets(self) -> Iterator[Secret]:
        if self.config:
            yield Secret("config", self.config)

    def libraries(self) -> Iterator[Library]:
        yield Library("foreign.bash")
