"""Names for netc's numbers, so that `ip route` shows them (/etc/iproute2/rt_protos.d)."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.file import File
from netc.plan.host_plan import HostPlan
from netc.plan.step import PROTOCOL


def emit(plan: HostPlan) -> Iterator[File]:
    if any(part.routes or part.rules for part in plan.parts):
        text = f"# Compiled by netc: what carries this protocol number is netc's.\n{PROTOCOL}\tnetc\n"
        yield File("files/etc/iproute2/rt_protos.d/netc.conf", text)
