"""Joins what features add into one HostPlan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netc.language.names import HostName, Label, PartName
from netc.plan.host_plan import HostPlan, Part, Ruleset, Share

FIREWALL = PartName("firewall")
FORWARDING = PartName("forwarding")


def join(network: Label, host: HostName, shares: Iterable[Share]) -> HostPlan:
    """Shared facts become the parts `firewall` and `forwarding`, which come up before all others: systemd by way of
    network-pre.target, people by /etc/netc/order."""
    share = _sum(shares)
    shared = tuple(_shared(share, host))
    confined = tuple(sorted(share.confined, key=lambda c: c.unit))
    return HostPlan(network, host, (*shared, *_ordered(share.parts)), confined)


def _sum(shares: Iterable[Share]) -> Share:
    total = Share()
    for share in shares:
        total = Share(
            parts=total.parts + share.parts,
            nats=total.nats + share.nats,
            replies_only=total.replies_only + share.replies_only,
            forwarding=total.forwarding + share.forwarding,
            confined=total.confined + share.confined,
        )
    return total


def _shared(share: Share, host: HostName) -> Iterator[Part]:
    origin = ("hosts", host)
    if share.forwarding:
        wanted = tuple(sorted(set(share.forwarding), key=lambda f: f.family))
        yield Part(FORWARDING, origin, f"packets pass through {host}", forwarding=wanted, kind="forwarding")
    if share.nats or share.replies_only:
        ruleset = Ruleset(origin, nats=share.nats, replies_only=share.replies_only)
        yield Part(FIREWALL, origin, f"the packet filter of {host}", rulesets=(ruleset,), kind="firewall")


def _ordered(parts: Iterable[Part]) -> list[Part]:
    """By name, except that a part comes after those that it needs."""
    waiting = {part.name: part for part in sorted(parts, key=lambda part: part.name)}
    ordered: list[Part] = []
    while waiting:
        ready = next(part for part in waiting.values() if not set(part.after) & set(waiting))
        ordered.append(waiting.pop(ready.name))
    return ordered
