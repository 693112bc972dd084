"""All stacks of a network, and what is between them: who holds an address, and which two ends a tunnel has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from netaddr import IPAddress, IPNetwork

from netc.language.kinds import KINDS
from netc.language.names import DnsName, HostName, PublicKey
from netc.language.values import Family
from netc.network.derive import MAIN
from netc.network.dialling import PRIVATE, public
from netc.network.interface import Peer
from netc.network.ranges import Ranges, merged, of_prefixes
from netc.plan.facts import Foreign, PlainTunnel, Wireguard
from netc.plan.host_plan import HostPlan
from netc.plan.image import Wire
from netc.walk.free import Free, among, equals
from netc.walk.stack import DEFAULTS, SOMEWHERE, Device, Place, Stack, Way, stacks

UNNAMED = {4: int(IPAddress("198.18.0.0")), 6: int(IPAddress("2001:2::"))}
"""Addresses for benchmarks (RFC 2544, RFC 5180) stand for those that the topology does not say."""
ROUTERS = {4: int(IPAddress("198.19.0.0")), 6: int(IPAddress("2001:2:0:1::"))}
"""And for those of routers that translate private addresses."""
NAMED = {4: int(IPAddress("198.19.128.0")), 6: int(IPAddress("2001:2:0:2::"))}
"""And for what a DNS name stands for."""

FAMILIES: tuple[Family, Family] = (4, 6)
End = tuple[Stack, Device]


@dataclass
class World:
    """`strict`: supposes reverse path filtering where the image decides. `away`: devices that do not exist. `down`:
    tunnels whose other end is silent. `gone`: hosts that are off. `userspace`: a program sends the packets of
    WireGuard, not the kernel."""

    stacks: dict[Place, Stack]
    plans: dict[HostName, HostPlan]
    strict: bool = False
    away: frozenset[tuple[Place, str]] = frozenset()
    down: frozenset[tuple[Place, str]] = frozenset()
    gone: frozenset[HostName] = frozenset()
    userspace: bool = False
    standing: dict[tuple[Family, int], str] = field(default_factory=dict)
    """What a stand-in stands for."""
    holders: dict[tuple[Family, int], End] = field(default_factory=dict)
    brought: list[tuple[IPNetwork, Stack, Device]] = field(default_factory=list)
    carried: dict[object, object] = field(default_factory=dict)
    """What was found of outer packets: see `walk.wires`."""
    _named: dict[tuple[str, int], int] = field(default_factory=dict)
    _keys: dict[PublicKey, list[tuple[Stack, Device, Wireguard]]] = field(default_factory=dict)
    _plain: dict[tuple[str, int | None], list[tuple[Stack, Device, PlainTunnel]]] = field(default_factory=dict)
    """By kind and the address of the other end."""
    _far: dict[tuple[Place, str], End | None] = field(default_factory=dict)

    def devices(self) -> Iterator[End]:
        for stack in self.stacks.values():
            yield from ((stack, device) for device in stack.devices.values())

    def born(self, stack: Stack) -> Stack:
        """Where outer packets of tunnels are: the host's own stack."""
        return self.stacks[stack.place[0], None]


def bare(
    plans: Iterable[HostPlan],
    *,
    strict: bool = False,
    perhaps: bool = False,
    away: frozenset[tuple[Place, str]] = frozenset(),
    down: frozenset[tuple[Place, str]] = frozenset(),
    gone: frozenset[HostName] = frozenset(),
    userspace: bool = False,
) -> World:
    """Without BIRD's routes (`walk.bird`)."""
    named = {plan.host: plan for plan in plans}
    found: dict[Place, Stack] = {}
    for plan in named.values():
        found |= stacks(plan)
    made = World(found, named, strict, away, down, gone, userspace)
    for number, plan in enumerate(named.values(), 1):
        _stand_in(plan, number, made, perhaps=perhaps)
    _without(made)
    _index(made)
    return made


