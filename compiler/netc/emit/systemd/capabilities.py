"""What a part's commands may do as root, by capabilities(7), besides CAP_NET_ADMIN: the bounding set of its unit.

A unit with a bounding set also sees no devices but the usual ones and those in `devices`. None of this makes a mount
namespace, as `ProtectSystem=` or `PrivateTmp=` would: what ip-netns(8) mounts there, nobody else would see.
"""

from __future__ import annotations

from collections.abc import Iterable

from netc.plan.facts import Fact
from netc.plan.host_plan import Part

HOLDING = ("CAP_CHOWN", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_SYS_MODULE")
"""What it may take to reload a packet filter that matches programs by slice, in nftables or iptables."""


def runs_anything(part: Part) -> bool:
    """Nobody can bound it."""
    return any(fact.runs_anything for fact in part.facts)


def capabilities(facts: Iterable[Fact]) -> tuple[str, ...]:
    """Sorted; none where nobody can bound them. Who enters a namespace needs one more, for setns(2), unshare(2) and
    the mounts of ip-netns(8)."""
    facts = tuple(facts)
    if any(fact.runs_anything for fact in facts):
        return ()
    needed = {"NET_ADMIN"}.union(*(fact.capabilities() for fact in facts))
    if any(fact.inside for fact in facts):
        needed.add("SYS_ADMIN")
    return tuple(sorted(f"CAP_{name}" for name in needed))


def devices(facts: Iterable[Fact]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(path for fact in facts for path in fact.device_files))
