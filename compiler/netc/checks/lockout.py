"""Checks that no change locks you out: it follows connections to ssh through the rules of each host.

Other checks have already refused the errors that they know. This one does not read the topology: it follows packets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct
from netaddr import IPAddress

from netc.diagnostic import Diagnostic, KeyPath, dotted
from netc.features import FEATURES, interfaces
from netc.language.names import HostName, InterfaceName
from netc.language.values import Family, Ports
from netc.network.interface import Network
from netc.network.ranges import BITS, Ranges, holds, of_prefixes
from netc.network.sets import Members, members
from netc.network.strangers import strangers
from netc.network.uplinks import own_addresses, uplink_interfaces
from netc.plan.facts import Address, Ruleset
from netc.plan.filtering import InputRule, input_rules
from netc.plan.host_plan import HostPlan
from netc.plan.join import join
from netc.plan.ruleset import Denial, DestinationNat, Opening, RepliesOnly, Sources

UPLINK = InterfaceName("uplink")
"""The uplink of a host without `wan`. No rule can name it."""


class Syn(Struct, frozen=True):
    """The first packet of a TCP connection."""

    device: InterfaceName
    source: IPAddress
    to: IPAddress
    port: int


def filtering(host: HostName, network: Network) -> HostPlan:
    """The part of a host's plan that has rules: interfaces of tunnels have none."""
    shares = [share for feature in FEATURES if feature is not interfaces for share in feature.plan(host, network)]
    return join(network.topology.network.name, host, network.topology.hosts[host].netfilter, shares)


def check_plan(plan: HostPlan, network: Network) -> Iterator[Diagnostic]:
    """Of a host's ssh. Each key is reported once, however many packets it takes."""
    host, port = plan.host, network.topology.hosts[plan.host].ssh
    reported: set[KeyPath] = set()
    held = tuple(address for part in plan.parts for address in part.every(Address) if address.namespace is None)
    for ruleset in rulesets(plan):
        rules = Rules(ruleset, port)
        for device, to in _arrivals(host, held, network, rules):
            for source in rules.representatives(to, device):
                thief = rules.taken_by(Syn(device, source, to, port))
                if thief is not None and thief not in reported:
                    reported.add(thief)
                    what = f"{source} could not reach ssh of {host} at {to} ({port}/tcp)"
                    hint = "write another port: ssh must stay reachable from everywhere"
                    yield Diagnostic(
                        "NC1401", thief, f"{what}: {dotted(thief)} takes the connection", hint, on_key=True
                    )


def rulesets(plan: HostPlan) -> tuple[Ruleset, ...]:
    return tuple(ruleset for part in plan.parts if part.kind == "firewall" for ruleset in part.every(Ruleset))


def _arrivals(
    host: HostName, held: tuple[Address, ...], network: Network, rules: Rules
) -> Iterator[tuple[InterfaceName, IPAddress]]:
    """Every address of the host by each uplink; those of a tunnel and of the uplinks also by that tunnel, unless
    strangers are behind it, who reach ssh only if the author opens it. Without addresses that no rule can keep ssh
    from."""
    closed = {interface.name for interface in strangers(host, network)}
    tunnels = [i for i in network.interfaces[host] if i.namespace is None and i.name not in closed]
    declared = own_addresses(host, network)
    made = (*(address.network.ip for address in held), *(net.ip for i in tunnels for net in i.addresses))
    everywhere = tuple(dict.fromkeys((*declared, *(ip for ip in made if not ip.is_link_local()))))
    all_of_it, the_uplinks = Places(everywhere), Places(declared)
    for device in uplink_interfaces(host, network) or (UPLINK,):
        yield from ((device, ip) for ip in rules.in_danger(device, all_of_it))
    for interface in tunnels:
        yield from ((interface.name, net.ip) for net in interface.addresses)
        yield from ((interface.name, ip) for ip in rules.in_danger(interface.name, the_uplinks))


class Places:
    """Addresses in order, and a filter that keeps this order."""

    def __init__(self, addresses: tuple[IPAddress, ...]) -> None:
        self.all = addresses
        self._order = {ip: number for number, ip in enumerate(addresses)}

    def among(self, some: Iterable[IPAddress]) -> list[IPAddress]:
        return sorted((ip for ip in set(some) if ip in self._order), key=self._order.__getitem__)


