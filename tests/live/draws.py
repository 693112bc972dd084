"""Packets at the edges of classes, drawn for a scene: those that a lab can send as they are."""

from __future__ import annotations

import random
from collections.abc import Iterator

from msgspec.structs import replace
from netaddr import IPAddress, IPNetwork

from netc.lab.packets import FIRST, Probe
from netc.lab.scene import Scene
from netc.lab.strangers import FAR
from netc.language.values import Ports
from netc.network.dialling import public
from netc.plan.facts import Foreign, PlainTunnel, Wireguard
from netc.plan.image import Wire
from netc.walk.journey import STRAY, Journey, Neighbour, Process, Start, Stranger, journey
from netc.walk.packet import TCP, UDP, Owner, Packet
from netc.walk.places import visitor
from netc.walk.stack import LO, Place, Stack
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
        if is_comparable(paper, found, family=packet.family) and not is_crowded(scene, start, found):
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


def taken_ports(paper: World) -> set[int | None]:
    """Of sockets that the kernel or BIRD has: nobody can listen beside them. BGP, BFD (RFC 5881, RFC 5883), Babel."""
    of_tunnels = {device.made.port for _, device in paper.devices() if isinstance(device.made, Wireguard | PlainTunnel)}
    return of_tunnels | ({179, 3784, 4784, 6696} if any(stack.bird for stack in paper.stacks.values()) else set())


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


def is_comparable(paper: World, found: Journey, *, family: int) -> bool:
    """What the lab does as it is. Tunnels of programs carry nothing here, and at the far end of a VXLAN no stranger
    answers neighbour solicitations for every address."""
    end = found.there
    if found.unsure or found.unsure_back or _is_reset(found):
        return False
    ours = (one for stack in paper.stacks.values() for one in (stack.local, stack.shared))
    if end.kind == "beyond" and any((family, end.packet.to) in one for one in ours):
        return False  # a stranger who has an address of ours
    for place, device in (*found.left, *found.returned):
        if family == 6 and _is_pointed(paper, place, device):
            return False
        fact = paper.stacks[place].devices[device].made
        if isinstance(fact, Foreign) or (isinstance(fact, PlainTunnel) and (fact.kind != "vxlan" or family == 6)):
            return False
    return True


def _is_reset(found: Journey) -> bool:
    """Whether the answer comes to another host with the sender's address, as of an anycast service: TCP there sends a
    reset, which has the ends of the question and goes another path."""
    verdict = found.back.verdict if found.back else None
    return found.there.packet.protocol == TCP and verdict is not None and verdict.why == STRAY


def is_crowded(scene: Scene, start: Start, found: Journey) -> bool:
    """Whether it uses a tunnel whose other end is at the address of another's."""
    crowded = set().union(*(devices for devices in scene.strangers.at.values() if len(devices) > 1))
    began = {(start.place, start.device)} if isinstance(start, Neighbour) else set()
    return not crowded.isdisjoint({*began, *found.left, *found.returned}) or _is_beneath(scene.paper, start, found)


def _is_beneath(paper: World, start: Start, found: Journey) -> bool:
    """Whether a split chooses the outer packets of a plain tunnel too, which are of the program that sent the inner
    ones, and leads them into a tunnel of a program: it carries nothing here."""
    if not isinstance(start, Process) or start.owner is None:
        return False
    stack, owner = paper.stacks[start.place], start.owner
    splits = stack.ruleset.splits if stack.ruleset else ()
    into = [stack.devices[one.device].made for one in splits if (owner.group, owner.user) == (one.group, one.user)]
    plain = any(isinstance(paper.stacks[place].devices[by].made, PlainTunnel) for place, by in found.left)
    return plain and any(isinstance(made, Foreign) for made in into)


def _is_pointed(paper: World, place: Place, device: str) -> bool:
    """A default route without a gateway, as PPP has it: at the end of a cable nobody has every address."""
    stack = paper.stacks[place]
    ways = (way for (family, _), ways in stack.tables.items() for way in ways if family == 6)
    is_wire = isinstance(stack.devices[device].made, Wire)
    return is_wire and any(
        way.device == device and way.length == 0 and way.via is None and way.table != 254 for way in ways
    )
