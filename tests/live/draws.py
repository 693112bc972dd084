"""Packets at the edges of classes, drawn for a scene: those that a lab can send as they are."""

from __future__ import annotations

import random
from collections.abc import Iterator

from msgspec.structs import replace
from netaddr import IPAddress, IPNetwork

from netc.lab.packets import FIRST, Probe
from netc.lab.scene import Scene
from netc.lab.strangers import FAR
from netc.lab.untried import is_crowded, taken_ports, unlike
from netc.language.values import Ports
from netc.network.dialling import public
from netc.plan.facts import PlainTunnel, Wireguard
from netc.walk.journey import Journey, Neighbour, Process, Start, Stranger, journey
from netc.walk.packet import TCP, UDP, Owner, Packet
from netc.walk.places import visitor
from netc.walk.stack import LO, Stack
from netc.walk.world import World


def drawn(paper: World, chance: random.Random, count: int, scene: Scene) -> Iterator[Probe]:
    """Packets at the edges of classes: ports and addresses that some rule names, and their neighbours."""
    starts = list(_starts(paper, scene))
    number = tries = 0
    while number < count and tries < count * 40:
        tries += 1
        start = chance.choice(starts)
        packet = _packet(paper, chance, start, scene)
        if packet is None:
            continue
        packet = replace(packet, sport=FIRST + number)
        found = journey(paper, start, packet)
        if _is_dull(found) and chance.random() < 0.85:
            continue
        if not unlike(paper, found, family=packet.family) and not is_crowded(scene, start, found):
            yield Probe(number, start, packet, found)
            number += 1


def _is_dull(found: Journey) -> bool:
    """Lost for want of a route, as most packets that are drawn blindly are."""
    verdict = found.there.verdict
    return verdict is not None and ("no route" in verdict.why or "is private" in verdict.why)


def _starts(paper: World, scene: Scene) -> Iterator[Start]:
    yield from [Stranger()] * 3
    for stack in paper.stacks.values():
        yield Process(stack.place)
        for split in stack.ruleset.splits if stack.ruleset else ():
            if split.group or split.user:
                yield Process(stack.place, Owner(group=split.group, user=split.user))
    for place, device in (*scene.strangers.first, *scene.containers.by_device):
        yield Neighbour(place, device)


def _packet(paper: World, chance: random.Random, start: Start, scene: Scene) -> Packet | None:
    family = chance.choice((4, 6))
    if chance.random() < 0.5 and (led := _led(paper, start)):
        on, span, source = chance.choice(led)
        own = _source(paper, chance, on.version, start, scene)
        source = int(source) if isinstance(start, Stranger) and source is not None and chance.random() < 0.8 else own
        protocol = TCP if span.protocol == "tcp" else UDP
        port = chance.choice((span.first, span.last))
        return None if source is None else Packet(on.version, protocol, source, int(on), FIRST, port)
    to = _destination(paper, chance, family, start)
    source = _source(paper, chance, family, start, scene)
    if to is None or source is None or to == source:
        return None
    protocol, port = _port(paper, chance, to)
    return Packet(family, protocol, source, to, FIRST, port)


