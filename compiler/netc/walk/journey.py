"""A packet there, and its answer back."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from netc.plan.facts import Foreign, PlainTunnel, Wireguard
from netc.walk import wires
from netc.walk.kernel import End, Event, Walk
from netc.walk.met import Verdict
from netc.walk.packet import Owner, Packet
from netc.walk.stack import Place
from netc.walk.world import World

STRAY = "the answer comes to somebody else"


class Journey(Struct, frozen=True):
    """There and back. `left` are the devices by which the packet itself left stacks, one after the other."""

    there: End
    back: End | None
    events: tuple[Event, ...]
    returning: tuple[Event, ...]
    left: tuple[tuple[Place, str], ...]
    returned: tuple[tuple[Place, str], ...]
    room: int
    source: int
    """What the packet was sent from: by a process without one, what the kernel chose."""
    unsure: str = ""
    """Why the packet may take another path."""
    unsure_back: str = ""

    @property
    def answered(self) -> bool:
        return self.back is not None and self.back.kind != "lost"


class Process(Struct, frozen=True):
    """A process of a stack sends, or the kernel itself if there is no owner. `mark` is that of its socket."""

    place: Place
    owner: Owner | None = Owner()
    mark: int = 0


class Stranger(Struct, frozen=True):
    """Somebody on the internet."""


class Neighbour(Struct, frozen=True):
    """A machine behind a device of the stack, or at the other end of a tunnel."""

    place: Place
    device: str


Start = Process | Stranger | Neighbour


def journey(made: World, start: Start, packet: Packet, walk: Walk | None = None) -> Journey:
    """Walks a packet there, and its answer back by what the stacks remember. `walk` is a fresh one: of plans, or one
    whose stacks are hosts."""
    walk = walk or Walk(made, wires)
    match start:
        case Process():
            there = walk.send(made.stacks[start.place], replace(packet, mark=start.mark), start.owner)
        case Stranger():
            there = wires.from_internet(walk, packet)
        case _:
            stack = made.stacks[start.place]
            device = stack.devices[start.device]
            strange = isinstance(device.made, Wireguard | PlainTunnel | Foreign)
            there = (
                wires.enter(walk, stack, device, packet) if strange else wires.from_behind(walk, stack, device, packet)
            )
    events, left = tuple(walk.events), tuple(walk.left)
    source = walk.began if isinstance(start, Process) and walk.began is not None else packet.source
    unsure, walk.unsure = walk.unsure, ""
    walk.events, walk.left, walk.steps = [], [], 0
    back = None if there.kind == "lost" else walk.answer(there)
    if back is not None and back.kind != "lost" and not _is_home(walk, start, back, packet):
        verdict = Verdict("dropped", (), STRAY)
        back = replace(back, kind="lost", verdict=verdict)
    return Journey(
        there, back, events, tuple(walk.events), left, tuple(walk.left), walk.room, source, unsure, walk.unsure
    )


def _is_home(walk: Walk, start: Start, back: End, packet: Packet) -> bool:
    """Whether the answer comes to who asked, from whom he asked."""
    asked = back.packet.source == packet.to and back.packet.sport == packet.dport
    match start:
        case Process():
            return asked and back.kind == "host" and back.place == start.place
        case Stranger():
            return asked and back.kind in ("internet", "beyond") and back.packet.to == packet.source
        case Neighbour():
            source, *_ = walk.translated.get((packet.family, back.packet.source), (back.packet.source,))
            asked = source == packet.to and back.packet.sport == packet.dport
            return asked and back.place == start.place and back.packet.to == packet.source
