"""Names for netc's numbers, so that `ip route` and `ip rule` show them (/etc/iproute2)."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.file import File
from netc.emit.render import token
from netc.plan.host_plan import HostPlan
from netc.plan.numbers import Number
from netc.plan.step import PROTOCOL

OWN = "Compiled by netc: change the topology, not this file."
FOLDER = "files/etc/iproute2"


def emit(plan: HostPlan) -> Iterator[File]:
    if any(fact.is_routing for part in plan.parts for fact in part.facts):
        text = f"# The protocol number of netc's routes and policy rules. {OWN}\n{PROTOCOL}\tnetc\n"
        yield File(f"{FOLDER}/rt_protos.d/netc.conf", text)
    if tables := _tables(plan):
        lines = "".join(
            f"# {'in a namespace, ' if table.inside else ''}{table.what}\n{table.value}\tnetc-{token(table.name)}\n"
            for table in tables
        )
        text = f"# Names of netc's routing tables, as in `ip route show table NAME`. {OWN}\n{lines}"
        yield File(f"{FOLDER}/rt_tables.d/netc.conf", text)


def _tables(plan: HostPlan) -> list[Number]:
    """By number. One that a namespace and the host have is the host's here: there is one file for both."""
    tables = [number for part in plan.parts for number in part.numbers if number.kind == "table"]
    named = {table.value: table for table in sorted(tables, key=lambda table: not table.inside)}
    return [named[value] for value in sorted(named)]
