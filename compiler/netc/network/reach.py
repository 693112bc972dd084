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
    it is known through which other.
    """
    depth = _depths(topology)
    for _ in topology.hosts:  # so many jumps at most, also where they lead in a ring
        for host, jump in jumps.items():
            depth[host] = max(depth[host], depth[jump] + 1) if depth[host] <= len(depth) else depth[host]
    ordered = sorted(topology.hosts, key=lambda host: -depth[host])
    return tuple(tuple(group) for _, group in groupby(ordered, key=lambda host: depth[host]))


def _depths(topology: Topology) -> dict[HostName, int]:
    """How many hosts are on the way; 0 also for those that nothing leads to."""
    groups = [frozenset(link.between) for link in topology.links.values()]
    groups += [frozenset(members(mesh, topology)) for mesh in topology.meshes.values()]
    depth = {host: 0 for host, table in topology.hosts.items() if candidates(table)}
    steps = 0
    found = set(depth)
    while found:
        steps += 1
        near = {host for group in groups if group & found for host in group}
        found = near & topology.hosts.keys() - depth.keys()
        depth.update(dict.fromkeys(found, steps))
    return {host: depth.get(host, 0) for host in topology.hosts}
