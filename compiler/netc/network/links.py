"""The two interfaces of a link."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import asdict, replace
from netaddr import IPAddress, IPNetwork

from netc.diagnostic import Diagnostic, KeyPath
from netc.language.kinds import KINDS, Kind, Properties
from netc.language.links import End, Link
from netc.language.names import HostName, InterfaceName, LinkName, PartName, PublicKey, Wrong, shorter
from netc.language.topology import Host, Topology
from netc.language.values import Endpoint, Family
from netc.network.derive import (
    EVERYTHING,
    KEEPALIVE_SECONDS,
    PORT_BASE,
    alone,
    is_alone,
    link_local,
    private_key,
    secret,
    vni,
)
from netc.network.dialling import FAMILY, candidates, dial, families, outer
from netc.network.forwards import Back, back
from netc.network.interface import (
    Common,
    Identity,
    Interface,
    Key,
    Mtu,
    NumberedInterface,
    Peer,
    PlainInterface,
    WireguardInterface,
)
from netc.network.mtu import mtu, overhead
from netc.network.routing import carries_routing


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

    @property
    def next_key(self) -> PublicKey | None:
        return self.end.next_public_key if self.end.public_key else self.host.next_public_key


def link_interfaces(name: LinkName, link: Link, topology: Topology) -> Iterator[Interface | Diagnostic]:
    """Both ends of a link whose hosts exist; a Diagnostic for an end that cannot be made."""
    one, other = (Side(host, topology.hosts[host], link.ends.get(host, End())) for host in link.between)
    kind = Kind(link.kind)
    family = KINDS[kind].outer or FAMILY[link.family] or _family(one, other)
    keyed = link.key is not None
    under = min((one, other), key=lambda side: side.host.mtu)
    size = mtu(link.mtu, under.host.mtu, f"uplink of {under.name}", overhead(kind, family, keyed=keyed))
    for near, far in ((one, other), (other, one)):
        try:
            replies = back(name, near.name, far.host.id, topology)
            for end in _interface(name, link, near, far, family, size):
                if not isinstance(end, Diagnostic):
                    end = _routed(end, near) if carries_routing(end.origin, topology) else end
                    end = _answering(end, replies) if replies else end
                yield end
        except Wrong as wrong:
            what = f"netc cannot name the interface of `{name}` on {near.name}: {wrong.what}"
            yield Diagnostic(wrong.code, ("links", name), what, shorter(f"ends.{near.name}.interface"), on_key=True)


def _answering(interface: Interface, replies: Back) -> Interface:
    """A visitor can have any address, so the link carries packets from any address, and replies to any."""
    return replace(_open(interface), back=replies)


def _open(interface: Interface) -> Interface:
    """The peer may send from any address."""
    if not isinstance(interface, WireguardInterface):
        return interface
    return replace(interface, peers=tuple(replace(peer, allowed_ips=EVERYTHING) for peer in interface.peers))


def _routed(interface: Interface, near: Side) -> Interface:
    """Routing leads anything through, and its daemons find each other by fe80 addresses."""
    has_fe80 = any(net.ip.is_link_local() for net in interface.addresses)
    own = () if has_fe80 else _default_addresses(KINDS[interface.kind], near.host)
    opened = _open(interface) if near.end.allowed_ips is None else interface
    return replace(opened, addresses=(*interface.addresses, *own))


def _family(one: Side, other: Side) -> Family | None:
    """The outer family that both directions would use; None when a DNS name decides."""
    for near, far in ((one, other), (other, one)):
        if there := dial(near.host, candidates(far.host, far.end), None):
            return there.family
    return None


def _interface(
    name: LinkName, link: Link, near: Side, far: Side, family: Family | None, size: Mtu
) -> Iterator[Interface | Diagnostic]:
    kind = Kind(link.kind)
    origin: KeyPath = ("links", name)
    where: KeyPath = (*origin, "ends", near.name) if near.name in link.ends else origin
    end, properties = near.end, KINDS[kind]
    bare = Common(
        host=near.name,
        origin=origin,
        where=where,
        part=PartName(f"link-{name}"),
        name=end.interface or InterfaceName(f"{properties.prefix}{far.name}"),
        kind=kind,
        addresses=end.address or _default_addresses(properties, near.host),
        mtu=size,
        far=far.name,
        peer_addresses=tuple(_peer_addresses(near, far)),
        routes=end.routes,
        gateways=_gateways(near, far) if properties.ethernet else (),
        table=end.table,
        priority=end.priority or end.table,
    )
    if properties.form == "wireguard":
        yield from _wireguard(bare, name, near, far, family)
    else:
        yield from _plain(bare, link, near, far, family)


def _default_addresses(kind: Properties, host: Host) -> tuple[IPNetwork, ...]:
    return (link_local(host.id),) if 6 in kind.carries else ()


def _peer_addresses(near: Side, far: Side) -> Iterator[IPAddress]:
    """Where each end has one address, alone in its subnet. An end with a route to it needs nothing more."""
    for version in (4, 6):
        here, there = (
            [net for net in side.addresses if net.version == version and is_alone(net)] for side in (near, far)
        )
        if len(here) == len(there) == 1 and not any(there[0].ip in net for net in (*near.end.routes, *far.end.routes)):
            yield there[0].ip


def _gateways(near: Side, far: Side) -> tuple[IPAddress, ...]:
    """Addresses of the other end that are in a prefix of this end, so that this end reaches them without a router."""
    here, there = (side.addresses or (link_local(side.host.id),) for side in (near, far))
    return tuple(net.ip for net in there if any(net.ip in own.cidr for own in here))


def _wireguard(
    bare: Common, name: LinkName, near: Side, far: Side, family: Family | None
) -> Iterator[Interface | Diagnostic]:
    if far.public_key is None:
        yield no_public_key(far.name, f"{near.name} needs it for `{name}`")
        return
    end = near.end
    own_key = private_key(end.private_key, name) if end.public_key or end.private_key else host_key(near.host)
    identity = host_identity(near.name, near.host)
    if end.public_key or end.private_key:
        identity = Identity(("links", name, "ends", near.name, "public_key"), near.public_key, near.next_key)
    peer = Peer(
        name=far.name,
        public_key=far.public_key,
        allowed_ips=_allowed(near, far),
        endpoint=_endpoint(near, far, family),
        preshared_key=secret(end.preshared_key),
        next_key=far.next_key,
    )
    yield WireguardInterface(
        **asdict(bare),
        private_key=own_key,
        identity=identity,
        peers=(peer,),
        keepalive=keepalive(end.keepalive, near.host, end),
        port=_port(near, far),
        outer=family,
    )


def no_public_key(host: HostName, why: str) -> Diagnostic:
    return Diagnostic(
        "NC0301",
        ("hosts", host),
        f"{host} has no `public_key`, and {why}",
        "run `netc keys`: the host makes a key pair, and netc writes the public key here",
        on_key=True,
    )


def host_key(host: Host) -> Key:
    """Where a host keeps the private half of its identity."""
    return private_key(host.private_key, "host")


def host_identity(name: HostName, host: Host) -> Identity:
    return Identity(("hosts", name, "public_key"), host.public_key, host.next_public_key)


def keepalive(given: int | None, host: Host, end: End | None = None) -> int:
    """Seconds. A host that nobody can dial has to keep the entry in its NAT alive."""
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
    """The peer's own addresses and the routes to it. If it has only an fe80 address, the link is for routing daemons,
    and everything is allowed."""
    if near.end.allowed_ips is not None:
        return near.end.allowed_ips
    if not far.addresses:
        return EVERYTHING
    return tuple(sorted({*map(alone, far.addresses), *near.end.routes}))


def _known_as(side: Side, family: Family, kind: str) -> str:
    """What gives an end an outer address. `addresses` count where no `endpoint` says something else."""
    given = side.end.endpoint if side.end.endpoint is not None else side.host.endpoint
    as_endpoint = f"write its public IPv{family} address as `ends.{side.name}.endpoint`"
    if given is False:
        return f"{as_endpoint}, if the NAT passes all `{kind}` to it, or use `wireguard`, which needs one end alone"
    if given is None or given.family is None:
        return f"add one to `addresses` of hosts.{side.name}, or {as_endpoint}"
    return as_endpoint


def _plain(bare: Common, link: Link, near: Side, far: Side, family: Family | None) -> Iterator[Interface | Diagnostic]:
    """Kinds with outer addresses in place of keys and ports."""
    used: Family = family or (4 if 4 in families(near.host) & families(far.host) else 6)
    found = outer(near.host, near.end, far.host, far.end, used)
    local, remote = found.local, found.remote
    if local is None or remote is None:
        name = near.name if local is None else far.name
        what = f"kind `{link.kind}` needs a public IPv{used} address of {name}, and {name} has none"
        side = near if local is None else far
        yield Diagnostic("NC0302", bare.origin, what, _known_as(side, used, link.kind), on_key=True)
        return
    if KINDS[bare.kind].form == "numbered":
        yield NumberedInterface(
            **asdict(bare),
            local=local,
            remote=remote,
            ttl=link.ttl,
            vni=link.vni or vni(near.host.id, far.host.id),
            port=link.port or KINDS[bare.kind].port,
        )
    else:
        yield PlainInterface(**asdict(bare), local=local, remote=remote, ttl=link.ttl, key=link.key)
