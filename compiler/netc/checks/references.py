"""What names something names something that is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from netc.checks.firewall import named_sources
from netc.checks.sets import named_sets
from netc.checks.splits import named_directs
from netc.language.forwards import Forward
from netc.language.links import Mesh
from netc.language.mistakes import did_you_mean
from netc.language.names import HostName, MeshName, SetName
from netc.language.sets import BUILTIN
from netc.language.topology import Host
from netc.network.interface import Network
from netc.problem import KeyPath, Problem, Severity, dotted


def check(network: Network, broken: frozenset[KeyPath]) -> Iterator[Problem]:
    topology = network.topology
    hosts = {*topology.hosts, *(str(path[1]) for path in broken if path[0] == "hosts" and len(path) == 2)}
    for name, link in topology.links.items():
        where: KeyPath = ("links", name)
        for index, host in enumerate(link.between):
            yield from _host(host, hosts, (*where, "between", index), broken)
        if link.between[0] == link.between[1]:
            what = f"`{name}` leads from {link.between[0]} to itself"
            yield Problem("NC0203", (*where, "between", 1), what, "name two hosts")
        for host in sorted(link.ends.keys() - set(link.between)):
            hint = did_you_mean(host, list(link.between)) or "it is between " + " and ".join(link.between)
            yield Problem("NC0204", (*where, "ends", host), f"`{name}` has no end on `{host}`", hint, on_key=True)
    for mesh_name, mesh in topology.meshes.items():
        yield from _mesh(mesh_name, mesh, hosts, broken)
    for forward_name, forward in topology.forwards.items():
        yield from _forward(("forwards", forward_name), forward, network, hosts, broken)
    yield from _sets(network, hosts, broken)
    yield from _routing(network, hosts, broken)
    for host_name, table in topology.hosts.items():
        yield from _inside_a_host(host_name, table, broken)


def _inside_a_host(host: HostName, table: Host, broken: frozenset[KeyPath]) -> Iterator[Problem]:
    own: KeyPath = ("hosts", host)
    for space, settings in table.namespaces.items():
        at: KeyPath = (*own, "namespaces", space)
        if settings.tunnel:
            yield from _one_of("NC0202", settings.tunnel, "tunnel", table.tunnels, host, (*at, "tunnel"), broken)
        if settings.bridge:
            yield from _one_of("NC0211", settings.bridge, "bridge", table.bridges, host, (*at, "bridge"), broken)
    for uplink_name, uplink in table.uplinks.items():
        if uplink.tunnel:
            at = (*own, "uplinks", uplink_name, "tunnel")
            yield from _one_of("NC0202", uplink.tunnel, "tunnel", table.tunnels, host, at, broken)
    for split_name, split in table.splits.items():
        at = (*own, "splits", split_name, "tunnel")
        yield from _one_of("NC0202", split.tunnel, "tunnel", table.tunnels, host, at, broken)
    for peer_name, peer in table.bgp.peers.items() if table.bgp else ():
        if peer.tunnel:
            at = (*own, "bgp", "peers", peer_name, "tunnel")
            yield from _one_of("NC0202", peer.tunnel, "tunnel", table.tunnels, host, at, broken)
    for name, bridge in table.bridges.items():
        for index, publish in enumerate(bridge.publish):
            for number, target in enumerate(publish.to):
                if target.namespace:
                    at = (*own, "bridges", name, "publish", index, "to", number)
                    yield from _one_of("NC0210", target.namespace, "namespace", table.namespaces, host, at, broken)


def _routing(network: Network, hosts: set[str], broken: frozenset[KeyPath]) -> Iterator[Problem]:
    topology = network.topology
    for table, over in (
        ("bgp", topology.bgp.over if topology.bgp else ()),
        ("igp", topology.igp.over if topology.igp else ()),
    ):
        known = [
            *map(str, (*topology.links, *topology.meshes)),
            *_broken(("links",), broken),
            *_broken(("meshes",), broken),
        ]
        for index, name in enumerate(over):
            if str(name) not in known and not {("links",), ("meshes",)} & broken:
                hint = did_you_mean(name, known) or f"write [links.{name}]"
                yield Problem("NC2101", (table, "over", index), f"no link or mesh is called `{name}`", hint)
    for service, anycast in topology.anycast.items():
        for index, host in enumerate(anycast.hosts):
            yield from _host(host, hosts, ("anycast", service, "hosts", index), broken)
    for index, host in enumerate(topology.bgp.reflectors if topology.bgp else ()):
        yield from _host(host, hosts, ("bgp", "reflectors", index), broken)


def _one_of(
    code: str, name: str, noun: str, known: Iterable[str], host: HostName, at: KeyPath, broken: frozenset[KeyPath]
) -> Iterator[Problem]:
    """`name` is a key of the host's table of `noun`s, or was one before it was found broken."""
    lost: KeyPath = ("hosts", host, f"{noun}s")
    there = [*map(str, known), *_broken(lost, broken)]
    if name not in there and lost not in broken:
        hint = did_you_mean(name, there) or f"write [{dotted((*lost, name))}]"
        yield Problem(code, at, f"{host} has no {noun} `{name}`", hint)


