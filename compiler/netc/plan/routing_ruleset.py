"""What the packet filter of a router accepts and forwards."""

from __future__ import annotations

from msgspec.structs import replace
from netaddr import IPNetwork

from netc.diagnostic import KeyPath
from netc.language.names import InterfaceName
from netc.language.values import Ports
from netc.plan.bgp import Session
from netc.plan.facts import Router, Ruleset
from netc.plan.ruleset import Opening, Sources, Transit

BGP_PORT = Ports(179, 179, "tcp")
BFD_PORT, BFD_FAR_PORT = Ports(3784, 3784, "udp"), Ports(4784, 4784, "udp")
"""RFC 5881, and RFC 5883 for several hops."""

OSPF = 89
BABEL_PORT = Ports(6696, 6696, "udp")
"""RFC 8966."""


def routing_ruleset(
    origin: KeyPath, router: Router, devices: tuple[InterfaceName, ...], *, is_filtered: bool
) -> Ruleset:
    if not is_filtered:
        return Ruleset(origin)
    openings = [_opening(session) for session in router.sessions]
    for interface in router.igp:
        spoken = Opening(origin, devices=(interface.device,), protocol=OSPF)
        openings.append(replace(spoken, protocol=None, ports=(BABEL_PORT,)) if interface.kind == "babel" else spoken)
        if interface.bfd:
            openings.append(Opening(origin, devices=(interface.device,), ports=(BFD_PORT,)))
    transits = (Transit(origin, devices),) if devices else ()
    return Ruleset(origin, openings=tuple(openings), transits=transits)


def _opening(session: Session) -> Opening:
    bfd = BFD_PORT if session.direct else BFD_FAR_PORT
    ports = (BGP_PORT, bfd) if session.bfd else (BGP_PORT,)
    source = Sources((IPNetwork(session.remote),))
    return Opening(session.origin, source, (session.device,) if session.device else (), ports=ports)
