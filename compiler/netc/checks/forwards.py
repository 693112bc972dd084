"""Forwards: a link between the two hosts, an address where visitors arrive, and a route for replies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from netaddr import IPAddress

from netc.checks.namespaces import usable_pairs
from netc.checks.words import has, lacks, some
from netc.diagnostic import Diagnostic, KeyPath, Severity
from netc.features.forwards import served
from netc.language.forwards import Forward, Target
from netc.language.names import ForwardName, HostName, NamespaceName
from netc.language.topology import Topology
from netc.network.derive import EVERYTHING
from netc.network.interface import Interface, Network, WireguardInterface
from netc.network.lookup import Longest, by_origin, link_of
from netc.network.once import once
from netc.network.passing import arrivals, turned
from netc.network.sums import of_mark
from netc.network.uplinks import arrives_by, every_address, held_addresses


class LinkedForward(Struct, frozen=True):
    """A forward with the two ends of its link: `edge` where visitors arrive, `node` where they are served."""

    name: ForwardName
    forward: Forward
    edge: Interface
    node: Interface

    @property
    def where(self) -> KeyPath:
        return ("forwards", self.name)


def linked_forwards(network: Network) -> Iterator[LinkedForward]:
    """The forwards with two known ends. `references` and `check` report what is wrong with the others."""
    for name, forward in sorted(network.topology.forwards.items()):
        hosts = {target.host for target in forward.to}
        if known(forward, network) and len(hosts) == 1 and forward.at not in hosts:
            edge, node = (_end(forward, host, network) for host in (forward.at, *hosts))
            if edge and node:
                yield LinkedForward(name, forward, edge, node)


def known(forward: Forward, network: Network) -> bool:
    """Whether all hosts, links and namespaces exist that a forward names."""
    hosts, link = network.topology.hosts, network.topology.links.get(forward.via)
    named = {forward.at, *(target.host for target in forward.to), *(link.between if link else ())}
    spaces = all(t.namespace is None or t.namespace in hosts[t.host].namespaces for t in forward.to if t.host in hosts)
    return link is not None and all(host in hosts for host in named) and spaces


def is_open(target: Target, family: int, network: Network) -> bool:
    """Whether the namespace of a target, if it has one, has an address of the family."""
    if target.namespace is None:
        return True
    space = network.topology.hosts[target.host].namespaces[target.namespace]
    return any(prefix.version == family for prefix in (space.address if space.bridge else space.access))


def _end(forward: Forward, host: HostName, network: Network) -> Interface | None:
    return by_origin(host, network).get(("links", forward.via))


def check(network: Network) -> Iterator[Diagnostic]:
    for name, forward in sorted(network.topology.forwards.items()):
        if known(forward, network):
            yield from _joined(name, forward, network)
            yield from _targets(name, forward, network)
        if forward.at in network.topology.hosts:
            yield from _arrivals(name, forward, network)
    for linked in linked_forwards(network):
        yield from _bound(linked, network)
        yield from _not_allowed(linked, network)
        yield from _covered(linked, network)
    yield from _no_wan(network)
    for host, interfaces in network.interfaces.items():
        yield from _marks(host, interfaces, network.topology)
        for interface in interfaces:
            yield from _replaced(interface, network)


# ---- the servers ---------------------------------------------------------------------------------------------


def _joined(name: ForwardName, forward: Forward, network: Network) -> Iterator[Diagnostic]:
    for index, target in enumerate(forward.to):
        at: KeyPath = ("forwards", name, "to", index)
        if target.host == forward.at:
            what = f"`at` and `to` are the same host, {forward.at}"
            yield Diagnostic("NC1101", at, what, _other_end(forward, network), (("forwards", name, "at"),))
            return
        if target.host != forward.to[0].host:
            what = f"the forward has two hosts in `to`, {forward.to[0].host} and {target.host}, and `via` leads to one"
            hint = "leave it out, and write a second forward for it"
            yield Diagnostic("NC1101", at, what, hint, (("forwards", name, "to", 0),))
            return
    pair = {forward.at, forward.to[0].host}
    if set(network.topology.links[forward.via].between) != pair:
        what = f"link `{forward.via}` is not between {forward.at} and {forward.to[0].host}"
        joining = _joining(network.topology).get(frozenset(pair), ())
        hint = f"write {joining[0]}" if joining else "write a link between the two"
        hint += f", or one of {some(joining[1:])}" if len(joining) > 1 else ""
        also: tuple[KeyPath, ...] = (("links", forward.via, "between"),)
        yield Diagnostic("NC1101", ("forwards", name, "via"), what, hint, also)


@once
def _joining(topology: Topology) -> Mapping[frozenset[HostName], Sequence[str]]:
    """Names of links, in backticks, by the two hosts that they connect."""
    found: dict[frozenset[HostName], list[str]] = {}
    for link, table in sorted(topology.links.items()):
        found.setdefault(frozenset(table.between), []).append(f"`{link}`")
    return found


def _targets(name: ForwardName, forward: Forward, network: Network) -> Iterator[Diagnostic]:
    first: dict[int, int] = {}
    for index, target in enumerate(forward.to):
        at: KeyPath = ("forwards", name, "to", index)
        families = (4, 6) if target.address is None else (target.address.version,)
        twice = next((family for family in families if family in first), None)
        if twice is not None and target.host == forward.to[0].host:
            what = f"`to` has two targets for IPv{twice}"
            hint = "leave it out: a target without an address serves both families, a target with an address serves one"
            yield Diagnostic("NC1102", at, what, hint, (("forwards", name, "to", first[twice]),))
        first |= {family: index for family in families if family not in first}
        yield from _behind(target, forward.at, at, network)
        for number, ports in enumerate(forward.ports):
            if target.port is not None and ports.first != ports.last:
                what = f"{ports} has {ports.last - ports.first + 1} ports, and the target has one, {target.port}"
                hint = f"write the target without `:{target.port}`, or a forward for each port"
                yield Diagnostic("NC1108", ("forwards", name, "ports", number), what, hint, (at,))


def _behind(target: Target, edge: HostName, where: KeyPath, network: Network) -> Iterator[Diagnostic]:
    """A target with an address must be behind the host: replies of the host's own processes carry no mark."""
    ip = target.address
    if ip is None:
        return
    if ip.is_link_local():
        what = f"{ip} is link-local, so it does not identify a link of {target.host}"
        yield Diagnostic("NC1102", where, what, "write an address of the server that is not link-local")
    if edge != target.host and ip in every_address(edge, network):
        what = f"{ip} is an address of {edge}, where visitors arrive, and no server behind {target.host}"
        yield Diagnostic("NC1102", where, what, f'write an address of a server there, or `to = "{target.host}"`')
    if ip in every_address(target.host, network) or ip in _bridged(target.host, network):
        port = f":{target.port}" if target.port else ""
        what = f"{ip} is an address of {target.host} itself"
        yield Diagnostic("NC1102", where, what, f'write `to = "{target.host}{port}"`')
    for space in _into_namespace(target.host, network).get(ip, ()):
        what = f"{ip} is an end of the veth pair of namespace `{space}`"
        yield Diagnostic("NC1102", where, what, f'write `to = "{target.host}/{space}"`')


