"""What is open to the other end of a tunnel, or of the tunnels in it, as facts of a packet filter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netc.diagnostic import KeyPath
from netc.language.kinds import KINDS
from netc.language.openings import Open
from netc.language.values import Ports
from netc.network.interface import Interface, listens_at
from netc.network.outer_sources import outer_sources
from netc.plan.ruleset import Opening, Sources


def opened(table: Iterable[Open], origin: KeyPath) -> tuple[Opening, ...]:
    return tuple(
        Opening((*origin, "open", index), Sources(one.from_) if one.from_ else None, ports=merged(one.ports))
        for index, one in enumerate(table)
    )


def outer_openings(interfaces: Iterable[Interface]) -> Iterator[Opening]:
    """Outer packets arrive in the namespace where the tunnel was made: the host's, even if it was moved."""
    for interface in interfaces:
        port, protocol = listens_at(interface), KINDS[interface.kind].protocol
        ports = (Ports(port, port, "udp"),) if port else ()
        if ports or protocol:
            known = outer_sources(interface)
            sources = Sources((known,)) if known else None
            yield Opening(interface.origin, sources, ports=ports, protocol=protocol)


def merged(ports: Iterable[Ports]) -> tuple[Ports, ...]:
    """TCP before UDP, by number, without overlap."""
    found: list[Ports] = []
    for one in sorted(ports, key=lambda ports: (ports.protocol, ports.first, ports.last)):
        last = found[-1] if found else None
        if last and last.protocol == one.protocol and one.first <= last.last + 1:
            found[-1] = Ports(last.first, max(last.last, one.last), one.protocol)
        else:
            found.append(one)
    return tuple(found)
