"""A journey for people: a line a stage, with the key that made it so; and for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from netc.diagnostic import KeyPath, dotted
from netc.walk.journey import Journey, Process, Start
from netc.walk.kernel import End, Event
from netc.walk.packet import Owner, Packet, dialled, text
from netc.walk.world import World

Line = Callable[[KeyPath], str]
"""Where a key stands: `topo.toml:31`."""


def as_text(made: World, start: Start, packet: Packet, found: Journey, line: Line) -> str:
    rows = [*_rows(made, found.events, line)]
    back = [*_rows(made, found.returning, line)]
    widths = [max((len(row[at]) for row in (*rows, *back)), default=0) for at in range(3)]
    lines = [f"{asker(made, start, packet)} dials {dialled(packet)}", *_printed(rows, widths)]
    if back:
        lines += ["and back", *_printed(back, widths)]
    unsure = [f"not certain: {found.unsure or found.unsure_back}"] if found.unsure or found.unsure_back else []
    return "\n".join((*lines, *_standing(made, packet), *unsure, outcome(made, found))) + "\n"


def asker(made: World, start: Start, packet: Packet) -> str:
    if isinstance(start, Process):
        own = start.owner or Owner()
        who = next((f", {kind} {name}" for kind, name in _named(own) if name), "")
        return f"{made.stacks[start.place].name}{who}"
    return text(packet.family, packet.source)


def _named(owner: Any) -> Iterator[tuple[str, str | None]]:
    yield from (("group", owner.group), ("user", owner.user), ("slice", owner.slice))


def _rows(made: World, events: tuple[Event, ...], line: Line) -> Iterator[tuple[str, str, str, str]]:
    last = ""
    for event in events:
        name = made.stacks[event.place].name
        yield (name if name != last else "", event.what, dotted(event.origin), line(event.origin))
        last = name


def _printed(rows: list[tuple[str, str, str, str]], widths: list[int]) -> Iterator[str]:
    for name, what, key, line in rows:
        yield f"  {name:{widths[0]}}  {what:{widths[1]}}  {key:{widths[2]}}  {line}".rstrip()


def _standing(made: World, packet: Packet) -> Iterator[str]:
    """What the topology does not say, and an address stands for."""
    seen = {(packet.family, number) for number in (packet.source, packet.to)}
    for family, number in sorted(seen & made.standing.keys()):
        yield f"{text(family, number)} stands for {made.standing[family, number]}, which the topology does not say"


def outcome(made: World, found: Journey) -> str:
    end = found.there
    if end.kind == "lost":
        why = end.verdict.why if end.verdict else ""
        at = made.stacks[end.place].name
        ends = end.verdict.ends if end.verdict else "dropped"
        return f"does not arrive: {ends} at {at}{f', {why}' if why else ''}"
    kept = "source kept" if end.packet.source == found.source else f"source {_seen(made, end)}"
    if found.back is not None and found.back.kind == "lost" and found.back.verdict:
        return f"arrives at {arrived(made, end)}, {kept}, not answered: {found.back.verdict.why}"
    return f"arrives at {arrived(made, end)}, {kept}, {'answered' if found.answered else 'not answered'}"


def _seen(made: World, end: End) -> str:
    known = made.standing.get((end.packet.family, end.packet.source))
    return known or text(end.packet.family, end.packet.source)


def arrived(made: World, end: End) -> str:
    """Whom a packet reached, as a place is written."""
    match end.kind:
        case "host":
            return made.stacks[end.place].name
        case "behind":
            return f"{made.stacks[end.place].name}:{text(end.packet.family, end.packet.to)}"
        case "internet":
            return "internet"
        case "beyond":
            return f"the other end of {end.device} of {made.stacks[end.place].name}"
        case _:
            return "nobody"


def as_json(made: World, start: Start, packet: Packet, found: Journey, line: Line) -> dict[str, object]:
    end = found.there
    verdict = end.verdict or (found.back.verdict if found.back else None)
    return {
        "from": asker(made, start, packet),
        "to": dialled(packet),
        "there": [_event(made, event, line) for event in found.events],
        "back": [_event(made, event, line) for event in found.returning],
        "arrives": arrived(made, end) if end.kind != "lost" else None,
        "source": text(end.packet.family, end.packet.source) if end.kind != "lost" else None,
        "leaves_by": [f"{made.stacks[place].name} {device}" for place, device in found.left],
        "mtu": found.room if found.room < 65535 else None,
        "answered": found.answered,
        "not_certain": found.unsure or found.unsure_back or None,
        "verdict": {"what": verdict.ends, "why": verdict.why, "key": dotted(verdict.origin)} if verdict else None,
    }


def _event(made: World, event: Event, line: Line) -> dict[str, str]:
    name = made.stacks[event.place].name
    return {"at": name, "what": event.what, "key": dotted(event.origin), "line": line(event.origin)}
