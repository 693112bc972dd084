"""What puts a host's tree into its place and looks after it: `install`, `netc-host`, and the shell that they share."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.file import File
from netc.emit.render import plain, render
from netc.plan.host_plan import HostPlan

LIBRARIES = (
    "bundles.bash",
    "drift.bash",
    "generations.bash",
    "judging.bash",
    "keys.bash",
    "laying.bash",
    "looking.bash",
    "switching.bash",
    "together.bash",
    "trying.bash",
)
SCRIPT = 0o755
NETC_HOST = "files/usr/local/sbin/netc-host"
SAME_ON_EVERY_HOST = {NETC_HOST, *(f"files/usr/lib/netc/{library}" for library in LIBRARIES)}


def emit(plan: HostPlan) -> Iterator[File]:
    yield File("install", render("host", "install.j2", host=plan.host), SCRIPT)
    yield File(NETC_HOST, plain("host/netc-host"), SCRIPT)
    for library in LIBRARIES:
        yield File(f"files/usr/lib/netc/{library}", plain(f"host/{library}"))
