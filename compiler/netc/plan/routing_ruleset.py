"""What the packet filter of a router accepts and forwards."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace
from netaddr import IPNetwork

from netc.diagnostic import KeyPath
from netc.language.names import InterfaceName
from netc.language.values import Ports
from netc.plan.bgp import IgpInterface, Session
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
    openings = [opened_by_session(session) for session in router.sessions]
    openings += [opening for interface in router.igp for opening in opened_by_igp(origin, interface)]
    transits = (Transit(origin, devices),) if devices else ()
    return Ruleset(origin, openings=tuple(openings), transits=transits)


def opened_by_session(session: Session) -> Opening:
    bfd = BFD_PORT if session.direct else BFD_FAR_PORT
    ports = (BGP_PORT, bfd) if session.bfd else (BGP_PORT,)
    source = Sources((IPNetwork(session.remote),))
    return Opening(session.origin, source, (session.device,) if session.device else (), ports=ports)


def opened_by_igp(origin: KeyPath, interface: IgpInterface) -> Iterator[Opening]:
    spoken = Opening(origin, devices=(interface.device,), protocol=OSPF)
    yield replace(spoken, protocol=None, ports=(BABEL_PORT,)) if interface.kind == "babel" else spoken
    if interface.bfd:
        yield Opening(origin, devices=(interface.device,), ports=(BFD_PORT,))
