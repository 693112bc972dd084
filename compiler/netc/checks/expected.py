"""What an expectation is about: who sends, what is dialled, and by which interfaces, as sets of packets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct
from netaddr import AddrFormatError, IPAddress, IPNetwork

from netc.language.expect import Sender
from netc.language.units import ServiceName
from netc.language.values import Family
from netc.network.interface import Network
from netc.network.ranges import Ranges, merged, minus, of_prefixes
from netc.plan.facts import Router, Ruleset, Wireguard
from netc.walk.journey import Neighbour, Process, Start, Stranger
from netc.walk.packet import ICMP, ICMP6, PROTOCOLS, TCP, UDP, Owner
from netc.walk.places import Where, Wrong, addresses, of_service, stack_of, start_of, where
from netc.walk.space import Box
from netc.walk.stack import Place, Stack
from netc.walk.world import FAMILIES, NAMED, ROUTERS, SECRET, UNNAMED, World, is_tunnel

ANY_PORT: Ranges = ((1, 65535),)
ASKING: Ranges = ((1024, 65535),)
"""Ports that a program asks from. Lower ones belong to servers: a DHCP server answers from port 67."""
NO_PORT: Ranges = ((0, 0),)
OTHER = 99
"""A protocol of IP that no rule names (IANA: any private encryption scheme)."""
EVERYWHERE: dict[Family, Ranges] = {4: ((1 << 24, (224 << 24) - 1),), 6: ((1 << 125, (1 << 126) - 1),)}
"""What unicast packets of the internet may have: 1.0.0.0 to 223.255.255.255, and 2000::/3."""
STAND_INS: dict[Family, Ranges] = {
    4: of_prefixes([IPNetwork("198.18.0.0/15")], 4),
    6: of_prefixes([IPNetwork("2001:2::/48")], 6),
}


class From(Struct, frozen=True):
    """Who sends, and the source addresses by family: none if the kernel chooses."""

    text: str
    start: Start
    sources: dict[Family, Ranges]
    port: int | None = None
    """The only port that it sends from."""


class To(Struct, frozen=True):
    """What is dialled: addresses by family, and ports by protocol."""

    text: str
    addresses: dict[Family, Ranges]
    ports: tuple[tuple[int, Ranges], ...]
    place: Place | None = None
    """Where, if one of our hosts is dialled."""


def internet(made: World, family: Family) -> Ranges:
    """Every address of somebody else: not ours, and not those that stand for what the topology does not say."""
    ours = [(number, number) for of, number in made.holders if of == family]
    ours += [(number, number) for stack in made.stacks.values() for of, number in stack.shared if of == family]
    ours += [(net.first, net.last) for net, _, _ in made.brought if net.version == family]
    taken = merged((*SECRET[family], *STAND_INS[family], *ours))
    return minus(EVERYWHERE[family], taken)


NOBODYS: dict[Family, Ranges] = {
    4: of_prefixes(map(IPNetwork, ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")), 4),
    6: of_prefixes(map(IPNetwork, ("::/8", "fe80::/10", "ff00::/8")), 6),
}
"""Addresses that no packet has between networks."""


def _nobodys(made: World, family: Family) -> Ranges:
    """What is in a set and is not somebody else's."""
    ours = [(number, number) for of, number in made.holders if of == family]
    return merged((*NOBODYS[family], *STAND_INS[family], *ours))


def senders(named: str | Sender, made: World, network: Network) -> Iterator[From]:
    """Raises Wrong."""
    if isinstance(named, Sender):
        start = start_of(where(str(named.host), made), made, Owner(named.group, named.user, named.slice))
        if named.tunnel:
            yield _outer(named, made)
            return
        if named.service:
            start = _service(named, named.service, made)
        who = next((f", {what} {name}" for what, name in _programs(named) if name), "")
        yield From(f"{named.host}{who}", start, {4: (), 6: ()})
        return
    if peer := re.fullmatch(r"(.+)\.peers\.(.+)", named):
        yield _neighbour(named, peer[1], peer[2], made)
        return
    if end := re.fullmatch(r"(.+)\.(?:links|tunnels)\.(.+)", named):
        yield _beyond(named, end[1], end[2], made)
        return
    if nets := _outside(named, made, network):
        yield From(named, Stranger(), nets)
        return
    place = where(named, made)
    start = start_of(place, made, Owner())
    if isinstance(start, Neighbour) and place.address is not None:
        family: Family = 4 if place.address.version == 4 else 6
        yield From(named, start, {family: ((int(place.address), int(place.address)),)})
    else:
        yield From(named, start, {4: (), 6: ()})


