"""Every name that refers to something exists."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import cast

from netc.checks.firewall import named_sources
from netc.checks.sets import named_sets
from netc.checks.splits import named_directs
from netc.checks.words import some
from netc.diagnostic import Diagnostic, KeyPath, Severity, dotted
from netc.language.forwards import Forward
from netc.language.links import Mesh
from netc.language.names import HostName, MeshName, SetName, as_label
from netc.language.nearest import Names, did_you_mean
from netc.language.sets import BUILTIN
from netc.language.slips import NO, YES, of_switch
from netc.language.topology import Host, Topology
from netc.network.interface import Network


class _There:
    """Names by table. Names of tables that could not be read count too, so that references to them are no errors. Each
    table is read once: there may be as many references as names."""

    def __init__(self, network: Network, broken: frozenset[KeyPath]) -> None:
        self.topology = network.topology
        self.broken = broken
        self._lost: dict[KeyPath, set[str]] = {}
        for path in broken:
            for at in range(len(path)):
                self._lost.setdefault(path[:at], set()).add(str(path[at]))
        lost = [str(path[1]) for path in broken if path[0] == "hosts" and len(path) == 2]
        # A host that is refused for its capital letters may be named in lower case elsewhere.
        self.hosts = Names((*self.topology.hosts, *lost, *map(str.lower, lost)))
        self.no_host = "the topology has no hosts"
        if self.hosts.every:
            self.no_host = f"write one of the hosts: {some(self.hosts.every)}"
        self._origins = network.interfaces
        self._by_device: dict[str, dict[HostName, KeyPath]] | None = None
        self._owners: dict[str, str] | None = None
        self._names: dict[tuple[KeyPath, ...], Names] = {}

    def of(self, *tables: KeyPath, besides: Iterable[str] = ()) -> Names:
        if tables not in self._names:
            known = (name for table in tables for name in (*self._in(table), *self._lost.get(table, ())))
            self._names[tables] = Names(map(str, (*known, *besides)))
        return self._names[tables]

    def _in(self, table: KeyPath) -> Collection[str]:
        if len(table) == 1:
            return cast(Mapping[str, object], getattr(self.topology, str(table[0])))
        host = self.topology.hosts[HostName(str(table[1]))]
        return cast(Mapping[str, object], getattr(host, str(table[2])))

    def host(self, host: str, where: KeyPath) -> Iterator[Diagnostic]:
        if host not in self.hosts and ("hosts",) not in self.broken:
            close = self.hosts.nearest(host)
            # A name that is refused where it stands has another there: `home-lan` for `home.lan`.
            hint = (
                f"did you mean `{close if close in self.topology.hosts else as_label(close)}`?"
                if close
                else self.no_host
            )
            yield Diagnostic("NC0201", where, f"no host is called `{host}`", hint)

    def one_of(
        self, code: str, name: str, noun: str, host: HostName, at: KeyPath, before: str = ""
    ) -> Iterator[Diagnostic]:
        """`name` must be a key of the host's table of `noun`s, broken ones included. `before`: the part of the value
        before the name."""
        table: KeyPath = ("hosts", host, f"{noun}s")
        if name not in (names := self.of(table)) and table not in self.broken:
            hint = names.did_you_mean(name).replace("mean `", f"mean `{before}") or f"write [{dotted((*table, name))}]"
            if noun == "tunnel":
                hint = self._for_a_tunnel(name, host, at) or hint
            yield Diagnostic(code, at, f"{host} has no {noun} `{name}`", hint)

    def _for_a_tunnel(self, name: str, host: HostName, at: KeyPath) -> str:
        """A hint if the name is that of an interface, a link, a mesh, a bridge or another host's tunnel."""
        if own := self.behind(name, host, "hosts", elsewhere=False):
            return f"write `{own}`: `{name}` is its interface"
        if name in self.of(("links",), ("meshes",)):
            kind = "link" if name in self.of(("links",)) else "mesh"
            return f"`{name}` is a {kind}, and `tunnel` takes a tunnel of {host}"
        if name in self.of(("hosts", host, "bridges")):
            here = at[2] == "namespaces"
            hint = f'write `bridge = "{name}"` in place of `tunnel`'
            return hint if here else f"`{name}` is a bridge, and `tunnel` takes a tunnel of {host}"
        owner = self._owner_of(name)
        return f"`{name}` is a tunnel of {owner}, and `tunnel` takes a tunnel of {host}" if owner else ""

    def _owner_of(self, tunnel: str) -> str:
        """The first host that has a tunnel of this name."""
        if self._owners is None:
            hosts = reversed(list(self.topology.hosts.items()))
            self._owners = {str(name): str(host) for host, table in hosts for name in table.tunnels}
        return self._owners.get(tunnel, "")

    def behind(self, device: str, at: HostName | None, *tables: str, elsewhere: bool = True) -> str:
        """The link, mesh or tunnel whose interface has this name on `at`, or else on another host."""
        devices = self._devices().get(device, {})
        if at in devices and devices[at][0] in tables:
            return str(devices[at][-1])
        found = (str(origin[-1]) for origin in devices.values() if origin[0] in tables)
        return next(found, "") if elsewhere else ""

    def _devices(self) -> dict[str, dict[HostName, KeyPath]]:
        """By interface name and host: the link, mesh or tunnel."""
        if self._by_device is None:
            self._by_device = {}
            for host, interfaces in self._origins.items():
                for interface in interfaces:
                    self._by_device.setdefault(interface.name, {}).setdefault(host, interface.origin)
        return self._by_device


