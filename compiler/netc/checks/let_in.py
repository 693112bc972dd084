"""What a firewall lets in, found by what it is asked about: port and source."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from netc.language.values import Family, Ports
from netc.network.ranges import Ranges
from netc.network.sets import Members
from netc.network.spans import Spans
from netc.problem import KeyPath

FAMILIES: tuple[Family, ...] = (4, 6)


class Way(Struct, frozen=True):
    """What lets something in. No ports, devices: all of them."""

    origin: KeyPath
    ports: tuple[Ports, ...]
    devices: tuple[str, ...]
    sources: Members


class Ways:
    """Ways that become fewer, and let in less; asked for those that let in something of what is wanted at a port."""

    def __init__(self, ways: dict[KeyPath, Way]) -> None:
        self._left = ways
        ports = [(port, at) for at, way in ways.items() for port in way.ports]
        self._by_port = {
            protocol: Spans((port.first, port.last, at) for port, at in ports if port.protocol == protocol)
            for protocol in ("tcp", "udp")
        }
        everywhere = {at: way.sources for at, way in ways.items() if not way.ports}
        self._all = tuple(everywhere)
        self._by_source = {
            family: Spans(
                (ranges[0][0], ranges[-1][1], at) for at, held in everywhere.items() if (ranges := held.of(family))
            )
            for family in FAMILIES
        }

    def of(self, port: Ports | None, wanted: Members) -> Iterator[Way]:
        found = {at for family in FAMILIES for at in self._from(wanted.of(family), family)} if wanted else {*self._all}
        if port:
            found |= {*self._by_port[port.protocol].meeting(port.first, port.last)}
        return (self._left[at] for at in found if at in self._left)

    def _from(self, wanted: Ranges, family: Family) -> Iterator[KeyPath]:
        return self._by_source[family].meeting(wanted[0][0], wanted[-1][1]) if wanted else iter(())