def _led(paper: World, start: Start) -> list[tuple[IPAddress, Ports, IPAddress | None]]:
    """What rules lead somewhere, or open: the address, the ports, and a source that may."""
    found: list[tuple[IPAddress, Ports, IPAddress | None]] = []
    for stack in paper.stacks.values():
        if not stack.ruleset:
            continue
        found += [(one.on, one.ports, None) for one in stack.ruleset.forwards]
        for nat in stack.ruleset.nats:
            source = next(iter(nat.sources), None)
            ports = Ports(nat.port.number, nat.port.number, nat.port.protocol)
            found += [(on, ports, source and source[source.size // 2]) for on in nat.on]
        for opening in stack.ruleset.openings:
            held = [net.ip for device in stack.devices.values() for net in device.networks if device.name != LO]
            source = next(iter(opening.sources.prefixes), None) if opening.sources else None
            far = source[source.size // 2] if source and source.size > 1 else None
            found += [
                (ip, ports, far if far and far.version == ip.version else None)
                for ip in held
                for ports in opening.ports[:2]
                if not ip.is_link_local()
            ]
    taken = taken_ports(paper)
    return [
        one
        for one in found
        if not {one[1].first, one[1].last} & taken
        and not _is_own(paper, start, one[0].version, int(one[0]))
        and (not isinstance(start, Stranger) or public(one[0]))
        and not isinstance(start, Neighbour)
    ]


def _source(paper: World, chance: random.Random, family: int, start: Start, scene: Scene) -> int | None:
    """0: the kernel chooses."""
    match start:
        case Process():
            return 0
        case Stranger():
            edges = [int(visitor(paper, family))]
            for stack in paper.stacks.values():
                for net in _sources(stack, family):
                    edges += [net.first, net.last, net.first - 1, net.last + 1]
            found = chance.choice(edges)
            held = any((family, found) in stack.local for stack in paper.stacks.values())
            ip = IPAddress(max(found, 1), family)
            fine = public(ip) and not held and not ip.is_multicast() and not ip.is_reserved() and int(ip) > 1 << 24
            return found if fine and not _is_ours(paper, family, found) else None
        case _:
            if (start.place, start.device) in scene.containers.by_device:
                own = scene.containers.by_device[start.place, start.device][2].get(family)
                return int(IPAddress(own)) if own else None
            nets = [net for net in paper.stacks[start.place].devices[start.device].networks if net.version == family]
            near = [net.first + 77 for net in nets if net.size > 256 and not net.ip.is_link_local()]
            return chance.choice([*near, int(IPAddress(FAR[family]))])


def _is_ours(paper: World, family: int, number: int) -> bool:
    return any(net.version == family and net.first <= number <= net.last for net, _, _ in paper.brought)


def _sources(stack: Stack, family: int) -> Iterator[IPNetwork]:
    if stack.ruleset:
        for rule in (*stack.ruleset.denials, *stack.ruleset.openings):
            if rule.sources:
                yield from (net for net in rule.sources.prefixes if net.version == family)
                for one in stack.ruleset.sets:
                    if one.name in rule.sources.sets:
                        yield from (IPNetwork(IPAddress(first, family)) for first, _ in one.of(family)[:3])
        for nat in stack.ruleset.nats:
            yield from (net for net in nat.sources if net.version == family)


def _destination(paper: World, chance: random.Random, family: int, start: Start) -> int | None:
    kinds = [_own, _away]
    if isinstance(start, Stranger):
        kinds = [_held]
    elif isinstance(start, Neighbour) and isinstance(
        paper.stacks[start.place].devices[start.device].made, Wireguard | PlainTunnel
    ):
        kinds = [_customer]
    found = chance.choice(kinds)(paper, family, start)
    return chance.choice(found) if found else None


def _customer(paper: World, family: int, start: Start) -> list[int]:
    """What a stranger at a tunnel sends into it."""
    assert isinstance(start, Neighbour)
    nets = paper.stacks[start.place].devices[start.device].networks
    return [int(net.ip) for net in nets if net.version == family and not net.ip.is_link_local()]


def _held(paper: World, family: int, _: Start) -> list[int]:
    """What the internet can dial."""
    ours = [number for of, number in paper.holders if of == family]
    return ours * 3 + [
        net.first + 1 if net.size > 1 else net.first for net, _, _ in paper.brought if net.version == family
    ]


def _own(paper: World, family: int, start: Start) -> list[int]:
    found = []
    for stack in paper.stacks.values():
        for device in stack.devices.values():
            held = [net.ip for net in device.networks if net.version == family]
            found += [int(ip) for ip in held if not (ip.is_link_local() or ip.is_loopback())]
        found += [number for of, number in stack.shared if of == family]
    return [number for number in found if not _is_own(paper, start, family, number)]


def _is_own(paper: World, start: Start, family: int, number: int) -> bool:
    if not isinstance(start, Process):
        return False
    stack = paper.stacks[start.place]
    return (family, number) in stack.local or (family, number) in stack.shared


def _away(paper: World, family: int, _: Start) -> list[int]:
    """The internet, what splits and routes name, and resolvers."""
    found = [int(visitor(paper, family)), int(IPAddress("9.9.9.9" if family == 4 else "2620:fe::9"))]
    for stack in paper.stacks.values():
        for (of, _), ways in stack.tables.items():
            far = (way for way in ways if of == family and way.length > 3 and not way.connected)
            found += [way.first + (way.last - way.first) // 2 for way in far]
        for split in stack.ruleset.splits if stack.ruleset else ():
            found += [net.first + 1 for net in split.direct.prefixes if net.version == family and net.size > 2]
    fine = (IPAddress(number, family) for number in found)
    return [
        int(ip) for ip in fine if not (ip.is_link_local() or ip.is_multicast() or ip.is_loopback() or ip.is_reserved())
    ]


def _port(paper: World, chance: random.Random, to: int) -> tuple[int, int]:
    edges: list[tuple[int, int]] = [(TCP, 22), (TCP, 443), (UDP, 53), (TCP, 53), (UDP, 443), (TCP, 2222)]
    for stack in paper.stacks.values():
        if not stack.ruleset:
            continue
        spans = [one.ports for one in stack.ruleset.forwards if int(one.on) == to]
        spans += [ports for opening in stack.ruleset.openings for ports in opening.ports]
        spans += [ports for one in stack.ruleset.strangers for opening in one.openings for ports in opening.ports]
        for span in spans:
            protocol = TCP if span.protocol == "tcp" else UDP
            edges += [(protocol, port) for port in (span.first, span.last, span.first - 1, span.last + 1)]
        for nat in stack.ruleset.nats:
            if to in map(int, nat.on):
                protocol = TCP if nat.port.protocol == "tcp" else UDP
                edges += [(protocol, nat.port.number)] * 3
    taken = taken_ports(paper)
    fine = [(protocol, port) for protocol, port in edges if 0 < port < 65536 and port not in taken]
    return chance.choice(fine)
