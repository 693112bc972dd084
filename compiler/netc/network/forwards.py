"""The routing of replies: they leave by the edge that the visitor came in by, whatever other links the host has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from netc.language.forwards import Forward, Target
from netc.language.names import ForwardName, HostName, LinkName
from netc.language.topology import Topology
from netc.network.once import once

TABLE_BASE = 7000
"""The table of replies to an edge is this plus the edge's id: 7001 to 11094."""

MARK_MASK = 0xFF000000
"""The bits of a packet's mark that are netc's; Tailscale, Kubernetes and Calico keep to others."""


class Back(Struct, frozen=True):
    """A link that visitors come in by, seen from the host that serves them.

    `by_source`: processes of the host itself serve some of them, and reply from the link's own address.
    `mark`: the mark of connections that come in by the link, within MARK_MASK, for replies that the host forwards.
    netc cannot know which those are: Docker, podman and libvirt lead a port of the host to a container.
    """

    table: int
    by_source: bool
    mark: int


def back(link: LinkName, near: HostName, far_id: int, topology: Topology) -> Back | None:
    """What `near` has to do for the forwards that arrive by `link`; None when nothing arrives."""
    arriving = [
        target
        for _, forward in forwards_by(link, topology)
        if forward.keep_source and forward.at != near
        for target in forward.to
        if target.host == near
    ]
    if not arriving:
        return None
    local = any(target.local for target in arriving)
    return Back(table=TABLE_BASE + far_id, by_source=local, mark=(far_id % 255 + 1) << 24)


Named = Sequence[tuple[ForwardName, Forward]]


def forwards_by(link: LinkName, topology: Topology) -> Named:
    """In the order of their names, as the others."""
    return _by_link(topology).get(link, ())


def forwards_at(host: HostName, topology: Topology) -> Named:
    """Of which visitors arrive there."""
    return _by_edge(topology).get(host, ())


def forwards_to(host: HostName, topology: Topology) -> Named:
    """That it serves, or some target of which it is said to."""
    return _by_server(topology).get(host, ())


@once
def _by_link(topology: Topology) -> Mapping[LinkName, Named]:
    found: dict[LinkName, list[tuple[ForwardName, Forward]]] = {}
    for name, forward in sorted(topology.forwards.items()):
        found.setdefault(forward.via, []).append((name, forward))
    return found


@once
def _by_edge(topology: Topology) -> Mapping[HostName, Named]:
    found: dict[HostName, list[tuple[ForwardName, Forward]]] = {}
    for name, forward in sorted(topology.forwards.items()):
        found.setdefault(forward.at, []).append((name, forward))
    return found


@once
def _by_server(topology: Topology) -> Mapping[HostName, Named]:
    found: dict[HostName, list[tuple[ForwardName, Forward]]] = {}
    for name, forward in sorted(topology.forwards.items()):
        for host in sorted({target.host for target in forward.to}):
            found.setdefault(host, []).append((name, forward))
    return found


def target_of(forward: Forward, family: int) -> Target | None:
    """The target that serves a family: one with an address serves that of its address, any other serves both."""
    fitting = (t for t in forward.to if t.address is None or t.address.version == family)
    return next(fitting, None)
