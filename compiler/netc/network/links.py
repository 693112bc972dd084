"""The two interfaces of a link."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace
from netaddr import IPAddress, IPNetwork

from netc.language.links import End, Kind, Link
from netc.language.names import HostName, InterfaceName, LinkName, PartName, PublicKey, Wrong
from netc.language.topology import Host, Topology
from netc.language.values import Endpoint, Family
from netc.network.derive import (
    EVERYTHING,
    KEEPALIVE_SECONDS,
    PORT_BASE,
    PREFIX,
    VXLAN_PORT,
    alone,
    link_local,
    secret,
    vni,
)
from netc.network.dialling import FAMILY, candidates, dial, families, outer
from netc.network.forwards import Back, back
from netc.network.interface import Identity, Interface, Key, Mtu, Peer
from netc.network.mtu import mtu, overhead
from netc.network.routing import is_way
from netc.problem import KeyPath, Problem

OUTER_OF: dict[Kind, Family] = {
    Kind.GRE: 4,
    Kind.IPIP: 4,
    Kind.SIT: 4,
    Kind.SIX_TO_FOUR: 4,
    Kind.IP6GRE: 6,
}
"""Kinds whose outer family is in their name; WireGuard and VXLAN take either."""


class Side(Struct, frozen=True):
    """One host of a link and what the link says of it."""

    name: HostName
    host: Host
    end: End

    @property
    def addresses(self) -> tuple[IPNetwork, ...]:
        return self.end.address

    @property
    def public_key(self) -> PublicKey | None:
        return self.end.public_key or self.host.public_key


def link_interfaces(name: LinkName, link: Link, topology: Topology) -> Iterator[Interface | Problem]:
    """Both ends of a link whose hosts exist; a Problem for an end that cannot be made."""
    one, other = (Side(host, topology.hosts[host], link.ends.get(host, End())) for host in link.between)
    kind = Kind(link.kind)
    family = OUTER_OF.get(kind, FAMILY[link.family]) or _family(one, other)
    keyed = link.key is not None
    under = min((one, other), key=lambda side: side.host.mtu)
    size = mtu(link.mtu, under.host.mtu, f"uplink of {under.name}", overhead(kind, family, keyed=keyed))
    for near, far in ((one, other), (other, one)):
        try:
            replies = back(name, near.name, far.host.id, topology)
            for end in _interface(name, link, near, far, family, size):
                if isinstance(end, Interface) and is_way(end.origin, topology):
                    end = _routed(end, near)
                yield _answering(end, replies) if isinstance(end, Interface) and replies else end
        except Wrong as wrong:
            what = f"no name for {near.name}'s end of `{name}`: {wrong.what}"
            yield Problem(wrong.code, ("links", name), what, f'set `ends.{near.name}.interface = "…"`', on_key=True)


def _answering(interface: Interface, replies: Back) -> Interface:
    """Visitors are everybody, so everybody may come out of the link and be answered into it."""
    peers = tuple(replace(peer, allowed_ips=EVERYTHING) for peer in interface.peers)
    return replace(interface, back=replies, peers=peers)


def _routed(interface: Interface, near: Side) -> Interface:
    """Routing leads anything through, and its daemons find each other by fe80 addresses."""
    has_fe80 = any(net.ip.is_link_local() for net in interface.addresses) or interface.kind == Kind.IPIP
    own = () if has_fe80 else (link_local(near.host.id),)
    peers = interface.peers
    if near.end.allowed_ips is None:
        peers = tuple(replace(peer, allowed_ips=EVERYTHING) for peer in peers)
    return replace(interface, addresses=(*interface.addresses, *own), peers=peers)


def _family(one: Side, other: Side) -> Family | None:
    """The outer family that both directions would use; None when a DNS name decides."""
    for near, far in ((one, other), (other, one)):
        if there := dial(near.host, candidates(far.host, far.end), None):
            return there.family
    return None


def _interface(
    name: LinkName, link: Link, near: Side, far: Side, family: Family | None, size: Mtu
) -> Iterator[Interface | Problem]:
    kind = Kind(link.kind)
    origin: KeyPath = ("links", name)
    where: KeyPath = (*origin, "ends", near.name) if near.name in link.ends else origin
    end = near.end
    bare = Interface(
        host=near.name,
        origin=origin,
        where=where,
        part=PartName(f"link-{name}"),
        name=end.interface or InterfaceName(f"{PREFIX[kind]}{far.name}"),
        kind=kind,
        addresses=end.address or _default_addresses(kind, near.host),
        mtu=size,
        outer=family,
        far=far.name,
        routes=end.routes,
        gateways=_gateways(kind, near, far),
        table=end.table,
        priority=end.priority or end.table,
        ttl=link.ttl,
        key=link.key,
    )
    if kind == Kind.WIREGUARD:
        yield from _wireguard(bare, name, near, far, family)
    else:
        yield from _plain(bare, link, near, far, family)


def _default_addresses(kind: Kind, host: Host) -> tuple[IPNetwork, ...]:
    return () if kind == Kind.IPIP else (link_local(host.id),)  # ipip carries no IPv6


def _gateways(kind: Kind, near: Side, far: Side) -> tuple[IPAddress, ...]:
    """The far end's addresses that the near end has for neighbours, where a route needs one."""
    if kind != Kind.VXLAN:
        return ()
    here, there = (side.addresses or (link_local(side.host.id),) for side in (near, far))
    return tuple(net.ip for net in there if any(net.ip in own.cidr for own in here))


