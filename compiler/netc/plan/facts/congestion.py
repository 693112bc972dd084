"""TCP congestion control."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from netc.plan.facts.fact import Fact, Library
from netc.plan.step import Step


class Congestion(Fact, frozen=True):
    """The congestion control of the host's TCP, and the default queue of new interfaces (tcp(7), tc-fq(8))."""

    control: Literal["bbr"]
    queue: Literal["fq"]

    def steps(self) -> Iterator[Step]:
        yield Step(
            up=("congestion", self.control, self.queue),
            down=("congestion_before", self.control, self.queue),
            holds=(("congestion_is", self.control),),
            why="`down` restores the values that the host had before.",
        )

    def libraries(self) -> Iterator[Library]:
        yield Library("tcp.bash")

    def capabilities(self) -> tuple[str, ...]:
        """tcp_bbr and sch_fq are loaded by modprobe(8)."""
        return ("SYS_MODULE",)

    def kernel(self) -> tuple[str, ...]:
        return (self.control,)