class Rules:
    """One host's rules, which are applied to many packets to one port."""

    def __init__(self, ruleset: Ruleset, port: int) -> None:
        self.ruleset, self.port = ruleset, port
        self._known: dict[int, Members] = {}
        """By identity, of what the ruleset holds."""
        order = tuple(input_rules(ruleset))
        # They come before all others, and no rule of `Always` matches a new TCP connection from another host.
        self.answering = {rule.device: rule for rule in reversed(order) if isinstance(rule, RepliesOnly)}
        self.order = tuple(_deciding(order))
        self.sets = {found.name: Members(found.v4, found.v6) for found in ruleset.sets}
        self._forwards: dict[InterfaceName | None, dict[IPAddress, KeyPath]] = {}
        for forward in ruleset.forwards:
            if _holds(forward.ports, port):
                self._forwards.setdefault(forward.device, {}).setdefault(forward.on, forward.origin)
        self._nats: dict[IPAddress, list[DestinationNat]] = {}
        for nat in ruleset.nats:
            for ip in dict.fromkeys(nat.on) if (nat.port.number, nat.port.protocol) == (port, "tcp") else ():
                self._nats.setdefault(ip, []).append(nat)

        self._allowed: dict[tuple[int, int], Ranges] = {}
        first = self.order[0] if self.order else None
        shuts = ruleset.filter is not None and ruleset.filter.input == "drop"
        self._ssh_is_open = _is_for_all(first, port) if first else not shuts

    def in_danger(self, device: InterfaceName, places: Places) -> Sequence[IPAddress]:
        """Addresses at which a rule may keep packets of a device from ssh: mostly none."""
        if device in self.answering or not self._ssh_is_open:
            return places.all
        return places.among((*self._forwards.get(device, ()), *self._nats))

    def members(self, sources: Sources) -> Members:
        if id(sources) not in self._known:
            self._known[id(sources)] = members((*sources.prefixes, *sources.sets), self.sets)
        return self._known[id(sources)]

    def representatives(self, to: IPAddress, device: InterfaceName) -> tuple[IPAddress, ...]:
        """One address of each part of the address space that rules distinguish, up to the first rule that accepts
        everything."""
        family: Family = 4 if to.version == 4 else 6
        edges = {0}
        for nat in self._nats.get(to, ()):
            edges |= {edge for net in nat.sources if net.version == family for edge in (net.first, net.last + 1)}
        for rule in self.order:
            if (
                isinstance(rule, Opening)
                and rule.sources is None
                and self._lets_in(rule, Syn(device, to, to, self.port))
            ):
                break
            if rule.sources:
                edges |= {edge for first, last in self.members(rule.sources).of(family) for edge in (first, last + 1)}
        return tuple(IPAddress(edge, family) for edge in sorted(edges) if edge < 2 ** BITS[family])

    def taken_by(self, syn: Syn) -> KeyPath | None:
        """The key that keeps the connection from the host's own processes. None if it reaches them."""
        return self._led_away(syn) or self._shut_out(syn)

    def _led_away(self, syn: Syn) -> KeyPath | None:
        if origin := self._forwards.get(syn.device, {}).get(syn.to):
            return origin
        for nat in self._nats.get(syn.to, ()):
            if not nat.sources or holds(self._sources(nat, syn.source), syn.source):
                return nat.origin
        return None

    def _sources(self, nat: DestinationNat, like: IPAddress) -> Ranges:
        """Sources that the rule translates, in the family of an address."""
        family: Family = 4 if like.version == 4 else 6
        if (id(nat), family) not in self._allowed:
            self._allowed[id(nat), family] = of_prefixes(nat.sources, family)
        return self._allowed[id(nat), family]

    def _shut_out(self, syn: Syn) -> KeyPath | None:
        if syn.device in self.answering:
            return self.answering[syn.device].origin
        for rule in self.order:
            match rule:
                case Denial():
                    if syn.source in self.members(rule.sources):
                        return rule.origin
                case Opening():
                    if self._lets_in(rule, syn):
                        return None
        policy = self.ruleset.filter
        return policy.origin if policy and policy.input == "drop" else None

    def _lets_in(self, opening: Opening, syn: Syn) -> bool:
        return (
            opening.protocol is None
            and (not opening.ports or any(_holds(ports, syn.port) for ports in opening.ports))
            and (not opening.devices or syn.device in opening.devices)
            and (not opening.on or syn.to in opening.on)
            and (opening.sources is None or syn.source in self.members(opening.sources))
        )


def _deciding(order: Iterable[InputRule]) -> Iterator[Denial | Opening]:
    """What decides of a new connection. Rules about strangers are not among them: `_arrivals` has none of theirs."""
    yield from (rule for rule in order if isinstance(rule, (Denial, Opening)))


def _is_for_all(rule: Denial | Opening, port: int) -> bool:
    if isinstance(rule, Denial) or rule.sources or rule.devices or rule.on or rule.protocol is not None:
        return False
    return not rule.ports or any(_holds(ports, port) for ports in rule.ports)


def _holds(ports: Ports, port: int) -> bool:
    return ports.protocol == "tcp" and ports.first <= port <= ports.last
