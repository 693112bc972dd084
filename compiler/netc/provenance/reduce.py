"""A smaller network in which a line is the same. What brings a line is found by trials, and each trial resolves the
whole network: in a large one, most hosts have nothing to do with the line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import TypeVar

from netc.checks import references
from netc.diagnostic import Severity
from netc.language.names import HostName
from netc.language.topology import Topology
from netc.network.resolve import resolve
from netc.provenance.lines import Compiled, Place, compiled

Host = TypeVar("Host", bound=str)

TRIALS = 300
"""A line that hangs on more hosts than this many trials find is explained in what is left."""


def reduced(base: Compiled, place: Place, number: int) -> tuple[Compiled, int]:
    """`base` is of one file. Without as many other hosts as the line allows, and the line's number there."""
    found, line, left = base, number, TRIALS
    waiting = [[host for host in base.topology.hosts if host != place[0]]]
    while waiting and left:
        hosts, left = waiting.pop(), left - 1
        made = _trial(found, frozenset(hosts), place)
        moved = _moved(found.texts[place], made.texts.get(place, ""), line) if made else None
        if made and moved:
            found, line = made, moved
        elif len(hosts) > 1:
            half = len(hosts) // 2
            waiting += [hosts[half:], hosts[:half]]
    return found, line


def _trial(base: Compiled, gone: Set[HostName], place: Place) -> Compiled | None:
    topology = without_hosts(base.topology, gone)
    try:
        network, _ = resolve(topology)
        wrong = any(one.severity is Severity.ERROR for one in references.check(network, frozenset()))
    except Exception:  # as in `compiled`
        return None
    return None if wrong else compiled(topology, {place[0]}, base)


def _moved(old: str, new: str, number: int) -> int | None:
    """Where the line is in the new text; None if it is not there, or not certain."""
    before, after = old.splitlines(), new.splitlines()
    if before[:number] == after[:number]:
        return number
    behind = len(before) - number + 1
    if before[-behind:] == after[-behind:]:
        return len(after) - behind + 1
    line = before[number - 1]
    return after.index(line) + 1 if before.count(line) == after.count(line) == 1 else None


def without_hosts(topology: Topology, gone: Set[HostName]) -> Topology:
    """And without what connects them to others."""

    def kept(names: Sequence[Host]) -> tuple[Host, ...]:
        return tuple(name for name in names if name not in gone)

    links = {name: link for name, link in topology.links.items() if gone.isdisjoint(link.between)}
    meshes = {name: mesh.model_copy(update={"hosts": kept(mesh.hosts)}) for name, mesh in topology.meshes.items()}
    forwards = {
        name: one
        for name, one in topology.forwards.items()
        if one.at not in gone and one.via in links and not any(target.host in gone for target in one.to)
    }
    anycast = {
        name: one.model_copy(
            update={"hosts": left, "unicast": {host: net for host, net in one.unicast.items() if host not in gone}}
        )
        for name, one in topology.anycast.items()
        if (left := kept(one.hosts))
    }
    sets = {name: one.model_copy(update={"ipset": kept(one.ipset)}) for name, one in topology.sets.items()}
    carried: Mapping[str, object] = {
        key: table.model_copy(update={"over": tuple(name for name in table.over if name in links or name in meshes)})
        for key, table in (("bgp", topology.bgp), ("igp", topology.igp))
        if table
    }
    hosts = {name: host for name, host in topology.hosts.items() if name not in gone}
    return topology.model_copy(
        update={
            "hosts": hosts,
            "links": links,
            "meshes": meshes,
            "forwards": forwards,
            "anycast": anycast,
            "sets": sets,
            **carried,
        }
    )
