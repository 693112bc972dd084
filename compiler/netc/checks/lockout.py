"""The promise that every network has, written or not: ssh of each host can be reached from everywhere. It is proved as
expectations are, by a walk of every packet that rules could tell apart.

Other checks have already refused the errors that they know. This one does not read the topology's rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netaddr import IPAddress

from netc.diagnostic import Diagnostic, KeyPath, dotted
from netc.features import FEATURES, interfaces
from netc.language.names import HostName
from netc.language.values import Family
from netc.network.interface import Network
from netc.network.ranges import Ranges, merged
from netc.network.strangers import strangers
from netc.network.uplinks import own_addresses, uplink_interfaces
from netc.plan.facts import Address, Ruleset
from netc.plan.host_plan import HostPlan
from netc.plan.join import join
from netc.walk.door import Entrance, door, kept_out
from netc.walk.packet import TCP, Packet, text
from netc.walk.space import Box, parts, representative
from netc.walk.stack import Stack

BUDGET = 100_000
FAMILIES: tuple[Family, Family] = (4, 6)
EVERYONE: dict[Family, Ranges] = {4: ((0, (127 << 24) - 1), (128 << 24, (1 << 32) - 1)), 6: ((0, (1 << 128) - 1),)}
"""Nobody else has an address in 127.0.0.0/8."""


def filtering(host: HostName, network: Network) -> HostPlan:
    """The part of a host's plan that has rules: interfaces of tunnels have none."""
    shares = [share for feature in FEATURES if feature is not interfaces for share in feature.plan(host, network)]
    return join(network.topology.network.name, host, network.topology.hosts[host].netfilter, shares)


def rulesets(plan: HostPlan) -> tuple[Ruleset, ...]:
    return tuple(ruleset for part in plan.parts if part.kind == "firewall" for ruleset in part.every(Ruleset))


def check_plan(plan: HostPlan, network: Network) -> Iterator[Diagnostic]:
    """Of a host's ssh. Each key is reported once, however many packets it takes."""
    host, port = plan.host, network.topology.hosts[plan.host].ssh
    reported: set[KeyPath] = set()
    for ruleset in rulesets(plan):
        for thief, packet in _taken(door(host, ruleset), plan, network, port):
            if thief not in reported:
                reported.add(thief)
                source, to = (text(packet.family, number) for number in (packet.source, packet.to))
                what = f"{source} could not reach ssh of {host} at {to} ({port}/tcp)"
                hint = "write another port: ssh must stay reachable from everywhere"
                yield Diagnostic("NC1401", thief, f"{what}: {dotted(thief)} takes the connection", hint, on_key=True)


def _taken(stack: Stack, plan: HostPlan, network: Network, port: int) -> Iterator[tuple[KeyPath, Packet]]:
    """What does not reach ssh: the key that takes it, and one packet."""
    everything = _box(_held(plan, network), port)
    devices = _devices(plan.host, network)
    asked: set[str] = set()
    for box in everything:
        for other in _each(stack, Entrance("another"), box, asked):
            if devices - asked:
                yield other
    for device in sorted(devices & asked):
        for box in everything:
            yield from _each(stack, device, box, set())


def _each(stack: Stack, device: str, box: Box, asked: set[str]) -> Iterator[tuple[KeyPath, Packet]]:
    if isinstance(device, Entrance):
        device.asked = asked
    for part, thief in parts(box, lambda packet: kept_out(stack, device, packet), BUDGET):
        if thief is not None:
            yield thief, representative(part)


def _box(held: Iterable[IPAddress], port: int) -> list[Box]:
    """From everywhere, to each address of the host."""
    found = []
    for family in FAMILIES:
        to = merged((int(ip), int(ip)) for ip in held if ip.version == family)
        if to:
            found.append(Box(family, TCP, EVERYONE[family], to, ((1024, 65535),), ((port, port),)))
    return found


def _held(plan: HostPlan, network: Network) -> list[IPAddress]:
    held = (fact.network.ip for part in plan.parts for fact in part.every(Address) if fact.namespace is None)
    tunnels = (i for i in network.interfaces[plan.host] if i.namespace is None)
    made = (*held, *(net.ip for interface in tunnels for net in interface.addresses))
    return list(dict.fromkeys((*own_addresses(plan.host, network), *(ip for ip in made if not ip.is_link_local()))))


def _devices(host: HostName, network: Network) -> set[str]:
    """Uplinks, and tunnels but for those to strangers, who reach ssh only if the author opens it."""
    closed = {interface.name for interface in strangers(host, network)}
    tunnels = {i.name for i in network.interfaces[host] if i.namespace is None and i.name not in closed}
    return {*map(str, uplink_interfaces(host, network) or ("uplink",)), *map(str, tunnels)}
