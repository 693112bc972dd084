"""What of a router's openings must get through the packet filters of others: for each session what the neighbour sends
first, and of the IGP one packet of each kind on each link."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from netaddr import IPAddress

from netc.diagnostic import KeyPath
from netc.language.igp import IgpKind
from netc.language.names import InterfaceName
from netc.language.values import Family
from netc.plan.facts import Router
from netc.plan.routing_ruleset import BFD_FAR_PORT, BFD_PORT, opened_by_igp, opened_by_session
from netc.plan.ruleset import Opening
from netc.plan.walks import Walk

Ends = Mapping[InterfaceName, Sequence[tuple[IPAddress, IPAddress]]]
"""Of each link: our address and that of the other end, at most one pair a family."""


GROUPS: dict[IgpKind, tuple[IPAddress, ...]] = {
    "ospf": (IPAddress("224.0.0.5"), IPAddress("ff02::5")),
    "babel": (IPAddress("ff02::1:6"),),
}
"""Where routers find each other (RFC 2328, RFC 5340, RFC 8966)."""

FARTHEST = 255
"""The TTL of a packet of BFD (RFC 5881), and of a session with `gtsm` (RFC 5082), when it is sent."""


def routing_walks(origin: KeyPath, router: Router, ends: Ends) -> Iterator[Walk]:
    for session in router.sessions:
        # Between loopbacks, packets come by any link of the IGP: the first is asked.
        is_inner = session.kind in ("ibgp", "confederation", "fake") and router.igp
        device = session.device or (router.igp[0].device if is_inner else None)
        ttl = FARTHEST + 1 - (session.hops or 1) if session.gtsm else None
        yield from _packets(opened_by_session(session), device, session.local, session.remote, ttl)
    for interface in router.igp:
        pairs = {own.version: (own, other) for own, other in ends.get(interface.device, ())}
        for opening, group in product(opened_by_igp(origin, interface), GROUPS[interface.kind]):
            if group.version not in pairs or (interface.kind == "ospf" and group.version not in interface.families):
                continue
            own, other = pairs[group.version]
            is_bfd = BFD_PORT in opening.ports
            yield from _packets(opening, interface.device, own if is_bfd else group, other, None)


def _packets(
    opening: Opening, device: InterfaceName | None, own: IPAddress | None, other: IPAddress, ttl: int | None
) -> Iterator[Walk]:
    family: Family = 4 if other.version == 4 else 6
    if opening.protocol is not None:
        yield Walk(opening.origin, family, device, other, opening.protocol, own, 0, ttl=ttl)
    for ports in opening.ports:
        ttl = FARTHEST if ports in (BFD_PORT, BFD_FAR_PORT) else ttl
        yield Walk(opening.origin, family, device, other, ports.protocol, own, ports.first, ttl=ttl)
