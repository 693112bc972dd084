"""WireGuard: keys, endpoints and `allowed_ips`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from netaddr import IPNetwork

from netc.diagnostic import Diagnostic, KeyPath, Severity
from netc.language.kinds import KINDS
from netc.language.links import End, Link, Mesh
from netc.language.names import HostName, LinkName, MeshName, PublicKey, TunnelName
from netc.language.topology import Host
from netc.language.values import Endpoint
from netc.network.dialling import FAMILY, candidates, dial, families
from netc.network.interface import Interface, Network, WireguardInterface
from netc.network.meshes import members
from netc.network.spans import Spans


def check(network: Network) -> Iterator[Diagnostic]:
    topology = network.topology
    yield from _keys(network)
    yield from _next_keys(network)
    yield from _key_files(network)
    for name, link in topology.links.items():
        if KINDS[link.kind].form == "wireguard":
            yield from _shared_key(name, link)
            yield from _link_dials(name, link, network)
    for mesh_name, mesh in topology.meshes.items():
        yield from _mesh_dials(mesh_name, mesh, network)
    for interfaces in network.interfaces.values():
        for interface in interfaces:
            if not isinstance(interface, WireguardInterface):
                continue
            if interface.origin[0] == "hosts":
                yield from _tunnel(interface)
            if interface.origin[0] != "meshes":
                yield from _unroutable(interface)


def _keys(network: Network) -> Iterator[Diagnostic]:
    """One private key in two places: WireGuard would move every session between the two."""
    seen: dict[PublicKey, tuple[HostName, KeyPath]] = {}
    for where, host, key in _declared(network):
        owner = seen.setdefault(key, (host, where))
        if owner[0] != host:
            what = f"{host} and {owner[0]} have the same public key"
            rotates = where[-1] == "next_public_key"
            hint = "leave it out and rotate again" if rotates else "make a key pair on each host with `netc keys`"
            yield Diagnostic("NC0602", where, what, hint, (owner[1],))
    for interfaces in network.interfaces.values():
        for interface in interfaces:
            if interface.origin[0] != "hosts" or not isinstance(interface, WireguardInterface):
                continue
            first: dict[PublicKey, int] = {}
            for index, peer in enumerate(interface.peers):
                earlier = first.setdefault(peer.public_key, index)
                if earlier != index:
                    at, there = ((*interface.where, "peer", n, "public_key") for n in (index, earlier))
                    what = f"two peers of {interface.name} have the same key, and WireGuard keeps only the last one"
                    yield Diagnostic("NC0602", at, what, "merge them into one peer with all `allowed_ips`", (there,))
                elif peer.public_key in seen:
                    at = (*interface.where, "peer", index, "public_key")
                    host, there = seen[peer.public_key]
                    what = f"the peer has the public key of {host}, a host of this topology"
                    yield Diagnostic(
                        "NC0602", at, what, "write a link between the two in place of the tunnel", (there,)
                    )


def _declared(network: Network) -> Iterator[tuple[KeyPath, HostName, PublicKey]]:
    for where, host, table in _keyed(network):
        if table.public_key:
            yield (*where, "public_key"), host, table.public_key
        if table.next_public_key:
            yield (*where, "next_public_key"), host, table.next_public_key


def _keyed(network: Network) -> Iterator[tuple[KeyPath, HostName, Host | End]]:
    for host, table in network.topology.hosts.items():
        yield ("hosts", host), host, table
    for name, link in network.topology.links.items():
        yield from ((("links", name, "ends", host), host, end) for host, end in link.ends.items())


def _next_keys(network: Network) -> Iterator[Diagnostic]:
    """A next key that can replace no key."""
    for where, host, table in _keyed(network):
        if not table.next_public_key:
            continue
        at = (*where, "next_public_key")
        if not table.public_key:
            what = "`next_public_key` has no `public_key` beside it that it could replace"
            yield Diagnostic("NC0610", at, what, "leave `next_public_key` out")
        elif table.public_key == table.next_public_key:
            what = "`next_public_key` is the same as `public_key`"
            yield Diagnostic("NC0610", at, what, "leave `next_public_key` out")
        elif table.private_key and table.private_key.credential:
            what = f"the private key of {host} is a credential, and netc replaces only keys in files"
            yield Diagnostic("NC0610", at, what, "leave `next_public_key` out, or write `private_key.file`")


def _key_files(network: Network) -> Iterator[Diagnostic]:
    """A key file that netc names, and that would have to hold two keys."""
    for host, interfaces in network.interfaces.items():
        seen: dict[object, tuple[object, KeyPath]] = {}
        for interface in interfaces:
            if isinstance(interface, WireguardInterface) and (identity := _identity(interface, network)) is not None:
                other, there = seen.setdefault(interface.private_key, (identity, interface.where))
                if other != identity:
                    what = (
                        f"two interfaces of {host} with different keys have the same key file, {interface.private_key}"
                    )
                    hint = "give one of them a `private_key` with another `file`, or rename it"
                    yield Diagnostic("NC0608", interface.where, what, hint, (there,), on_key=True)


def _identity(interface: Interface, network: Network) -> object:
    """What identifies the key that the author means. None if the topology names its file."""
    table, origin = network.topology.hosts[interface.host], interface.origin
    if origin[0] == "hosts":
        tunnel = table.tunnels.get(TunnelName(str(origin[-1])))
        return None if tunnel and tunnel.private_key else origin
    link = network.topology.links.get(LinkName(str(origin[-1]))) if origin[0] == "links" else None
    end = link.ends.get(interface.host) if link else None
    if end and (end.private_key or end.public_key):
        return None if end.private_key else end.public_key
    return None if table.private_key else table.public_key


def _shared_key(name: LinkName, link: Link) -> Iterator[Diagnostic]:
    having = [host for host in link.between if host in link.ends and link.ends[host].preshared_key]
    if len(having) == 1:
        at: KeyPath = ("links", name, "ends", having[0], "preshared_key")
        other = next((host for host in link.between if host != having[0]), having[0])
        what = f"link `{name}` has a preshared key on {having[0]} and none on {other}"
        yield Diagnostic("NC0604", at, what, f"write `preshared_key` for {other} too")


def _link_dials(name: LinkName, link: Link, network: Network) -> Iterator[Diagnostic]:
    hosts = network.topology.hosts
    one, other = link.between
    if one == other or one not in hosts or other not in hosts:
        return
    family = FAMILY[link.family]
    directions = ((one, other), (other, one))
    if not any(dial(hosts[near], candidates(hosts[far], link.ends.get(far)), family) for near, far in directions):
        what = f"neither {one} nor {other} has an endpoint that the other can dial"
        hint = "give one of them an `endpoint`, or a public address of a family that both have"
        yield Diagnostic("NC0603", ("links", name, "between"), what, hint, on_key=True)


def _mesh_dials(name: MeshName, mesh: Mesh, network: Network) -> Iterator[Diagnostic]:
    hosts = network.topology.hosts
    hidden = [host for host in members(mesh, network.topology) if not candidates(hosts[host])]
    if len(hidden) > 1:
        some = ", ".join(hidden[:3]) + (f" and {len(hidden) - 3} more" if len(hidden) > 3 else "")
        what = f"{len(hidden)} hosts of the mesh have no endpoint, so they cannot reach each other: {some}"
        hint = "give all but one of them an `endpoint` or a public address"
        yield Diagnostic("NC0603", ("meshes", name, "hosts"), what, hint)
    else:
        yield from _no_common_family(name, mesh, network)


def _no_common_family(name: MeshName, mesh: Mesh, network: Network) -> Iterator[Diagnostic]:
    """The first pair in which neither host can dial the other. Hosts with the same families count once."""
    hosts = network.topology.hosts
    alike: dict[object, HostName] = {}
    for host in members(mesh, network.topology):
        offered = frozenset(endpoint.family for endpoint in candidates(hosts[host]))
        alike.setdefault((families(hosts[host]), offered), host)
    for one, other in combinations(alike.values(), 2):
        directions = ((one, other), (other, one))
        if not any(dial(hosts[a], candidates(hosts[b]), FAMILY[mesh.family]) for a, b in directions):
            what = f"{one} and {other} have no address family in common"
            hint = "give one of them an address of the other's family, or take one out of the mesh"
            yield Diagnostic("NC0603", ("meshes", name, "hosts"), what, hint)
            return


def _with_port(there: Endpoint) -> str:
    return str(Endpoint(there.host, 51820))


def _tunnel(interface: WireguardInterface) -> Iterator[Diagnostic]:
    for index, peer in enumerate(interface.peers):
        if peer.endpoint and peer.endpoint.port is None:
            at = (*interface.where, "peer", index, "endpoint")
            yield Diagnostic(
                "NC0605",
                at,
                f"endpoint `{peer.endpoint}` has no port",
                f"write `{_with_port(peer.endpoint)}`, with the port of the peer",
            )
    if interface.port is None and not any(peer.endpoint for peer in interface.peers):
        what = "the tunnel has no peer with an `endpoint` and no `port`, so neither side can start it"
        yield Diagnostic(
            "NC0603", interface.where, what, "write `port = 51820`, or the `endpoint` of a peer", on_key=True
        )
    yield from _overlapping(interface)


def _overlapping(interface: WireguardInterface) -> Iterator[Diagnostic]:
    """WireGuard gives a prefix of two peers to the last one, silently. A prefix inside one of another peer is a note.
    Each is reported once: with the first peer that has the same prefix, else with the longest that contains it."""
    mine = [(net, index) for index, peer in enumerate(interface.peers) for net in set(peer.allowed_ips)]
    mine.sort(key=lambda pair: (pair[0].version, pair[0].first, -pair[0].last, pair[1]))
    around: list[tuple[IPNetwork, int]] = []  # each holds the next one
    for net, index in mine:
        while around and (around[-1][0].version != net.version or around[-1][0].last < net.first):
            around.pop()
        wide, other = next((pair for pair in reversed(around) if pair[1] != index), (None, index))
        at = (*interface.where, "peer", index, "allowed_ips")
        also = ((*interface.where, "peer", other, "allowed_ips"),)
        if net == wide:
            what = f"two peers of {interface.name} have {net} in `allowed_ips`, and WireGuard gives it to the last one"
            yield Diagnostic("NC0601", at, what, "leave it out of one peer, or make two tunnels", also)
            continue
        if wide is not None:
            what = f"{net} is part of {wide} of another peer: packets to {net} go to this peer"
            yield Diagnostic("NC0606", at, what, "", also, Severity.NOTE)
        around.append((net, index))


def _unroutable(interface: WireguardInterface) -> Iterator[Diagnostic]:
    """WireGuard drops packets that are in no peer's `allowed_ips` (wg(8), allowed-ips)."""
    if not interface.routes:
        return
    nets = [net for peer in interface.peers for net in peer.allowed_ips]
    allowed = {family: Spans((net.first, net.last, None) for net in nets if net.version == family) for family in (4, 6)}
    for index, to in enumerate(interface.routes):
        if not allowed[to.version].holds(to.first, to.last):
            what = f"{interface.name} has a route to {to}, and no peer has it in `allowed_ips`"
            yield Diagnostic("NC0607", (*interface.where, "routes", index), what, f"add `{to}` to `allowed_ips`")
