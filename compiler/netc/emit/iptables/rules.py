"""What a ruleset says, as the rules of one family."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netc.emit.iptables import filtering, mangling, nat, splits
from netc.emit.iptables.words import HOOKS, TABLES, Line, Rule, Table
from netc.emit.render import Verbatim, origin, render
from netc.language.values import Family
from netc.plan.chains import (
    Answers,
    Chain,
    Forwarded,
    Held,
    Leads,
    Moved,
    Passed,
    Priority,
    Published,
    QueryRule,
    Scrub,
    SplitRule,
    Visited,
    base_chains,
)
from netc.plan.chains import Rule as AnyRule
from netc.plan.facts import Ruleset
from netc.plan.ruleset import ClampMss, Hairpin, Masquerade, ReturnMark, SourceNat


def text(ruleset: Ruleset, family: Family) -> str:
    rules = [rule for chain in base_chains(ruleset) for rule in of_chain(chain, ruleset, family)]
    if ruleset.replies_only:
        rules += filtering.replies(table_of(Priority.FILTER, ruleset), family)
    rules += [*splits.chains(ruleset, family), *nat.chains(ruleset, family)]
    printed = [_table(name, [rule for rule in rules if rule.table == name]) for name in TABLES]
    tables = [table for table in printed if table["chains"]]
    marks = bool(ruleset.marks or ruleset.splits)
    return render("iptables", "rules.j2", origin=origin(ruleset.origin), tables=tables, marks=marks)


def table_of(priority: Priority, ruleset: Ruleset) -> Table:
    """At each hook, packets meet `mangle`, then `nat` before routing, then `filter`, then `nat` after routing: the
    order of `Priority`. On a host the filter is in `mangle`, because Docker inserts its rules first into `filter`,
    where the first rule that accepts a packet decides. In a namespace there are no rules of others."""
    match priority:
        case Priority.MANGLE:
            return "mangle"
        case Priority.DSTNAT | Priority.SRCNAT:
            return "nat"
        case Priority.FILTER if ruleset.namespace is None:
            return "mangle"
        case _:
            return "filter"


def of_chain(chain: Chain, ruleset: Ruleset, family: Family) -> Iterator[Rule]:
    table, name = table_of(chain.priority, ruleset), f"netc-{chain.hook.upper()}"
    if chain.priority == Priority.FILTER:
        yield from filtering.rules(chain, table, name, ruleset, family)
        return
    of_splits: set[str] = set()
    for rule in chain.rules:
        for words, why in _lines(rule, chain, family):
            if isinstance(rule, SplitRule) and words in of_splits:
                continue  # splits of one tunnel have some rules in common
            yield Rule(table, name, words, why)
            if isinstance(rule, SplitRule):
                of_splits.add(words)


def _lines(rule: AnyRule, chain: Chain, family: Family) -> Iterable[Line]:
    match rule:
        case ReturnMark():
            return mangling.return_mark(rule, family)
        case Held():
            return mangling.held(rule.mark)
        case Scrub():
            return mangling.scrub(rule.mark)
        case ClampMss():
            return mangling.clamp(rule, family)
        case SplitRule() | Passed() | Answers():
            return splits.lines(rule, chain.hook, family)
        case Visited():
            return splits.visited(rule, family)
        case Forwarded() | Published() | Leads() | Moved() | Masquerade() | Hairpin() | SourceNat():
            return nat.lines(rule, family)
        case QueryRule():
            return nat.query(rule, family)
        case _:
            raise TypeError(f"{rule!r} is not in the filter")


def _table(name: str, rules: Iterable[Rule]) -> dict[str, object]:
    """Chains as packets meet them, then those that they lead to."""
    chains: dict[str, list[Rule]] = {f"netc-{hook}": [] for hook in HOOKS}
    for rule in rules:
        chains.setdefault(rule.chain, []).append(rule)
    return {"name": Verbatim(name), "chains": [_chain(chain, found) for chain, found in chains.items() if found]}


def _chain(name: str, rules: list[Rule]) -> dict[str, object]:
    """What is said of a rule is not said again of the next."""
    before = ["", *(rule.why for rule in rules)]
    printed = [
        {"why": Verbatim("" if rule.why == said else rule.why), "words": Verbatim(f"-A {name} {rule.words}")}
        for rule, said in zip(rules, before, strict=False)
    ]
    return {"name": Verbatim(name), "rules": printed}
