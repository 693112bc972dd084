"""/etc/sysctl.d/60-netc.conf (sysctl.d(5)), applied at boot and by the part `forwarding`."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.file import File, reload
from netc.emit.render import render
from netc.plan.host_plan import HostPlan


def emit(plan: HostPlan) -> Iterator[File]:
    for part in plan.parts:
        wanted = part.forwarding
        if not wanted:
            continue
        families = {forwarding.family for forwarding in wanted}
        wans = sorted({f.wan for f in wanted if f.wan and f.family == 6})
        text = render("sysctl", "netc.conf.j2", host=plan.host, four=4 in families, six=6 in families, wans=wans)
        yield File("files/etc/sysctl.d/60-netc.conf", text, takings=reload(part.name))
