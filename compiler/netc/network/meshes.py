"""The interfaces of a mesh: one for every peer, or one for all."""

from __future__ import annotations

from collections.abc import Iterator, Set

from netaddr import IPAddress, IPNetwork

from netc.diagnostic import Diagnostic, KeyPath
from netc.language.kinds import KINDS, Kind
from netc.language.links import Mesh
from netc.language.names import HostName, InterfaceName, MeshName, PartName, Wrong, shorter
from netc.language.topology import Host, Topology
from netc.language.values import Endpoint, Family
from netc.network.derive import EVERYTHING, alone, fits, in_subnet, link_local
from netc.network.dialling import FAMILY, candidates, dial, families
from netc.network.interface import Peer, WireguardInterface
from netc.network.links import host_identity, host_key, keepalive, no_public_key
from netc.network.mtu import mtu, overhead


def members(mesh: Mesh, topology: Topology) -> tuple[HostName, ...]:
    """The hosts of a mesh that exist, sorted by name so that their order in the topology means nothing."""
    if "all" in mesh.hosts:
        return tuple(sorted(topology.hosts))
    named = set(map(str, mesh.hosts))
    return tuple(sorted(host for host in topology.hosts if host in named))


def mesh_interfaces(name: MeshName, mesh: Mesh, topology: Topology) -> Iterator[WireguardInterface | Diagnostic]:
    origin: KeyPath = ("meshes", name)
    hosts = {host: topology.hosts[host] for host in members(mesh, topology)}
    keyless = [host for host, table in hosts.items() if table.public_key is None]
    for host in keyless:
        yield no_public_key(host, f"the mesh `{name}` needs it")
    hosts = {host: table for host, table in hosts.items() if host not in keyless}
    unfit = [(host, subnet) for host, t in hosts.items() for subnet in mesh.subnet if not fits(subnet, t.id)]
    for host, subnet in unfit:
        hint = "write a larger subnet, or give the host a smaller id"
        if subnet.size <= 2:  # one address alone, not a subnet
            hint = f"write `{_common(subnet)}`, or another subnet that has room for all hosts"
        yield Diagnostic(
            "NC0305", (*origin, "subnet"), _beyond(subnet, host, hosts[host].id), hint, also=(("hosts", host, "id"),)
        )
    beyond = [host for host, table in hosts.items() if mesh.interfaces == "per-peer" and mesh.port + table.id > 65535]
    for host in beyond:
        what = f"port {mesh.port + hosts[host].id} = {mesh.port} + {hosts[host].id} (id of {host}) > 65535"
        yield Diagnostic("NC0306", (*origin, "port"), what, "write a smaller `port`", also=(("hosts", host, "id"),))
    out = {*beyond, *(host for host, _ in unfit)}
    hosts = {host: table for host, table in hosts.items() if host not in out}
    make = _shared if mesh.interfaces == "shared" else _per_peer
    try:
        yield from make(name, mesh, hosts, origin)
    except Wrong as wrong:
        key = "interface" if mesh.interfaces == "shared" else "prefix"
        what = f"netc cannot name the interface of mesh `{name}`: {wrong.what}"
        yield Diagnostic(wrong.code, origin, what, shorter(key), on_key=True)


def _shared(name: MeshName, mesh: Mesh, hosts: dict[HostName, Host], origin: KeyPath) -> Iterator[WireguardInterface]:
    kind, peers = Kind(mesh.kind), _Peers(mesh, hosts)
    interface = mesh.interface or InterfaceName(f"{KINDS[kind].prefix}{name}")
    smallest = min(hosts, key=lambda host: hosts[host].mtu, default=None)
    for number, (host, table) in enumerate(hosts.items()):
        others, dialled = peers.seen_by(number, table)
        outer = _one(dialled)
        under = hosts[smallest].mtu if smallest else 1500
        yield WireguardInterface(
            host=host,
            origin=origin,
            where=origin,
            part=PartName(f"mesh-{name}"),
            name=interface,
            kind=kind,
            addresses=tuple(in_subnet(subnet, table.id) for subnet in mesh.subnet),
            # One interface serves every pair, so the pair with the largest overhead decides for all.
            mtu=mtu(mesh.mtu, under, f"uplink of {smallest}", overhead(kind, peers.outer, keyed=False)),
            outer=outer,
            port=mesh.port,
            private_key=host_key(table),
            identity=host_identity(host, table),
            keepalive=keepalive(None, table),
            peers=others,
        )


Outer = frozenset[Family | None]
Seen = tuple[tuple[Peer, ...], tuple[Outer, ...]]
"""Peers, and for each the outer family that it is dialled by: None for a name, nothing where it cannot be dialled."""


