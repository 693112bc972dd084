"""Joins what features add into one HostPlan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from netc.language.names import HostName, Label, PartName
from netc.plan.host_plan import HostPlan, Part, Ruleset, Share

FIREWALL = PartName("firewall")
FORWARDING = PartName("forwarding")


def join(network: Label, host: HostName, shares: Iterable[Share]) -> HostPlan:
    """Shared facts become the parts `firewall` and `forwarding`, which come up before all others."""
    shares = tuple(shares)
    own = (part for share in shares for part in _wanting(share))
    confined = (unit for share in shares for unit in share.confined)
    parts = (*_shared(shares, host), *_ordered(own))
    return HostPlan(network, host, parts, tuple(sorted(confined, key=lambda confined: confined.unit)))


def _wanting(share: Share) -> Iterator[Part]:
    """The parts of a share bring up what it adds to."""
    firewall = (FIREWALL,) if share.nats or share.replies_only else ()
    wants = (*((FORWARDING,) if share.forwarding else ()), *firewall)
    return (replace(part, wants=wants) for part in share.parts)


def _shared(shares: tuple[Share, ...], host: HostName) -> Iterator[Part]:
    origin = ("hosts", host)
    forwarding = {fact for share in shares for fact in share.forwarding}
    nats = tuple(nat for share in shares for nat in share.nats)
    guards = tuple(guard for share in shares for guard in share.replies_only)
    if forwarding:
        wanted = tuple(sorted(forwarding, key=lambda fact: fact.family))
        yield Part(FORWARDING, origin, f"packets pass through {host}", forwarding=wanted, kind="forwarding")
    if nats or guards:
        ruleset = Ruleset(origin, nats=nats, replies_only=guards)
        yield Part(FIREWALL, origin, f"the packet filter of {host}", rulesets=(ruleset,), kind="firewall")


def _ordered(parts: Iterable[Part]) -> list[Part]:
    """By name, except that a part comes after those that it needs."""
    waiting = {part.name: part for part in sorted(parts, key=lambda part: part.name)}
    ordered: list[Part] = []
    while waiting:
        ready = next(part for part in waiting.values() if not set(part.after) & set(waiting))
        ordered.append(waiting.pop(ready.name))
    return ordered
