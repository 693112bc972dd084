"""Who is reached through whom: what has to be changed before what leads there."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from netc.language.names import HostName
from netc.language.topology import Topology
from netc.network.dialling import candidates
from netc.network.meshes import members


def farthest_first(topology: Topology, jumps: Mapping[HostName, HostName]) -> tuple[tuple[HostName, ...], ...]:
    """All hosts in groups, none of which leads to another of its group or of a later one; in a group as declared.

    A host that nobody can dial is reached through those that it has a link or a mesh with; `jumps` says of which hosts
    it is known through which other. Where these lead in a ring, no order is right, and any is given.
    """
    through = _through(topology)
    for host, jump in jumps.items():
        through[host] = through[host] | {jump}
    depth = dict.fromkeys(topology.hosts, 0)
    for _ in topology.hosts:  # no path has more hosts
        deeper = {host: max((depth[host_] + 1 for host_ in nearer), default=0) for host, nearer in through.items()}
        if deeper == depth:
            break
        depth = deeper
    ordered = sorted(topology.hosts, key=lambda host: -depth[host])
    return tuple(tuple(group) for _, group in groupby(ordered, key=lambda host: depth[host]))


def _through(topology: Topology) -> dict[HostName, frozenset[HostName]]:
    """The neighbours that are one step nearer to what anybody can dial; none where nothing leads."""
    groups = [frozenset(link.between) for link in topology.links.values()]
    groups += [frozenset(members(mesh, topology)) for mesh in topology.meshes.values()]
    through = {host: frozenset[HostName]() for host in topology.hosts}
    reached = {host for host, table in topology.hosts.items() if candidates(table)}
    last = frozenset(reached)
    while last:
        nearer: dict[HostName, frozenset[HostName]] = {}
        for group in groups:
            for host in group - reached:
                nearer[host] = nearer.get(host, frozenset()) | (group & last)
        last = frozenset(host for host, found in nearer.items() if found)
        through.update((host, nearer[host]) for host in last)
        reached |= last
    return through