class _Peers:
    """Every member as its peers see it. Members that look the same to two hosts are one value: a mesh of 1,000 hosts
    has a million pairs and few different views."""

    def __init__(self, mesh: Mesh, hosts: dict[HostName, Host]) -> None:
        self.mesh, self.hosts = mesh, hosts
        self.offers = {host: candidates(table) for host, table in hosts.items()}
        self.views: dict[frozenset[Family], Seen] = {}
        wanted = FAMILY[mesh.family]
        spoken = {frozenset({wanted}) if wanted else families(table) for table in hosts.values()}
        self.outer = _one(Outer().union(*(outer for one in spoken for outer in self.seen(one)[1])))

    def seen_by(self, number: int, near: Host) -> tuple[tuple[Peer, ...], Outer]:
        """All but the host of that number, and the outer families of those of them that can be dialled."""
        wanted = FAMILY[self.mesh.family]
        peers, outer = self.seen(frozenset({wanted}) if wanted else families(near))
        before, after = slice(number), slice(number + 1, None)
        return (*peers[before], *peers[after]), Outer().union(*outer[before], *outer[after])

    def seen(self, spoken: frozenset[Family]) -> Seen:
        """All hosts as peers of a host that has these outer families."""
        if spoken not in self.views:
            peers = tuple(self.view(far, spoken) for far in self.hosts)
            self.views[spoken] = peers, tuple(Outer([p.endpoint.family] if p.endpoint else []) for p in peers)
        return self.views[spoken]

    def view(self, far: HostName, spoken: frozenset[Family]) -> Peer:
        table = self.hosts[far]
        there = next((e for e in self.offers[far] if e.family is None or e.family in spoken), None)
        assert table.public_key is not None
        return Peer(
            name=far,
            public_key=table.public_key,
            allowed_ips=tuple(alone(in_subnet(subnet, table.id)) for subnet in self.mesh.subnet),
            endpoint=Endpoint(there.host, there.port or self.mesh.port) if there else None,
            next_key=table.next_public_key,
        )


def _one(found: Set[Family | None]) -> Family | None:
    """The one outer family of all; None when they differ or a name decides."""
    return next(iter(found)) if len(found) == 1 else None


def _per_peer(name: MeshName, mesh: Mesh, hosts: dict[HostName, Host], origin: KeyPath) -> Iterator[WireguardInterface]:
    kind = Kind(mesh.kind)
    before = f"{name}-" if mesh.prefix is None else mesh.prefix
    names = {host: InterfaceName(f"{before}{host}") for host in hosts}
    offers = {host: candidates(table) for host, table in hosts.items()}
    for host, near in hosts.items():
        for far_name, far in hosts.items():
            if far_name == host:
                continue
            there = dial(near, offers[far_name], FAMILY[mesh.family])
            back = dial(far, offers[host], FAMILY[mesh.family])
            outer = _one({endpoint.family for endpoint in (there, back) if endpoint})
            smaller = min((host, near), (far_name, far), key=lambda side: side[1].mtu)
            assert far.public_key is not None
            peer = Peer(
                name=far_name,
                public_key=far.public_key,
                allowed_ips=EVERYTHING,
                endpoint=Endpoint(there.host, there.port or mesh.port + near.id) if there else None,
                next_key=far.next_public_key,
            )
            yield WireguardInterface(
                host=host,
                origin=origin,
                where=origin,
                part=PartName(f"mesh-{name}-{far_name}"),
                name=names[far_name],
                kind=kind,
                addresses=(link_local(near.id),),
                mtu=mtu(
                    mesh.mtu,
                    smaller[1].mtu,
                    f"uplink of {smaller[0]}",
                    overhead(kind, outer, keyed=False),
                ),
                outer=outer,
                far=far_name,
                port=mesh.port + far.id,
                private_key=host_key(near),
                identity=host_identity(host, near),
                keepalive=keepalive(None, near),
                peers=(peer,),
            )


def _common(subnet: IPNetwork) -> IPNetwork:
    """The subnet of the usual length around an address."""
    return IPNetwork(f"{subnet.network}/{24 if subnet.version == 4 else 64}").cidr


def _beyond(subnet: IPNetwork, host: HostName, number: int) -> str:
    """Why an id does not fit: `10.88.0.200 = 10.88.0.0 + 200 (id of b) > 10.88.0.126, the last of 10.88.0.0/25`"""
    first, version = int(subnet.network), subnet.version
    last = IPAddress(max(subnet.last - (1 if version == 4 else 0), first), version)
    total = first + number
    made = str(IPAddress(total, version)) if total < 1 << (32 if version == 4 else 128) else "an address"
    return f"{made} = {subnet.network} + {number} (id of {host}) > {last}, the last of {subnet}"
