"""WireGuard: whose key is whose, who dials whom, and what may come from where."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPNetwork

from netc.language.links import Kind, Link, Mesh
from netc.language.names import HostName, LinkName, MeshName, PublicKey
from netc.network.dialling import FAMILY, candidates, dial
from netc.network.interface import Interface, Network
from netc.network.meshes import members
from netc.problem import KeyPath, Problem, Severity


def check(network: Network) -> Iterator[Problem]:
    topology = network.topology
    yield from _keys(network)
    for name, link in topology.links.items():
        if link.kind == "wireguard":
            yield from _shared_key(name, link)
            yield from _link_dials(name, link, network)
    for mesh_name, mesh in topology.meshes.items():
        yield from _mesh_dials(mesh_name, mesh, network)
    for interfaces in network.interfaces.values():
        for interface in interfaces:
            if interface.origin[0] == "hosts" and interface.kind == Kind.WIREGUARD:
                yield from _tunnel(interface)
            if interface.origin[0] != "meshes":
                yield from _unroutable(interface)


def _keys(network: Network) -> Iterator[Problem]:
    """One private key in two places: WireGuard would move every session between the two."""
    seen: dict[PublicKey, tuple[HostName, KeyPath]] = {}
    for where, host, key in _declared(network):
        owner = seen.setdefault(key, (host, where))
        if owner[1] != where:
            what = f"this key is that of {owner[0]} too"
            yield Problem(
                "NC0602", where, what, "make a pair on each host; no private key is in two places", (owner[1],)
            )
    for interfaces in network.interfaces.values():
        for interface in interfaces:
            if interface.origin[0] != "hosts":
                continue
            for index, peer in enumerate(interface.peers):
                if peer.public_key in seen:
                    at = (*interface.where, "peer", index, "public_key")
                    host, there = seen[peer.public_key]
                    what = f"the key of this stranger is that of {host}"
                    yield Problem("NC0602", at, what, "between hosts of one topology a link says it once", (there,))


def _declared(network: Network) -> Iterator[tuple[KeyPath, HostName, PublicKey]]:
    for host, table in network.topology.hosts.items():
        if table.public_key:
            yield ("hosts", host, "public_key"), host, table.public_key
    for name, link in network.topology.links.items():
        for host, end in link.ends.items():
            if end.public_key:
                yield ("links", name, "ends", host, "public_key"), host, end.public_key


def _shared_key(name: LinkName, link: Link) -> Iterator[Problem]:
    having = [host for host in link.between if host in link.ends and link.ends[host].preshared_key]
    if len(having) == 1:
        at: KeyPath = ("links", name, "ends", having[0], "preshared_key")
        what = f"`{name}` has a preshared key on {having[0]} alone"
        yield Problem("NC0604", at, what, "both ends need the same one: name its file on the other host too")


def _link_dials(name: LinkName, link: Link, network: Network) -> Iterator[Problem]:
    hosts = network.topology.hosts
    one, other = link.between
    if one == other or one not in hosts or other not in hosts:
        return
    family = FAMILY[link.family]
    ways = ((one, other), (other, one))
    if not any(dial(hosts[near], candidates(hosts[far], link.ends.get(far)), family) for near, far in ways):
        what = f"neither {one} nor {other} can be dialled"
        hint = "give one of them an `endpoint`, or a public address of a family that both speak"
        yield Problem("NC0603", ("links", name, "between"), what, hint, on_key=True)


def _mesh_dials(name: MeshName, mesh: Mesh, network: Network) -> Iterator[Problem]:
    hosts = network.topology.hosts
    hidden = [host for host in members(mesh, network.topology) if not candidates(hosts[host])]
    if len(hidden) > 1:
        what = f"{' and '.join(hidden[:3])} can not be dialled, so they would never meet"
        hint = "give all of them but one an `endpoint` or a public address; or link them to a host that has one"
        yield Problem("NC0603", ("meshes", name, "hosts"), what, hint)


def _tunnel(interface: Interface) -> Iterator[Problem]:
    for index, peer in enumerate(interface.peers):
        if peer.endpoint and peer.endpoint.port is None:
            at = (*interface.where, "peer", index, "endpoint")
            yield Problem("NC0605", at, f"`{peer.endpoint}` has no port", "write `host:port`")
    if interface.port is None and not any(peer.endpoint for peer in interface.peers):
        what = "this tunnel dials nobody, and has no `port` to be dialled at"
        yield Problem("NC0603", interface.where, what, "set the peer's `endpoint`, or a `port`", on_key=True)
    yield from _overlapping(interface)


def _overlapping(interface: Interface) -> Iterator[Problem]:
    """The same prefix at two peers moves to the last one, silently; one inside another is a choice to be told of."""
    mine = [(net, index) for index, peer in enumerate(interface.peers) for net in set(peer.allowed_ips)]
    mine.sort(key=lambda pair: (pair[0].version, pair[0].first, -pair[0].last, pair[1]))
    for (wide, one), (net, other) in ((a, b) for i, a in enumerate(mine) for b in mine[i + 1 :]):
        if one == other or wide.version != net.version or net.first > wide.last:
            continue
        at, also = (*interface.where, "peer", other, "allowed_ips"), ((*interface.where, "peer", one, "allowed_ips"),)
        if net == wide:
            what = f"{net} is allowed to two peers of {interface.name}, and only the last one would have it"
            yield Problem("NC0601", at, what, "WireGuard gives a prefix to one peer: use two tunnels", also)
        else:
            what = f"{net} lies in {wide} of another peer; what is in both goes here"
            yield Problem("NC0606", at, what, "", also, Severity.NOTE)


def _unroutable(interface: Interface) -> Iterator[Problem]:
    """WireGuard drops what no peer is allowed to have (wg(8), allowed-ips)."""
    if interface.kind != Kind.WIREGUARD:
        return
    allowed = [net for peer in interface.peers for net in peer.allowed_ips]
    for to in interface.routes:
        if not _covered(to, allowed):
            what = f"{to} is routed into {interface.name}, and no peer there is allowed to have it"
            yield Problem("NC0607", (*interface.where, "routes"), what, "add it to `allowed_ips`")


def _covered(to: IPNetwork, allowed: list[IPNetwork]) -> bool:
    return any(net.version == to.version and to in net for net in allowed)
