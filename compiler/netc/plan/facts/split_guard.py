"""A second guard over what splits chose, which a flush of the packet filter leaves alone."""

from __future__ import annotations

from collections.abc import Iterator

from netc.diagnostic import KeyPath
from netc.plan.facts.fact import Fact, Library
from netc.plan.ruleset import SplitTunnel
from netc.plan.step import Command, Step

GUARD_PATH = "/etc/netc/guard.nft"


class SplitGuard(Fact, frozen=True):
    """An nftables table that a process of netc's holds. It drops what `splits` chose as long as the packet filter has
    not judged it, whichever netfilter the host has."""

    origin: KeyPath
    splits: tuple[SplitTunnel, ...]

    change = "reload"
    is_early = True

    @property
    def _groups(self) -> tuple[str, ...]:
        return tuple(sorted({split.slice.control_group for split in self.splits if split.slice}))

    def steps(self) -> Iterator[Step]:
        yield Step(
            up=("hold_guard", GUARD_PATH, *self._groups),
            down=("end_guard",),
            holds=(("guard_is", GUARD_PATH),),
            why="The table ends with the process that holds it, and nothing else removes it.",
        )

    def asks(self) -> Iterator[Command]:
        if self._groups:
            yield ("need_control_groups",)

    def reload(self) -> Iterator[Command]:
        yield ("renew_guard", GUARD_PATH, *self._groups)

    def libraries(self) -> Iterator[Library]:
        yield Library("nftables.bash", ("check",))
        yield Library("guard.bash")
        if self._groups:
            yield Library("slices.bash", ("up",))
