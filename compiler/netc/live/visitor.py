"""This machine as a visitor: it opens connections of TCP to hosts, from where the operator is."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from netaddr import AddrFormatError, IPAddress

from netc.deploy.carrier import Carrier
from netc.lab.promises import Fault
from netc.language.names import HostName
from netc.live.hosts import Hosts
from netc.live.loaded import State
from netc.live.promises import Trial
from netc.walk.journey import Stranger
from netc.walk.packet import TCP, described
from netc.walk.world import is_public

PATIENCE = 3
"""Seconds for one connection."""
AT_ONCE = 32
MOST = 64
"""Connections. A scan of ports is none of netc's business."""
Seen = Literal["open", "refused", "silent"]
At = tuple[str, int]


def visit(trials: Iterable[Trial], known: Mapping[HostName, State], hosts: Hosts, carrier: Carrier) -> None:
    """Tries what the internet may or may not open. A connection that opens arrived; one that is refused may have been
    refused by a rule, and one that is silent may have been lost between."""
    from_here = {host: _address(state.seen_from) for host, state in known.items() if carrier.jump(host) is None}
    wanted: dict[At, list[Trial]] = {}
    for trial in trials:
        if not isinstance(trial.start, Stranger) or trial.live is None:
            continue
        host = next((event.place[0] for event in trial.paper.found.events), None)
        if why := _unlike(trial, from_here.get(host) if host else None):
            trial.result.untried[f"from this machine: {why}"] = 1
            continue
        packet = trial.packet
        number = hosts.real.get((packet.family, packet.to), packet.to)
        at = (str(IPAddress(number, packet.family)), packet.dport)
        if len(wanted) < MOST or at in wanted:
            wanted.setdefault(at, []).append(trial)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        seen = dict(zip(wanted, pool.map(_tried, wanted), strict=True))
    answering = {ip for (ip, _), state in seen.items() if state != "silent"}
    for at, state in seen.items():
        for trial in wanted[at]:
            _judge(trial, state, at, is_heard=at[0] in answering)


def _address(text: str) -> IPAddress | None:
    try:
        return IPAddress(text.partition("%")[0]) if text else None
    except (AddrFormatError, ValueError):
        return None


def _unlike(trial: Trial, from_here: IPAddress | None) -> str:
    """Why a connection from here is not the packet that the promise is about. `from_here`: whom the host sees."""
    packet = trial.packet
    if packet.protocol != TCP:
        return "UDP, which nobody has to answer"
    if from_here is None or from_here.version != packet.family:
        return f"hosts do not see it over IPv{packet.family}"
    if not (is_public(packet.family, int(from_here)) and _has(trial, int(from_here))):
        return "other sources than its own"
    return ""


def _has(trial: Trial, source: int) -> bool:
    return any(first <= source <= last for first, last in trial.paper.box.source)


def _tried(at: At) -> Seen:
    try:
        socket.create_connection(at, PATIENCE).close()
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "silent"
    return "open"


def _judge(trial: Trial, seen: Seen, at: At, *, is_heard: bool) -> None:
    paper = trial.paper.found
    result, key = trial.result, "only" if trial.expect.only is not None else "arrives"
    if paper.there.kind == "lost":
        is_wrong = seen == "open"
    elif seen == "silent" and not is_heard:
        result.untried[f"from this machine: {at[0]} does not answer here at all"] = 1
        return
    else:
        is_wrong = seen == "silent"
    if is_wrong:
        said = "a connection from this machine opens" if seen == "open" else "nothing answers this machine"
        on_paper = "does not arrive" if paper.there.kind == "lost" else "arrives"
        result.faults.append(Fault(key, described(trial.packet), said, on_paper))
        result.deciding.append(None)
