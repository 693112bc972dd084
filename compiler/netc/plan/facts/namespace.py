"""Network namespaces (ip-netns(8))."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress

from netc.language.names import NamespaceName
from netc.language.units import UnitName
from netc.plan.facts.fact import Fact, Library
from netc.plan.questions import ask_link
from netc.plan.step import Command, Implicit, Step, ip


class Namespace(Fact, frozen=True):
    """A network namespace, the resolvers inside, and the units that run there."""

    name: NamespaceName
    resolvers: tuple[IPAddress, ...]
    units: tuple[UnitName, ...] = ()

    def steps(self) -> Iterator[Step]:
        yield Step(
            up=("ip", "netns", "add", self.name),
            down=("ip", "netns", "delete", self.name),
            holds=(("exists", f"/run/netns/{self.name}"),),
        )
        yield Step(
            up=ip(self.name, "link", "set", "dev", "lo", "up"),
            down=Implicit(self.name),
            holds=(ask_link(self.name, "lo", "UP"),),
        )

    def asks(self) -> Iterator[Command]:
        yield ("unused_namespace", self.name)

    @property
    def _services(self) -> tuple[UnitName, ...]:
        """A socket unit has no process of its own."""
        return tuple(unit for unit in self.units if unit.endswith(".service"))

    def questions(self) -> Iterator[Command]:
        if self._services:
            yield ("services_run_in_namespace", self.name, *self._services)

    def libraries(self) -> Iterator[Library]:
        if self._services:
            yield Library("confined.bash", ("check",))

    @property
    def inside(self) -> str:
        """Its own loopback device is brought up."""
        return self.name
