"""What a packet filter does, as facts: no rule of any language, so that each can be printed in several."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace
from netaddr import IPAddress, IPNetwork

from netc.diagnostic import KeyPath
from netc.language.names import GroupName, InterfaceName, SetName, SplitName, UserName
from netc.language.splits import Ipv6Policy
from netc.language.units import SliceName
from netc.language.values import Port, Ports


class DestinationNat(Struct, frozen=True):
    """Packets to `port` of one of `on`, from one of `sources`, go to `to`. Their source address is not changed. What
    arrives by one of `past`, where a source says nothing, goes on to `on`."""

    origin: KeyPath
    port: Port
    on: tuple[IPAddress, ...]
    sources: tuple[IPNetwork, ...]
    to: IPAddress
    to_port: int
    past: tuple[InterfaceName, ...] = ()


class PortForward(Struct, frozen=True):
    """What enters by `device` for `ports` of `on` goes to `to`, at another port if `to_port` is given."""

    origin: KeyPath
    device: InterfaceName
    on: IPAddress
    ports: Ports
    to: IPAddress
    to_port: int | None


class LeavesBy(Struct, frozen=True):
    """Connections that the host's own DNATs send to `to` leave by `device` or are dropped. While it is down, the
    default route would send them to an uplink."""

    origin: KeyPath
    to: IPAddress
    device: InterfaceName


class NeverLeavesBy(Struct, frozen=True):
    """The same, if netc does not know the interface that leads to `to`: connections are dropped at `device`, which
    does not."""

    origin: KeyPath
    to: IPAddress
    device: InterfaceName


class Masquerade(Struct, frozen=True):
    """What was dialled at `on` and forwarded into `device`, or by whatever interface if it is None, has the host's own
    address there as its source."""

    origin: KeyPath
    device: InterfaceName | None
    on: IPAddress
    ports: Ports


class SourceNat(Struct, frozen=True):
    """Packets from `sources` that leave by one of `leaving` get `to` as their source, or the interface's address."""

    origin: KeyPath
    sources: IPNetwork
    leaving: tuple[InterfaceName, ...]
    to: IPAddress | None


class Hairpin(Struct, frozen=True):
    """If a client in `subnet` dials the host and a server in `subnet` too serves it, the packets get the host's address
    as their source. Otherwise the server would reply to the client directly, which expects replies from the host."""

    origin: KeyPath
    device: InterfaceName
    subnet: IPNetwork


class ClampMss(Struct, frozen=True):
    """What is forwarded through `devices`: TCP agrees on segments that fit, in both directions (RFC 6691). `mtu` is in
    bytes, None where the image or another program sets it. With `is_set` the devices themselves have it, so the route
    of what leaves knows it, and what is smaller farther on."""

    devices: tuple[InterfaceName, ...]
    mtu: int | None
    is_set: bool


class ReturnMark(Struct, frozen=True):
    """Replies to what came in by `device`, for `on` if given, carry `mark`, within MARK_MASK; with `scrub` only up to
    there, since the tunnel's own packets would keep it (all kinds but WireGuard). With `held` they leave by it or are
    dropped, also if other software set another mark meanwhile."""

    device: InterfaceName
    mark: int
    scrub: bool
    held: bool = False
    on: tuple[IPNetwork, ...] = ()
    """Of both families or of one."""


class RepliesOnly(Struct, frozen=True):
    """Nothing begins at this interface: only answers to what entered by it come back out of it."""

    origin: KeyPath
    device: InterfaceName


class Queries(Struct, frozen=True):
    """DNS queries of programs in a namespace go to `resolvers`, whatever server they are sent to: those to another
    server go to the first of its family, and a family without a resolver is refused. `device` leads to them; with
    `of_loopback`, queries to 127.0.0.0/8 leave by it too."""

    origin: KeyPath
    device: InterfaceName
    resolvers: tuple[IPAddress, ...]
    of_loopback: bool

    def of(self, family: int) -> tuple[IPAddress, ...]:
        return tuple(ip for ip in self.resolvers if ip.version == family)


class Filter(Struct, frozen=True):
    """What becomes of packets that no rule lets in (`input`) or through (`forward`). `ssh` is a TCP port."""

    origin: KeyPath
    input: Literal["drop", "accept"]
    forward: Literal["drop", "accept"]
    ssh: int
    log: bool