def _wireguard(
    bare: Interface, name: LinkName, near: Side, far: Side, family: Family | None
) -> Iterator[Interface | Problem]:
    if far.public_key is None:
        yield no_public_key(far.name, f"{near.name} needs it for `{name}`")
        return
    end = near.end
    own_key = f"{name}.key" if end.public_key else None
    identity = host_identity(near.name, near.host)
    if end.public_key or end.private_key:
        identity = Identity(("links", name, "ends", near.name, "public_key"), near.public_key)
    peer = Peer(
        name=far.name,
        public_key=far.public_key,
        allowed_ips=_allowed(near, far),
        endpoint=_endpoint(near, far, family),
        preshared_key=secret(end.preshared_key, None),
    )
    yield replace(
        bare,
        port=_port(near, far),
        private_key=secret(end.private_key, own_key) or host_key(near.host),
        identity=identity,
        keepalive=keepalive(end.keepalive, near.host, end),
        peers=(peer,),
    )


def no_public_key(host: HostName, why: str) -> Problem:
    return Problem(
        "NC0301",
        ("hosts", host),
        f"{host} has no `public_key`, and {why}",
        "`netc keys` has the host make a pair and writes the public half here; by hand, `netc-host keys` does it there",
        on_key=True,
    )


def host_key(host: Host) -> Key | None:
    """Where a host keeps the private half of its identity."""
    return secret(host.private_key, "host.key")


def host_identity(name: HostName, host: Host) -> Identity:
    return Identity(("hosts", name, "public_key"), host.public_key)


def keepalive(given: int | None, host: Host, end: End | None = None) -> int:
    """Seconds; a host that nobody can dial has to keep its NAT's memory fresh."""
    if given is not None:
        return given
    return 0 if candidates(host, end) else KEEPALIVE_SECONDS


def _port(near: Side, far: Side) -> int:
    return near.end.port or PORT_BASE + far.host.id


def _endpoint(near: Side, far: Side, family: Family | None) -> Endpoint | None:
    offers = candidates(far.host, far.end)
    there = dial(near.host, offers, family) or dial(near.host, offers, None)
    return Endpoint(there.host, there.port or _port(far, near)) if there else None


def _allowed(near: Side, far: Side) -> tuple[IPNetwork, ...]:
    """Only what the far end is, and what is routed to it; a link on fe80 alone is for routing daemons: everything."""
    if near.end.allowed_ips is not None:
        return near.end.allowed_ips
    if not far.addresses:
        return EVERYTHING
    return tuple(sorted({*map(alone, far.addresses), *near.end.routes}))


def _plain(bare: Interface, link: Link, near: Side, far: Side, family: Family | None) -> Iterator[Interface | Problem]:
    """Kinds with outer addresses in place of keys and ports."""
    used: Family = family or (4 if 4 in families(near.host) & families(far.host) else 6)
    found = outer(near.host, near.end, far.host, far.end, used)
    for side, ip in ((near, found.local), (far, found.remote)):
        if ip is None:
            what = f"{link.kind} needs an IPv{used} address of {side.name}, and knows none that can be reached"
            hint = f"give hosts.{side.name} a public one in `addresses`, or set `ends.{side.name}.endpoint`"
            yield Problem("NC0302", bare.origin, what, hint, on_key=True)
            return
    vxlan = bare.kind == Kind.VXLAN
    yield replace(
        bare,
        outer=used,
        local=found.local,
        remote=found.remote,
        vni=(link.vni or vni(near.host.id, far.host.id)) if vxlan else None,
        port=(link.port or VXLAN_PORT) if vxlan else None,
    )
