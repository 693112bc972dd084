"""Addresses of devices (ip-address(8))."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress, IPNetwork

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
    peer: IPAddress | None = None
    """The address at the other end of a point-to-point interface, to which the kernel makes a route."""

    def steps(self) -> Iterator[Step]:
        verb = "replace" if self.again else "add"
        far = ("peer", IPNetwork(self.peer)) if self.peer else ()
        nodad = ("nodad",) if self.nodad else ()
        words: Command = ("address", verb, self.network, *far, "dev", self.device, *nodad)
        yield Step(
            up=ip(self.namespace, flag(self.network.version), *words),
            down=Implicit(self.device),
            holds=(ask_address(self.namespace, self.device, self.network, self.peer),),
        )
