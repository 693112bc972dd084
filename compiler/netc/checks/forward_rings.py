"""Forwards that lead back to where they came from: a packet in such a ring would only end by its TTL."""

from __future__ import annotations

from collections.abc import Iterator

from netc.features.forwards import served
from netc.language.forwards import Forward, Target
from netc.language.names import ForwardName
from netc.language.values import Ports
from netc.network.interface import Network
from netc.network.passing import arrivals
from netc.problem import Problem


def check(network: Network) -> Iterator[Problem]:
    forwards = network.topology.forwards
    known = {name for name, forward in forwards.items() if forward.at in network.topology.hosts}
    after = {
        name: sorted(other for other in known if _leads(forwards[name], forwards[other], network)) for name in known
    }
    told: set[ForwardName] = set()
    for name in sorted(known):
        ring = _ring(name, after)
        if ring and not told & set(ring):
            told.update(ring)
            what = "visitors would go round: " + " → ".join(f"`{each}`" for each in (*ring, ring[0]))
            also = tuple(("forwards", each) for each in ring[1:])
            yield Problem("NC1113", ("forwards", name), what, "let one of them end at who serves", also, on_key=True)


def _leads(one: Forward, other: Forward, network: Network) -> bool:
    """Whether what `one` sends on arrives where `other` takes it."""
    return any(
        target.local
        and target.host == other.at
        and any(served(target, one, network, ip.version) == ip for ip in arrivals(other, network))
        and any(_meet(_sent(ports, target), theirs) for ports in one.ports for theirs in other.ports)
        for target in one.to
    )


def _sent(ports: Ports, target: Target) -> Ports:
    return ports if target.port is None else Ports(target.port, target.port, ports.protocol)


def _meet(one: Ports, other: Ports) -> bool:
    return one.protocol == other.protocol and one.first <= other.last and other.first <= one.last


def _ring(start: ForwardName, after: dict[ForwardName, list[ForwardName]]) -> list[ForwardName]:
    """The way from a forward back to itself, if there is one."""
    ways = [[start]]
    seen = {start}
    while ways:
        way = ways.pop()
        for name in after[way[-1]]:
            if name == start:
                return way
            if name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return []
