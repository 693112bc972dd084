"""The interface of a tunnel to a peer that is not in the topology."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import assert_never

from msgspec.structs import asdict, replace
from netaddr import IPAddress, IPNetwork

from netc.diagnostic import Diagnostic, KeyPath, dotted
from netc.language.kinds import KINDS, Kind
from netc.language.names import Argument, HostName, InterfaceName, NamespaceName, PartName, TunnelName, Wrong, shorter
from netc.language.topology import Host
from netc.language.tunnels import Tunnel, TunnelPeer
from netc.language.values import Family
from netc.network.derive import KEEPALIVE_SECONDS, private_key, secret
from netc.network.dialling import FAMILY, public
from netc.network.interface import (
    Common,
    Interface,
    Mtu,
    NumberedInterface,
    Peer,
    PlainInterface,
    ProgramInterface,
    SixToFourInterface,
    WireguardInterface,
)
from netc.network.links import keepalive
from netc.network.mtu import mtu, overhead
from netc.network.once import once

Found = Iterator[Interface | Diagnostic]

PATIENCE_SECONDS = 10
"""Seconds for a program that first resolves its peer's name."""


def tunnel_interface(host_name: HostName, host: Host, name: TunnelName, tunnel: Tunnel) -> Found:
    kind, properties = Kind(tunnel.kind), KINDS[tunnel.kind]
    where: KeyPath = ("hosts", host_name, "tunnels", name)
    if missing := _missing(tunnel):
        what = f"`{missing}` is missing in {dotted(where)}"
        yield Diagnostic("NC1801", where, what, NEEDED[missing], on_key=True)
        return
    try:
        interface = tunnel.interface or InterfaceName(f"{properties.prefix}{name}")
    except Wrong as wrong:
        what = f"netc cannot name the interface of tunnel `{name}`: {wrong.what}"
        yield Diagnostic(wrong.code, where, what, shorter("interface"), on_key=True)
        return
    outer = properties.outer or _family(tunnel)
    bare = Common(
        host=host_name,
        origin=where,
        where=where,
        part=PartName(f"tunnel-{name}"),
        name=interface,
        kind=kind,
        addresses=tunnel.address,
        mtu=_mtu(tunnel, host, host_name, outer),
        peer_addresses=tunnel.peer_address,
        routes=tunnel.routes,
        table=tunnel.table,
        priority=tunnel.priority or tunnel.table,
        dns=tunnel.dns,
        namespace=_namespaces(host).get(name),
    )
    match properties.form:
        case "wireguard":
            yield from _wireguard(bare, host, name, tunnel, outer)
        case "plain" | "numbered":
            yield from _ended(bare, host, name, tunnel, outer or 4)
        case "6to4":
            yield from _six_to_four(bare, host, name, tunnel)
        case "program":
            yield _program(bare, tunnel)
        case _:
            assert_never(properties.form)


NEEDED = {
    "interface": "write the name that the program gives the interface",
    "config": 'write `config = "/etc/tunsafe/wg0.conf"`, or where the file is on the host',
    "start": 'write `start = ["/usr/sbin/prog", "--flag"]`',
}


def _missing(tunnel: Tunnel) -> str | None:
    """The first key that a program's tunnel cannot do without."""
    own = KINDS[tunnel.kind].keys
    return next((key for key in ("interface", own[0]) if not getattr(tunnel, key)), None) if own else None


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
    if KINDS[tunnel.kind].form == "program":  # what it adds is unknown, and over TCP any size goes
        return mtu(tunnel.mtu, tunnel.mtu, "its own", 0) if tunnel.mtu else None
    added = overhead(Kind(tunnel.kind), outer, keyed=tunnel.key is not None)
    return mtu(tunnel.mtu, host.mtu, f"uplink of {host_name}", added)


