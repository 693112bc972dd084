"""/etc/sysctl.d/60-netc.conf (sysctl.d(5)), applied at boot and by the part `forwarding`."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.file import File, reload
from netc.emit.render import render
from netc.plan.facts import Forwarding
from netc.plan.facts.forwarding import SYSCTL_PATH
from netc.plan.host_plan import HostPlan


def emit(plan: HostPlan) -> Iterator[File]:
    for part in plan.parts:
        for wanted in part.every(Forwarding):
            four, six = 4 in wanted.families, 6 in wanted.families
            advertised = wanted.advertised if six else ()
            text = render("sysctl", "netc.conf.j2", host=plan.host, four=four, six=six, advertised=advertised)
            yield File(f"files{SYSCTL_PATH}", text, takings=reload(part.name))
