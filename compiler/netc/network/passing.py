"""What turns visitors of a host's own addresses to somebody else, so that their answers have another source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from netaddr import IPAddress

from netc.language.forwards import Forward
from netc.language.names import HostName
from netc.language.values import Family, Ports
from netc.network.bridges import dnats
from netc.network.forwards import forwards_at
from netc.network.interface import Network
from netc.network.namespaces import pairs
from netc.network.once import once
from netc.network.spans import Spans
from netc.network.uplinks import public_addresses


def arrivals(forward: Forward, network: Network) -> tuple[IPAddress, ...]:
    """Where visitors of a forward arrive."""
    return forward.on or public_addresses(forward.at, network)


@once
def turned(host: HostName, network: Network) -> Mapping[tuple[IPAddress, str], Spans[Ports]]:
    """What forwards take at addresses that they name, by the address and the protocol."""
    found: dict[tuple[IPAddress, str], list[Ports]] = {}
    for _, forward in forwards_at(host, network.topology):
        for ip in forward.on:
            for ports in forward.ports:
                found.setdefault((ip, ports.protocol), []).append(ports)
    return {place: Spans((each.first, each.last, each) for each in ports) for place, ports in found.items()}


def families_passed_on(host: HostName, network: Network) -> set[Family]:
    return {4 if ip.version == 4 else 6 for ip in _dialled(host, network)}


def _dialled(host: HostName, network: Network) -> Iterator[IPAddress]:
    """The addresses at which something is passed on."""
    for _, forward in forwards_at(host, network.topology):
        yield from arrivals(forward, network)
    table = network.topology.hosts[host]
    for space in table.namespaces.values():
        for publish in space.publish:
            yield from publish.on or (pair.host.ip for pair in pairs(space))
    for bridge in table.bridges.values():
        for published in bridge.publish:
            for dnat in dnats(published, host, network):
                yield from dnat.on