def _stand_in(plan: HostPlan, number: int, made: World, *, perhaps: bool) -> None:
    own = made.stacks[plan.host, None]
    for place, wire in enumerate(plan.around.wires):
        device = own.devices[wire.device]
        families = [family for family in wire.defaults if not any(net.version == family for net in device.networks)]
        supposed = [family for family in (wire.perhaps if perhaps else ()) if family not in families]
        for family in (*families, *supposed):
            ip = UNNAMED[family] + number * 256 + place
            device.networks.append(IPNetwork(IPAddress(ip, family)))
            own.local[family, ip] = device
            made.standing[family, ip] = f"the address of {plan.host}"
        for family in supposed:
            everything = DEFAULTS[family]
            way = Way(everything.first, everything.last, 0, 1024, device.name, None, None, device.origin, MAIN)
            ways = own.tables.setdefault((family, MAIN), [])
            ways.append(way)
            ways.sort(key=lambda way: (-way.length, way.metric))


def _without(made: World) -> None:
    """What goes with a device: its addresses and its routes. Rules and unreachable routes stay."""
    for place, name in made.away:
        stack = made.stacks[place]
        stack.devices.pop(name, None)
        for key, ways in stack.tables.items():
            stack.tables[key] = [way for way in ways if way.device != name]
        stack.local = {ip: device for ip, device in stack.local.items() if device.name != name}
        stack.shared = {ip: device for ip, device in stack.shared.items() if device.name != name}


def _index(made: World) -> None:
    for stack, device in made.devices():
        match device.made:
            case Wireguard() as fact:
                if fact.identity and fact.identity.public_key:
                    made._keys.setdefault(fact.identity.public_key, []).append((stack, device, fact))
            case PlainTunnel() as fact:
                remote = int(fact.remote) if fact.remote else None
                made._plain.setdefault((fact.kind, remote), []).append((stack, device, fact))
            case _:
                pass
    for stack, device in made.devices():
        if isinstance(device.made, Wire):
            made.holders |= {(_of(net), int(net.ip)): (stack, device) for net in device.networks if _is_shown(net)}
        elif isinstance(device.made, Wireguard | PlainTunnel | Foreign) and is_strange(made, stack, device):
            own = (net for net in device.networks if public(net.ip))
            made.brought += [(IPNetwork(net.ip), stack, device) for net in own]
    for plan in made.plans.values():
        own_stack = made.stacks[plan.host, None]
        known = ((one.prefix, own_stack.devices.get(one.device)) for one in plan.around.brought)
        made.brought += [(net, own_stack, device) for net, device in known if device and public(net.ip)]
    made.brought.sort(key=lambda one: -one[0].prefixlen)


def _of(net: IPNetwork) -> Family:
    return 4 if net.version == 4 else 6


def _is_shown(net: IPNetwork) -> bool:
    return public(net.ip)


SECRET: dict[Family, Ranges] = {family: of_prefixes(PRIVATE, family) for family in FAMILIES}


def is_public(family: Family, number: int) -> bool:
    return not among(number, SECRET[family])


def held_by(made: World, family: Family, number: int) -> End | None:
    """The uplink that has an address."""
    if isinstance(number, Free):
        if not among(number, merged((ip, ip) for of, ip in made.holders if of == family)):
            return None
        equals(number, int(number))
    return made.holders.get((family, number))


# ---- ends of tunnels -----------------------------------------------------------------------------------------


def is_tunnel(device: Device) -> bool:
    return isinstance(device.made, Wireguard | PlainTunnel | Foreign)


def is_strange(made: World, stack: Stack, device: Device) -> bool:
    """Whether somebody else is at the other end."""
    match device.made:
        case Wireguard() as fact:
            return any(far_of(made, fact, peer) is None for peer in fact.peers)
        case PlainTunnel() as fact:
            return plain_far(made, stack, fact) is None
        case _:
            return True


