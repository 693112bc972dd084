"""Rules for iptables-restore(8) and ip6tables-restore(8), down to 1.8.9, in chains of netc's own.

RETURN, out of a chain that the kernel's own jumps to, is here what `accept` is in a table of nftables': netc has
nothing against the packet, and what others say of it still counts.
"""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.file import File, reload
from netc.plan.facts import Ruleset
from netc.plan.facts.address_set import FAMILIES
from netc.plan.facts.ruleset import rules_path
from netc.plan.host_plan import HostPlan


def emit(plan: HostPlan) -> Iterator[File]:
    for part in plan.parts:
        for ruleset in part.every(Ruleset):
            if ruleset.netfilter == "iptables":
                from netc.emit.iptables.rules import text

                for family in FAMILIES:
                    path = f"files{rules_path(ruleset, family)}"
                    yield File(path, text(ruleset, family), takings=reload(part.name))
