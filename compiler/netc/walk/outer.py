"""Outer packets of tunnels: which peer they are for, and whether they get to the other end and back."""

from __future__ import annotations

from msgspec import Struct
from netaddr import IPAddress

from netc.diagnostic import KeyPath
from netc.language.kinds import KINDS
from netc.language.values import Family
from netc.network.interface import Peer
from netc.plan.facts import PlainTunnel, Wireguard
from netc.plan.image import Wire
from netc.walk.free import between, equals
from netc.walk.kernel import End, Walk
from netc.walk.met import Verdict
from netc.walk.packet import UDP, Owner, Packet
from netc.walk.stack import Device, Place, Stack
from netc.walk.world import World, dialled, far_of, plain_far

EPHEMERAL = 40000
"""A source port that no rule of netc names."""


def peer_for(fact: Wireguard, family: Family, number: int) -> Peer | None:
    """Cryptokey routing: the longest prefix of all peers."""
    known = [(net, peer) for peer in fact.peers for net in peer.allowed_ips if net.version == family]
    longest = sorted(known, key=lambda one: -one[0].prefixlen)
    return next((peer for net, peer in longest if between(number, net.first, net.last)), None)


def is_known_beyond(made: World, device: Device, peer: Peer, family: Family, source: int) -> bool:
    """A provider expects the addresses that he gave us and no others: everything is reached by him. A friend's network
    may know the networks behind us."""
    own = [net for net in device.networks if net.version == family and not net.ip.is_link_local()]
    if not own or not any(net.version == family and net.prefixlen == 0 for net in peer.allowed_ips):
        return True
    brought = (net for net, _, by in made.brought if by is device and net.version == family)
    return any(equals(source, int(net.ip)) for net in own) or any(
        between(source, net.first, net.last) for net in brought
    )


class Problem(Struct, frozen=True):
    verdict: Verdict | None
    unsure: str = ""
    """Why it may be none."""


def carried(
    walk: Walk, stack: Stack, device: Device, peer: Peer | None, mark: int = 0, owner: Owner | None = None
) -> Verdict | None:
    """Why outer packets do not get to the other end and back; None if they do. WireGuard's have the mark of the device,
    those of other tunnels the mark and the program of the packet inside, unless the tunnel is in a namespace."""
    made = walk.world
    if (stack.place, device.name) in made.down:
        return Verdict("dropped", device.origin, f"{device.name} is down")
    if stack.place[0] in made.gone:
        return Verdict("dropped", device.origin, f"{stack.place[0]} is gone")
    mark, owner = (0, None) if stack.place[1] else (mark, owner)
    key = (stack.place, device.name, peer.public_key if peer else None, mark, owner)
    if key in walk.depth:
        return Verdict("dropped", device.origin, f"the outer packets of {device.name} go into {device.name} again")
    known = made.carried.get(key)
    if not isinstance(known, Problem):
        known = made.carried[key] = _carried(walk, stack, device, peer, key, mark, owner)
    walk.unsure = walk.unsure or known.unsure
    return known.verdict


def _carried(
    walk: Walk, stack: Stack, device: Device, peer: Peer | None, key: object, mark: int, owner: Owner | None
) -> Problem:
    made, own = walk.world, walk.world.born(stack)
    below = Walk(made, walk.wires, depth=walk.depth | {key})
    if isinstance(device.made, Wireguard) and peer is not None:
        far = far_of(made, device.made, peer)
        problem = _dialled(below, own, device, device.made, peer, far)
        if problem is None or far is None:
            return Problem(problem)
        other = far[1].made
        assert isinstance(other, Wireguard)
        ours = device.made.identity.public_key if device.made.identity else None
        back = next(one for one in other.peers if one.public_key == ours)
        if _dialled(below, made.born(far[0]), far[1], other, back, (stack, device)) is None:
            return Problem(None)
        packets = (
            _outer(made, own, device.made, peer, far),
            _outer(made, made.born(far[0]), other, back, (stack, device)),
        )
        return Problem(problem, _at_once(below, own, made.born(far[0]), device.name, *packets))
    if isinstance(device.made, PlainTunnel):
        return Problem(_plain(below, stack, device, device.made, mark, owner))
    return Problem(None)