@once
def _bridged(host: HostName, network: Network) -> frozenset[IPAddress]:
    return frozenset(net.ip for bridge in network.topology.hosts[host].bridges.values() for net in bridge.addresses)


@once
def _into_namespace(host: HostName, network: Network) -> Mapping[IPAddress, Sequence[NamespaceName]]:
    """Namespaces by the addresses of both ends of their veth pairs."""
    found: dict[IPAddress, list[NamespaceName]] = {}
    for space, settings in network.topology.hosts[host].namespaces.items():
        for ip in {end.ip for pair in usable_pairs(settings) for end in (pair.host, pair.inner)}:
            found.setdefault(ip, []).append(space)
    return found


def _other_end(forward: Forward, network: Network) -> str:
    others = [host for host in network.topology.links[forward.via].between if host != forward.at]
    return f"write `{others[0]}`" if others else "write the host at the other end of `via`"


# ---- where visitors arrive -----------------------------------------------------------------------------------


def _arrivals(name: ForwardName, forward: Forward, network: Network) -> Iterator[Diagnostic]:
    own = held_addresses(forward.at, network)
    for index, address in enumerate(forward.on):
        if address not in own:
            at: KeyPath = ("forwards", name, "on", index)
            hint = has(forward.at, _reached_at(forward.at, network))
            what = lacks(forward.at, address)
            if address in every_address(forward.at, network):
                what = f"{address} is in `loopback` of {forward.at}, and a forward takes visitors of one interface"
            yield Diagnostic("NC1106", at, what, hint)
    if not arrivals(forward, network):
        what = f"{forward.at} has no public address that visitors can dial"
        hint = "write `on` with the address of the uplink that visitors dial"
        turned_round = forward.model_copy(update={"at": forward.to[0].host})
        if turned_round.at in network.topology.hosts and arrivals(turned_round, network):
            hint += f", or swap `at` and `to`: {turned_round.at} has a public address"
        yield Diagnostic("NC1106", ("forwards", name, "at"), what, hint)


