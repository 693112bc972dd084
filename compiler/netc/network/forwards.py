"""How replies find their way back: by the edge that the visitor came in by, whatever else the host is connected to."""

from __future__ import annotations

from msgspec import Struct

from netc.language.forwards import Forward, Target
from netc.language.names import HostName, LinkName
from netc.language.topology import Topology

TABLE_BASE = 7000
"""The table of replies to an edge is this plus the edge's id: 7001 to 11094."""

MARK_MASK = 0xFF000000
"""The bits of a packet's mark that are netc's; Tailscale, Kubernetes and Calico keep to others."""


class Back(Struct, frozen=True):
    """A link that visitors come in by, seen from the host that serves them.

    `by_source`: servers on the host itself answer from the link's own address, which is enough to tell replies by.
    `mark`: what is forwarded further on is told by its connection; the value lies within MARK_MASK.
    """

    table: int
    by_source: bool
    mark: int | None


def back(link: LinkName, near: HostName, far_id: int, topology: Topology) -> Back | None:
    """What `near` has to do for the forwards that arrive by `link`; None when nothing arrives."""
    arriving = [
        target
        for forward in topology.forwards.values()
        if forward.via == link and forward.keep_source and forward.at != near
        for target in forward.to
        if target.host == near
    ]
    if not arriving:
        return None
    held = {net.ip for net in topology.links[link].ends[near].address} if near in topology.links[link].ends else set()
    passed_on = any(forward.at == near and held & set(forward.on) for forward in topology.forwards.values())
    further = passed_on or any(not target.local for target in arriving)
    return Back(
        table=TABLE_BASE + far_id,
        by_source=any(target.local for target in arriving),
        mark=(far_id % 255 + 1) << 24 if further else None,
    )


def target_of(forward: Forward, family: int) -> Target | None:
    """The target that serves a family: one with an address serves that of its address, any other serves both."""
    fitting = (t for t in forward.to if t.address is None or t.address.version == family)
    return next(fitting, None)