def _at_once(below: Walk, own: Stack, far: Stack, device: str, asking: Packet | None, back: Packet | None) -> str:
    """Whether each end drops what the other sends first, and takes it for answers once both have sent something."""
    if asking is None or back is None:
        return ""
    walk = Walk(below.world, below.wires, depth=below.depth)
    sender = Owner() if below.world.userspace else None
    walk.send(own, asking, sender)
    walk.steps = 0
    end = walk.send(far, back, sender)
    is_there = end.kind == "host" and end.place == own.place
    return f"{device} works once both ends have sent something, though neither lets the other in" if is_there else ""


def _dialled(
    below: Walk, own: Stack, device: Device, fact: Wireguard, peer: Peer, far: tuple[Stack, Device] | None
) -> Verdict | None:
    """A handshake, there and back."""
    made = below.world
    outer = _outer(made, own, fact, peer, far)
    if outer is None:
        return Verdict("dropped", device.origin, f"{device.name} has no endpoint to dial")
    target = far[1].made if far else None
    wanted = (made.born(far[0]).place, target.port) if far and isinstance(target, Wireguard) else None
    sender = Owner() if made.userspace else None
    return _there_and_back(below, own, device, outer, wanted, sender)


def _outer(made: World, own: Stack, fact: Wireguard, peer: Peer, far: tuple[Stack, Device] | None) -> Packet | None:
    at = dialled(made, own, peer, far)
    if at is None:
        return None
    family, to, port = at
    return Packet(family, UDP, 0, to, fact.port or EPHEMERAL, port, fact.mark or 0)


def _plain(
    below: Walk, stack: Stack, device: Device, fact: PlainTunnel, mark: int, owner: Owner | None
) -> Verdict | None:
    made, own = below.world, below.world.born(stack)
    if fact.remote is None:
        return None
    remote, local = fact.remote, fact.local
    if fact.ttl == 1 and not _is_beside(own, remote):
        return Verdict("dropped", device.origin, f"the outer packets of {device.name} end at the first router: ttl 1")
    family: Family = 4 if remote.version == 4 else 6
    protocol = KINDS[fact.kind].protocol
    ports = (0, 0) if protocol else (EPHEMERAL, fact.port or 0)
    outer = Packet(family, protocol or UDP, int(local), int(remote), *ports, mark)
    far = plain_far(made, stack, fact)
    wanted = (made.born(far[0]).place, fact.port or 0) if far else None
    problem = _there_and_back(below, own, device, outer, wanted, owner)
    if problem is None or far is None:
        return problem
    other = far[1].made
    assert isinstance(other, PlainTunnel)
    assert other.remote is not None
    back = Packet(family, protocol or UDP, int(other.local), int(other.remote), *ports)
    found = _there_and_back(below, made.born(far[0]), far[1], back, (own.place, fact.port or 0))
    return problem if found else None


def _is_beside(own: Stack, remote: IPAddress) -> bool:
    """On a wire of the host, without a router between."""
    wires = (device for device in own.devices.values() if isinstance(device.made, Wire))
    return any(remote in net for device in wires for net in device.networks)


def _there_and_back(
    below: Walk,
    own: Stack,
    device: Device,
    outer: Packet,
    wanted: tuple[Place, int | None] | None,
    sender: Owner | None = None,
) -> Verdict | None:
    walk = Walk(below.world, below.wires, depth=below.depth)
    there = walk.send(own, outer, sender)
    why = f"the outer packets of {device.name}"
    if there.kind == "lost":
        return _because(why, there, own)
    if wanted is not None and (there.kind != "host" or there.place != wanted[0]):
        return Verdict("dropped", device.origin, f"{why} do not get to the other end, {wanted[0][0]}")
    walk.steps = 0
    back = walk.answer(there)
    if back.kind == "lost":
        return _because(f"answers to {why}", back, own)
    if back.kind == "host" and back.place == own.place:
        return None
    return Verdict("dropped", device.origin, f"answers to {why} do not come back")


def _because(what: str, end: End, own: Stack) -> Verdict:
    assert end.verdict is not None
    at = f" at {end.place[0]}" if end.place != own.place else ""
    origin: KeyPath = end.verdict.origin
    return Verdict("dropped", origin, f"{what} are {end.verdict.ends}{at}: {end.verdict.why}")
