"""The interface of a tunnel whose far end is someone else's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec.structs import replace
from netaddr import IPAddress, IPNetwork

from netc.language.links import FOREIGN, Kind
from netc.language.names import Argument, HostName, InterfaceName, NamespaceName, PartName, TunnelName, Wrong
from netc.language.topology import Host
from netc.language.tunnels import Tunnel, TunnelPeer
from netc.language.values import Family
from netc.network.derive import KEEPALIVE_SECONDS, PREFIX, VXLAN_PORT, secret
from netc.network.dialling import FAMILY, public
from netc.network.interface import Interface, Mtu, Peer
from netc.network.links import OUTER_OF, keepalive
from netc.network.mtu import mtu, overhead
from netc.network.once import once
from netc.problem import KeyPath, Problem, dotted

Found = Iterator[Interface | Problem]

PATIENCE_SECONDS = 10
"""A program that looks up its far end's name first is given time for that."""


def tunnel_interface(host_name: HostName, host: Host, name: TunnelName, tunnel: Tunnel) -> Found:
    kind = Kind(tunnel.kind)
    where: KeyPath = ("hosts", host_name, "tunnels", name)
    if missing := _missing(tunnel):
        what = f"`{missing}` is missing in {dotted(where)}"
        yield Problem("NC1801", where, what, NEEDED[missing], on_key=True)
        return
    try:
        interface = tunnel.interface or InterfaceName(f"{PREFIX[kind]}{name}")
    except Wrong as wrong:
        what = f"no name for the interface of `{name}`: {wrong.what}"
        yield Problem(wrong.code, where, what, 'set `interface = "…"`', on_key=True)
        return
    outer = OUTER_OF.get(kind) or _family(tunnel)
    bare = Interface(
        host=host_name,
        origin=where,
        where=where,
        part=PartName(f"tunnel-{name}"),
        name=interface,
        kind=kind,
        addresses=tunnel.address,
        mtu=_mtu(tunnel, host, host_name, outer),
        outer=outer,
        routes=tunnel.routes,
        table=tunnel.table,
        priority=tunnel.priority or tunnel.table,
        ttl=tunnel.ttl,
        key=tunnel.key,
        dns=tunnel.dns,
        namespace=_namespaces(host).get(name),
    )
    if kind in FOREIGN:
        yield _foreign(bare, tunnel)
        return
    make = {Kind.WIREGUARD: _wireguard, Kind.SIX_TO_FOUR: _six_to_four}.get(kind, _plain)
    yield from make(bare, host, name, tunnel)


NEEDED = {
    "interface": "another program makes it: write the name that it gives it",
    "config": 'write `config = "/etc/tunsafe/…"`, the file on the host',
    "start": 'write `start = ["/usr/sbin/prog", "--flag"]`',
}


def _missing(tunnel: Tunnel) -> str | None:
    """The first key that a program's tunnel cannot do without."""
    if Kind(tunnel.kind) not in FOREIGN:
        return None
    wanted = "config" if tunnel.kind == "tunsafe" else "start"
    return next((key for key in ("interface", wanted) if not getattr(tunnel, key)), None)


@once
def _namespaces(host: Host) -> Mapping[TunnelName, NamespaceName]:
    """By the tunnels that are in them: of several, the first."""
    found = sorted(host.namespaces.items(), reverse=True)
    return {table.tunnel: name for name, table in found if table.tunnel}


def _family(tunnel: Tunnel) -> Family | None:
    if tunnel.remote is not None:
        return 4 if tunnel.remote.version == 4 else 6
    found = {peer.endpoint.family for peer in tunnel.peer if peer.endpoint}
    return FAMILY[tunnel.family] or (found.pop() if len(found) == 1 else None)


