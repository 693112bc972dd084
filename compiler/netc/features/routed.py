"""Routes of BIRD in a table of their own, which the host's own traffic does not use.

    [hosts.fra]
    bgp.table = "own"

A part of its own, which stays up while BIRD restarts. Packets with an address of ours, and packets that came in by a
link between routers, use the main table without its default route, then BIRD's table. Others of them are rejected.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace
from netaddr import IPAddress, IPNetwork

from netc.language.names import HostName, PartName
from netc.language.values import Family
from netc.network.derive import MAIN
from netc.network.interface import Network
from netc.network.routed import ROUTED, ROUTED_PART, Routed, has_own_table, routed
from netc.network.speakers import families
from netc.plan.facts import RoutingPolicy, Rule
from netc.plan.host_plan import Part, Share
from netc.plan.numbers import Number

APART, NEAR, OWN, NOWHERE = 12010, 12011, 12012, 12013
"""Priorities: after the rules of splits, links and uplinks, which are about other addresses."""

NUMBERS = (
    Number("table", ROUTED, "the routes of BIRD", PartName("bird")),
    Number("priority", APART, "addresses of the host itself and of peers use main alone"),
    Number("priority", NEAR, "packets of the network use main, without its default route"),
    Number("priority", OWN, f"packets of the network use table {ROUTED}"),
    Number("priority", NOWHERE, "packets of the network with no route are refused"),
)


def plan(host: HostName, network: Network) -> Iterator[Share]:
    topology = network.topology
    if topology.bgp and has_own_table(host, topology):
        found = routed(host, network)
        spoken: set[Family] = {*families(topology.bgp), *(4 if net.version == 4 else 6 for net in found.sources)}
        rules = tuple(rule for family in sorted(spoken) for rule in _rules(family, found))
        about = f"the policy rules of {host} for the routing table of BIRD"
        facts = (RoutingPolicy(rules),) if rules else ()
        yield Share(parts=(Part(ROUTED_PART, ("hosts", host, "bgp", "table"), about, facts=facts, numbers=NUMBERS),))


def _rules(family: Family, found: Routed) -> Iterator[Rule]:
    apart = Rule(family, APART, MAIN)
    yield from (replace(apart, to=_alone(ip)) for ip in found.dialled if ip.version == family)
    yield from (replace(apart, source=_alone(ip)) for ip in found.outer if ip.version == family)
    for one in found.returning:
        if one.source.version == family:
            yield replace(apart, source=_alone(one.source), device=one.device)
    ours = [Rule(family, NOWHERE, None, source=net) for net in found.sources if net.version == family]
    ours += [Rule(family, NOWHERE, None, device=device) for device in found.devices]
    there = [Rule(family, OWN, ROUTED, to=net) for net in found.destinations if net.version == family]
    for priority, table in ((NEAR, MAIN), (OWN, ROUTED)):
        specific = table == MAIN
        yield from (replace(rule, priority=priority, table=table, specific=specific) for rule in (*ours, *there))
    yield from ours


def _alone(ip: IPAddress) -> IPNetwork:
    return IPNetwork(f"{ip}/{32 if ip.version == 4 else 128}")
