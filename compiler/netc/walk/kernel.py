"""A packet's path through stacks: the stages in the order of the kernel, and what conntrack remembers meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from msgspec import Struct
from msgspec.structs import replace

from netc.diagnostic import KeyPath
from netc.language.values import Family
from netc.plan.chains import Hook, Priority
from netc.walk import nat, netfilter, splits
from netc.walk.met import Met, State, Translation, Verdict
from netc.walk.packet import ICMP, TCP, Connection, Owner, Packet, dialled, reply, text, turned
from netc.walk.routing import Found, lookup, refused_source
from netc.walk.sources import source_of, source_on
from netc.walk.stack import LO, Device, Place, Stack, sharer
from netc.walk.world import World

MOST = 48
"""Stacks that a packet enters before it is said to go round. The kernel counts hops (TTL)."""


class Event(Struct, frozen=True):
    """What happens to a packet in one stack, and the key that made it so."""

    place: Place
    what: str
    origin: KeyPath = ()


class End(Struct, frozen=True):
    """Where a packet ends. `host`: a process of the stack gets it. `behind`: a machine behind the stack's device.
    `internet`: somebody there, by the device. `beyond`: somebody at the other end of the tunnel. `lost`: nobody."""

    kind: Literal["host", "behind", "internet", "beyond", "lost"]
    place: Place
    device: str | None
    packet: Packet
    verdict: Verdict | None = None


class Wires(Protocol):
    """What is between stacks (`walk.wires`)."""

    def transmit(self, walk: Walk, stack: Stack, device: Device, packet: Packet, found: Found) -> End: ...

    def enter(self, walk: Walk, stack: Stack, device: Device, packet: Packet) -> End: ...

    def from_behind(self, walk: Walk, stack: Stack, device: Device, packet: Packet) -> End: ...

    def from_internet(self, walk: Walk, packet: Packet) -> End: ...


@dataclass
class Walk:
    """One packet and its answer. `events` are what a reader is shown; `devices` all that it left by."""

    world: World
    wires: Wires
    events: list[Event] = field(default_factory=list)
    left: list[tuple[Place, str]] = field(default_factory=list)
    known: dict[Place, list[Connection]] = field(default_factory=dict)
    translated: dict[tuple[Family, int], tuple[int, Stack, Device]] = field(default_factory=dict)
    """By the stand-in of a router that translates: the private source, and where its packets came from."""
    depth: frozenset[object] = frozenset()
    """Tunnels whose outer packet this is, from the outermost."""
    steps: int = 0
    owner: Owner | None = None
    """Whose the packet is that leaves, if a process of this stack sends it."""
    began: int | None = None
    """The source that the packet had when it was sent."""
    unsure: str = ""
    """Why it may take another path."""
    room: int = 65535
    """The smallest MTU on the path, in bytes."""

    def say(self, stack: Stack, what: str, origin: KeyPath = ()) -> None:
        self.events.append(Event(stack.place, what, origin))

    # ---- conntrack -------------------------------------------------------------------------------------------

    def track(self, stack: Stack, packet: Packet) -> Met:
        for connection in self.known.get(stack.place, ()):
            if connection.family == packet.family:
                if connection.answer == packet.tuple_:
                    connection.answered = True
                    return Met(stack, packet, connection, True, "established")
                if connection.asked == packet.tuple_:
                    state: State = "established" if connection.answered else "new"
                    return Met(stack, packet, connection, False, state)
        fresh = Connection(packet.family, packet.tuple_, turned(packet.tuple_))
        return Met(stack, packet, fresh, False, "new")

    def confirm(self, met: Met) -> None:
        known = self.known.setdefault(met.stack.place, [])
        if not any(one is met.connection for one in known):
            known.append(met.connection)

    # ---- in --------------------------------------------------------------------------------------------------

    def arrive(self, stack: Stack, name: str, packet: Packet, met: Met | None = None) -> End:
        """By a device. `met`: it was sent to the stack itself, which knows its connection."""
        self.steps += 1
        if self.steps > MOST:
            return self.lost(stack, packet, Verdict("dropped", (), "it goes round in a ring"))
        if stack.place[0] in self.world.gone:
            return self.lost(stack, packet, Verdict("dropped", (), f"{stack.place[0]} is gone"))
        if met is None:
            met = self.track(stack, replace(packet, mark=0) if packet.mark else packet)
            self.say(stack, f"in by {name}{self._seen(packet)}", stack.devices[name].origin)
        met.arriving, met.leaving, met.owner = name, None, None
        verdict = self._run(met, "prerouting", Priority.MANGLE)
        if verdict.ends != "accepted":
            return self.lost(stack, met.packet, verdict)
        if name != LO:
            self._turn_destination(met, "prerouting")
        return self._route(met, stack.devices[name])

    def _seen(self, packet: Packet) -> str:
        return f", from {self.shown(packet.family, packet.source)}"

    def shown(self, family: Family, number: int) -> str:
        return self.world.standing.get((family, number)) or text(family, number)

    def _run(self, met: Met, hook: Hook, *priorities: Priority) -> Verdict:
        return netfilter.filtered(met, hook, priorities)

    def _turn_destination(self, met: Met, hook: Hook) -> bool:
        """Destination NAT of a new connection, or the end of source NAT of an answer. Whether it changed anything."""
        packet, connection = met.packet, met.connection
        if met.is_reply:
            if connection.snat:
                _, to, _, port, _ = connection.asked
                met.packet = replace(packet, to=to, dport=port)
            return connection.snat
        if connection.dnat or met.state != "new":
            return False
        found = nat.destination(met, hook)
        if found is None or found.to is None:
            return False
        to, port = int(found.to), found.port if found.port is not None else packet.dport
        met.packet = replace(packet, to=to, dport=port)
        connection.dnat = True
        connection.answer = turned(met.packet.tuple_)
        self.say(met.stack, f"destination NAT: to {dialled(met.packet)}", found.origin)
        return True

    def _route(self, met: Met, device: Device) -> End:
        stack, packet = met.stack, met.packet
        found = self._looked_up(stack, packet, device.name, packet.source)
        if device.name != LO:
            leaving = None if found.local or found.device is None else found.device
            if found.leaves and packet.family not in stack.forwards:
                return self.lost(stack, packet, Verdict("dropped", (), f"{stack.name} forwards no IPv{packet.family}"))
            if why := refused_source(stack, packet, device, leaving, strict=self.world.strict):
                return self.lost(stack, packet, Verdict("dropped", (), why))
        if found.local:
            return self._deliver(met, found)
        if found.device is None:
            why = f"no route to {text(packet.family, packet.to)}"
            return self.lost(stack, packet, Verdict("rejected", found.origin, why))
        return self._forward(met, found)

    def _deliver(self, met: Met, found: Found) -> End:
        verdict = self._run(met, "input", Priority.FILTER)
        if verdict.ends == "accepted" and found.shared and not _is_for_all(met.packet):
            verdict = Verdict("dropped", found.origin, "all hosts of a subnet have the address")
        if verdict.ends != "accepted":
            return self.lost(met.stack, met.packet, verdict)
        packet = met.packet
        if met.is_reply and met.connection.dnat:
            _, _, source, _, port = met.connection.asked
            met.packet = packet = replace(packet, source=source, sport=port)
        self.confirm(met)
        what = "reaches the process that asked" if met.is_reply else f"reaches its own {self._port(packet)}"
        self.say(met.stack, what, verdict.origin)
        return End("host", met.stack.place, met.arriving, packet)

    def _port(self, packet: Packet) -> str:
        return dialled(packet).rpartition(":")[2] if packet.dport else dialled(packet)

    def _forward(self, met: Met, found: Found) -> End:
        met.leaving = found.device
        for verdict in self._passes(met):
            if verdict.ends != "accepted":
                return self.lost(met.stack, met.packet, verdict)
        return self._leave(met, found)

    def _passes(self, met: Met) -> Iterator[Verdict]:
        """The chains of the forward hook, of netc and of Docker."""
        yield self._run(met, "forward", Priority.MANGLE)
        yield splits.guarded(met, "forward")
        yield self._run(met, "forward", Priority.FILTER)
        yield netfilter.dockered(met)
        yield self._run(met, "forward", Priority.REFUSAL)

    # ---- out -------------------------------------------------------------------------------------------------

    def send(self, stack: Stack, packet: Packet, owner: Owner | None, only: str | None = None) -> End:
        """A packet of the stack's own. Source 0: the kernel chooses one."""
        found = self._looked_up(stack, packet, LO, packet.source or None, only)
        if not packet.source:
            source = source_of(stack, found, packet.family, packet.to)
            if source is None and found.device is not None:
                return self.lost(stack, packet, Verdict("rejected", (), f"no IPv{packet.family} address to send from"))
            packet = replace(packet, source=source or 0)
            if source and (packet.family == 4 or found.device is None):  # IPv6 keeps what it found without a source
                found = self._looked_up(stack, packet, LO, source, only)
        if found.device is None:
            why = f"no route to {text(packet.family, packet.to)}"
            return self.lost(stack, packet, Verdict("rejected", found.origin, why))
        if packet.family == 4 and (sharer(stack, 4, packet.source) or (found.shared and packet.protocol == TCP)):
            return self.lost(stack, packet, Verdict("rejected", found.origin, "all hosts of a subnet have the address"))
        if self.began is None:
            self.began = packet.source
        met = self.track(stack, packet)
        met.owner, met.leaving = owner, found.device
        return self._output(met, found, only)

    def _output(self, met: Met, found: Found, only: str | None) -> End:
        """Within the hook a packet keeps the device that it was first routed to (nf_hook_state)."""
        stack, mark = met.stack, met.packet.mark
        verdict = self._run(met, "output", Priority.MANGLE)
        if verdict.ends == "accepted":
            if met.packet.mark != mark:
                found = self._again(met, only)
            verdict = splits.guarded(met, "output")
        if verdict.ends == "accepted" and self._turn_destination(met, "output"):
            found = self._again(met, only)
        if verdict.ends == "accepted":
            verdict = self._run(met, "output", Priority.FILTER, Priority.REFUSAL)
        if verdict.ends != "accepted":
            return self.lost(stack, met.packet, verdict)
        if found.device is None:
            why = f"no route to {text(met.packet.family, met.packet.to)}"
            return self.lost(stack, met.packet, Verdict("rejected", found.origin, why))
        return self._leave(met, found)

    def _again(self, met: Met, only: str | None) -> Found:
        return self._looked_up(met.stack, met.packet, LO, met.packet.source, only)

    def _looked_up(
        self, stack: Stack, packet: Packet, arriving: str, source: int | None, only: str | None = None
    ) -> Found:
        found = lookup(stack, packet, arriving, source=source, only=only)
        self.unsure = self.unsure or found.unsure
        return found

    def _leave(self, met: Met, found: Found) -> End:
        assert found.device is not None
        stack = met.stack
        met.leaving = found.device
        verdict = self._run(met, "postrouting", Priority.MANGLE)
        if verdict.ends != "accepted":
            return self.lost(stack, met.packet, verdict)
        self._turn_source(met, found)
        self.confirm(met)
        self.owner = met.owner
        if found.device == LO:
            return self.arrive(stack, LO, met.packet, met)
        return self.wires.transmit(self, stack, stack.devices[found.device], met.packet, found)

    def _turn_source(self, met: Met, found: Found) -> None:
        packet, connection, stack = met.packet, met.connection, met.stack
        if met.is_reply:
            if connection.dnat:
                _, _, source, _, port = connection.asked
                met.packet = replace(packet, source=source, sport=port)
            return
        if connection.snat or met.state != "new" or found.device is None:
            return
        wanted = nat.source(met)
        if wanted is None:
            return
        to = _own(wanted, stack, stack.devices[found.device], packet.family, found.next_hop)
        if to is None or to == packet.source:
            return
        met.packet = replace(packet, source=to)
        connection.snat = True
        connection.answer = turned(met.packet.tuple_)
        self.say(stack, f"source NAT: from {self.shown(packet.family, to)}", wanted.origin)

    def lost(self, stack: Stack, packet: Packet, verdict: Verdict) -> End:
        why = f": {verdict.why}" if verdict.why else ""
        self.say(stack, f"{verdict.ends}{why}", verdict.origin)
        return End("lost", stack.place, None, packet, verdict)

    # ---- answers ---------------------------------------------------------------------------------------------

    def answer(self, end: End) -> End:
        """What the receiver of the packet sends back."""
        stack, back = self.world.stacks[end.place], reply(end.packet)
        match end.kind:
            case "host":
                return self.send(stack, back, Owner())
            case "behind":
                assert end.device is not None
                return self.wires.from_behind(self, stack, stack.devices[end.device], back)
            case "internet" | "beyond":
                if end.device is None or (back.family, back.to) in self.translated or end.kind == "internet":
                    return self.wires.from_internet(self, back)
                return self.wires.enter(self, stack, stack.devices[end.device], back)
            case _:
                return end


def _is_for_all(packet: Packet) -> bool:
    """Nobody connects to a whole subnet, and echo requests to it are ignored."""
    return packet.protocol != TCP and not (packet.family == 4 and packet.protocol == ICMP)


def _own(wanted: Translation, stack: Stack, device: Device, family: Family, near: int) -> int | None:
    return int(wanted.to) if wanted.to is not None else source_on(stack, device, family, near)