def check(network: Network, broken: frozenset[KeyPath]) -> Iterator[Diagnostic]:
    topology = network.topology
    there = _There(network, broken)
    for name, link in topology.links.items():
        where: KeyPath = ("links", name)
        for index, host in enumerate(link.between):
            yield from there.host(host, (*where, "between", index))
        if link.between[0] == link.between[1]:
            what = f"link `{name}` has {link.between[0]} at both ends"
            yield Diagnostic("NC0203", (*where, "between", 1), what, "name two different hosts")
        for host in sorted(link.ends.keys() - set(link.between)):
            hint = did_you_mean(host, link.between) or "the link is between " + " and ".join(link.between)
            yield Diagnostic(
                "NC0204", (*where, "ends", host), f"link `{name}` has no end on `{host}`", hint, on_key=True
            )
    for mesh_name, mesh in topology.meshes.items():
        yield from _mesh(mesh_name, mesh, there)
    for forward_name, forward in topology.forwards.items():
        yield from _forward(("forwards", forward_name), forward, there)
    yield from _sets(network, there)
    yield from _routing(there)
    for host_name, table in topology.hosts.items():
        yield from _inside_a_host(host_name, table, there)


def _inside_a_host(host: HostName, table: Host, there: _There) -> Iterator[Diagnostic]:
    own: KeyPath = ("hosts", host)
    for space, settings in table.namespaces.items():
        at: KeyPath = (*own, "namespaces", space)
        if settings.tunnel:
            yield from there.one_of("NC0202", settings.tunnel, "tunnel", host, (*at, "tunnel"))
        if settings.bridge:
            yield from there.one_of("NC0211", settings.bridge, "bridge", host, (*at, "bridge"))
    for uplink_name, uplink in table.uplinks.items():
        if uplink.tunnel:
            at = (*own, "uplinks", uplink_name, "tunnel")
            yield from there.one_of("NC0202", uplink.tunnel, "tunnel", host, at)
    for split_name, split in table.splits.items():
        at = (*own, "splits", split_name, "tunnel")
        yield from there.one_of("NC0202", split.tunnel, "tunnel", host, at)
    for peer_name, peer in table.bgp.peers.items() if table.bgp else ():
        if peer.tunnel:
            at = (*own, "bgp", "peers", peer_name, "tunnel")
            yield from there.one_of("NC0202", peer.tunnel, "tunnel", host, at)
    for name, bridge in table.bridges.items():
        for index, publish in enumerate(bridge.publish):
            for number, target in enumerate(publish.to):
                if target.namespace:
                    at = (*own, "bridges", name, "publish", index, "to", number)
                    yield from there.one_of("NC0210", target.namespace, "namespace", host, at)


def _routing(there: _There) -> Iterator[Diagnostic]:
    topology = there.topology
    known = there.of(("links",), ("meshes",))
    for table, over in (
        ("bgp", topology.bgp.over if topology.bgp else ()),
        ("igp", topology.igp.over if topology.igp else ()),
    ):
        for index, name in enumerate(over):
            if str(name) not in known and not {("links",), ("meshes",)} & there.broken:
                meant = there.behind(name, None, "links", "meshes")
                hint = known.did_you_mean(name) or f"write [links.{name}]"
                hint = f"write `{meant}`: `{name}` is its interface" if meant else hint
                yield Diagnostic("NC2101", (table, "over", index), f"no link or mesh is called `{name}`", hint)
    for service, anycast in topology.anycast.items():
        for index, host in enumerate(anycast.hosts):
            yield from there.host(host, ("anycast", service, "hosts", index))
    for index, host in enumerate(topology.bgp.reflectors if topology.bgp else ()):
        yield from there.host(host, ("bgp", "reflectors", index))


