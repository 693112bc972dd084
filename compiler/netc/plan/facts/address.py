"""Addresses of devices (ip-address(8))."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPNetwork

from netc.language.names import InterfaceName, NamespaceName
from netc.plan.facts.fact import Fact
from netc.plan.questions import ask_address
from netc.plan.step import Command, Implicit, Step, flag, ip


class Address(Fact, frozen=True):
    """An address of a device's, with the length of its subnet."""

    network: IPNetwork
    device: InterfaceName
    namespace: NamespaceName | None = None
    nodad: bool = False
    """Usable at once: nobody else can have it (RFC 4862 section 5.4 is for shared links)."""
    again: bool = False
    """The program that made the device may have given it the same."""

    def steps(self) -> Iterator[Step]:
        verb = "replace" if self.again else "add"
        words: Command = ("address", verb, self.network, "dev", self.device, *(("nodad",) if self.nodad else ()))
        yield Step(
            up=ip(self.namespace, flag(self.network.version), *words),
            down=Implicit(self.device),
            holds=(ask_address(self.namespace, self.device, self.network),),
        )
