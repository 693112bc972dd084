"""What of a router's openings must get through the packet filters of others: for each session what the neighbour sends
first, and of the IGP one packet of each kind on each link."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from netaddr import IPAddress

from netc.diagnostic import KeyPath
from netc.language.names import InterfaceName
from netc.language.values import Family
from netc.plan.bgp import IgpInterface
from netc.plan.facts import Router
from netc.plan.routing_ruleset import opened_by_igp, opened_by_session
from netc.plan.ruleset import Opening
from netc.plan.walks import Walk

Ends = Mapping[InterfaceName, Sequence[tuple[IPAddress, IPAddress]]]
"""Of each link: our address and that of the other end, at most one pair a family."""


def routing_walks(origin: KeyPath, router: Router, ends: Ends) -> Iterator[Walk]:
    for session in router.sessions:
        # Between loopbacks, packets come by any link of the IGP: the first is asked.
        is_inner = session.kind in ("ibgp", "confederation", "fake") and router.igp
        device = session.device or (router.igp[0].device if is_inner else None)
        yield from _packets(opened_by_session(session), device, session.local, session.remote)
    for interface in router.igp:
        pairs = [pair for pair in ends.get(interface.device, ()) if _is_spoken(interface, pair[0])]
        for opening, (own, other) in product(opened_by_igp(origin, interface), pairs):
            yield from _packets(opening, interface.device, own, other)


def _is_spoken(interface: IgpInterface, own: IPAddress) -> bool:
    return own.version == 6 if interface.kind == "babel" else own.version in interface.families


def _packets(
    opening: Opening, device: InterfaceName | None, own: IPAddress | None, other: IPAddress
) -> Iterator[Walk]:
    family: Family = 4 if other.version == 4 else 6
    if opening.protocol is not None:
        yield Walk(opening.origin, family, device, other, opening.protocol, own, 0)
    for ports in opening.ports:
        yield Walk(opening.origin, family, device, other, ports.protocol, own, ports.first)
