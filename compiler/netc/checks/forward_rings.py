"""Forwards that form a loop: a packet in it would be dropped only when its TTL ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from netaddr import IPAddress

from netc.diagnostic import Diagnostic
from netc.features.forwards import served
from netc.language.forwards import Forward, Target
from netc.language.names import ForwardName, HostName
from netc.language.values import Ports
from netc.network.interface import Network
from netc.network.passing import arrivals
from netc.network.spans import Spans


def check(network: Network) -> Iterator[Diagnostic]:
    forwards = network.topology.forwards
    known = {name for name, forward in forwards.items() if forward.at in network.topology.hosts}
    taken = _taken({name: forwards[name] for name in known}, network)
    after = _in_rings({name: sorted(_after(forwards[name], taken, network)) for name in known})
    reported: set[ForwardName] = set()
    for name in sorted(after):
        ring = _ring(name, after)
        if ring and not reported & set(ring):
            reported.update(ring)
            what = "these forwards form a loop: " + " → ".join(f"`{each}`" for each in (*ring, ring[0]))
            also = tuple(("forwards", each) for each in ring[1:])
            yield Diagnostic(
                "NC1113", ("forwards", name), what, "change `to` of one of them to the server", also, on_key=True
            )


Taken = Mapping[tuple[HostName, IPAddress, str], Spans[ForwardName]]
"""Forwards by where visitors arrive: host, address and protocol, and the ports there."""


def _taken(forwards: Mapping[ForwardName, Forward], network: Network) -> Taken:
    found: dict[tuple[HostName, IPAddress, str], list[tuple[int, int, ForwardName]]] = {}
    for name, forward in forwards.items():
        for ip in set(arrivals(forward, network)):
            for ports in forward.ports:
                place = (forward.at, ip, str(ports.protocol))
                found.setdefault(place, []).append((ports.first, ports.last, name))
    return {place: Spans(spans) for place, spans in found.items()}


def _after(one: Forward, taken: Taken, network: Network) -> set[ForwardName]:
    """The forwards at which packets of `one` arrive."""
    found: set[ForwardName] = set()
    for target in one.to:
        known = target.host in network.topology.hosts
        for family in (4, 6) if target.local and known else ():
            there = served(target, one, network, family)
            for ports in one.ports if there else ():
                sent = _sent(ports, target)
                spans = taken.get((target.host, there, sent.protocol)) if there else None
                found |= set(spans.meeting(sent.first, sent.last)) if spans else set()
    return found


def _in_rings(after: dict[ForwardName, list[ForwardName]]) -> dict[ForwardName, list[ForwardName]]:
    """Without the forwards that are in no loop and lead to none."""
    before: dict[ForwardName, list[ForwardName]] = {}
    for name, others in after.items():
        for other in others:
            before.setdefault(other, []).append(name)
    left = {name: len(others) for name, others in after.items()}
    ended = [name for name, count in left.items() if not count]
    while ended:
        name = ended.pop()
        del left[name]
        for one in before.get(name, ()):
            left[one] -= 1
            if not left[one]:
                ended.append(one)
    return {name: [other for other in after[name] if other in left] for name in left}


def _sent(ports: Ports, target: Target) -> Ports:
    return ports if target.port is None else Ports(target.port, target.port, ports.protocol)


def _ring(start: ForwardName, after: dict[ForwardName, list[ForwardName]]) -> list[ForwardName]:
    """The path from a forward back to itself, if there is one."""
    paths = [[start]]
    seen = {start}
    while paths:
        path = paths.pop()
        for name in after[path[-1]]:
            if name == start:
                return path
            if name not in seen:
                seen.add(name)
                paths.append([*path, name])
    return []
