"""Routes that are added again."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress

from netc.language.names import InterfaceName
from netc.language.values import Family
from netc.plan.facts.fact import Fact, Library
from netc.plan.questions import ask_route
from netc.plan.step import PROTOCOL, Command, Step, flag


class KeptRoute(Fact, frozen=True):
    """A default route by a device that other software deletes and makes again. A watcher adds the route whenever the
    device is there. `onlink`: the kernel does not check that `via` is in a connected network."""

    family: Family
    device: InterfaceName
    table: int
    via: IPAddress | None = None
    onlink: bool = False
    source: IPAddress | None = None

    is_routing = True

    def steps(self) -> Iterator[Step]:
        family = flag(self.family)
        words = (*((f"via {self.via}",) if self.via else ()), f"dev {self.device}")
        words += (f"src {self.source}",) if self.source else ()
        words += ("onlink",) if self.onlink else ()
        question = ask_route(None, self.family, None, *words, f"table {self.table}")
        for command in self.keeps():
            yield Step(
                up=command,
                down=("ip", family, "route", "flush", "table", self.table, "dev", self.device, "protocol", PROTOCOL),
                holds=(("if_up", family, self.device, self.source or "-", *question),),
                why="If the interface is down, the route cannot be added yet. Then netc-watch-* adds it later.",
            )

    def keeps(self) -> Iterator[Command]:
        words: Command = ("default", *(("via", self.via) if self.via else ()), "dev", self.device)
        words += ("onlink",) if self.onlink else ()
        words += ("src", self.source) if self.source else ()
        yield ("keep", flag(self.family), *words, "table", self.table, "protocol", PROTOCOL)

    def libraries(self) -> Iterator[Library]:
        yield Library("uplinks.bash")