class Sources(Struct, frozen=True):
    """Where a packet comes from, or goes to: any of the prefixes, or any of the sets."""

    prefixes: tuple[IPNetwork, ...] = ()
    sets: tuple[SetName, ...] = ()


class Opening(Struct, frozen=True):
    """Connections that the host accepts. A field that is None or () matches any. `protocol` is an IP protocol number
    (IANA)."""

    origin: KeyPath
    sources: Sources | None = None
    devices: tuple[InterfaceName, ...] = ()
    on: tuple[IPAddress, ...] = ()
    ports: tuple[Ports, ...] = ()
    protocol: int | None = None

    def by(self, device: InterfaceName) -> Opening:
        """By this interface alone."""
        return replace(self, devices=(device,))


class Stranger(Struct, frozen=True):
    """An interface whose other end is somebody else's: connections begin there only by one of `openings` (which name no
    device), and pass through the host only to a place that the host's own DNATs name."""

    origin: KeyPath
    device: InterfaceName
    openings: tuple[Opening, ...] = ()


class Denial(Struct, frozen=True):
    """Nothing new from there reaches the host or passes through it, but ssh of the host."""

    origin: KeyPath
    sources: Sources


class Passage(Struct, frozen=True):
    """Connections that enter here and leave there pass through the host; replies to them come back."""

    origin: KeyPath
    entering: InterfaceName
    leaving: InterfaceName


class Transit(Struct, frozen=True):
    """Packets that arrive by one of these interfaces and leave by one of them pass. Between routers each direction can
    take another path, so conntrack may see one direction only and cannot assign its packets."""

    origin: KeyPath
    devices: tuple[InterfaceName, ...]


class DockerBridges(Struct, frozen=True):
    """Docker's own rules decide what passes between its bridges and `uplinks`: connections to ports that it publishes,
    those of its containers to the internet, and those of containers on one bridge, which br_netfilter shows."""

    origin: KeyPath
    uplinks: tuple[InterfaceName, ...]


DOCKER_BRIDGES = ("docker0", "docker_gwbridge", "br-*")
"""The names that Docker gives to bridges of its own, if its user gives no other."""


class Outer(Struct, frozen=True):
    """What a tunnel without keys sends by the uplink: IP's `protocol` number (IANA), to `remote`."""

    protocol: int
    remote: IPAddress


class SplitTunnel(Struct, frozen=True):
    """Chosen packets carry `mark`, within MARK_MASK, and leave by `device` from one of `addresses`, or not at all.

    One of `group`, `user`, `slice`, `sources` and `incoming` chooses them. With `others`, all other packets are chosen.
    With `hides`, the host's resolver daemons are hidden from its programs.

    Packets to `direct` are never chosen. `mtu` is the device's, in bytes, or None if another program sets it. `outer`
    is None for WireGuard, and if a program sends the outer packets.
    """

    origin: KeyPath
    name: SplitName
    device: InterfaceName
    addresses: tuple[IPAddress, ...]
    """The device's own, one a family that it carries."""
    mtu: int | None
    mark: int
    group: GroupName | None
    user: UserName | None
    slice: SliceName | None
    sources: tuple[IPNetwork, ...]
    incoming: InterfaceName | None
    others: bool
    hides: bool
    direct: Sources
    resolvers: tuple[IPAddress, ...]
    """At most one for each family. It gets all DNS queries, at port 53."""
    ipv6: Ipv6Policy
    outer: Outer | None
    serves: tuple[Ports, ...]
    """Where its programs answer clients that came in by another interface, though a forged packet could begin that."""
    near: tuple[InterfaceName, ...]
    """Interfaces to the author's own hosts and containers: replies to them are not chosen."""
    takes_root: bool
    """Whether it chooses what root sends: WireGuard in user space marks its packets too, and runs as root."""

    @property
    def of_programs(self) -> bool:
        """Whether it chooses what programs of the host send, and not what the host passes on."""
        return bool(self.group or self.user or self.slice)

    @property
    def by_owner(self) -> bool:
        """Whether it asks who has a packet's socket open. The control group is the socket's own, also without one."""
        return bool(self.group or self.user or (self.slice and self.others))

    @property
    def refuses(self) -> bool:
        """Whether it rejects IPv6, or DNS queries of a family without a resolver."""
        return self.ipv6 == "block" or len({ip.version for ip in self.resolvers}) == 1
