"""What must get through the packet filters of others: one packet for each opening, forward and published port.

`install` and `status` send them in a network namespace that has the host's rulesets (templates/bash/walk.bash)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from itertools import islice
from typing import Literal

from msgspec import Struct
from netaddr import IPAddress, IPNetwork

from netc.diagnostic import KeyPath
from netc.language.names import InterfaceName
from netc.language.values import Family
from netc.network.sets import Sets
from netc.plan.facts import Ruleset
from netc.plan.ruleset import Opening, Sources

FAMILIES: tuple[Family, ...] = (4, 6)

FROM_ANYWHERE: dict[Family, IPAddress] = {4: IPAddress("9.9.9.9"), 6: IPAddress("2620:fe::9")}
"""A client on the internet. Many filters drop the prefixes for documentation."""


class Walk(Struct, frozen=True):
    """A packet from `source` that enters by `device` for `port` of `on`. The host itself has it, unless `to` is given:
    there the host's DNAT sends it, and it leaves by `leaving`. None is what only the host knows; a `ttl` of None is the
    kernel's own."""

    origin: KeyPath
    family: Family
    device: InterfaceName | None
    source: IPAddress
    protocol: Literal["tcp", "udp"] | int
    """A number is an IP protocol (IANA)."""
    on: IPAddress | None
    port: int
    to: IPAddress | None = None
    leaving: InterfaceName | None = None
    ttl: int | None = None


def to_host(opening: Opening, wan: InterfaceName | None, sets: Sets, held: Set[IPAddress]) -> Iterator[Walk]:
    """One for each family, interface and range of ports. `held`: the host's own addresses, from which nobody sends."""
    what: list[tuple[Literal["tcp", "udp"] | int, int]]
    what = [(ports.protocol, ports.first) for ports in opening.ports]
    if opening.protocol is not None:
        what = [(opening.protocol, 0)]
    for family in FAMILIES:
        source = _client(opening.sources, family, sets, held)
        places = [ip for ip in opening.on if ip.version == family] if opening.on else [None]
        if source is None:
            continue
        for device in opening.devices or (wan,):
            for on in places[:1]:
                for protocol, port in what:
                    yield Walk(opening.origin, family, device, source, protocol, on, port)


def through_host(ruleset: Ruleset) -> Iterator[Walk]:
    """Visitors of its forwards and published ports."""
    leaving = {fact.to: fact.device for fact in ruleset.leaves_by}
    for one in ruleset.forwards:
        family, ports = _family(one.on), one.ports
        source = FROM_ANYWHERE[family]
        yield Walk(
            one.origin, family, one.device, source, ports.protocol, one.on, ports.first, one.to, leaving.get(one.to)
        )
    for nat in ruleset.nats:
        for on in nat.on[:1]:
            family = _family(on)
            source = next((net.ip for net in map(_host_of, nat.sources)), FROM_ANYWHERE[family])
            port = nat.port
            yield Walk(nat.origin, family, None, source, port.protocol, on, port.number, nat.to, leaving.get(nat.to))


def _family(ip: IPAddress) -> Family:
    return 4 if ip.version == 4 else 6


def _client(sources: Sources | None, family: Family, sets: Sets, held: Set[IPAddress]) -> IPAddress | None:
    """One of `sources`. None if none of them is of the family."""
    if sources is None:
        return FROM_ANYWHERE[family]
    prefixes: Iterable[IPNetwork] = (net for net in sources.prefixes if net.version == family)
    few = (ip for net in prefixes for ip in islice(_hosts(net), 4))
    listed = (IPAddress(first, family) for name in sources.sets for first, _ in sets[name].of(family)[:1])
    return next((ip for ip in (*few, *listed) if ip not in held), None)


def _hosts(net: IPNetwork) -> Iterator[IPAddress]:
    """From its last usable address down: a router often has the first."""
    last = net.last - (1 if net.size > 2 and net.version == 4 else 0)
    return (IPAddress(value, net.version) for value in range(last, max(net.first, last - 4) - 1, -1))


def _host_of(net: IPNetwork) -> IPNetwork:
    return IPNetwork(next(_hosts(net)))
