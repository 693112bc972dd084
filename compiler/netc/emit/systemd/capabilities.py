"""What a part's commands may do as root, by capabilities(7), besides CAP_NET_ADMIN: the bounding set of its unit.

A unit with a bounding set can also use only the usual devices and those in `devices`. None of these settings makes a
mount namespace, as `ProtectSystem=` or `PrivateTmp=` would. In one, mounts of ip-netns(8) would be hidden from others.
"""

from __future__ import annotations

from collections.abc import Iterable

from netc.plan.facts import Fact
from netc.plan.host_plan import Part

HOLDING = ("CAP_CHOWN", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_SYS_MODULE")
"""What it may take to reload a packet filter that matches programs by slice, in nftables or iptables."""

WRITING = ("CAP_DAC_OVERRIDE", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_SYS_ADMIN", "CAP_SYS_PTRACE")
"""What it takes to ask for the state of a host: to enter namespaces, to see processes of other users, to speak to BIRD,
to try rules in a namespace of its own, and to list ipsets for iptables (a raw socket)."""


def runs_anything(part: Part) -> bool:
    """Such a part has no bounding set."""
    return any(fact.runs_anything for fact in part.facts)


def capabilities(facts: Iterable[Fact]) -> tuple[str, ...]:
    """Sorted. None if a fact runs a program of the user's choice. To enter a namespace takes one more, for setns(2),
    unshare(2) and the mounts of ip-netns(8)."""
    facts = tuple(facts)
    if any(fact.runs_anything for fact in facts):
        return ()
    needed = {"NET_ADMIN"}.union(*(fact.capabilities() for fact in facts))
    if any(fact.inside for fact in facts):
        needed.add("SYS_ADMIN")
    return tuple(sorted(f"CAP_{name}" for name in needed))


def devices(facts: Iterable[Fact]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(path for fact in facts for path in fact.device_files))
