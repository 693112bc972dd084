"""What a ruleset says, as the rules of one family."""

from __future__ import annotations

from collections.abc import Iterable

from netc.emit.iptables import filtering, mangling, nat, splits
from netc.emit.iptables.words import HOOKS, TABLES, Rule
from netc.emit.render import Verbatim, origin, render
from netc.language.values import Family
from netc.plan.facts import Ruleset


def text(ruleset: Ruleset, family: Family) -> str:
    makers = (mangling.rules, filtering.rules, splits.refused, nat.rules)
    rules = [rule for make in makers for rule in make(ruleset, family)]
    printed = [_table(name, [rule for rule in rules if rule.table == name]) for name in TABLES]
    tables = [table for table in printed if table["chains"]]
    marks = bool(ruleset.marks or ruleset.splits)
    return render("iptables", "rules.j2", origin=origin(ruleset.origin), tables=tables, marks=marks)


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
