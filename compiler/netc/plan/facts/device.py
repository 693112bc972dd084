"""What all devices have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netc.language.names import InterfaceName, NamespaceName
from netc.plan.facts.fact import Fact
from netc.plan.questions import NETCS, ask_link
from netc.plan.step import Command, Step


class Device(Fact, frozen=True):
    """An interface that comes with its part and goes with it. No other on the host has its name."""

    name: InterfaceName

    def asks(self) -> Iterable[Command]:
        return (("unused_link", self.name),)

    @property
    def is_on_host(self) -> bool:
        """`name` stays among the host's own interfaces."""
        return self.inside is None


def moved(name: InterfaceName, namespace: NamespaceName | None) -> Iterator[Step]:
    """The step that brings a tunnel into its namespace, if it has one."""
    if namespace:
        yield Step(
            up=("ip", "link", "set", "dev", name, "netns", namespace),
            down=("remove_link", name, namespace),
            holds=(ask_link(namespace, name, NETCS),),
            why="Born here, moved there: its outer packets still leave by the host's own uplink.",
        )