def _wireguard(bare: Common, host: Host, name: TunnelName, tunnel: Tunnel, outer: Family | None) -> Found:
    if not tunnel.peer:
        what = f"tunnel `{name}` has no `peer`"
        yield Diagnostic(
            "NC0303", bare.where, what, "write a `peer`, or name the file of the provider in `import`", on_key=True
        )
        return
    given = next((peer.keepalive for peer in tunnel.peer if peer.keepalive is not None), None)
    if given is None and tunnel.port is None and host.firewall and host.firewall.input == "drop":
        given = KEEPALIVE_SECONDS  # its port is not open, so packets of the peer pass only while conntrack has the flow
    yield WireguardInterface(
        **asdict(bare),
        private_key=private_key(tunnel.private_key, name),
        identity=None,
        peers=tuple(_peer(peer, name) for peer in tunnel.peer),
        keepalive=keepalive(given, host),
        port=tunnel.port,
        outer=outer,
    )


def _peer(peer: TunnelPeer, name: TunnelName) -> Peer:
    return Peer(
        name=name,
        public_key=peer.public_key,
        allowed_ips=peer.allowed_ips,
        endpoint=peer.endpoint,
        preshared_key=secret(peer.preshared_key),
    )


def _program(bare: Common, tunnel: Tunnel) -> Interface:
    known = KINDS[bare.kind]
    start, stop = (_command(words, bare, tunnel) for words in (known.start, known.stop))
    return ProgramInterface(
        **asdict(bare),
        start=start or tunnel.start,
        stop=stop or tunnel.stop,
        wait=tunnel.wait or PATIENCE_SECONDS,
        config=tunnel.config,
    )


def _command(words: str, bare: Common, tunnel: Tunnel) -> tuple[Argument, ...]:
    said = {"NAME": bare.name, "CONFIG": str(tunnel.config)}
    return tuple(Argument(said.get(word, word)) for word in words.split())


def _ended(bare: Common, host: Host, name: TunnelName, tunnel: Tunnel, family: Family) -> Found:
    """Kinds with two outer addresses, the host's and the peer's."""
    local = tunnel.local or next((net.ip for net in host.addresses if net.version == family), None)
    remote = tunnel.remote
    if remote is None or local is None or {remote.version, local.version} != {family}:
        key = "remote" if remote is None or remote.version != family else "local"
        what = f"tunnel `{name}` of kind `{tunnel.kind}` needs an IPv{family} address in `{key}`"
        yield Diagnostic(
            "NC0302",
            bare.where,
            what,
            f"write the outer address of {'the peer' if key == 'remote' else 'this host'} as `{key}`",
            on_key=True,
        )
    elif KINDS[bare.kind].form == "plain":
        yield PlainInterface(**asdict(bare), local=local, remote=remote, ttl=tunnel.ttl, key=tunnel.key)
    elif tunnel.vni is None:
        what = f"`vni` is missing in {dotted(bare.where)}"
        yield Diagnostic("NC0102", bare.where, what, "write the `vni` that the peer has", on_key=True)
    else:
        port = tunnel.port or KINDS[bare.kind].port
        yield NumberedInterface(**asdict(bare), local=local, remote=remote, ttl=tunnel.ttl, vni=tunnel.vni, port=port)


def _six_to_four(bare: Common, host: Host, name: TunnelName, tunnel: Tunnel) -> Found:
    """6to4 makes its own /48 of a public IPv4 address (RFC 3056 section 2)."""
    local = tunnel.local or next((net.ip for net in host.addresses if net.version == 4 and public(net.ip)), None)
    if local is None or local.version != 4 or not public(local):
        what = f"6to4 tunnel `{name}` needs a public IPv4 address, and {bare.host} has none"
        yield Diagnostic("NC0302", bare.where, what, "write the public address as `local`", on_key=True)
        return
    own = replace(bare, addresses=tunnel.address or (six_to_four(local),))
    yield SixToFourInterface(**asdict(own), local=local, ttl=tunnel.ttl)


def six_to_four(local: IPAddress) -> IPNetwork:
    """2002:V4ADDR::1/16: the /16 makes every other 6to4 site a neighbour (RFC 3056)."""
    return IPNetwork(f"{IPAddress(0x2002 << 112 | int(local) << 80 | 1, 6)}/16")
