"""Interfaces that tables name. netc knows those that it makes. Every other name may be an interface of the image,
unless a link, a mesh or a tunnel is called so, or netc makes that interface on another host."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from msgspec import Struct

from netc.diagnostic import Diagnostic, KeyPath, Severity
from netc.language.names import HostName, Wrong
from netc.language.nearest import Names
from netc.language.topology import Host
from netc.network.interface import Network
from netc.network.namespaces import host_end

NEAR = 0.8
"""How like an interface of netc a name has to be: the image may have one that is a little like it."""


ANOTHER = "name an interface that the host has"


class _Elsewhere(Struct, frozen=True):
    """Interfaces by host, for hosts that have none of that name."""

    network: Network
    makers: Mapping[str, HostName]
    """The first host on which netc makes an interface, if netc chose its name."""


def check(network: Network) -> Iterator[Diagnostic]:
    makers: dict[str, HostName] = {}
    for host, table in network.topology.hosts.items():
        named = list(_named(host, table))
        own = _own(host, table, network) if named else set()
        unknown = [(where, device) for where, device in named if device not in own]
        if not unknown:
            continue
        makers = makers or _makers(network)
        for where, device in unknown:
            yield from _unknown(device, host, where, _Elsewhere(network, makers))


def _named(host: HostName, table: Host) -> Iterator[tuple[KeyPath, str]]:
    at: KeyPath = ("hosts", host)
    if wall := table.firewall:
        for number, allow in enumerate(wall.allow):
            for index, device in enumerate(allow.interface):
                yield (*at, "firewall", "allow", number, "interface", index), device
        for number, passed in enumerate(wall.pass_):
            yield (*at, "firewall", "pass", number, "from"), passed.from_
            yield (*at, "firewall", "pass", number, "to"), passed.to
    for kind, tables in (("uplinks", table.uplinks), ("splits", table.splits)):
        for name, settings in tables.items():
            if settings.interface:
                yield (*at, kind, name, "interface"), settings.interface
    for peer_name, peer in table.bgp.peers.items() if table.bgp else ():
        if peer.interface:
            yield (*at, "bgp", "peers", peer_name, "interface"), peer.interface


def _own(host: HostName, table: Host, network: Network) -> set[str]:
    """Interfaces that the host has for certain."""
    found = {str(table.wan), *(str(one.name) for one in network.interfaces[host])}
    found |= {str(bridge.interface or name) for name, bridge in table.bridges.items()}
    for name, settings in table.namespaces.items():
        try:
            found.add(host_end(name, settings))
        except Wrong:
            continue  # `names` reports it
    return found


def _makers(network: Network) -> dict[str, HostName]:
    topology = network.topology
    chosen = {end.interface for link in topology.links.values() for end in link.ends.values()}
    chosen |= {mesh.interface for mesh in topology.meshes.values()}
    chosen |= {tunnel.interface for table in topology.hosts.values() for tunnel in table.tunnels.values()}
    found: dict[str, HostName] = {}
    for host, interfaces in network.interfaces.items():
        for one in interfaces:
            if one.name not in chosen:
                found.setdefault(one.name, host)
    return found


def _unknown(device: str, host: HostName, where: KeyPath, known: _Elsewhere) -> Iterator[Diagnostic]:
    topology, interfaces = known.network.topology, known.network.interfaces[host]
    tables: dict[str, tuple[KeyPath, Collection[str]]] = {
        "link": (("links", device), topology.links),
        "mesh": (("meshes", device), topology.meshes),
        "tunnel": (("hosts", host, "tunnels", device), topology.hosts[host].tunnels),
    }
    if kind := next((noun for noun, (_, table) in tables.items() if device in table), ""):
        there = tables[kind][0]
        found = [str(one.name) for one in interfaces if one.origin == there and not one.namespace]
        what = f"`{device}` is a {kind}, and no interface of {host}"
        yield Diagnostic("NC0212", where, what, _instead(kind, device, found, where), (there,))
    elif device in known.makers:
        what = f"netc makes the interface `{device}` on {known.makers[device]}, and not on {host}"
        yield Diagnostic("NC0212", where, what, _instead("", device, [], where))
    elif close := Names(str(one.name) for one in interfaces).nearest(device, NEAR):
        what = f"netc makes no interface `{device}` on {host}. It makes `{close}`"
        hint = f"did you mean `{close}`?"
        yield Diagnostic("NC0213", where, what, hint, severity=Severity.WARNING)


def _instead(kind: str, device: str, found: list[str], where: KeyPath) -> str:
    """`found`: the interfaces of this host that were meant. Uplinks and neighbours name their tunnel, and no link."""
    if where[2] in ("uplinks", "bgp"):
        return f'write `tunnel = "{device}"` in place of `interface`' if kind == "tunnel" else ANOTHER
    if len(found) == 1:
        return f"write `{found[0]}`"
    return "write one of " + ", ".join(f"`{device}`" for device in found) if found else ANOTHER
