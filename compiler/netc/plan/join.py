"""Joins what features add into one HostPlan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from typing import Any, TypeVar

from netc.language.names import HostName, Label, PartName
from netc.plan.host_plan import HostPlan, Part, Share
from netc.plan.ruleset import Ruleset
from netc.problem import KeyPath

Fact = TypeVar("Fact")

FIREWALL = PartName("firewall")
FORWARDING = PartName("forwarding")


def join(network: Label, host: HostName, shares: Iterable[Share]) -> HostPlan:
    """Shared facts become the parts `firewall` and `forwarding`, which come up before all others and along with any."""
    shares = tuple(shares)
    shared = tuple(_shared(shares, host))
    # Whatever is started first, the filter stands before it and goes with none of them.
    wants = tuple(part.name for part in shared)
    own = (replace(part, wants=wants) for share in shares for part in share.parts)
    confined = (unit for share in shares for unit in share.confined)
    parts = (*shared, *_ordered(own))
    return HostPlan(network, host, parts, tuple(sorted(confined, key=lambda confined: confined.unit)))


def _shared(shares: tuple[Share, ...], host: HostName) -> Iterator[Part]:
    origin = ("hosts", host)
    forwarding = {fact for share in shares for fact in share.forwarding}
    rulesets = [share.ruleset for share in shares if share.ruleset]
    if forwarding:
        wanted = tuple(sorted(forwarding, key=lambda fact: fact.family))
        yield Part(FORWARDING, origin, f"packets pass through {host}", forwarding=wanted, kind="forwarding")
    if rulesets:
        ruleset = _joined(rulesets, origin)
        yield Part(FIREWALL, origin, f"the packet filter of {host}", rulesets=(ruleset,), kind="firewall")


def _joined(rulesets: list[Ruleset], origin: KeyPath) -> Ruleset:
    """Every fact once, in the order of the features."""
    kinds = [field.name for field in fields(Ruleset) if field.name not in ("origin", "namespace", "filter")]
    facts: dict[str, Any] = {kind: _each(getattr(ruleset, kind) for ruleset in rulesets) for kind in kinds}
    return Ruleset(origin, filter=next((r.filter for r in rulesets if r.filter), None), **facts)


def _each(facts: Iterable[tuple[Fact, ...]]) -> tuple[Fact, ...]:
    return tuple(dict.fromkeys(fact for some in facts for fact in some))


def _ordered(parts: Iterable[Part]) -> list[Part]:
    """By name, except that a part comes after those that it needs."""
    waiting = {part.name: part for part in sorted(parts, key=lambda part: part.name)}
    ordered: list[Part] = []
    while waiting:
        ready = next(part for part in waiting.values() if not set(part.after) & set(waiting))
        ordered.append(waiting.pop(ready.name))
    return ordered
