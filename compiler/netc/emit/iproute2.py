"""Names for netc's numbers, so that `ip route` and `ip rule` show them (/etc/iproute2)."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.file import File
from netc.network.derive import MAIN
from netc.plan.facts import Router
from netc.plan.host_plan import HostPlan
from netc.plan.step import PROTOCOL


def emit(plan: HostPlan) -> Iterator[File]:
    if any(fact.is_routing for part in plan.parts for fact in part.facts):
        text = f"# Compiled by netc: what carries this protocol number is netc's.\n{PROTOCOL}\tnetc\n"
        yield File("files/etc/iproute2/rt_protos.d/netc.conf", text)
    for table in sorted({router.table for part in plan.parts for router in part.every(Router)} - {MAIN}):
        text = f"# Compiled by netc: where BIRD's routes are.\n{table}\tnetc-bird\n"
        yield File("files/etc/iproute2/rt_tables.d/netc.conf", text)