def _host(host: str, hosts: Iterable[str], where: KeyPath, broken: frozenset[KeyPath]) -> Iterator[Problem]:
    known = sorted(hosts)
    if host not in known and ("hosts",) not in broken:
        hint = did_you_mean(host, known) or ("the hosts are " + ", ".join(known) if known else "there are no hosts")
        yield Problem("NC0201", where, f"no host is called `{host}`", hint)


def _forward(
    where: KeyPath, forward: Forward, network: Network, hosts: set[str], broken: frozenset[KeyPath]
) -> Iterator[Problem]:
    topology = network.topology
    yield from _host(forward.at, hosts, (*where, "at"), broken)
    for index, target in enumerate(forward.to):
        yield from _host(target.host, hosts, (*where, "to", index), broken)
        if target.namespace and target.host in topology.hosts:
            spaces, at = topology.hosts[target.host].namespaces, (*where, "to", index)
            yield from _one_of("NC0210", target.namespace, "namespace", spaces, target.host, at, broken)
    links = [*map(str, topology.links), *_broken(("links",), broken)]
    if forward.via not in links and ("links",) not in broken:
        hint = did_you_mean(forward.via, links) or f"write [links.{forward.via}]"
        if forward.via in map(str, topology.meshes):
            hint = "a forward goes by a link of its own, and this is a mesh"
        yield Problem("NC0209", (*where, "via"), f"no link is called `{forward.via}`", hint)


def _sets(network: Network, hosts: set[str], broken: frozenset[KeyPath]) -> Iterator[Problem]:
    known = [*map(str, network.topology.sets), *_broken(("sets",), broken), *map(str, BUILTIN)]
    walls = [named_sources(host, table.firewall) for host, table in network.topology.hosts.items() if table.firewall]
    others = [named_sets(name, table) for name, table in network.topology.sets.items()]
    others += [named_directs(host, table.splits) for host, table in network.topology.hosts.items()]
    used = {where: one for named in (*walls, *others) for where, one in named if isinstance(one, SetName)}
    for where, source in used.items():
        if source not in known and ("sets",) not in broken:
            hint = did_you_mean(source, known) or f"write [sets.{source}]"
            yield Problem("NC1402", where, f"no set is called `{source}`", hint)
    for name, table in network.topology.sets.items():
        for index, host in enumerate(table.ipset):
            if host != "all":
                yield from _host(host, hosts, ("sets", name, "ipset", index), broken)
        is_used = name in used.values() or table.ipset
        # What was misspelt or left out may have meant it.
        if not is_used and not broken and set(used.values()) <= set(known):
            what = f"nothing uses the set `{name}`"
            yield Problem("NC1404", ("sets", name), what, severity=Severity.WARNING, on_key=True)


def _broken(table: KeyPath, broken: frozenset[KeyPath]) -> list[str]:
    """The names below `table` that could not be read."""
    return sorted(str(path[len(table)]) for path in broken if path[: len(table)] == table and len(path) > len(table))


def _mesh(name: MeshName, mesh: Mesh, hosts: set[str], broken: frozenset[KeyPath]) -> Iterator[Problem]:
    where: KeyPath = ("meshes", name, "hosts")
    everyone = "all" in mesh.hosts
    if everyone and len(mesh.hosts) > 1:
        yield Problem("NC0205", where, "`all` leaves nobody else to name", 'write `hosts = "all"`')
    for index, host in enumerate(mesh.hosts):
        if host != "all":
            yield from _host(host, hosts, (*where, index), broken)
    if mesh.hosts == ("all",) and len(hosts) == 1 and ("hosts",) not in broken:
        yield Problem("NC0205", where, f"{min(hosts)} is the only host", "a mesh has at least two: add another host")
    for host, times in Counter(mesh.hosts).items():
        if times > 1:
            at = [index for index, other in enumerate(mesh.hosts) if other == host]
            also = ((*where, at[0]),)
            yield Problem("NC0205", (*where, at[1]), f"{host} is in the mesh twice", "name it once", also=also)
    if not everyone and len(set(mesh.hosts)) < 2:
        yield Problem("NC0205", where, "a mesh has at least two hosts", 'name them, or write `hosts = "all"`')
