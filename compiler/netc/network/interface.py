"""Interface: one end of a link, mesh or tunnel on a host, with every value in force."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from netaddr import IPAddress, IPNetwork

from netc.language.links import Kind
from netc.language.names import (
    Argument,
    CredentialName,
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
from netc.network.senders import Senders
from netc.network.sets import Sets
from netc.network.speakers import Speaker
from netc.problem import KeyPath

Key = HostPath | CredentialName
"""Where a host finds a secret."""


class Peer(Struct, frozen=True, eq=False):
    """The far end of a WireGuard tunnel, as the near end sees it. `endpoint` always has a port.

    A peer is itself and nothing else (`eq=False`): a mesh of 1,000 hosts looks at a million of them.
    """

    name: Label
    public_key: PublicKey
    allowed_ips: tuple[IPNetwork, ...]
    endpoint: Endpoint | None = None
    preshared_key: Key | None = None


class Identity(Struct, frozen=True):
    """The public half of a WireGuard key that is the host's own and no provider's; `where` the topology has it."""

    where: KeyPath
    public_key: PublicKey | None


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


class Interface(Struct, frozen=True):
    """`origin` is the table that it comes from; `where` the most exact place to point at on this host."""

    host: HostName
    origin: KeyPath
    where: KeyPath
    part: PartName
    name: InterfaceName
    kind: Kind
    addresses: tuple[IPNetwork, ...]
    mtu: Mtu | None
    """None where the program that makes the interface knows best."""
    outer: Family | None
    """None where a DNS name decides."""
    far: HostName | None = None
    """The host at the other end, when there is one alone and it is ours."""
    port: int | None = None
    private_key: Key | None = None
    identity: Identity | None = None
    keepalive: int = 0
    peers: tuple[Peer, ...] = ()
    local: IPAddress | None = None
    remote: IPAddress | None = None
    key: int | None = None
    vni: int | None = None
    ttl: int = 64
    routes: tuple[IPNetwork, ...] = ()
    gateways: tuple[IPAddress, ...] = ()
    """The far end's addresses, where `routes` need one: on Ethernet, which is what VXLAN carries."""
    table: int | None = None
    """Where `routes` go; None is main."""
    priority: int | None = None
    back: Back | None = None
    """How replies to visitors who came in by it leave by it again."""
    dns: tuple[IPAddress, ...] = ()
    namespace: NamespaceName | None = None
    """Where it is moved after it was born among the host's own interfaces."""
    config: HostPath | None = None
    """What the program that makes the interface reads, with its secrets."""
    start: tuple[Argument, ...] = ()
    stop: tuple[Argument, ...] = ()
    wait: int = 0
    """Seconds that the program may take."""


class Network(Struct, frozen=True):
    """A topology, every interface that follows from it, by host, in a fixed order, every set of addresses, every
    router that speaks BGP, and hosts as senders of outer packets."""

    topology: Topology
    interfaces: Mapping[HostName, tuple[Interface, ...]]
    sets: Sets
    speakers: Mapping[HostName, Speaker]
    senders: Senders