def _forward(where: KeyPath, forward: Forward, there: _There) -> Iterator[Diagnostic]:
    topology = there.topology
    yield from there.host(forward.at, (*where, "at"))
    for index, target in enumerate(forward.to):
        at = (*where, "to", index)
        yield from there.host(target.host, at)
        if target.namespace and target.host in topology.hosts:
            yield from there.one_of("NC0210", target.namespace, "namespace", target.host, at, f"{target.host}/")
    links = there.of(("links",))
    if forward.via not in links and ("links",) not in there.broken:
        hint = links.did_you_mean(forward.via) or f"write [links.{forward.via}]"
        if str(forward.via) in topology.meshes:
            hint = "`via` takes a link, and this is a mesh: write a link between the two hosts"
        elif meant := there.behind(forward.via, forward.at, "links"):
            hint = f"write `{meant}`: `{forward.via}` is its interface"
        elif mesh := there.behind(forward.via, forward.at, "meshes"):
            hint = f"`via` takes a link, and this is the interface of mesh `{mesh}`: write a link between the two hosts"
        elif str(forward.via) in topology.hosts and (found := _links_of(forward, topology)):
            hint = f"write `{found[0]}`" + (
                f", a link of {forward.at}" if len(found) > 1 else ": the link of these hosts"
            )
        yield Diagnostic("NC0209", (*where, "via"), f"no link is called `{forward.via}`", hint)


def _links_of(forward: Forward, topology: Topology) -> list[str]:
    """The links between the host where visitors arrive and those that serve."""
    pairs = [{forward.at, target.host} for target in forward.to]
    return [str(name) for name, link in topology.links.items() if set(link.between) in pairs]


ANYONE = ("any", "all", "anyone", "everyone", "everywhere", "world", "internet")
"""Words for everyone, which no set is called."""


def _no_set(source: SetName, where: KeyPath) -> str:
    key = next((str(each) for each in reversed(where) if isinstance(each, str)), "")
    if source not in ANYONE:
        return f"write [sets.{source}]"
    if key == "from":
        return "leave `from` out: the default is anyone"
    return "write `0.0.0.0/0` for IPv4 and `::/0` for IPv6"


def _sets(network: Network, there: _There) -> Iterator[Diagnostic]:
    topology = network.topology
    known = there.of(("sets",), besides=BUILTIN)
    walls = [named_sources(host, table.firewall) for host, table in topology.hosts.items() if table.firewall]
    others = [named_sets(name, table) for name, table in topology.sets.items()]
    others += [named_directs(host, table.splits) for host, table in topology.hosts.items()]
    named = {where: one for each in (*walls, *others) for where, one in each if isinstance(one, SetName)}
    used = frozenset(named.values())
    for where, source in named.items():
        if source not in known and ("sets",) not in there.broken:
            hint = _no_set(source, where) if source in ANYONE else known.did_you_mean(source)
            hint = hint or _no_set(source, where)
            yield Diagnostic("NC1402", where, f"no set is called `{source}`", hint)
    # A misspelt name or a broken table may have meant it.
    all_known = not there.broken and all(name in known for name in used)
    places = (place for expect in topology.expect for place in (*expect.from_, *expect.to))
    promised = {str(place).partition(":")[0] for place in places}
    for name, table in topology.sets.items():
        for index, host in enumerate(table.ipset):
            if host != "all":
                at: KeyPath = ("sets", name, "ipset", index)
                if str(host) not in topology.hosts and str(host) in (*YES, *NO):
                    hint = of_switch(str(host))
                    yield Diagnostic("NC0201", at, f"no host is called `{host}`", hint)
                    continue
                yield from there.host(host, at)
        if all_known and name not in used and str(name) not in promised and not table.ipset:
            what = f"no rule and no set uses the set `{name}`"
            yield Diagnostic("NC1404", ("sets", name), what, "leave it out", severity=Severity.WARNING, on_key=True)


def _mesh(name: MeshName, mesh: Mesh, there: _There) -> Iterator[Diagnostic]:
    where: KeyPath = ("meshes", name, "hosts")
    everyone = "all" in mesh.hosts
    hosts = there.hosts.every
    if everyone and len(mesh.hosts) > 1:
        yield Diagnostic(
            "NC0205",
            where,
            "`hosts` names hosts beside `all`, which already means every host",
            'write `hosts = "all"`',
        )
    for index, host in enumerate(mesh.hosts):
        if host != "all":
            yield from there.host(host, (*where, index))
    if mesh.hosts == ("all",) and len(hosts) == 1 and ("hosts",) not in there.broken:
        yield Diagnostic(
            "NC0205", where, f"a mesh needs two hosts, and {hosts[0]} is the only host", "add another host"
        )
    places: dict[str, list[int]] = {}
    for index, host in enumerate(mesh.hosts):
        places.setdefault(host, []).append(index)
    for member, at in places.items():
        if len(at) > 1:
            also = ((*where, at[0]),)
            yield Diagnostic("NC0205", (*where, at[1]), f"`hosts` names {member} twice", "leave it out", also=also)
    if not everyone and len(set(mesh.hosts)) < 2:
        yield Diagnostic(
            "NC0205",
            where,
            f"a mesh needs two hosts, and `hosts` has {len(set(mesh.hosts))}",
            'write `hosts = "all"`, or name them',
        )
