"""A port of an address is forwarded once, and never a port that the host itself needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum, auto

from msgspec import Struct
from netaddr import IPAddress

from netc.checks.forwards import LinkedForward, is_open, linked_forwards
from netc.checks.ports import BGP, port_key, published
from netc.diagnostic import Diagnostic, KeyPath
from netc.features.forwards import served
from netc.language.forwards import Target
from netc.language.names import HostName
from netc.language.values import Ports
from netc.network.forwards import target_of
from netc.network.interface import Network, listens_at
from netc.network.passing import arrivals
from netc.network.spans import Spans
from netc.network.sums import of_port


class Form(Enum):
    AT_THE_EDGE = auto()
    SERVED = auto()
    """By the host itself."""
    PASSED_ON = auto()
    """To a namespace of the host, or an address behind it."""
    PUBLISHED = auto()


class Claim(Struct, frozen=True):
    """What a forward, namespace or bridge called `name` does with ports of one address of a host."""

    host: HostName
    address: IPAddress
    ports: Ports
    form: Form
    name: str
    where: KeyPath
    target: Target | None = None


class Need(Struct, frozen=True):
    """Ports that a host needs itself, their owner, and the keys that choose them."""

    ports: Ports
    owner: str
    also: tuple[KeyPath, ...] = ()
    made_of: str = ""
    """How a derived port is computed."""


def check(network: Network) -> Iterator[Diagnostic]:
    claims = tuple(_claims(network))
    needs = {host: _by_ports(_needs(host, network)) for host in {claim.host for claim in claims}}
    reported: set[tuple[KeyPath, HostName]] = set()
    for claim in claims:
        if claim.form in (Form.AT_THE_EDGE, Form.PASSED_ON) and (claim.where, claim.host) not in reported:
            reported.add((claim.where, claim.host))
            yield from _needed(claim, needs[claim.host])
    yield from _twice(claims)


# ---- what becomes of ports -----------------------------------------------------------------------------------


def _claims(network: Network) -> Iterator[Claim]:
    for linked in linked_forwards(network):
        for index, ports in enumerate(linked.forward.ports):
            where: KeyPath = (*linked.where, "ports", index)
            for ip in dict.fromkeys(arrivals(linked.forward, network)):
                yield Claim(linked.edge.host, ip, ports, Form.AT_THE_EDGE, linked.name, where)
            yield from _at_the_node(linked, ports, where, network)
    for host in sorted(network.topology.hosts):
        for one in published(host, network):
            ports = Ports(one.port.number, one.port.number, one.port.protocol)
            for ip in one.on:
                yield Claim(host, ip, ports, Form.PUBLISHED, one.name, one.where)


def _at_the_node(linked: LinkedForward, ports: Ports, where: KeyPath, network: Network) -> Iterator[Claim]:
    arriving = {ip.version for ip in arrivals(linked.forward, network)}
    for family in (4, 6):
        target = target_of(linked.forward, family)
        if target is None or not is_open(target, family, network):
            continue
        if not target.local:
            for net in linked.node.addresses:
                if net.version == family:
                    yield Claim(linked.node.host, net.ip, ports, Form.PASSED_ON, linked.name, where, target)
        elif family in arriving and (there := served(target, linked.forward, network, family)):
            port = target.port
            inner = ports if port is None else Ports(port, port, ports.protocol)
            yield Claim(linked.node.host, there, inner, Form.SERVED, linked.name, where, target)


# ---- what the host needs -------------------------------------------------------------------------------------


def _needs(host: HostName, network: Network) -> tuple[Need, ...]:
    ssh = network.topology.hosts[host].ssh
    tunnels = {port: i for i in network.interfaces[host] if (port := listens_at(i))}
    return (
        Need(Ports(ssh, ssh, "tcp"), "ssh", (("hosts", host, "ssh"),) if ssh != 22 else ()),
        *([Need(Ports(BGP, BGP, "tcp"), "BGP")] if host in network.speakers else ()),
        *(
            Need(Ports(port, port, "udp"), i.name, (port_key(i),), of_port(i, network.topology))
            for port, i in sorted(tunnels.items())
        ),
    )


def _by_ports(needs: tuple[Need, ...]) -> Mapping[str, Spans[tuple[int, Need]]]:
    """By protocol, each with its number."""
    found: dict[str, list[tuple[int, int, tuple[int, Need]]]] = {}
    for number, need in enumerate(needs):
        found.setdefault(need.ports.protocol, []).append((need.ports.first, need.ports.last, (number, need)))
    return {protocol: Spans(spans) for protocol, spans in found.items()}


def _needed(claim: Claim, needs: Mapping[str, Spans[tuple[int, Need]]]) -> Iterator[Diagnostic]:
    """One diagnostic for a range, however many ports it takes."""
    there = needs.get(claim.ports.protocol)
    meeting = sorted(there.meeting(claim.ports.first, claim.ports.last) if there else (), key=lambda one: one[0])
    lost = sorted((need for _, need in meeting), key=lambda need: need.ports.first)
    if not lost:
        return
    needed = f"{lost[0].ports} is the port of {lost[0].owner} on {claim.host}{lost[0].made_of}"
    if len(lost) > 1:
        some = ", ".join(f"{need.ports} ({need.owner})" for need in lost[:3])
        rest = f" and {len(lost) - 3} more" if len(lost) > 3 else ""
        needed = f"{claim.host} itself needs ports of {claim.ports}: {some}{rest}"
    what = needed if claim.form == Form.AT_THE_EDGE else f"{needed}, and {claim.host} would forward it"
    alone = claim.ports.first == claim.ports.last
    hint = "write another port, and the port of the server in `to`" if alone else _split(claim.ports, lost)
    yield Diagnostic("NC1103", claim.where, what, hint, lost[0].also)


def _split(ports: Ports, lost: list[Need]) -> str:
    pieces: list[Ports] = []
    start = ports.first
    for number in [*(need.ports.first for need in lost), ports.last + 1]:
        if start < number:
            pieces.append(Ports(start, number - 1, ports.protocol))
        start = number + 1
    if len(pieces) > 4:
        return "forward fewer ports"
    return "write " + ", ".join(f'`"{piece}"`' for piece in pieces)


# ---- each port once ------------------------------------------------------------------------------------------


def _twice(claims: tuple[Claim, ...]) -> Iterator[Diagnostic]:
    places: dict[tuple[HostName, IPAddress, str], list[Claim]] = {}
    for claim in claims:
        places.setdefault((claim.host, claim.address, claim.ports.protocol), []).append(claim)
    reported: set[frozenset[KeyPath]] = set()
    for place in places.values():
        for one, other in _overlapping(place):
            pair = frozenset((one.where, other.where))
            if pair not in reported:
                reported.add(pair)
                yield _collision(one, other)


def _overlapping(place: list[Claim]) -> Iterator[tuple[Claim, Claim]]:
    """Each claim with the first one that it conflicts with: n claims of one port have n² pairs."""
    furthest: dict[Form, list[Claim]] = {form: [] for form in Form}
    for claim in sorted(place, key=lambda claim: claim.ports.first):
        near = (one for some in furthest.values() for one in some)
        meeting = [one for one in near if one.ports.last >= claim.ports.first and not _agree(one, claim)]
        if meeting:
            yield min(meeting, key=lambda one: (one.ports.first, one.where)), claim
        furthest[claim.form] = _furthest(furthest[claim.form], claim)


def _furthest(before: list[Claim], claim: Claim) -> list[Claim]:
    """The claims of one form that a later claim can meet: the one with the highest last port, and of those that are
    passed on, which may agree with the later one, also the highest with another target."""
    first, *rest = sorted((*before, claim), key=lambda one: -one.ports.last)
    if claim.form != Form.PASSED_ON:
        return [first]
    return [first, *(one for one in rest if not _agree(first, one))][:2]


def _agree(one: Claim, other: Claim) -> bool:
    forms = {one.form, other.form}
    if forms == {Form.PASSED_ON}:
        return one.ports == other.ports and one.target == other.target
    # Several forwards may lead to one server, and the next edge of a chain passes on what arrives for it.
    return forms in ({Form.SERVED}, {Form.SERVED, Form.AT_THE_EDGE}, {Form.PUBLISHED})


def _collision(one: Claim, other: Claim) -> Diagnostic:
    if one.form == Form.PUBLISHED or (one.where > other.where and other.form != Form.PUBLISHED):
        one, other = other, one
    common = Ports(max(one.ports.first, other.ports.first), min(one.ports.last, other.ports.last), one.ports.protocol)
    if other.form == Form.PUBLISHED:
        what = f"`{other.name}` already publishes {common} of {one.address}"
        return Diagnostic("NC1104", one.where, what, "keep one of the two", (other.where,))
    if one.form == other.form == Form.AT_THE_EDGE:
        what = f"two forwards take {common} of {one.address}"
        return Diagnostic("NC1104", other.where, what, "keep one of the two", (one.where,))
    what = f"`{one.name}` and `{other.name}` both send {common} to {one.address} of {one.host}, for different targets"
    hint = "give both the same target, or write another port for one, and the port of the server in its `to`"
    return Diagnostic("NC1105", other.where, what, hint, (one.where,))