def _outer(named: Sender, made: World) -> From:
    """What a WireGuard interface sends to its peers, by the host's own stack. Raises Wrong."""
    found = [
        device.made
        for stack, device in made.devices()
        if stack.place[0] == named.host and isinstance(device.made, Wireguard)
        if device.name == named.tunnel or (device.origin and device.origin[-1] == named.tunnel)
    ]
    if not found:
        raise Wrong(f"{named.host} has no WireGuard tunnel `{named.tunnel}`")
    start = Process((named.host, None), None, found[0].mark or 0)
    return From(f"{named.host}, tunnel {named.tunnel}", start, {4: (), 6: ()}, found[0].port)


def _service(named: Sender, service: ServiceName, made: World) -> Start:
    """Where it runs, and in which slice. Raises Wrong."""
    host = where(str(named.host), made).host
    if host is None:
        raise Wrong(f"no host is called `{named.host}`: the hosts are {', '.join(map(str, made.plans))}")
    inside, slice_ = of_service(host, service, made)
    return start_of(inside, made, Owner(named.group, named.user, named.slice or slice_))


def _beyond(named: str, host: str, tunnel: str, made: World) -> From:
    """Who is at the other end of a tunnel, with every source. Raises Wrong."""
    for place, stack in made.stacks.items():
        for device in stack.devices.values() if place[0] == host else ():
            if is_tunnel(device) and tunnel in (device.name, *device.origin[-1:]):
                return From(named, Neighbour(place, device.name), not_of(stack))
    raise Wrong(f"{host} has no link or tunnel `{tunnel}`")


def not_of(stack: Stack) -> dict[Family, Ranges]:
    """Every address that a stack does not have."""
    own = {family: merged((ip, ip) for of, ip in stack.local if of == family) for family in FAMILIES}
    return {family: minus(merged((*EVERYWHERE[family], *SECRET[family])), own[family]) for family in FAMILIES}


def _neighbour(named: str, host: str, peer: str, made: World) -> From:
    """A router of another AS, and what is behind it: all that it may announce. Raises Wrong."""
    plan = next((plan for plan in made.plans.values() if plan.host == host), None)
    routers = [one for part in plan.parts for one in part.every(Router)] if plan else []
    found = [(one, s) for one in routers for s in one.sessions if s.origin[-2:] == ("peers", peer) and s.device]
    if not found or plan is None:
        raise Wrong(f"no neighbour by an interface of its own is called `{named}`")
    [(router, session)] = found
    system = router.system
    sources: dict[Family, Ranges] = {}
    for family in session.families:
        spans = session.only or (system.accepted if system else ())
        barred = of_prefixes((*system.own, *system.refused), family) if system else ()
        known = merged((one.net.first, one.net.last) for one in spans if one.net.version == family)
        sources[family] = minus(known, barred)
    return From(named, Neighbour((plan.host, None), str(session.device)), sources)


def _programs(named: Sender) -> Iterator[tuple[str, str | None]]:
    yield from (("group", named.group), ("user", named.user), ("service", named.service), ("slice", named.slice))


def _outside(named: str, made: World, network: Network) -> dict[Family, Ranges]:
    """Addresses of the internet: `internet`, an address, a prefix or a set. Empty for another place."""
    if named == "internet":
        return {family: internet(made, family) for family in FAMILIES}
    for name, members in network.sets.items():
        if str(name) == named and named not in map(str, made.plans):
            known = {family: minus(members.of(family), _nobodys(made, family)) for family in FAMILIES}
            return {family: ranges for family, ranges in known.items() if ranges}
    try:
        net = IPNetwork(named.strip("[]")) if re.search(r"[.:]", named) and not named[0].isalpha() else None
    except (AddrFormatError, ValueError):
        net = None
    if net is None and re.fullmatch(r"[0-9a-fA-F:]+(/\d+)?", named) and ":" in named:
        try:
            net = IPNetwork(named)
        except (AddrFormatError, ValueError):
            return {}
    if net is None or any((net.version, int(net.ip)) in stack.local for stack in made.stacks.values()):
        return {}
    return {4 if net.version == 4 else 6: ((net.first, net.last),)}


