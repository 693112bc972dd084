"""What is between stacks: veth pairs, bridges, the internet, and tunnels, whose outer packets walk too."""

from __future__ import annotations

from msgspec.structs import replace

from netc.language.kinds import KINDS
from netc.language.values import Family
from netc.plan.facts import Bridge, Foreign, PlainTunnel, Veth, Wireguard
from netc.plan.image import Wire
from netc.walk.free import between, equals
from netc.walk.kernel import End, Walk
from netc.walk.met import Verdict
from netc.walk.outer import carried, is_known_beyond, peer_for
from netc.walk.packet import Packet, text
from netc.walk.routing import Found
from netc.walk.sources import is_near
from netc.walk.stack import Device, Place, Stack, holder, sharer
from netc.walk.world import (
    ROUTERS,
    World,
    carries,
    far_of,
    held_by,
    is_public,
    plain_far,
)


def transmit(walk: Walk, stack: Stack, device: Device, packet: Packet, found: Found) -> End:
    """Leaves a stack by a device."""
    walk.left.append((stack.place, device.name))
    walk.room = min(walk.room, device.mtu or walk.room)
    most = f", {device.mtu} bytes at most" if device.mtu and device.mtu < 1500 else ""
    table = f"table {found.table}, " if found.table != 254 else ""
    walk.say(stack, f"out by {table}{device.name}{most}", found.origin or device.origin)
    match device.made:
        case Wire():
            return to_internet(walk, stack, device, packet)
        case Veth() as pair:
            return _veth(walk, stack, device, pair, packet, found.next_hop)
        case Bridge():
            return _on_bridge(walk, stack.place[0], device.name, None, packet, found.next_hop)
        case Wireguard() | PlainTunnel() | Foreign():
            return _into(walk, stack, device, packet)
        case _:
            return End("behind", stack.place, device.name, packet)


# ---- veth pairs and bridges ----------------------------------------------------------------------------------


def _veth(walk: Walk, stack: Stack, device: Device, pair: Veth, packet: Packet, next_hop: int) -> End:
    host = stack.place[0]
    if device.inner and pair.bridge:
        return _on_bridge(walk, host, pair.bridge, stack, packet, next_hop)
    if device.inner:
        return walk.arrive(walk.world.stacks[host, None], pair.name, packet)
    return walk.arrive(walk.world.stacks[host, pair.namespace], pair.inner, packet)


def _on_bridge(walk: Walk, host: str, bridge: str, sender: Stack | None, packet: Packet, next_hop: int) -> End:
    """To the port behind which somebody has the next hop: the host, a namespace, or a container."""
    own = next(stack for place, stack in walk.world.stacks.items() if place == (host, None))
    if sender is not None:
        near = holder(own, packet.family, next_hop) or sharer(own, packet.family, next_hop)
        if near is not None and near.name == bridge:
            return walk.arrive(own, bridge, packet)
    for place, stack in walk.world.stacks.items():
        if place[0] == host and stack is not sender:
            for device in stack.devices.values():
                on_it = isinstance(device.made, Veth) and device.inner and device.made.bridge == bridge
                if on_it and any(
                    net.version == packet.family and equals(next_hop, int(net.ip)) for net in device.networks
                ):
                    return walk.arrive(stack, device.name, packet)
    if sender is None or any(
        between(next_hop, net.first, net.last) for net in own.devices[bridge].networks if net.version == packet.family
    ):
        return End("behind", own.place, bridge, packet)
    why = f"nobody behind {bridge} has {text(packet.family, next_hop)}"
    return walk.lost(sender, packet, Verdict("dropped", (), why))


def from_behind(walk: Walk, stack: Stack, device: Device, packet: Packet) -> End:
    """A machine behind an interface sends it. To others behind the same bridge it does so without the host."""
    family = packet.family
    is_hosts = holder(stack, family, packet.to) or sharer(stack, family, packet.to)
    if isinstance(device.made, Bridge) and is_hosts is None:
        for net in device.networks:
            if net.version == family and between(packet.to, net.first, net.last):
                return _on_bridge(walk, stack.place[0], device.name, None, packet, packet.to)
    return walk.arrive(stack, device.name, packet)


# ---- the internet --------------------------------------------------------------------------------------------


def to_internet(walk: Walk, stack: Stack, device: Device, packet: Packet) -> End:
    """By an uplink, or beyond a tunnel. The router at the uplink translates a private source, or the provider does.
    Nobody translates that of another network of the host."""
    family = packet.family
    if not is_public(family, packet.to):
        if not isinstance(device.made, Wire):
            return End("beyond", stack.place, device.name, packet)
        if any(net.version == family and between(packet.to, net.first, net.last) for net in device.networks):
            return End("behind", stack.place, device.name, packet)
        why = f"the internet leads nowhere for {text(family, packet.to)}, which is private"
        return walk.lost(stack, packet, Verdict("dropped", device.origin, why))
    if not is_public(family, packet.source):
        own = [net for net in device.networks if net.version == family]
        wire = isinstance(device.made, Wire)
        if wire and not any(between(packet.source, net.first, net.last) for net in own):
            why = f"the internet answers no {text(family, packet.source)}, which is private"
            return walk.lost(stack, packet, Verdict("dropped", device.origin, why))
        shown = router(walk.world, stack.place, device, family)
        walk.translated[family, shown] = (packet.source, stack, device)
        packet = replace(packet, source=shown)
    elif isinstance(device.made, Wire) and (other := _of_another(walk.world, stack, device, packet)):
        why = f"{text(family, packet.source)} is of {other}: the provider of {device.name} drops it (BCP 38)"
        return walk.lost(stack, packet, Verdict("dropped", device.origin, why))
    near = held_by(walk.world, family, packet.to)
    if near and not (near[0].place == stack.place and near[1].name == device.name):
        return walk.arrive(*_named(near), packet)
    for net, there, far in walk.world.brought:
        if net.version == family and between(packet.to, net.first, net.last) and far is not device:
            return enter(walk, there, far, packet)
    if (family, packet.to) in walk.translated:
        return from_internet(walk, packet)
    kind = "internet" if isinstance(device.made, Wire) else "beyond"
    return End("internet" if kind == "internet" else "beyond", stack.place, device.name, packet)


