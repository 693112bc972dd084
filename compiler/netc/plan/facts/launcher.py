"""Commands that choose what goes by a tunnel."""

from __future__ import annotations

from netc.language.names import CommandName, GroupName
from netc.plan.facts.fact import Fact
from netc.plan.step import Step


class Launcher(Fact, frozen=True):
    """A command in /usr/local/bin that runs any program with `group` as its primary group."""

    command: CommandName
    group: GroupName

    def steps(self) -> tuple[Step, ...]:
        """None: it is a file."""
        return ()
