"""Which route a packet takes: policy rules by priority, the longest prefix, the smallest metric (ip-rule(8))."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from netc.diagnostic import KeyPath
from netc.language.values import Family
from netc.network.derive import DEFAULT_LENGTH, MAIN
from netc.network.forwards import MARK_MASK
from netc.plan.facts import Rule
from netc.walk.free import among, between, equals
from netc.walk.packet import NAMES, Packet
from netc.walk.stack import LO, Device, Stack, Turn, Way, holder, is_loopback, sharer


class Found(Struct, frozen=True):
    """`device` None: there is no route, or it is unreachable. `local`: the stack itself has the address. `next_hop` is
    what a neighbour is asked for."""

    device: str | None
    origin: KeyPath
    local: bool = False
    shared: bool = False
    """All in its subnet have the address."""
    next_hop: int = 0
    source: int | None = None
    table: int = MAIN
    unsure: str = ""
    """Why the packet may leave otherwise."""

    @property
    def leaves(self) -> bool:
        return self.device is not None and not self.local


NOWHERE = Found(None, ())


def lookup(stack: Stack, packet: Packet, arriving: str, *, source: int | None, only: str | None = None) -> Found:
    """What `ip route get` says. `source` is None for what has none yet; `arriving` is `lo` for the host's own packets;
    `only` is the one interface that may be left by."""
    family = packet.family
    own = holder(stack, family, packet.to)
    if own or is_loopback(family, packet.to):
        return Found(LO, (own or stack.devices[LO]).origin, local=True, next_hop=packet.to, source=packet.to)
    if near := sharer(stack, family, packet.to):
        sends = family == 4 and arriving == LO
        name = near.name if sends else LO
        return Found(name, near.origin, local=not sends, shared=True, next_hop=packet.to)
    for turn in stack.turns[family]:
        if turn.rule.priority < 32766 and _applies(turn, packet, arriving, source):
            if turn.rule.table is None:
                return Found(None, turn.origin)
            way = best(stack, family, turn.rule.table, packet.to, only, turn.rule.specific)
            if may := learned(stack, family, turn.rule.table, packet.to, way):
                return replace(_found(way, packet.to) if way else NOWHERE, unsure=may)
            if way:
                return _found(way, packet.to)
    way = best(stack, family, MAIN, packet.to, only)
    found = _found(way, packet.to) if way else NOWHERE
    may = learned(stack, family, MAIN, packet.to, way)
    return replace(found, unsure=may) if may else found


def learned(stack: Stack, family: Family, table: int, to: int, way: Way | None) -> str:
    """Why another route than this one may lead to an address: BIRD learns routes from others."""
    if stack.bird and stack.bird.table == table:
        for ranges, most in stack.bird.outside(family):
            if (way is None or most > way.length) and among(to, ranges):
                return f"BIRD of {stack.place[0]} may learn a route to it, which no plan has"
    return ""


def _applies(turn: Turn, packet: Packet, arriving: str, source: int | None) -> bool:
    rule: Rule = turn.rule
    if turn.source and not (source is not None and between(source, *turn.source)):
        return False
    if turn.to and not between(packet.to, *turn.to):
        return False
    if rule.device and rule.device != arriving:
        return False
    if rule.mark is not None and packet.mark & MARK_MASK != rule.mark:
        return False
    if ports := rule.source_ports:
        return NAMES.get(packet.protocol) == ports.protocol and between(packet.sport, ports.first, ports.last)
    return True


def best(
    stack: Stack, family: Family, table: int, to: int, only: str | None = None, specific: bool = False
) -> Way | None:
    """`specific`: a default route counts for nothing. An unreachable one counts all the same: the kernel suppresses
    only what leads somewhere."""
    found = _of_kernel(stack, family, table, to, only)
    if stack.bird and stack.bird.table == table:
        other = stack.bird.way(family, to)
        if other and only in (None, other.device) and (found is None or _rank(other) < _rank(found)):
            found = other
    if found and specific and found.device is not None and found.length <= DEFAULT_LENGTH[family]:
        return None
    return found


def _of_kernel(stack: Stack, family: Family, table: int, to: int, only: str | None) -> Way | None:
    for way in stack.tables.get((family, table), ()):
        if only in (None, way.device) and between(to, way.first, way.last):
            return way
    return None


def _rank(way: Way) -> tuple[int, int]:
    return -way.length, way.metric


def _found(way: Way, to: int) -> Found:
    via = int(way.via) if way.via else to
    return Found(way.device, way.origin, next_hop=via, source=way.source, table=way.table, unsure=way.unsure)


# ---- reverse path --------------------------------------------------------------------------------------------


def refused_source(stack: Stack, packet: Packet, device: Device, leaving: str | None, *, strict: bool) -> str | None:
    """Why the kernel drops a packet that comes in by `device` for its source (RFC 3704; fib_validate_source). The route
    back is looked up with mark 0, as if it came in where the packet would leave. On a device without an IPv4 address
    loose is as strict."""
    if packet.family == 6:
        if equals(packet.source, 1):
            return "nobody else has the source ::1"
        return None
    if is_loopback(4, packet.source) and not device.route_localnet:
        return "nobody else has a source in 127.0.0.0/8"
    if is_loopback(4, packet.to) and not device.route_localnet:
        return "127.0.0.0/8 is not reached from outside"
    if holder(stack, 4, packet.source):
        return "its source is an address of the host itself"
    filtering = _filtering(device, strict)
    if not filtering:
        return None
    back = Packet(4, packet.protocol, packet.to, packet.source)
    found = lookup(stack, back, leaving or LO, source=packet.to)
    if found.device == device.name:
        return None
    if found.shared:
        return "its source is the broadcast address of a subnet"
    if found.device is None:
        return "reverse path filtering: there is no route back to its source"
    if filtering == 1 or not any(net.version == 4 for net in device.networks):
        return f"reverse path filtering: the route back to its source is by {found.device}"
    return None


def _filtering(device: Device, strict: bool) -> int:
    """0, 1 (strict) or 2 (loose). What the image sets is not known: `strict` says what to suppose."""
    if device.rp_filter is not None:
        return device.rp_filter
    if not strict:
        return 0
    return 2 if device.loose else 1
