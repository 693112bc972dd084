"""Devices that are up."""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.names import InterfaceName, NamespaceName
from netc.plan.facts.fact import Fact
from netc.plan.questions import ask_link
from netc.plan.step import Command, Implicit, Step, ip


class Carrier(Fact, frozen=True):
    """The device is up, with this MTU in bytes."""

    device: InterfaceName
    mtu: int | None
    namespace: NamespaceName | None = None

    def steps(self) -> Iterator[Step]:
        size: Command = ("mtu", self.mtu) if self.mtu else ()
        yield Step(
            up=ip(self.namespace, "link", "set", "dev", self.device, *size, "up"),
            down=Implicit(self.device),
            holds=(ask_link(self.namespace, self.device, "UP", *((f"mtu {self.mtu}",) if self.mtu else ())),),
        )
