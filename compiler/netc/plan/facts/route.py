"""Routes (ip-route(8))."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress, IPNetwork

from netc.language.names import InterfaceName, NamespaceName
from netc.plan.facts.fact import Fact, Library
from netc.plan.questions import MAIN_TABLE, ask_route
from netc.plan.step import PROTOCOL, Command, Implicit, Step, Word, flag, ip

WORST = 4278198272
"""The metric of an unreachable route that comes after every other route (uint32)."""


class Route(Fact, frozen=True):
    """`to` is a prefix, or the default route if its length is 0. `table` None is main. With `device` None the route is
    unreachable: packets without a better route to that prefix are rejected. They use no shorter prefix and no next
    table."""

    to: IPNetwork
    device: InterfaceName | None
    via: IPAddress | None = None
    source: IPAddress | None = None
    table: int | None = None
    namespace: NamespaceName | None = None
    again: bool = False
    """The program that made the device may have added the same route."""

    is_routing = True

    def steps(self) -> Iterator[Step]:
        family = flag(self.to.version)
        if self.device is None:
            # `down` deletes only this route: another one in its place is not netc's.
            yield Step(
                up=ip(self.namespace, family, "route", "add", *self._refusal()),
                down=ip(self.namespace, family, "route", "delete", *self._refusal()[1:]),
                holds=(self._ask("unreachable", f"metric {WORST}"),),
            )
        elif self.again:
            yield Step(
                up=("instead", family, self._to, "dev", self.device, "protocol", PROTOCOL),
                down=Implicit(self.device),
                holds=(self._ask(f"dev {self.device}"),),
                why="Replaces the route that the program added.",
            )
        else:
            yield Step(
                up=ip(self.namespace, family, "route", "add", *self._words(self.device)),
                down=Implicit(self.device),
                holds=(self._ask(*self._answer()),),
            )

    def _ask(self, *words: str) -> Command:
        return ask_route(self.namespace, self.to.version, self.to, *words, f"table {self.table or MAIN_TABLE}")

    def _answer(self) -> Iterator[str]:
        if self.via:
            yield f"via {'inet6 ' if self.via.version != self.to.version else ''}{self.via}"
        yield f"dev {self.device}"
        if self.source:
            yield f"src {self.source}"

    @property
    def _to(self) -> Word:
        return "default" if self.to.prefixlen == 0 else self.to

    @property
    def _table(self) -> Command:
        return ("table", self.table) if self.table else ()

    def _refusal(self) -> Command:
        return ("unreachable", self._to, "metric", WORST, *self._table, "protocol", PROTOCOL)

    def _words(self, device: InterfaceName) -> Command:
        words: Command = (self._to,)
        other: Command = ("inet6",) if self.via and self.via.version != self.to.version else ()
        words += ("via", *other, self.via) if self.via else ()
        words += ("dev", device)
        words += ("src", self.source) if self.source else ()
        return (*words, *self._table, "protocol", PROTOCOL)

    def keeps(self) -> Iterator[Command]:
        """Also the unreachable route: without it, packets go on to the next table."""
        if not (self.namespace or (self.device and self.again)):
            words = self._refusal() if self.device is None else self._words(self.device)
            yield ("keep", flag(self.to.version), *words)

    def libraries(self) -> Iterator[Library]:
        if self.again:
            yield Library("foreign.bash")
