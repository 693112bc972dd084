"""Firewall rules that match something, and that no other key cancels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netaddr import IPAddress

from netc.diagnostic import Diagnostic, KeyPath, Severity
from netc.language.firewall import Allow, Firewall
from netc.language.names import HostName, Wrong
from netc.language.sets import Source
from netc.network.bgp import link_ends
from netc.network.interface import Interface, Network, outer_ends
from netc.network.namespaces import host_end
from netc.network.sets import Members, members
from netc.plan.facts import Router
from netc.plan.host_plan import HostPlan
from netc.plan.routing_walks import routing_walks
from netc.plan.walks import Walk


def check(network: Network) -> Iterator[Diagnostic]:
    for host, table in network.topology.hosts.items():
        if table.firewall:
            yield from _firewall(host, table.firewall, network)


def check_plan(plan: HostPlan, network: Network) -> Iterator[Diagnostic]:
    """Neighbours of a router that its firewall denies. What they send first is dropped, as all of OSPF and Babel is."""
    wall = network.topology.hosts[plan.host].firewall
    denied = members(wall.deny, network.sets) if wall else None
    if not denied:
        return
    routers = (fact for part in plan.parts for fact in part.every(Router))
    shut: dict[IPAddress, Walk] = {}
    for router in routers:
        for walk in routing_walks((), router, link_ends(plan.host, network)):
            if denied and walk.source in denied:
                shut.setdefault(walk.source, walk)
    for ip, walk in list(shut.items())[:1]:
        by = f" at {walk.device}" if walk.device and ip.is_link_local() else ""
        whose = "neighbours of the router: what they send first is dropped"
        if len(shut) == 1:
            whose = "a neighbour of the router: what it sends first is dropped"
        others = f" and {len(shut) - 1} more" if len(shut) > 1 else ""
        what = f"`deny` contains {ip}{by}{others}, {whose}"
        where: KeyPath = ("hosts", plan.host, "firewall", "deny")
        also = (walk.origin,) if walk.origin else ()
        yield Diagnostic("NC1409", where, what, "take its prefix out of `deny`", also, Severity.WARNING)


def named_sources(host: HostName, wall: Firewall) -> Iterator[tuple[KeyPath, Source]]:
    """Every source that a firewall names, and where."""
    origin: KeyPath = ("hosts", host, "firewall")
    for index, source in enumerate(wall.deny):
        yield (*origin, "deny", index), source
    for number, allow in enumerate(wall.allow):
        for index, source in enumerate(allow.from_):
            yield (*origin, "allow", number, "from", index), source


def _firewall(host: HostName, wall: Firewall, network: Network) -> Iterator[Diagnostic]:
    where: KeyPath = ("hosts", host, "firewall")
    for key, policy, said in (("allow", "input", wall.allow), ("pass", "forward", wall.pass_)):
        if said and getattr(wall, policy) == "accept":
            what = f'`{key}` has no effect with `{policy} = "accept"`, which accepts everything'
            yield Diagnostic("NC1407", (*where, key), what, f'leave it out, or write `{policy} = "drop"`', on_key=True)
    elsewhere = dict(_elsewhere(host, network))
    denied = members(wall.deny, network.sets)
    for index, allow in enumerate(wall.allow):
        at: KeyPath = (*where, "allow", index)
        yield from _says_something(allow, at)
        for number, device in enumerate(allow.interface):
            if device in elsewhere:
                yield _never(device, elsewhere[device], (*at, "interface", number))
        own = members(allow.from_, network.sets)
        if own and denied and not own - denied:
            what = "`deny` comes before `allow`, and drops all sources of this rule"
            cure = "take the sources out of `deny`, or leave the rule out"
            yield Diagnostic("NC1408", (*at, "from"), what, cure, ((*where, "deny"),), Severity.WARNING)
        elif denied:
            yield from _denied_in_part(allow, denied, at, (*where, "deny"), network)
    for index, passed in enumerate(wall.pass_):
        for key, device in (("from", passed.from_), ("to", passed.to)):
            if device in elsewhere:
                yield _never(device, elsewhere[device], (*where, "pass", index, key))
    if denied:
        yield from _denied_tunnels(network.interfaces[host], denied, where)
    yield from _denied_bridges(host, denied, network)


def _denied_in_part(
    allow: Allow, denied: Members, at: KeyPath, deny: KeyPath, network: Network
) -> Iterator[Diagnostic]:
    for number, source in enumerate(allow.from_):
        part = members((source,), network.sets)
        if part and not part - denied:
            what = f"`deny` comes before `allow`, and drops all of `{source}`"
            cure = f"take {source} out of `deny`, or leave it out of `from`"
            yield Diagnostic("NC1408", (*at, "from", number), what, cure, (deny,), Severity.WARNING)


def _says_something(allow: Allow, at: KeyPath) -> Iterator[Diagnostic]:
    given = allow.model_fields_set
    if not (allow.ports or allow.from_ or allow.interface) and not given:
        what = "the rule has no `ports`, `from` or `interface`, so it accepts everything"
        yield Diagnostic(
            "NC1406",
            at,
            what,
            'name `ports`, `from` or `interface`, or write `input = "accept"` in place of all rules',
        )
    for field in ("ports", "from_", "interface"):
        if field in given and not getattr(allow, field):
            key = field.rstrip("_")
            yield Diagnostic("NC1405", (*at, key), f"`{key}` is empty, so the rule accepts nothing", _unsaid(key))


KEYS = {"ports": "ports", "from": "sources", "interface": "interfaces"}
"""Keys of a rule, and what each selects."""


def _unsaid(key: str) -> str:
    return f"leave it out to accept all {KEYS[key]}, or name some"


def _elsewhere(host: HostName, network: Network) -> Iterator[tuple[str, str]]:
    """Interfaces by which no new connection reaches the host, and why."""
    for interface in network.interfaces[host]:
        if interface.namespace:
            yield interface.name, f"is in namespace `{interface.namespace}`"
    for name, settings in sorted(network.topology.hosts[host].namespaces.items()):
        try:
            end = host_end(name, settings)
        except Wrong:
            continue  # `names` reports it
        if settings.access:
            yield end, f"leads into namespace `{name}`: only `publish` opens it"


def _never(device: str, why: str, where: KeyPath) -> Diagnostic:
    return Diagnostic(
        "NC1405", where, f"the rule has no effect on `{device}`, which {why}", "leave it out, or name another interface"
    )


def _denied_tunnels(interfaces: Iterable[Interface], denied: Members, where: KeyPath) -> Iterator[Diagnostic]:
    """A denied source gets through only in replies: a tunnel to it works only while this host sends first."""
    for interface in interfaces:
        far = (end for end in outer_ends(interface) if isinstance(end, IPAddress))
        shut = next((ip for ip in far if ip in denied), None)
        if shut is not None:
            what = f"`deny` contains {shut}, the peer of {interface.name}, so {interface.host} has to send first"
            at: KeyPath = (*where, "deny")
            yield Diagnostic("NC1409", at, what, "take its prefix out of `deny`", (interface.where,), Severity.WARNING)


def _denied_bridges(host: HostName, denied: Members, network: Network) -> Iterator[Diagnostic]:
    """`bogons` and `private` are meant for the internet, and also contain the addresses of containers."""
    for name, bridge in sorted(network.topology.hosts[host].bridges.items()):
        at: KeyPath = ("hosts", host, "bridges", name, "addresses")
        for index, net in enumerate(bridge.addresses):
            if not net.ip.is_link_local() and not members((net.cidr,), {}) - denied:
                what = f"`deny` contains {net.cidr} of bridge `{name}`, so its containers cannot start connections"
                hint = f'to let them, deny a set of your own with `minus = "{net.cidr}"`'
                wall: KeyPath = ("hosts", host, "firewall", "deny")
                yield Diagnostic("NC1410", wall, what, hint, ((*at, index),), Severity.WARNING)
