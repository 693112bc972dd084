"""Network namespaces (ip-netns(8))."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress

from netc.language.names import NamespaceName
from netc.plan.facts.fact import Fact
from netc.plan.questions import ask_link
from netc.plan.step import Command, Implicit, Step, ip


class Namespace(Fact, frozen=True):
    """A network namespace and the resolvers inside."""

    name: NamespaceName
    resolvers: tuple[IPAddress, ...]

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
    def inside(self) -> str:
        """Its own loopback device is brought up."""
        return self.name