@once
def _reached_at(host: HostName, network: Network) -> frozenset[IPAddress]:
    return frozenset(ip for ip in held_addresses(host, network) if not ip.is_link_local())


def _no_wan(network: Network) -> Iterator[Diagnostic]:
    """Reported once for a host, however many forwards it has."""
    reported: set[HostName] = set()
    for name, forward in sorted(network.topology.forwards.items()):
        host = network.topology.hosts.get(forward.at)
        if host is None or forward.at in reported:
            continue
        if any(arrives_by(ip, forward.at, network) is None for ip in arrivals(forward, network)):
            reported.add(forward.at)
            what = f"{forward.at} has no `wan`, and a forward needs the name of the uplink"
            hint = 'write `wan = "eth0"`, or the name of the uplink on this host'
            also = (("forwards", name, "at"),)
            yield Diagnostic("NC1106", ("hosts", forward.at), what, hint, also, on_key=True)


# ---- what comes out of a link --------------------------------------------------------------------------------


def _bound(linked: LinkedForward, network: Network) -> Iterator[Diagnostic]:
    """A UDP server that is bound to no address replies from the one that the route chooses: the uplink's."""
    forward = linked.forward
    local = [target for target in forward.to if target.local]
    udp = [n for n, ports in enumerate(forward.ports) if ports.protocol == "udp" and not _passed_on(linked, n, network)]
    matters = bool(local and udp and forward.keep_source)
    if forward.bound and not matters:
        what = f"`bound` has no effect on `{linked.name}`"
        hint = "leave it out: it is for UDP forwards with `keep_source` to a server on the host itself"
        yield Diagnostic("NC1110", (*linked.where, "bound"), what, hint, on_key=True)
    if matters and not forward.bound:
        ends = " and ".join(str(net.ip) for net in linked.node.addresses if not net.ip.is_link_local())
        what = f"a UDP server on {linked.node.host} may reply from its uplink's address, and visitors drop such replies"
        hint = (
            f"bind the server to {ends or 'the address of the link'} and write `bound = true`, or run it in a namespace"
        )
        yield Diagnostic("NC1109", (*linked.where, "ports", udp[0]), what, hint)


def _passed_on(linked: LinkedForward, number: int, network: Network) -> bool:
    """Whether the serving host is the next edge of a chain for these ports."""
    ports = linked.forward.ports[number]
    taken = turned(linked.node.host, network)
    return any(
        (spans := taken.get((net.ip, ports.protocol))) is not None and spans.holds(ports.first, ports.last)
        for net in linked.node.addresses
    )


