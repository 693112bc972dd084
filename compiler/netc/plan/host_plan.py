"""HostPlan: what one host will own, as facts in the words of the domain. Emitters read this and nothing else.

A fact's `namespace` says in which network namespace it holds; None is the host's own.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from netaddr import IPAddress, IPNetwork

from netc.language.kinds import Kind
from netc.language.names import (
    Argument,
    CommandName,
    GroupName,
    HostName,
    HostPath,
    InterfaceName,
    Label,
    NamespaceName,
    PartName,
    ServiceName,
    SliceName,
    UnitName,
)
from netc.language.values import Family, Ports
from netc.network.interface import Identity, Key, Peer
from netc.plan.anycast import Checker
from netc.plan.bgp import Router
from netc.plan.ruleset import AddressSet, Ruleset
from netc.problem import KeyPath


class Namespace(Struct, frozen=True):
    """A network namespace and the resolvers that are asked inside."""

    name: NamespaceName
    resolvers: tuple[IPAddress, ...]


class Wireguard(Struct, frozen=True):
    """A WireGuard device, born among the host's interfaces and then moved: its socket stays where it was born."""

    name: InterfaceName
    private_key: Key
    identity: Identity | None
    """None where the key is one that a provider gave, or knows."""
    peers: tuple[Peer, ...]
    keepalive: int
    port: int | None = None
    namespace: NamespaceName | None = None
    mark: int | None = None
    """On the packets that it sends by the uplink."""


class PlainTunnel(Struct, frozen=True):
    """A tunnel without keys. `remote` is None where the far ends are many (6to4)."""

    name: InterfaceName
    kind: Kind
    local: IPAddress
    remote: IPAddress | None
    ttl: int
    key: int | None = None
    vni: int | None = None
    port: int | None = None
    namespace: NamespaceName | None = None


class Veth(Struct, frozen=True):
    """A pair: `name` on the host, a port of `bridge` if there is one, and `inner` in the namespace."""

    name: InterfaceName
    inner: InterfaceName
    namespace: NamespaceName
    bridge: InterfaceName | None = None


class Bridge(Struct, frozen=True):
    """A switch of the kernel's, and the host's own port of it. `hardware_address` is six bytes, `02:…`."""

    name: InterfaceName
    hardware_address: str


class Foreign(Struct, frozen=True):
    """A device that another program makes: `start` is run on the host, and the device moved if it is wanted elsewhere.
    With an empty `stop` the program is ended by a signal."""

    name: InterfaceName
    start: tuple[Argument, ...]
    stop: tuple[Argument, ...]
    wait: int
    """Seconds until it has to be there."""
    config: HostPath | None = None
    """Holds the program's secrets, and so is root's alone."""
    namespace: NamespaceName | None = None


Device = Wireguard | PlainTunnel | Veth | Bridge | Foreign


class LinkSetting(Struct, frozen=True):
    """A sysctl of one device, below /proc/sys/net/FAMILY/conf/DEVICE; it goes with the device."""

    device: InterfaceName
    family: Literal["ipv4", "ipv6"]
    key: Literal["accept_dad", "accept_ra", "addr_gen_mode", "rp_filter", "route_localnet"]
    value: int
    namespace: NamespaceName | None = None


class Address(Struct, frozen=True):
    network: IPNetwork
    device: InterfaceName
    namespace: NamespaceName | None = None
    nodad: bool = False
    """Usable at once: nobody else can have it (RFC 4862 section 5.4 is for shared links)."""
    again: bool = False
    """The program that made the device may have given it the same."""


class Loopback(Struct, frozen=True):
    """An address of the host itself, on no link, so that it is reached by whichever way is up."""

    network: IPNetwork


class Carrier(Struct, frozen=True):
    """The device is up, with this MTU in bytes."""

    device: InterfaceName
    mtu: int | None
    namespace: NamespaceName | None = None


class Route(Struct, frozen=True):
    """`to` is a prefix; all of a family is its default route. `table` None is main, `device` None is nowhere: what
    finds no better route in the table is refused, and does not go on to the next table."""

    to: IPNetwork
    device: InterfaceName | None
    via: IPAddress | None = None
    source: IPAddress | None = None
    table: int | None = None
    namespace: NamespaceName | None = None
    again: bool = False
    """The program that made the device may have made the same."""


class KeptRoute(Struct, frozen=True):
    """A default route by a device that comes and goes: put back whenever the device is there. `onlink`: `via` is a
    neighbour, whatever the addresses say."""

    family: Family
    device: InterfaceName
    table: int
    via: IPAddress | None = None
    onlink: bool = False
    source: IPAddress | None = None


class Loose(Struct, frozen=True):
    """Reverse path filtering (RFC 3704) of the image's own device is loose while the part is up, if it was strict."""

    device: InterfaceName


class Rule(Struct, frozen=True):
    """A policy routing rule: what matches all that is given looks in `table`, and with `specific` finds no default
    route there. Without a table it is refused. `device` is what it came in by."""

    family: Family
    priority: int
    table: int | None
    specific: bool = False
    source: IPAddress | IPNetwork | None = None
    to: IPAddress | IPNetwork | None = None
    device: InterfaceName | None = None
    source_ports: Ports | None = None
    mark: int | None = None
    """Within MARK_MASK."""
    namespace: NamespaceName | None = None