def far_end(made: World, stack: Stack, device: Device) -> End | None:
    """The other end of a tunnel between two of our hosts."""
    match device.made:
        case Wireguard() as fact if len(fact.peers) == 1:
            return far_of(made, fact, fact.peers[0])
        case PlainTunnel() as fact:
            return plain_far(made, stack, fact)
        case _:
            return None


def far_of(made: World, fact: Wireguard, peer: Peer) -> End | None:
    """The device of ours that is this peer: it has the key, and a peer with ours. Of several between two hosts, the one
    whose port is dialled."""
    own = fact.identity.public_key if fact.identity else None
    if own is None:
        return None
    known = [(there, device, far) for there, device, far in made._keys.get(peer.public_key, ()) if _knows(far, own)]
    if len(known) > 1:
        dialled = peer.endpoint.port if peer.endpoint else None
        by_port = [one for one in known if dialled is not None and one[2].port == dialled]
        by_back = [one for one in known if _back_port(one[2], own) == fact.port]
        known = by_port or by_back or known
    return known[0][:2] if known else None


def _knows(far: Wireguard, key: PublicKey) -> bool:
    return any(peer.public_key == key for peer in far.peers)


def _back_port(far: Wireguard, key: PublicKey) -> int | None:
    peer = next((peer for peer in far.peers if peer.public_key == key), None)
    return peer.endpoint.port if peer and peer.endpoint else None


def plain_far(made: World, stack: Stack, fact: PlainTunnel) -> End | None:
    """By its two outer addresses. Behind NAT the one that the other end knows is another than the one that we hold."""
    key = (stack.place, str(fact.name))
    if key not in made._far:
        made._far[key] = _plain_far(made, stack, fact)
    return made._far[key]


def _plain_far(made: World, stack: Stack, fact: PlainTunnel) -> End | None:
    ours = dict.fromkeys(int(ip) for ip in (fact.local, *_shown(made, stack)))
    for there, device, far in (one for own in ours for one in made._plain.get((fact.kind, own), ())):
        if there.place[0] != stack.place[0] and _same(fact, far) and fact.remote in {far.local, *_shown(made, there)}:
            return there, device
    return None


def _same(fact: PlainTunnel, far: PlainTunnel) -> bool:
    return (fact.key, fact.vni) == (far.key, far.vni)


def _shown(made: World, stack: Stack) -> Iterator[IPAddress]:
    own = made.stacks[stack.place[0], None]
    yield from (net.ip for device in own.devices.values() if isinstance(device.made, Wire) for net in device.networks)


def dialled(made: World, near: Stack, peer: Peer, far: End | None) -> tuple[Family, int, int] | None:
    """Family, address and port of what the near end dials; None if it dials nobody."""
    endpoint = peer.endpoint
    if endpoint is None:
        return None
    port = endpoint.port or 0
    if isinstance(endpoint.host, IPAddress):
        return (4 if endpoint.host.version == 4 else 6), int(endpoint.host), port
    spoken = [family for family in FAMILIES if any(way.length == 0 for way in near.tables.get((family, MAIN), ()))]
    for family in spoken or FAMILIES[:1]:
        at = _address(made, far[0], family) if far else _named(made, endpoint.host, family)
        if at is not None:
            return family, at, port
    return None


def _address(made: World, far: Stack, family: Family) -> int | None:
    return next((int(ip) for ip in _shown(made, far) if ip.version == family and public(ip)), None)


def _named(made: World, name: DnsName, family: Family) -> int:
    key = (str(name), family)
    if key not in made._named:
        made._named[key] = NAMED[family] + len(made._named) + 1
        made.standing[family, made._named[key]] = str(name)
    return made._named[key]


def carries(fact: PlainTunnel, family: Family) -> bool:
    return family in KINDS[fact.kind].carries


def machines(stack: Stack) -> Device | None:
    return stack.devices.get(SOMEWHERE)
