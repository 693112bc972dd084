"""Flows that skip the packet filter (nft(8), FLOWTABLES)."""

from __future__ import annotations

from collections.abc import Iterator

from netc.diagnostic import KeyPath
from netc.language.names import InterfaceName
from netc.plan.facts.fact import Fact, Library
from netc.plan.step import Command, Step

OFFLOAD_PATH = "/etc/netc/offload.nft"


class Flowtable(Fact, frozen=True):
    """Established flows between `devices` skip the packet filter, except those that carry a mark within MARK_MASK."""

    origin: KeyPath
    devices: tuple[InterfaceName, ...]
    splits: bool = False
    """Whether the host has splits. Connections that these leave alone skip the packet filter too, though marked."""

    change = "retire"

    def steps(self) -> Iterator[Step]:
        for command in self.reload():
            yield Step(
                up=command,
                down=("nft", "delete", "table", "inet", "netc_offload"),
                holds=(("flowtable_is", OFFLOAD_PATH, *self.devices),),
            )

    def needs(self) -> Iterator[Command]:
        yield ("need", "nft", "nftables")

    def reload(self) -> Iterator[Command]:
        yield ("offload", OFFLOAD_PATH, *self.devices)

    def libraries(self) -> Iterator[Library]:
        yield Library("nftables.bash", ("check",))
        yield Library("offload.bash", ("up", "reload", "check"))
