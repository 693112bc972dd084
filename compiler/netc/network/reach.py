"""Which host is reached through which: a host has to change before the hosts that lead to it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from netc.language.names import HostName
from netc.language.topology import Topology
from netc.network.dialling import candidates
from netc.network.meshes import members


def farthest_first(topology: Topology, jumps: Mapping[HostName, HostName]) -> tuple[tuple[HostName, ...], ...]:
    """All hosts in groups: no host is reached through one of its own group or of an earlier one. Within a group, hosts
    are in the order of the topology.

    A host that nobody can dial is reached through the hosts that it has a link or a mesh with. `jumps` has the hosts
    that are known to be reached through another. If these form a ring, the order is arbitrary.
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
    """For each host, the neighbours that are one step nearer to a host that can be dialled. Empty without a path."""
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
