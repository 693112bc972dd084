"""What a firewall accepts, indexed by port and source."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from netc.diagnostic import KeyPath
from netc.language.values import Family, Ports
from netc.network.ranges import Ranges
from netc.network.sets import Members
from netc.network.spans import Spans

FAMILIES: tuple[Family, ...] = (4, 6)


class Accept(Struct, frozen=True):
    """A rule that accepts something. No ports or devices: all of them, but for devices of `past`."""

    origin: KeyPath
    ports: tuple[Ports, ...]
    devices: tuple[str, ...]
    sources: Members
    past: frozenset[str] = frozenset()


class Shut(Struct, frozen=True):
    """Interfaces of tunnels to strangers: only rules that name one open ssh there, and only these or rules for every
    source open something else."""

    devices: frozenset[str]
    ssh: int

    def is_open(self, port: Ports | None, device: str) -> bool:
        """Whether a rule that does not name the interface may open the port there."""
        ssh = port is None or (port.protocol == "tcp" and port.first <= self.ssh <= port.last)
        return device not in self.devices or not ssh


def is_ssh(origin: KeyPath) -> bool:
    return origin[2:] == ("ssh",)


def holds_port(wider: Ports, port: Ports) -> bool:
    return wider.protocol == port.protocol and wider.first <= port.first and port.last <= wider.last


class Accepts:
    """Rules that accept something, by port and source. The caller removes and narrows rules in the meantime."""

    def __init__(self, accepts: dict[KeyPath, Accept]) -> None:
        self._left = accepts
        ports = [(port, at) for at, accept in accepts.items() for port in accept.ports]
        self._by_port = {
            protocol: Spans((port.first, port.last, at) for port, at in ports if port.protocol == protocol)
            for protocol in ("tcp", "udp")
        }
        everywhere = {at: accept.sources for at, accept in accepts.items() if not accept.ports}
        self._all = tuple(everywhere)
        self._by_source = {
            family: Spans(
                (ranges[0][0], ranges[-1][1], at) for at, held in everywhere.items() if (ranges := held.of(family))
            )
            for family in FAMILIES
        }

    def of(self, port: Ports | None, wanted: Members) -> Iterator[Accept]:
        found = {at for family in FAMILIES for at in self._from(wanted.of(family), family)} if wanted else {*self._all}
        if port:
            found |= {*self._by_port[port.protocol].meeting(port.first, port.last)}
        return (self._left[at] for at in found if at in self._left)

    def _from(self, wanted: Ranges, family: Family) -> Iterator[KeyPath]:
        return self._by_source[family].meeting(wanted[0][0], wanted[-1][1]) if wanted else iter(())
