"""/etc/netc/image: what `install` compares with the interfaces of the host."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.file import File
from netc.plan.host_plan import HostPlan


def emit(plan: HostPlan) -> Iterator[File]:
    if plan.image:
        head = f"# What interfaces of {plan.host} have that netc does not configure. "
        head += "Compiled by netc: change the topology, not this file.\n"
        lines = (f"{one.device} {one.what} {one.ip}\n" for one in plan.image)
        yield File("files/etc/netc/image", head + "".join(lines))
