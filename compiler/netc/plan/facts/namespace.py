"""Network namespaces (ip-netns(8))."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress

from netc.language.names import NamespaceName
from netc.plan.facts.fact import Fact
from netc.plan.shown import link_shown
from netc.plan.step import Command, Falls, Step, ip


class Namespace(Fact, frozen=True):
    """A network namespace and the resolvers that are asked inside."""

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
            down=Falls(self.name),
            holds=(link_shown(self.name, "lo", "UP"),),
        )

    def asks(self) -> Iterator[Command]:
        yield ("unused_namespace", self.name)

    @property
    def inside(self) -> str:
        """Its own loopback device is brought up."""
        return self.name