def _of_another(made: World, stack: Stack, device: Device, packet: Packet) -> str | None:
    """The other uplink of the host that has a source. Neighbours in a subnet are reached without the provider."""
    family, source = packet.family, packet.source
    if any(net.version == family and between(packet.to, net.first, net.last) for net in device.networks):
        return None
    near = held_by(made, family, source)
    if near is not None:
        return near[1].name if near[0].place == stack.place and near[1].name != device.name else None
    for net, there, by in made.brought:
        if there.place == stack.place and net.version == family and between(source, net.first, net.last):
            return by.name if by.name != device.name else None
    return None


def _named(holder: tuple[Stack, Device]) -> tuple[Stack, str]:
    return holder[0], holder[1].name


def router(made: World, place: Place, device: Device, family: Family) -> int:
    order = [(stack.place, one.name) for stack, one in made.devices()]
    shown = ROUTERS[family] + 1 + order.index((place, device.name))
    made.standing[family, shown] = f"the router before {place[0]}"
    return shown


def from_internet(walk: Walk, packet: Packet) -> End:
    """Somebody on the internet sends it."""
    family = packet.family
    if (family, packet.to) in walk.translated:
        source, stack, device = walk.translated[family, packet.to]
        return enter(walk, stack, device, replace(packet, to=source))
    if near := held_by(walk.world, family, packet.to):
        return walk.arrive(*_named(near), packet)
    for net, stack, device in walk.world.brought:
        if net.version == family and between(packet.to, net.first, net.last):
            return enter(walk, stack, device, packet)
    stack = next(iter(walk.world.stacks.values()))
    if is_public(family, packet.to):
        return End("internet", stack.place, None, packet)
    why = f"the internet leads nowhere for {text(family, packet.to)}"
    return End("lost", stack.place, None, packet, Verdict("dropped", (), why))


def enter(walk: Walk, stack: Stack, device: Device, packet: Packet) -> End:
    """From the wire, or from who is at the other end of a tunnel."""
    if isinstance(device.made, Wireguard):
        peer = peer_for(device.made, packet.family, packet.source)
        if peer is None:
            why = f"no peer of {device.name} may send from {text(packet.family, packet.source)}"
            return walk.lost(stack, packet, Verdict("dropped", device.origin, why))
        if problem := carried(walk, stack, device, peer):
            return walk.lost(stack, packet, problem)
    elif isinstance(device.made, PlainTunnel):
        if not carries(device.made, packet.family):
            why = f"{device.name} carries no IPv{packet.family}"
            return walk.lost(stack, packet, Verdict("dropped", device.origin, why))
        if problem := carried(walk, stack, device, None):
            return walk.lost(stack, packet, problem)
    return walk.arrive(stack, device.name, packet)


# ---- tunnels -------------------------------------------------------------------------------------------------


def _into(walk: Walk, stack: Stack, device: Device, packet: Packet) -> End:
    match device.made:
        case Wireguard() as fact:
            return _wireguard(walk, stack, device, fact, packet)
        case PlainTunnel() as fact:
            if not carries(fact, packet.family):
                why = f"{device.name} carries no IPv{packet.family}"
                return walk.lost(stack, packet, Verdict("rejected", device.origin, why))
            if problem := carried(walk, stack, device, None, packet.mark, walk.owner):
                if KINDS[fact.kind].ethernet:
                    walk.left.pop()  # nobody answers who has the next hop
                return walk.lost(stack, packet, problem)
            far = plain_far(walk.world, stack, fact)
            return walk.arrive(far[0], far[1].name, packet) if far else to_internet(walk, stack, device, packet)
        case _:
            if packet.family == 6 and is_near(packet.source):
                why = f"{stack.name} has no IPv6 address but link-local ones, which nobody beyond {device.name} answers"
                return walk.lost(stack, packet, Verdict("dropped", device.origin, why))
            return to_internet(walk, stack, device, packet)


def _wireguard(walk: Walk, stack: Stack, device: Device, fact: Wireguard, packet: Packet) -> End:
    peer = peer_for(fact, packet.family, packet.to)
    if peer is None:
        why = f"no peer of {device.name} has {text(packet.family, packet.to)} in `allowed_ips`"
        return walk.lost(stack, packet, Verdict("rejected", device.origin, why))
    if problem := carried(walk, stack, device, peer):
        return walk.lost(stack, packet, problem)
    far = far_of(walk.world, fact, peer)
    if far is None:
        if not is_known_beyond(walk.world, device, peer, packet.family, packet.source):
            why = f"the other end of {device.name} knows no {text(packet.family, packet.source)}"
            return walk.lost(stack, packet, Verdict("dropped", device.origin, why))
        return to_internet(walk, stack, device, packet)
    there, other = far
    assert isinstance(other.made, Wireguard)
    back = peer_for(other.made, packet.family, packet.source)
    own = fact.identity.public_key if fact.identity else None
    if back is None or back.public_key != own:
        why = f"the other end of {device.name} may not send from {text(packet.family, packet.source)}"
        return walk.lost(there, packet, Verdict("dropped", other.origin, why))
    return walk.arrive(there, other.name, packet)
