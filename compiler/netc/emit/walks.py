"""/etc/netc/walks: the packets that `install` and `status` send through the packet filters of others, one a line."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.file import File
from netc.emit.render import origin, token
from netc.plan.host_plan import HostPlan
from netc.plan.walks import Walk

HEAD = """\
# What has to get through the packet filters of others on {host}. Compiled by netc: change the topology, not this file.
# Table, family, interface, source, protocol, destination, port, target and interface of a DNAT, TTL; `-` is not known
# here.
"""


def emit(plan: HostPlan) -> Iterator[File]:
    if plan.walks:
        lines = "".join(f"{_line(walk)}\n" for walk in plan.walks)
        yield File("files/etc/netc/walks", HEAD.format(host=token(plan.host)) + lines)


def _line(walk: Walk) -> str:
    entering = f"{walk.family} {_known(walk.device)} {walk.source} {walk.protocol} {_known(walk.on)} {walk.port}"
    return f"{origin(walk.origin)} {entering} {_known(walk.to)} {_known(walk.leaving)} {_known(walk.ttl)}"


def _known(value: object) -> str:
    return "-" if value is None else token(value)
