"""A UDP port answers with one key: peers with different keys have different endpoints, and no host dials itself."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from netaddr import IPAddress

from netc.diagnostic import Diagnostic, KeyPath
from netc.language.links import Mesh
from netc.language.names import DnsName, HostName, LinkName, MeshName, PublicKey
from netc.language.values import Endpoint
from netc.network.dialling import candidates, public
from netc.network.interface import Interface, Network, WireguardInterface, outer_ends
from netc.network.lookup import link_of
from netc.network.meshes import members
from netc.network.uplinks import every_address


class Dialled(Struct, frozen=True):
    """`everywhere`: the peer is the same for all hosts. What a tunnel dials by name may be another for another host."""

    host: HostName
    there: Endpoint
    key: PublicKey
    where: KeyPath
    peer: HostName | WireguardInterface
    """The member of a mesh, or the interface whose peer it is."""
    everywhere: bool


def check(network: Network) -> Iterator[Diagnostic]:
    yield from dict.fromkeys(_itself(network))
    for name, mesh in network.topology.meshes.items():
        yield from _in_a_mesh(name, mesh, network)
    first: dict[tuple[Endpoint, HostName | None], dict[PublicKey, Dialled]] = {}
    told: set[tuple[Endpoint, PublicKey]] = set()
    for one in (*_by_interfaces(network), *_by_meshes(network)):
        at = same(one.there)
        places = (one.host, None) if one.everywhere else (one.host,)
        others = (first.setdefault((at, place), {}) for place in places)
        # Two hosts of one mesh: _in_a_mesh.
        known = (other for found in others for other in found.values())
        other = next((o for o in known if o.key != one.key and o.where != one.where), None)
        if other and (at, one.key) not in told:
            told.add((at, one.key))
            what = f"{one.there} is the endpoint of two peers with different keys"
            what += ", and a UDP port answers with one key"
            hint, on_key = _cure(one, network), one.where[0] != "hosts"
            yield Diagnostic("NC0609", one.where, what, hint, (other.where,), on_key=on_key)
        for place in places:
            first[at, place].setdefault(one.key, one)


def _itself(network: Network) -> Iterator[Diagnostic]:
    """The kernel sends what is for an address of its own to itself, where no peer answers."""
    for host, interfaces in network.interfaces.items():
        held: frozenset[DnsName | IPAddress] = every_address(host, network)
        own = dict.fromkeys(held, f"an address of {host} itself")
        near = [net for net in network.topology.hosts[host].addresses if net.version == 4 and net.prefixlen < 31]
        own |= {IPAddress(net.last, 4): f"the broadcast address of {net.cidr}" for net in near}
        for interface in interfaces:
            for ip, where in _written(interface, network):
                if ip in own:
                    hint = f"write the address or the name at which {host} reaches the peer"
                    yield Diagnostic("NC0611", where, f"{ip} is {own[ip]}: no peer of {host} answers there", hint)


def _written(interface: Interface, network: Network) -> Iterator[tuple[DnsName | IPAddress, KeyPath]]:
    """What it dials, and the keys that say so. The default, an address of the far host, is that host's."""
    if interface.origin[0] == "hosts":
        peers = interface.peers if isinstance(interface, WireguardInterface) else ()
        for index, peer in enumerate(peers):
            if peer.endpoint:
                yield peer.endpoint.host, (*interface.where, "peer", index, "endpoint")
        if not peers:
            yield from ((ip, (*interface.where, "remote")) for ip in outer_ends(interface))
        return
    link = link_of(interface, network.topology)
    ends = link.ends if link else {}
    for far in (interface.far,) if interface.far else _others(interface, network):
        end = ends.get(far)
        written = end.endpoint if end and end.endpoint is not None else network.topology.hosts[far].endpoint
        if isinstance(written, Endpoint):
            of_end: KeyPath = ("links", str(interface.origin[1]), "ends", far, "endpoint")
            yield written.host, of_end if end and end.endpoint is not None else ("hosts", far, "endpoint")


def _others(interface: Interface, network: Network) -> Iterator[HostName]:
    """The hosts that a shared interface of a mesh dials."""
    mesh = network.topology.meshes[MeshName(str(interface.origin[1]))]
    return (host for host in members(mesh, network.topology) if host != interface.host)


def same(there: Endpoint) -> Endpoint:
    """DNS does not distinguish capital letters (RFC 4343)."""
    return Endpoint(DnsName(there.host.lower()), there.port) if isinstance(there.host, DnsName) else there