def _mtu(tunnel: Tunnel, host: Host, host_name: HostName, outer: Family | None) -> Mtu | None:
    if Kind(tunnel.kind) in FOREIGN:  # what it adds is unknown, and over TCP any size goes
        return mtu(tunnel.mtu, tunnel.mtu, "its own", 0) if tunnel.mtu else None
    added = overhead(Kind(tunnel.kind), outer, keyed=tunnel.key is not None)
    return mtu(tunnel.mtu, host.mtu, f"uplink of {host_name}", added)


def _wireguard(bare: Interface, host: Host, name: TunnelName, tunnel: Tunnel) -> Found:
    if not tunnel.peer:
        what = f"the tunnel `{name}` has no peer"
        yield Problem("NC0303", bare.where, what, "write `peer = { … }`, or `import` the provider's file", on_key=True)
        return
    given = next((peer.keepalive for peer in tunnel.peer if peer.keepalive is not None), None)
    if given is None and tunnel.port is None and host.firewall and host.firewall.input == "drop":
        given = KEEPALIVE_SECONDS  # no port of it is open, so it is heard while conntrack remembers that it spoke
    yield replace(
        bare,
        port=tunnel.port,
        private_key=secret(tunnel.private_key, f"{name}.key"),
        keepalive=keepalive(given, host),
        peers=tuple(_peer(peer, name) for peer in tunnel.peer),
    )


def _peer(peer: TunnelPeer, name: TunnelName) -> Peer:
    return Peer(
        name=name,
        public_key=peer.public_key,
        allowed_ips=peer.allowed_ips,
        endpoint=peer.endpoint,
        preshared_key=secret(peer.preshared_key, None),
    )


def _foreign(bare: Interface, tunnel: Tunnel) -> Interface:
    wait = tunnel.wait or PATIENCE_SECONDS
    if tunnel.kind == "external":
        return replace(bare, start=tunnel.start, stop=tunnel.stop, wait=wait)
    start = ("tunsafe", "start", "-n", bare.name, "-d", str(tunnel.config))
    stop = ("tunsafe", "stop", bare.name)
    return replace(
        bare, config=tunnel.config, start=tuple(map(Argument, start)), stop=tuple(map(Argument, stop)), wait=wait
    )


def _plain(bare: Interface, host: Host, name: TunnelName, tunnel: Tunnel) -> Found:
    family: Family = bare.outer or 4
    local = tunnel.local or next((net.ip for net in host.addresses if net.version == family), None)
    for key, ip in (("remote", tunnel.remote), ("local", local)):
        if ip is None or ip.version != family:
            yield Problem(
                "NC0302",
                bare.where,
                f"the {tunnel.kind} tunnel `{name}` needs an IPv{family} address as `{key}`",
                f'write `{key} = "…"`',
                on_key=True,
            )
            return
    vxlan = bare.kind == Kind.VXLAN
    if vxlan and tunnel.vni is None:
        what = f"`vni` is missing in {dotted(bare.where)}"
        yield Problem("NC0102", bare.where, what, "the far end's owner knows it", on_key=True)
        return
    port = (tunnel.port or VXLAN_PORT) if vxlan else None
    yield replace(bare, local=local, remote=tunnel.remote, vni=tunnel.vni, port=port)


def _six_to_four(bare: Interface, host: Host, name: TunnelName, tunnel: Tunnel) -> Found:
    """6to4 makes its own /48 of a public IPv4 address (RFC 3056 section 2)."""
    local = tunnel.local or next((net.ip for net in host.addresses if net.version == 4 and public(net.ip)), None)
    if local is None or local.version != 4 or not public(local):
        what = f"6to4 makes `{name}`'s prefix of a public IPv4 address, and {bare.host} has none"
        yield Problem("NC0302", bare.where, what, 'write `local = "…"`', on_key=True)
        return
    yield replace(bare, local=local, addresses=tunnel.address or (six_to_four(local),))


def six_to_four(local: IPAddress) -> IPNetwork:
    """2002:V4ADDR::1/16: the /16 makes every other 6to4 site a neighbour (RFC 3056)."""
    return IPNetwork(f"{IPAddress(0x2002 << 112 | int(local) << 80 | 1, 6)}/16")