class Launcher(Struct, frozen=True):
    """A command in /usr/local/bin that runs any program with `group` as its primary group."""

    command: CommandName
    group: GroupName


class NamedEndpoint(Struct, frozen=True):
    """A peer that is dialled by name: looked up on the host, again and again."""

    device: InterfaceName
    peer: Peer
    namespace: NamespaceName | None = None


class Forwarding(Struct, frozen=True):
    """The host forwards packets of a family between its interfaces; `wan` goes on hearing its router (RFC 4861)."""

    family: Family
    wan: InterfaceName | None


class Flowtable(Struct, frozen=True):
    """Established flows between `devices` take a shortcut past the packet filter; all but those that carry a mark
    within MARK_MASK."""

    origin: KeyPath
    devices: tuple[InterfaceName, ...]


class PastDocker(Struct, frozen=True):
    """Docker lets pass what was dialled at `ports` of `on` and is forwarded to `to`."""

    on: IPAddress
    ports: Ports
    to: IPAddress


class WayPastDocker(Struct, frozen=True):
    """Docker lets pass what begins at `entering` and goes out by `leaving`, and what is said in reply."""

    entering: InterfaceName
    leaving: InterfaceName


class Congestion(Struct, frozen=True):
    """How the host's TCP finds its speed, and the queue of new interfaces that goes with it (tcp(7), tc-fq(8))."""

    control: Literal["bbr"]
    queue: Literal["fq"]


class Confined(Struct, frozen=True):
    """A unit that runs inside a namespace."""

    unit: UnitName
    namespace: NamespaceName
    part: PartName
    """Without this part it stops."""
    after: PartName | None
    """It waits for this one too, if there is one, and survives it."""


class HeldSlice(Struct, frozen=True):
    """A slice whose control group the packet filter knows before anything in it starts, and the services that are put
    into it. With `asks_by_packet`, they ask for names themselves, and not the host's resolver daemons."""

    name: SliceName
    services: tuple[ServiceName, ...]
    asks_by_packet: bool


class Part(Struct, frozen=True):
    """What changes as a whole, with scripts and a unit of its own. `after` come up first and go down last; with
    `bound`, the part goes down when they do; `wants` are brought up along with it, and it can do without. It is up
    while all of `follows` are, and starts none of them; it reloads when one of `renewed_by`, of others, has started."""

    name: PartName
    origin: KeyPath
    about: str
    reasons: tuple[str, ...] = ()
    """Why the compiler chose what it chose, for whoever reads the plan or the script."""
    after: tuple[PartName, ...] = ()
    bound: tuple[PartName, ...] = ()
    wants: tuple[PartName, ...] = ()
    follows: tuple[PartName, ...] = ()
    renewed_by: tuple[UnitName, ...] = ()
    namespaces: tuple[Namespace, ...] = ()
    rulesets: tuple[Ruleset, ...] = ()
    devices: tuple[Device, ...] = ()
    settings: tuple[LinkSetting, ...] = ()
    addresses: tuple[Address, ...] = ()
    carriers: tuple[Carrier, ...] = ()
    routes: tuple[Route, ...] = ()
    kept: tuple[KeptRoute, ...] = ()
    loose: tuple[Loose, ...] = ()
    rules: tuple[Rule, ...] = ()
    launchers: tuple[Launcher, ...] = ()
    slices: tuple[HeldSlice, ...] = ()
    endpoints: tuple[NamedEndpoint, ...] = ()
    forwarding: tuple[Forwarding, ...] = ()
    flowtables: tuple[Flowtable, ...] = ()
    past_docker: tuple[PastDocker | WayPastDocker, ...] = ()
    ipsets: tuple[AddressSet, ...] = ()
    congestion: tuple[Congestion, ...] = ()
    loopbacks: tuple[Loopback, ...] = ()
    routers: tuple[Router, ...] = ()
    checkers: tuple[Checker, ...] = ()
    kind: Literal["part", "firewall", "forwarding"] = "part"

    @property
    def is_early(self) -> bool:
        """Up before any network is, as what judges packets has to be; no packet comes by it."""
        return self.kind == "firewall" or bool(self.ipsets)


class Share(Struct, frozen=True):
    """What a feature adds to a host: parts of its own, and facts for the parts that all features share."""

    parts: tuple[Part, ...] = ()
    ruleset: Ruleset | None = None
    """Joined with all others into the host's own; None when there is nothing to filter."""
    forwarding: tuple[Forwarding, ...] = ()
    confined: tuple[Confined, ...] = ()
    offload: InterfaceName | None = None
    """The uplink: flows between it and what else is forwarded by take a shortcut."""
    docker: bool = False
    """What is forwarded has to pass Docker too."""


class HostPlan(Struct, frozen=True):
    """`parts` in the order in which they come up."""

    network: Label
    host: HostName
    parts: tuple[Part, ...]
    confined: tuple[Confined, ...]
