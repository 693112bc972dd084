"""/etc/netc/bird.conf: the configuration of BIRD 2 (bird.network.cz)."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.file import File, reload
from netc.plan.facts import Router
from netc.plan.facts.router import BIRD_PATH
from netc.plan.host_plan import HostPlan


def emit(plan: HostPlan) -> Iterator[File]:
    for part in plan.parts:
        for router in part.every(Router):
            # The printer of BIRD's configuration takes long to import, and few hosts are routers.
            from netc.emit.bird.configuring import config
            from netc.emit.bird.printing import printed

            yield File(f"files{BIRD_PATH}", printed(config(router, part.about)), takings=reload(part.name))