def _by_interfaces(network: Network) -> Iterator[Dialled]:
    """A private address may be another host in each network."""
    for interface in _wireguard(network):
        for index, peer in enumerate(interface.peers):
            there = peer.endpoint
            if interface.origin[0] == "meshes":
                break
            if there is None or there.port is None or not _is_known(there):
                continue
            if interface.origin[0] == "links":
                yield Dialled(interface.host, there, peer.public_key, interface.where, interface, everywhere=True)
            else:
                at = (*interface.where, "peer", index, "endpoint")
                yield Dialled(interface.host, there, peer.public_key, at, interface, everywhere=False)


def _by_meshes(network: Network) -> Iterator[Dialled]:
    """Only what is dialled with two keys: a mesh of 1,000 hosts has a million peers."""
    hosts = network.topology.hosts
    keys: dict[DnsName | IPAddress, set[PublicKey]] = {}
    for one in _by_interfaces(network):
        keys.setdefault(same(one.there).host, set()).add(one.key)
    for mesh in network.topology.meshes.values():
        for host in members(mesh, network.topology):
            for there in candidates(hosts[host]):
                if key := hosts[host].public_key:
                    keys.setdefault(same(there).host, set()).add(key)
    for name, mesh in network.topology.meshes.items():
        both = members(mesh, network.topology)
        for host in both:
            for there in candidates(hosts[host]):
                key = hosts[host].public_key
                if key is None or not _is_known(there) or len(keys[same(there).host]) == 1:
                    continue
                for near in both:
                    own = 0 if mesh.interfaces == "shared" else hosts[near].id
                    if near != host:
                        at = Endpoint(there.host, there.port or mesh.port + own)
                        yield Dialled(near, at, key, ("meshes", name), host, everywhere=True)


def _is_known(there: Endpoint) -> bool:
    return isinstance(there.host, DnsName) or public(there.host)


def _cure(one: Dialled, network: Network) -> str:
    if not isinstance(one.peer, WireguardInterface):
        other = f"give {one.peer} another `endpoint`"
        mesh, free = network.topology.meshes[MeshName(str(one.where[1]))], _free_port(network)
        if free is None or one.there in candidates(network.topology.hosts[one.peer]):
            return other
        port = f"write `port = {free}`" if mesh.interfaces == "shared" else "write another `port`"
        return f"{port}, or {other}"
    if one.everywhere:
        return _of_link(one.peer, one.there, network)
    return "write the endpoint that belongs to `public_key`: one of the two peers has that of the other"


def _of_link(interface: WireguardInterface, there: Endpoint, network: Network) -> str:
    """What to write. A port in `endpoint` counts before `port`."""
    far = interface.far
    assert far is not None
    link = network.topology.links[LinkName(str(interface.origin[1]))]
    other = f"give {far} another `endpoint`, in [hosts.{far}] or [links.{interface.origin[1]}.ends.{far}]"
    free = _free_port(network)
    if free is None or there in candidates(network.topology.hosts[far], link.ends.get(far)):
        return other
    return f"write `ends.{far}.port = {free}` in [links.{interface.origin[1]}], or {other}"


def _free_port(network: Network) -> int | None:
    """That no interface listens on, and no peer is dialled at."""
    used = (peer.endpoint for one in _wireguard(network) for peer in one.peers)
    ports = {one.port for one in _wireguard(network)} | {endpoint.port for endpoint in used if endpoint}
    return next((port for port in range(51820, 65536) if port not in ports), None)


def _wireguard(network: Network) -> Iterator[WireguardInterface]:
    for interfaces in network.interfaces.values():
        yield from (one for one in interfaces if isinstance(one, WireguardInterface))


def _in_a_mesh(name: MeshName, mesh: Mesh, network: Network) -> Iterator[Diagnostic]:
    """For one peer, all members listen on the same port."""
    seen: dict[Endpoint, HostName] = {}
    for host in members(mesh, network.topology):
        there = network.topology.hosts[host].endpoint
        first = seen.setdefault(same(there), host) if isinstance(there, Endpoint) else host
        if first != host:
            what = f"{first} and {host} have the endpoint {there}: a peer dials one UDP port there for both"
            hint = "give one of them another `endpoint`, or take one out of the mesh"
            yield Diagnostic("NC0609", ("hosts", host, "endpoint"), what, hint, (("meshes", name),))
