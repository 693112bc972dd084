"""What keeps strangers out is there before they are."""

from __future__ import annotations

from collections.abc import Iterator

from netc.plan.facts.fact import Fact
from netc.plan.step import Command, Step


class Filtered(Fact, frozen=True):
    """Strangers are behind the part's interface: it does not come up before the host's packet filter. It stays up if
    the filter goes down or reloads."""

    def steps(self) -> tuple[Step, ...]:
        return ()

    def asks(self) -> Iterator[Command]:
        yield ("need_filter",)
