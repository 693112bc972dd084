"""The IGP of a router as BIRD's protocols."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from netc.emit.bird import exports
from netc.emit.bird.router import router_families, secret_at
from netc.emit.bird.tree import Babel, BabelInterface, Channel, Ospf, OspfInterface, Protocol, Static
from netc.language.names import ProtocolName
from netc.plan.facts import Router
from netc.plan.facts.router import BABEL

LOOPBACK = "Our loopback addresses, for Babel."


def protocols(router: Router) -> Iterator[Protocol]:
    yield from _ospf(router)
    yield from _babel(router)


def _ospf(router: Router) -> Iterator[Protocol]:
    spoken = tuple(i for i in router.igp if i.kind == "ospf")
    for family in router_families(router) if spoken else ():
        interfaces = tuple(OspfInterface(i.device, i.cost, i.bfd) for i in spoken if family in i.families)
        stubs = tuple(net for net in router.loopbacks if net.version == family)
        channel = Channel(family, True, False)
        if interfaces:
            version: Literal["v2", "v3"] = "v2" if family == 4 else "v3"
            yield Ospf(ProtocolName(f"ospf{family}"), version, channel, stubs, interfaces)


def _babel(router: Router) -> Iterator[Protocol]:
    """It announces routes of BIRD's table, so the host's own addresses are static routes there."""
    spoken = tuple(i for i in router.igp if i.kind == "babel")
    families = sorted({family for interface in spoken for family in interface.families})
    for family in families:
        here = tuple(net for net in router.loopbacks if net.version == family)
        if here:
            yield Static(ProtocolName(f"loopback{family}"), LOOPBACK, family, here)
    if spoken:
        channels = tuple(Channel(family, True, exports.export_babel(router, family)) for family in families)
        interfaces = tuple(
            BabelInterface(
                i.device, i.cost, i.next_hop, i.extended_next_hop, i.rtt_cost, secret_at(BABEL) if i.password else None
            )
            for i in spoken
        )
        yield Babel(BABEL, channels, interfaces)
