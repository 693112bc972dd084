"""Addresses of a host itself."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPNetwork

from netc.plan.facts.fact import CHANGING, Fact, Library
from netc.plan.questions import ask_address
from netc.plan.step import Command, Step, flag, ip


class Loopback(Fact, frozen=True):
    """An address of the host itself and of no link, so any link that is up reaches it."""

    network: IPNetwork

    def steps(self) -> Iterator[Step]:
        yield Step(
            up=ip(None, flag(self.network.version), "address", "add", self.network, "dev", "lo"),
            down=("remove_address", self.network),
            holds=(ask_address(None, "lo", self.network),),
        )

    def asks(self) -> Iterator[Command]:
        yield ("unused_address", self.network)

    def libraries(self) -> Iterator[Library]:
        yield Library("loopback.bash", CHANGING)