def dialled(named: str, sender: From, made: World, network: Network) -> To:
    """Raises Wrong."""
    found = re.fullmatch(r"(.+?):(?:(\d{1,5})(?:-(\d{1,5}))?/(tcp|udp)|(icmp))", named)
    inside = found[1] if found else named
    ports = tuple(_ports(found, made))
    nets = _outside(inside, made, network) or _anycast(inside, network)
    if nets:
        return To(named, nets, ports)
    place = where(inside, made)
    held: dict[Family, list[IPAddress]] = {4: [], 6: []}
    for ip in addresses(place, made, sender.start):
        held[4 if ip.version == 4 else 6].append(ip)
    best = held if isinstance(sender.start, Stranger) else {family: ips[:1] for family, ips in held.items()}
    known = {family: merged((int(ip), int(ip)) for ip in ips) for family, ips in best.items() if ips}
    if isinstance(sender.start, Stranger):
        shown = {family: minus(ranges, SECRET[family]) for family, ranges in known.items()}
        known = {family: ranges for family, ranges in shown.items() if ranges} or known
    if not known:
        raise Wrong(f"{inside} has no address that {sender.text} could dial")
    return To(named, known, ports, None if place.host is None else (place.host, stack_of(place, made).place[1]))


def _anycast(named: str, network: Network) -> dict[Family, Ranges]:
    """The addresses of an anycast service. Raises Wrong."""
    word, dot, name = named.partition(".")
    if (word, dot) != ("anycast", "."):
        return {}
    service = next((one for key, one in network.topology.anycast.items() if key == name), None)
    if service is None:
        raise Wrong(f"no anycast service is called `{name}`")
    found = {
        family: merged((int(net.ip), int(net.ip)) for net in service.addresses if net.version == family)
        for family in FAMILIES
    }
    return {family: ranges for family, ranges in found.items() if ranges}


def _ports(found: re.Match[str] | None, made: World) -> Iterator[tuple[int, Ranges]]:
    if found and found[4]:
        first, last = int(found[2]), int(found[3] or found[2])
        if not 0 < first <= last < 65536:
            raise Wrong(f"`{found[0]}` has no port: ports are 1 to 65535")
        yield PROTOCOLS[found[4]], ((first, last),)
        return
    if found is None:
        yield from every_port(made)
    else:
        yield ICMP, NO_PORT


def every_port(made: World) -> Iterator[tuple[int, Ranges]]:
    """Of each protocol that some rule names, and of one that none does."""
    yield from ((TCP, ANY_PORT), (UDP, ANY_PORT), (ICMP, NO_PORT))
    rulesets = (one for plan in made.plans.values() for part in plan.parts for one in part.every(Ruleset))
    named = {opening.protocol for ruleset in rulesets for opening in ruleset.openings if opening.protocol}
    yield from ((protocol, NO_PORT) for protocol in sorted({*named, OTHER}))


def boxes(sender: From, to: To, made: World) -> Iterator[Box]:
    """One for each family that both have, and each protocol."""
    for family in FAMILIES:
        if family not in sender.sources or family not in to.addresses or not _speaks(sender.start, family, made):
            continue
        for protocol, ports in to.ports:
            asking = ASKING if protocol in (TCP, UDP) else NO_PORT
            asking = ((sender.port, sender.port),) if sender.port and protocol == UDP else asking
            number = ICMP6 if protocol == ICMP and family == 6 else protocol
            yield Box(family, number, sender.sources[family], to.addresses[family], asking, ports)


def _speaks(start: Start, family: Family, made: World) -> bool:
    """Whether a sender has an address of a family at all."""
    if isinstance(start, Stranger):
        return True
    devices = made.stacks[start.place].devices.values()
    held = (net.ip for device in devices for net in device.networks if net.version == family)
    return any(not (ip.is_link_local() or ip.is_loopback()) for ip in held)


def devices(name: str, place: Place, made: World) -> set[tuple[Place, str]]:
    """The interfaces of a host and its namespaces with this name, or of a table with this name. Raises Wrong."""
    host = place[0]
    found = {
        (at, device.name)
        for at, stack in made.stacks.items()
        if at[0] == host
        for device in stack.devices.values()
        if device.name == name or (device.origin and device.origin[-1] == name)
    }
    for part in made.plans[host].parts:
        if part.origin[-1] == name:
            named = {getattr(fact, "device", None) for fact in part.facts}
            found |= {((host, None), one) for one in named if one in made.stacks[host, None].devices}
    if not found:
        raise Wrong(f"{host} has no interface, link, tunnel or uplink `{name}`")
    return found


def is_stand_in(family: Family, number: int) -> bool:
    return any(first <= number <= first + 0xFFFF for first in (UNNAMED[family], ROUTERS[family], NAMED[family]))


def place_of(start: Start) -> Place | None:
    return start.place if isinstance(start, Process | Neighbour) else None


__all__ = ["From", "To", "Where", "boxes", "devices", "dialled", "internet", "is_stand_in", "place_of", "senders"]
