"""Policy rules (ip-rule(8)): one of several facts of a part, or the only one."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress, IPNetwork

from netc.language.names import InterfaceName, NamespaceName
from netc.language.values import Family, Ports
from netc.network.derive import DEFAULT_LENGTH, MAIN
from netc.network.forwards import MARK_MASK
from netc.plan.facts.fact import Fact, Library
from netc.plan.questions import MAIN_TABLE, ask_rule, bare
from netc.plan.step import IPPROTO, PROTOCOL, Command, Implicit, Step, flag, ip


class Rule(Fact, frozen=True):
    """A policy rule: packets that match all fields look in `table`, with `specific` without its default routes. If
    `table` is None, they are rejected as unreachable. `device` is the incoming interface."""

    family: Family
    priority: int
    table: int | None
    specific: bool = False
    source: IPAddress | IPNetwork | None = None
    to: IPAddress | IPNetwork | None = None
    device: InterfaceName | None = None
    source_ports: Ports | None = None
    mark: int | None = None
    """Within MARK_MASK."""
    namespace: NamespaceName | None = None

    is_routing = True

    def steps(self) -> Iterator[Step]:
        match_: Command = ("from", self.source or "all")
        match_ += ("to", self.to) if self.to else ()
        match_ += ("iif", self.device) if self.device else ()
        if self.mark is not None:
            match_ += ("fwmark", f"{self.mark:#010x}/{MARK_MASK:#010x}")
        if self.source_ports:
            match_ += ("ipproto", IPPROTO[self.source_ports.protocol], "sport", self.source_ports.span)
        there: Command = ("unreachable",)
        if self.table is not None:
            there = ("lookup", "main" if self.table == MAIN else self.table)
        there += ("suppress_prefixlength", DEFAULT_LENGTH[self.family]) if self.specific else ()
        words = ("priority", self.priority, *match_, *there, "protocol", PROTOCOL)
        family = flag(self.family)
        yield Step(
            up=ip(self.namespace, family, "rule", "add", *words),
            down=Implicit(self.namespace) if self.namespace else ip(None, family, "rule", "delete", *words),
            holds=(ask_rule(self.namespace, self.family, self.priority, *self._answer()),),
        )

    def _answer(self) -> Iterator[str]:
        """As `ip rule show` prints it."""
        yield f"from {bare(self.source) if self.source else 'all'}"
        if self.to:
            yield f"to {bare(self.to)}"
        if self.device:
            yield f"iif {self.device}"
        if self.mark is not None:
            yield f"fwmark {self.mark:#x}/{MARK_MASK:#x}"
        if self.source_ports:
            yield f"ipproto {IPPROTO[self.source_ports.protocol]}"
            yield f"sport {self.source_ports.span}"
        yield f"lookup {MAIN_TABLE if self.table == MAIN else self.table}" if self.table is not None else "unreachable"
        if self.specific:
            yield f"suppress_prefixlength {DEFAULT_LENGTH[self.family]}"


class RoutingPolicy(Fact, frozen=True):
    """Policy rules of the host that change one by one while the part is up. Rules that stay are never deleted."""

    rules: tuple[Rule, ...]

    change = "reload"
    is_routing = True

    def steps(self) -> Iterator[Step]:
        for rule in self.rules:
            yield from rule.steps()

    def reload(self) -> Iterator[Command]:
        """Also deletes rules of the old `up` that are not among these."""
        yield from (("rule", *step.up) for step in self.steps())
        yield ("drop_other_rules",)

    def libraries(self) -> Iterator[Library]:
        yield Library("rules.bash", ("reload",))
