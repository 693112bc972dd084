"""What others can open on a host: by everybody who is next to it, which ports reach whom, and by which key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct

from netc.checks.expected import OTHER, From, To, boxes, every_port, internet, not_of
from netc.diagnostic import KeyPath
from netc.language.names import HostName
from netc.language.values import Family, Range
from netc.network.ranges import Ranges, merged, minus
from netc.plan.facts import Bridge, Veth
from netc.walk.journey import Neighbour, Process, Stranger
from netc.walk.packet import NAMES, TCP, UDP, Owner
from netc.walk.space import Class, classes
from netc.walk.stack import LO, SOMEWHERE, Device, Stack
from netc.walk.text import arrived
from netc.walk.world import FAMILIES, World, far_end, is_public, is_tunnel

BUDGET = 20_000


class Exposure(Struct, frozen=True):
    """`sources` are empty for all that the sender may have, and `others` are the rest of them. `ports` are empty for a
    protocol without. The key is empty if the host has no packet filter."""

    host: HostName
    sender: str
    family: Family
    protocol: str
    ports: Ranges
    sources: Ranges
    others: Ranges
    arrives: str
    key: KeyPath


class _By(NamedTuple):
    protocol: str
    arrives: str
    key: KeyPath


def exposures(made: World, host: HostName) -> Iterator[Exposure]:
    """Raises TooMany."""
    stack = made.stacks[host, None]
    for sender in senders(made, stack):
        for box in boxes(sender, To(str(host), _addresses(stack, sender), tuple(every_port(made))), made):
            found: dict[_By, list[Class]] = {}
            for one in classes(made, sender.start, box, BUDGET):
                if one.found.there.kind != "lost" and _is_of(host, one):
                    other = "other protocols" if box.protocol == OTHER else f"protocol {box.protocol}"
                    protocol = NAMES.get(box.protocol, other)
                    found.setdefault(_By(protocol, arrived(made, one.found.there), _key(made, one)), []).append(one)
            for by, some in found.items():
                for sources, ports in _together(some, box.source):
                    spans = ports if box.protocol in (TCP, UDP) else ()
                    others = minus(box.source, sources) if sources else ()
                    yield Exposure(
                        host, sender.text, box.family, by.protocol, spans, sources, others, by.arrives, by.key
                    )


def _is_of(host: HostName, one: Class) -> bool:
    """Whether the packet came to the host at all."""
    return any(event.place[0] == host for event in one.found.events)


def _key(made: World, one: Class) -> KeyPath:
    """Of the rule that led it away, or let it in: the filter itself, for what each filter accepts."""
    events = one.found.events
    led = next((event.origin for event in events if event.what.startswith("destination NAT")), None)
    if led is not None:
        return led
    let_in = next((event.origin for event in reversed(events) if event.what.startswith("reaches")), ())
    ruleset = made.stacks[one.found.there.place].ruleset
    return let_in or (ruleset.filter.origin if ruleset and ruleset.filter else ())


def _together(some: list[Class], everyone: Ranges) -> Iterator[tuple[Ranges, Ranges]]:
    """Sources, and the ports that these reach: classes of the same sources are one."""
    by_ports: dict[Ranges, list[Range]] = {}
    for one in some:
        by_ports.setdefault(one.box.dport, []).extend(one.box.source)
    by_sources: dict[Ranges, list[Range]] = {}
    for ports, sources in by_ports.items():
        by_sources.setdefault(merged(sources), []).extend(ports)
    for known, spans in by_sources.items():
        yield (() if known == everyone else known), merged(spans)


# ---- who is next to a host -----------------------------------------------------------------------------------


def senders(made: World, stack: Stack) -> Iterator[From]:
    """Everybody who is next to a host."""
    yield From("the internet", Stranger(), {family: internet(made, family) for family in FAMILIES})
    for device in stack.devices.values():
        if is_tunnel(device):
            far = far_end(made, stack, device)
            whose = f" of {far[0].name}" if far else ""
            yield From(f"the other end of {device.name}{whose}", Neighbour(stack.place, device.name), not_of(stack))
        elif isinstance(device.made, Bridge) or device.name == SOMEWHERE:
            near = {family: minus(_near(stack, device, family), _own(stack, family)) for family in FAMILIES}
            known = {family: ranges for family, ranges in near.items() if ranges}
            yield From(f"behind {device.name}", Neighbour(stack.place, device.name), known)
    for place, inside in made.stacks.items():
        if place[0] == stack.place[0] and place[1] and _is_joined(inside):
            yield From(inside.name, Process(place, Owner()), {4: (), 6: ()})


def _is_joined(inside: Stack) -> bool:
    return any(isinstance(device.made, Veth) for device in inside.devices.values())


def _own(stack: Stack, family: Family) -> Ranges:
    return merged((number, number) for of, number in stack.local if of == family)


def _near(stack: Stack, device: Device, family: Family) -> Ranges:
    if device.name == SOMEWHERE:
        ways = stack.tables.get((family, 254), ())
        return merged((way.first, way.last) for way in ways if way.device == SOMEWHERE)
    return merged((net.first, net.last) for net in device.networks if net.version == family)


def _addresses(stack: Stack, sender: From) -> dict[Family, Ranges]:
    """The internet reaches public ones alone."""
    found: dict[Family, Ranges] = {}
    world = isinstance(sender.start, Stranger)
    for family in FAMILIES:
        held = [
            int(net.ip)
            for device in stack.devices.values()
            for net in device.networks
            if net.version == family and device.name != LO and not net.ip.is_link_local()
        ]
        found[family] = merged((ip, ip) for ip in held if is_public(family, ip) or not world)
    return {family: ranges for family, ranges in found.items() if ranges}
