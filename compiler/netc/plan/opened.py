"""What an author opens to the other end of a tunnel, as facts of a packet filter."""

from __future__ import annotations

from collections.abc import Iterable

from netc.diagnostic import KeyPath
from netc.language.openings import Open
from netc.language.values import Ports
from netc.plan.ruleset import Opening, Sources


def opened(table: Iterable[Open], origin: KeyPath) -> tuple[Opening, ...]:
    return tuple(
        Opening((*origin, "open", index), Sources(one.from_) if one.from_ else None, ports=merged(one.ports))
        for index, one in enumerate(table)
    )


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
