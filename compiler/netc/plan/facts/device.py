"""Network devices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netc.language.names import InterfaceName, NamespaceName
from netc.plan.facts.fact import Fact
from netc.plan.questions import NETCS, ask_link
from netc.plan.step import Command, Step


class Device(Fact, frozen=True):
    """An interface that its part creates and deletes. No other interface on the host has its name."""

    name: InterfaceName

    def asks(self) -> Iterable[Command]:
        return (("unused_link", self.name),)

    @property
    def is_on_host(self) -> bool:
        """`name` stays among the host's own interfaces."""
        return self.inside is None


def moved(name: InterfaceName, namespace: NamespaceName | None) -> Iterator[Step]:
    """The step that moves a tunnel into its namespace, if it has one."""
    if namespace:
        yield Step(
            up=("ip", "link", "set", "dev", name, "netns", namespace),
            down=("remove_link", name, namespace),
            holds=(ask_link(namespace, name, NETCS),),
            why="Made on the host and then moved: its outer packets still use the routes of the host.",
        )
