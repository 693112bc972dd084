"""Commands that choose what goes by a tunnel."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress

from netc.language.names import CommandName, GroupName, SplitName
from netc.plan.facts.fact import Fact, Library
from netc.plan.hidden import folders
from netc.plan.step import Implicit, Step


class Launcher(Fact, frozen=True):
    """A command in /usr/local/bin that runs any program with `group` as its primary group.

    With `resolvers`, the program sends DNS queries itself: the host's resolver daemons are hidden from it, and so is
    the system bus unless it keeps it (`dbus`).
    """

    split: SplitName
    command: CommandName
    group: GroupName
    resolvers: tuple[IPAddress, ...]
    dbus: bool = False

    def steps(self) -> Iterator[Step]:
        """They stay after `down`: programs that still run have them hidden."""
        if self.resolvers:
            hidden = folders(dbus=self.dbus)
            why = f"`{self.command}` hides these folders from programs, also where no daemon uses them yet."
            asked = (*(("exists", one) for one in hidden), ("masks_stay", self.group, *hidden))
            yield Step(("make_hidden_folders", *hidden), Implicit("/run"), asked, why)

    def libraries(self) -> Iterator[Library]:
        if self.resolvers:
            yield Library("splits.bash", ("up", "check"))
