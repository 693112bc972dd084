"""Connections of containers that have the address of an uplink by which they no longer leave."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress

from netc.language.names import InterfaceName
from netc.language.values import Family
from netc.plan.facts.fact import Fact, Library
from netc.plan.step import Command, Step, flag


class MovedSource(Fact, frozen=True):
    """While what arrives from `container` by `bridge` leaves by another interface than `device`, no connection keeps
    `address`, which source NAT gave it there. The kernel does this by itself for `masquerade`, and not for a fixed
    address."""

    family: Family
    bridge: InterfaceName
    container: IPAddress
    device: InterfaceName
    address: IPAddress

    def steps(self) -> Iterator[Step]:
        """None: it is about connections, which come and go. The watcher looks after them."""
        return iter(())

    def asks(self) -> Iterator[Command]:
        yield ("advise_conntrack",)

    def keeps(self) -> Iterator[Command]:
        yield ("forget_moved", flag(self.family), self.bridge, self.container, self.device, self.address)

    def libraries(self) -> Iterator[Library]:
        yield Library("uplinks.bash")
