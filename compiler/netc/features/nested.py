"""Tunnels in tunnels: the outer packets of the inner one leave by the outer one, or not at all.

    [hosts.box.tunnels.entry]
    routes = "203.0.113.9/32"
    [hosts.box.tunnels.exit]
    peer = { endpoint = "203.0.113.9:51820", … }

A part of its own, which stays up while the outer tunnel is down and without which the inner one is not up. WireGuard
marks its packets, whatever address its peer moves to. Other kinds have a fixed peer, and a rule for that address. The
routes by the outer interface come and go with its part (`features.interfaces`).

Nobody knows which peer a program has, or a DNS name. On a host with such a tunnel, the prefixes that other tunnels lead
to are unreachable while those are down.
"""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPNetwork

from netc.language.names import HostName
from netc.language.values import Family
from netc.network.derive import EVERYTHING
from netc.network.interface import Network
from netc.network.nested import NESTED, NESTED_MARK, NESTED_PART, Nested, nested
from netc.plan.facts import Route, Rule
from netc.plan.host_plan import Part, Share
from netc.plan.numbers import Number

PRIORITY = 5110
"""After the rules for marks of splits, and before all that would choose another table for the same packets."""

NUMBERS = (
    Number("table", NESTED, "the routes to peers of tunnels in tunnels", NESTED_PART),
    Number("priority", PRIORITY, f"outer packets of tunnels in tunnels use table {NESTED}"),
)


def plan(host: HostName, network: Network) -> Iterator[Share]:
    found = nested(host, network)
    if found.outer or found.held:
        about = f"the routes of {host} for tunnels in tunnels"
        facts = (*_routes(found), *_rules(found))
        yield Share(parts=(Part(NESTED_PART, ("hosts", host), about, facts=facts, numbers=NUMBERS),))


def _families(found: Nested) -> tuple[Family, ...]:
    """WireGuard answers a peer at the address where it was heard last, of either family."""
    families: tuple[Family, ...] = (4, 6)
    if found.marked:
        return families
    spoken = {net.version for nets in found.led.values() for net in nets}
    return tuple(family for family in families if family in spoken)


def _routes(found: Nested) -> Iterator[Route]:
    """A prefix has a route of its own: a shorter one by another interface must not take its packets."""
    nets = {net for nets in found.led.values() for net in nets}
    nets |= {net for net in EVERYTHING if net.version in _families(found)}
    yield from (Route(net, None, table=NESTED) for net in sorted(nets))
    yield from (Route(net, None) for net in found.held)


def _rules(found: Nested) -> Iterator[Rule]:
    for family in _families(found):
        if found.marked:
            yield Rule(family, PRIORITY, NESTED, mark=NESTED_MARK)
        alone = (IPNetwork(ip) for ip in found.dialled if ip.version == family)
        yield from (Rule(family, PRIORITY, NESTED, to=net) for net in alone)
