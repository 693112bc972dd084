"""What hosts say of themselves: `netc-host status --json` of each. Nothing that a host answers is trusted: it has the
form below, or counts as no answer."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import msgspec
from msgspec import Struct

from netc.deploy.carrier import LOST, Carrier

ASK = """
[[ -x /usr/local/sbin/netc-host ]] || { echo "netc is not installed" >&2; exit 3; }
exec /usr/local/sbin/netc-host status --json
"""
SECONDS = 60
"""Until a host counts as one that does not answer."""
AT_ONCE = 32
WELL = ("up", "Established", "disabled")
"""States of sessions and anycast services: somebody turned off what is disabled."""
SILENT = 180
"""Seconds after which WireGuard forgets a session (REJECT_AFTER_TIME of its paper)."""


class Pending(Struct, frozen=True):
    generation: str
    phase: str
    reverts_at: int | None


class Part(Struct, frozen=True):
    name: str
    state: str


class Broken(Struct, frozen=True):
    part: str
    what: str


class Session(Struct, frozen=True):
    name: str
    kind: str
    state: str


class Anycast(Struct, frozen=True):
    service: str
    state: str


class Difference(Struct, frozen=True):
    what: str
    topology: str
    host: str
    then: str


class Dropped(Struct, frozen=True):
    table: str
    packets: str
    by: str


class Unasked(Struct, frozen=True):
    what: str
    why: str


class WireguardPeer(Struct, frozen=True):
    interface: str
    peer: str
    handshake_age: int | None


class State(Struct, frozen=True):
    """As docs/reference/status.md has it. A later netc-host has more keys, an earlier one fewer."""

    generation: str | None
    pending: Pending | None
    parts: tuple[Part, ...]
    broken: tuple[Broken, ...] = ()
    sessions: tuple[Session, ...] = ()
    anycast: tuple[Anycast, ...] = ()
    failed: tuple[str, ...] = ()
    host: tuple[Difference, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    unasked: tuple[Unasked, ...] = ()
    wireguard: tuple[WireguardPeer, ...] = ()


class Answer(Struct, frozen=True):
    """`state` is None if there is none, and `why` says why. `text` is the host's own document. `is_well`: as the host
    judges."""

    host: str
    is_well: bool
    state: State | None = None
    text: bytes = b""
    why: str = ""


def watch(carrier: Carrier, hosts: Collection[str], pause: int) -> Iterator[list[Answer]]:
    """Once, or with a `pause` of so many seconds between the answers without an end."""
    yield ask(carrier, hosts)
    while pause:
        time.sleep(pause)
        yield ask(carrier, hosts)


def ask(carrier: Carrier, hosts: Collection[str]) -> list[Answer]:
    """All at the same time, in the order of their names."""
    with ThreadPoolExecutor(min(AT_ONCE, len(hosts) or 1)) as pool:
        return list(pool.map(lambda host: _asked(carrier, host), sorted(hosts)))


def _asked(carrier: Carrier, host: str) -> Answer:
    said = carrier.run(host, ASK, limit=SECONDS)
    if said.status not in (0, 1) or not said.out:
        reason = said.last or f"netc-host ended with status {said.status}"
        return Answer(host, is_well=False, why=f"not reached: {reason}" if said.status == LOST else reason)
    try:
        state = msgspec.json.decode(said.out.encode(), type=State)
    except (msgspec.MsgspecError, ValueError):
        return Answer(host, is_well=False, why="its answer is not that of `netc-host status --json`")
    return Answer(host, said.status == 0, state, said.out.encode())


# ---- for people ----------------------------------------------------------------------------------------------

HEAD = ("host", "generation", "parts", "peers", "sessions", "anycast", "change")


def row(answer: Answer, wanted: str) -> tuple[str, ...]:
    """`wanted`: the generation that the topology compiles to."""
    state = answer.state
    if state is None:
        return (answer.host, answer.why)
    silent = sum(peer.handshake_age is None or peer.handshake_age > SILENT for peer in state.wireguard)
    return (
        answer.host,
        "as in TOPO" if state.generation == wanted else state.generation or "none",
        _counted(len(state.parts), sum(part.state == "up" for part in state.parts), "up"),
        _counted(len(state.wireguard), len(state.wireguard) - silent, "heard"),
        _counted(len(state.sessions), sum(one.state == "Established" for one in state.sessions), "up"),
        _counted(len(state.anycast), sum(one.state in ("up", "falling") for one in state.anycast), "up"),
        state.pending.phase if state.pending else "-",
    )


def _counted(all_of_them: int, fine: int, word: str) -> str:
    if not all_of_them:
        return "-"
    return f"{fine} {word}" if fine == all_of_them else f"{fine} of {all_of_them} {word}"


def troubles(answer: Answer, wanted: str) -> Iterator[str]:
    """What is not as it should be on a host, in words."""
    state = answer.state
    if state is None:
        return
    if state.pending:
        yield f"{state.pending.generation} waits: {state.pending.phase}"
    elif state.generation != wanted:
        yield f"it has {state.generation or 'no generation'}, and the topology compiles to {wanted}"
    yield from (f"part {part.name} is {part.state}" for part in state.parts if part.state not in ("up", "broken"))
    yield from (f"part {one.part} is broken: {one.what}" for one in state.broken)
    yield from (f"failed: {name}" for name in state.failed)
    yield from (f"session {one.name} is {one.state}" for one in state.sessions if one.state not in WELL)
    yield from (f"anycast service {one.service} is {one.state}" for one in state.anycast if one.state not in WELL)
    yield from (f"{one.what} is {one.host}, and the topology says {one.topology}: {one.then}" for one in state.host)
    yield from (f"packets of {one.table} ({one.packets}) are dropped by {one.by}" for one in state.dropped)
    yield from (f"not asked: {one.what}: {one.why}" for one in state.unasked)


def document(answers: Collection[Answer], wanted: Mapping[str, str]) -> bytes:
    """The hosts' own documents, and of each what TOPO compiles to."""
    every = {
        answer.host: {
            "wanted": wanted[answer.host],
            "well": answer.is_well,
            "why": answer.why,
            "state": msgspec.Raw(answer.text) if answer.state else None,
        }
        for answer in answers
    }
    return msgspec.json.format(msgspec.json.encode(every), indent=2)
