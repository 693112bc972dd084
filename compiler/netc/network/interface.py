"""Interface: one end of a link, mesh or tunnel on a host, with every value in force; its form follows from its kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import assert_never

from msgspec import Struct
from netaddr import IPAddress, IPNetwork

from netc.diagnostic import KeyPath
from netc.language.kinds import Kind
from netc.language.names import (
    Argument,
    CredentialName,
    DnsName,
    HostName,
    HostPath,
    InterfaceName,
    Label,
    NamespaceName,
    PartName,
    PublicKey,
)
from netc.language.topology import Topology
from netc.language.values import Endpoint, Family
from netc.network.forwards import Back
from netc.network.sets import Sets
from netc.network.speakers import Speaker

Key = HostPath | CredentialName
"""Where a host finds a secret."""


class Peer(Struct, frozen=True, eq=False):
    """A peer of a WireGuard interface, as this end has it. `endpoint` always has a port.

    Peers are compared by identity (`eq=False`): a mesh of 1,000 hosts has a million of them.
    """

    name: Label
    public_key: PublicKey
    allowed_ips: tuple[IPNetwork, ...]
    endpoint: Endpoint | None = None
    preshared_key: Key | None = None
    next_key: PublicKey | None = None
    """The key that will replace `public_key`."""


class Identity(Struct, frozen=True):
    """The public half of a WireGuard key that is the host's own and no provider's; `where` the topology has it."""

    where: KeyPath
    public_key: PublicKey | None
    next_key: PublicKey | None = None
    """The key that will replace it."""


class Mtu(Struct, frozen=True):
    """`value` bytes inside; what it was made of is kept for the messages. `given`: set by the author."""

    value: int
    under: int
    overhead: int
    under_name: str
    given: bool

    @property
    def room(self) -> int:
        """The largest MTU that the underlay carries in one piece."""
        return self.under - self.overhead


class Common(Struct, frozen=True, kw_only=True):
    """What every interface has. `origin` is the table that it comes from; `where` the most exact place to point at on
    this host."""

    host: HostName
    origin: KeyPath
    where: KeyPath
    part: PartName
    name: InterfaceName
    kind: Kind
    addresses: tuple[IPNetwork, ...]
    mtu: Mtu | None
    """None where the program that makes the interface knows best."""
    far: HostName | None = None
    """The host at the other end, when there is one alone and it is ours."""
    peer_addresses: tuple[IPAddress, ...] = ()
    """The peer's, where our own is alone in its subnet: at most one of each family."""
    routes: tuple[IPNetwork, ...] = ()
    gateways: tuple[IPAddress, ...] = ()
    """The other end's addresses, as next hops of `routes`. Only Ethernet needs next hops."""
    table: int | None = None
    """Where `routes` go; None is main."""
    priority: int | None = None
    back: Back | None = None
    """How replies to visitors who came in by it leave by it again."""
    dns: tuple[IPAddress, ...] = ()
    namespace: NamespaceName | None = None
    """Where it is moved after it was born among the host's own interfaces."""


class WireguardInterface(Common, frozen=True, kw_only=True):
    """Keys and peers."""

    private_key: Key
    identity: Identity | None
    """None for a tunnel, whose key is its provider's."""
    peers: tuple[Peer, ...]
    keepalive: int
    port: int | None
    """None: any."""
    outer: Family | None
    """None where a DNS name decides, or peers differ."""


class PlainInterface(Common, frozen=True, kw_only=True):
    """Such tunnels differ in their two outer addresses, and in the GRE key if the author gives one."""

    local: IPAddress
    remote: IPAddress
    ttl: int
    key: int | None


class NumberedInterface(Common, frozen=True, kw_only=True):
    """Such tunnels differ in their number. All of one kind can share a UDP port."""

    local: IPAddress
    remote: IPAddress
    ttl: int
    vni: int
    port: int


class SixToFourInterface(Common, frozen=True, kw_only=True):
    """A packet's inner destination address holds the outer one (RFC 3056)."""

    local: IPAddress
    ttl: int


class ProgramInterface(Common, frozen=True, kw_only=True):
    """Another program makes it. With an empty `stop` the program is ended by a signal."""

    start: tuple[Argument, ...]
    stop: tuple[Argument, ...]
    wait: int
    """Seconds that the program may take."""
    config: HostPath | None
    """What the program reads, with its secrets, as far as netc knows of it."""


Interface = WireguardInterface | PlainInterface | NumberedInterface | SixToFourInterface | ProgramInterface


def outer_ends(interface: Interface) -> Iterator[IPAddress | DnsName]:
    """What its outer packets are sent to, as far as the topology says it."""
    match interface:
        case WireguardInterface():
            yield from (peer.endpoint.host for peer in interface.peers if peer.endpoint)
        case PlainInterface() | NumberedInterface():
            yield interface.remote
        case SixToFourInterface() | ProgramInterface():
            return
        case _:
            assert_never(interface)


def outer_family(interface: Interface) -> Family | None:
    """Of its outer packets; None where a DNS name or a program decides."""
    match interface:
        case WireguardInterface():
            return interface.outer
        case PlainInterface() | NumberedInterface():
            return 4 if interface.remote.version == 4 else 6
        case SixToFourInterface():
            return 4
        case ProgramInterface():
            return None
        case _:
            assert_never(interface)


def listens_at(interface: Interface) -> int | None:
    """Its UDP port, where netc knows of one."""
    return interface.port if isinstance(interface, WireguardInterface | NumberedInterface) else None


class Network(Struct, frozen=True):
    """A topology, every interface that follows from it, by host, in a fixed order, every set of addresses, and every
    router that speaks BGP."""

    topology: Topology
    interfaces: Mapping[HostName, tuple[Interface, ...]]
    sets: Sets
    speakers: Mapping[HostName, Speaker]