def _replaced(interface: Interface, network: Network) -> Iterator[Diagnostic]:
    link = link_of(interface, network.topology)
    end = link.ends.get(interface.host) if link else None
    if interface.back and end and end.allowed_ips is not None and set(end.allowed_ips) != set(EVERYTHING):
        what = f"visitors can have any address, so {interface.name} needs 0.0.0.0/0 and ::/0 in `allowed_ips`"
        yield Diagnostic("NC1112", (*interface.where, "allowed_ips"), what, "leave it out")


def _not_allowed(linked: LinkedForward, network: Network) -> Iterator[Diagnostic]:
    """WireGuard drops packets that are in no peer's `allowed_ips`, in both directions."""
    for family in {ip.version for ip in arrivals(linked.forward, network)}:
        there = served(linked.forward.to[0], linked.forward, network, family)
        ends = [(linked.edge, there)]
        if not linked.forward.keep_source:
            masked = (net.ip for net in linked.edge.addresses if net.version == family and not net.ip.is_link_local())
            ends.append((linked.node, next(masked, None)))
        for near, ip in ends:
            peers = near.peers if isinstance(near, WireguardInterface) else ()
            if ip and peers and _allowed(near.host, near.origin, network).of(ip) is None:
                what = f"`{linked.name}` sends packets for {ip} into {near.name}, and no peer has it in `allowed_ips`"
                yield Diagnostic(
                    "NC0607",
                    (*near.where, "allowed_ips"),
                    what,
                    f"add `{ip}/{32 if ip.version == 4 else 128}` to `allowed_ips`",
                    (linked.where,),
                )


def _covered(linked: LinkedForward, network: Network) -> Iterator[Diagnostic]:
    """Visitors do not leave by `routes` of a wider prefix: these may take over while the server's LAN is down."""
    for to in (target.address for target in linked.forward.to if target.address):
        if way := _wider(linked.node.host, network).of(to):
            what = f"{way.name} leads to more than {to}, so visitors of `{linked.name}` do not leave by it"
            hint = f"if the server is there, add `{to}/{32 if to.version == 4 else 128}` to `routes`"
            where = (*way.where, "routes")
            yield Diagnostic("NC1114", where, what, hint, (linked.where,), severity=Severity.WARNING)


@once
def _wider(host: HostName, network: Network) -> Longest[Interface | None]:
    """What leads to more than a server. None: the host is in that subnet, or a route leads to one address alone."""
    table = network.topology.hosts[host]
    own = [way for way in network.interfaces[host] if way.namespace is None]
    near = [net for way in (*own, *table.bridges.values()) for net in way.addresses]
    near += [*table.addresses, *(net for uplink in table.uplinks.values() for net in uplink.prefixes)]
    routes = [(net, None if net.size == 1 else way) for way in own for net in way.routes]
    return Longest([*((net.cidr, None) for net in near), *routes])


@once
def _allowed(host: HostName, origin: KeyPath, network: Network) -> Longest[bool]:
    """`allowed_ips` of an interface, cached: many forwards use one interface."""
    near = by_origin(host, network)[origin]
    peers = near.peers if isinstance(near, WireguardInterface) else ()
    return Longest((net, True) for peer in peers for net in peer.allowed_ips)


def _marks(host: HostName, interfaces: tuple[Interface, ...], topology: Topology) -> Iterator[Diagnostic]:
    """A mark has 8 bits and an id 12."""
    seen: dict[int, Interface] = {}
    for interface in interfaces:
        if interface.back is None:
            continue
        other = seen.setdefault(interface.back.mark, interface)
        if other.far != interface.far and other.far and interface.far:
            what = f"on {host}, replies to {interface.far} and to {other.far} have the same mark"
            what += f": {of_mark(interface.far, topology)}, and {of_mark(other.far, topology)}"
            hint = "give one of them another `id`: marks are derived from ids, and repeat every 255 ids"
            yield Diagnostic("NC1111", ("hosts", interface.far, "id"), what, hint, (("hosts", other.far, "id"),))
