"""Routing: the host is one of the routers of an AS, or of an IGP alone.

    [bgp]
    asn = 4242422547
    internal = "confederation"
    next_hop = "med"
    members = { base = 4225470000 }
    over = "core"
    prefixes = ["172.22.76.184/29", "fdbc:f9dc:67ad::/48"]
    profile = "dn42"

    [hosts.hkg.bgp.peers.burble]
    asn = 4242422601
    role = "peer"
    tunnel = "dn42-burble"
    address = "fe80::42:2601"

One part, `bird`, has all routing of a host. It comes up after the links and the loopback addresses, and goes down with
the latter: the kernel does not install routes whose source address is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain, count
from typing import Literal

from msgspec.structs import replace
from netaddr import IPNetwork

from netc.diagnostic import KeyPath
from netc.language.bgp import Bgp, BgpPeer, Limit, RoaSource, Role
from netc.language.names import HostName, HostPath, InterfaceName, PartName, PeerName, ProtocolName
from netc.language.targets import can, tools_of
from netc.language.topology import Topology
from netc.language.values import Family
from netc.network.anycast import (
    announced_externally,
    anycast_device,
    anycast_protocol,
    drain_protocol,
    prefixes,
    service_families,
    services_at,
    unicast,
)
from netc.network.bgp import LOOPBACK_PART, End, ends, four_over_six, link_ends, peer_end
from netc.network.derive import secret
from netc.network.interface import Interface, Network
from netc.network.learning import learned_at, own_devices
from netc.network.once import once
from netc.network.peers import (
    all_private_asns,
    connected,
    held,
    ours_elsewhere,
    own_hops,
    peer_device,
    peer_families,
    peer_lan,
    peer_local,
    peer_uplink,
    private_asns,
    role_of,
)
from netc.network.profiles import LOCAL_PREF, REFUSED, REFUSED_ASNS, WORLD, limits, public_asns
from netc.network.routed import ROUTED_PART, has_own_table, outer, table_of
from netc.network.routing import cost_of, igp_links, joined, made_interfaces, passing_interfaces, router_interfaces
from netc.network.speakers import families, has_members, is_recursive, loopback, member, router_id
from netc.plan.bgp import (
    Accepted,
    Anycast,
    IgpInterface,
    Inner,
    Learning,
    RoaFile,
    RoaServer,
    RouteLimit,
    Session,
    System,
)
from netc.plan.facts import Loose, Router
from netc.plan.facts.forwarding import forwarding
from netc.plan.host_plan import Part, Share
from netc.plan.routing_ruleset import routing_ruleset
from netc.plan.routing_walks import routing_walks

BIRD = PartName("bird")
FORM: dict[str, Literal["confederation", "fake", "one"]] = {
    "confederation": "confederation",
    "fake-confederation": "fake",
}


def plan(host: HostName, network: Network) -> Iterator[Share]:
    topology = network.topology
    igp = tuple(_igp(host, network))
    is_speaker = topology.bgp is not None and host in network.speakers
    if not is_speaker and not igp:
        return
    origin: KeyPath = ("hosts", host, "bgp") if is_speaker else ("igp",)
    router = _router(host, network, igp)
    devices = router_interfaces(host, network)
    needs = tuple(i.part for i in network.interfaces[host] if i.name in passing_interfaces(host, network))
    own = (
        *((LOOPBACK_PART,) if topology.hosts[host].loopback else ()),
        *((ROUTED_PART,) if has_own_table(host, topology) else ()),
    )
    edges = tuple(_edges(host, network, devices))
    part = Part(
        BIRD,
        origin,
        f"routing of {host}",
        after=(*own, *needs, *(edge.name for edge in edges)),
        bound=own,
        facts=(router,),
    )
    is_filtered = topology.hosts[host].firewall is not None or topology.hosts[host].docker
    passing = {family for session in router.sessions for family in session.families}
    passing |= {family for interface in igp for family in interface.families}
    yield Share(
        parts=(*edges, part),
        ruleset=routing_ruleset(origin, router, devices, is_filtered=is_filtered),
        forwarding=forwarding(passing, topology.hosts[host].wan),
        walks=tuple(routing_walks(origin, router, link_ends(host, network))),
    )


def _edges(host: HostName, network: Network, devices: tuple[InterfaceName, ...]) -> Iterator[Part]:
    """Interfaces of the image with neighbours behind them. Replies may leave by another interface."""
    made = {interface.name for interface in network.interfaces[host]}
    for device in sorted(set(devices) - made):
        spelled = re.sub(r"[^a-z0-9-]", lambda found: f"-x{ord(found[0]):x}", device)
        about = f"routing of {host}, the interface {device}"
        yield Part(PartName(f"edge-{spelled}"), ("hosts", host, "bgp"), about, facts=(Loose(device),))


def _router(host: HostName, network: Network, igp: tuple[IgpInterface, ...]) -> Router:
    topology = network.topology
    table = topology.hosts[host]
    sources = tuple(ip for version in (4, 6) if (ip := loopback(host, version, topology)))
    system: System | None = None
    sessions: tuple[Session, ...] = ()
    if topology.bgp and table.bgp:
        system = _system(host, topology.bgp, network)
        inner = _inner(ends(host, network), topology.bgp, topology)
        others = (_outer(host, name, peer, network) for name, peer in sorted(table.bgp.peers.items()))
        sessions = tuple(_named_apart((*inner, *others)))
    anycast = tuple(_anycast(host, topology)) if system else ()
    number, kernel = router_id(host, topology), table_of(host, topology)
    learned = learned_at(host, topology)
    learning = Learning(learned, own_devices(host, network)) if learned else None
    bird = tools_of(table.target).bird
    far, made = outer(host, network), made_interfaces(host, network)
    return Router(number, kernel, sources, table.loopback, system, sessions, igp, anycast, learning, far, made, bird)


def _named_apart(sessions: Iterable[Session]) -> Iterator[Session]:
    """Names of interfaces may differ in what a name of BIRD's does not have, such as `wg-a.1` and `wg-a-1`."""
    taken: set[str] = set()
    for session in sessions:
        names = chain((session.name,), (ProtocolName.of(session.name, str(number)) for number in count(2)))
        name = next(name for name in names if name not in taken)
        taken.add(name)
        yield session if name == session.name else replace(session, name=name)


@once
def _members(network: Network) -> tuple[int, ...]:
    """ASNs of all members, which AS paths may contain."""
    return tuple(sorted({speaker.asn for speaker in network.speakers.values() if speaker.asn}))


def _system(host: HostName, bgp: Bgp, network: Network) -> System:
    topology = network.topology
    here = topology.hosts[host].bgp
    # With an IGP, the IGP announces loopbacks.
    by_bgp = (4, 6) if not is_recursive(topology) else (4,) if four_over_six(network) else ()
    alone = tuple(net for net in topology.hosts[host].loopback if net.version in by_bgp)
    served = (net for _, service in services_at(host, topology) for net in unicast(service, host))
    return System(
        asn=bgp.asn,
        form=FORM.get(bgp.internal, "one"),
        members=_members(network) if has_members(bgp) else (),
        own=tuple(sorted(bgp.prefixes)),
        ours=(*sorted(bgp.prefixes), *ours_elsewhere(topology)),
        internal=(*alone, *sorted((*(here.prefixes if here else ()), *served))),
        accepted=tuple(Accepted(*span) for span in WORLD[bgp.profile]),
        refused=(*REFUSED[bgp.profile], *sorted(bgp.refuse)),
        connected=connected(host, network),
        held=held(host, network),
        refused_asns=REFUSED_ASNS[bgp.profile],
        public_asns=public_asns(bgp.profile),
        private_asns=all_private_asns(topology),
        roa=tuple(_roas("roa", bgp.roa, families(bgp))),
        roa_strict=bgp.roa_unknown == "refuse" if bgp.roa_unknown else bgp.profile == "dn42",
        flaps=tuple(_roas("flaps", bgp.flaps, families(bgp))),
        drained=here.drain if here else False,
        tags=tuple(tag for tag in (here.region, here.country) if tag) if here else (),
        anycast=announced_externally(topology),
        recursive=is_recursive(topology),
        four_over_six=four_over_six(network),
    )


def _roas(key: str, sources: tuple[RoaSource, ...], known: tuple[Family, ...]) -> Iterator[RoaServer | RoaFile]:
    for source in sources:
        if source.rtr:
            yield RoaServer(source.rtr, secret(source.password), ("bgp", key))
        files: tuple[tuple[Family, HostPath | None], ...] = ((4, source.ipv4), (6, source.ipv6))
        yield from (RoaFile(family, path) for family, path in files if path and family in known)


def _anycast(host: HostName, topology: Topology) -> Iterator[Anycast]:
    for name, service in services_at(host, topology):
        for family in service_families(service):
            draining = drain_protocol(name, family) if service.drain else None
            own = prefixes(service, family)
            yield Anycast(anycast_protocol(name, family), draining, family, own, anycast_device(name))


def _inner(ends: Iterable[End], bgp: Bgp, topology: Topology) -> Iterator[Session]:
    known, recursive = families(bgp), is_recursive(topology)
    only_four = tuple(family for family in known if family == 4)
    reflector = min(bgp.reflectors, default=None)
    cluster = router_id(reflector, topology) if reflector else None
    between: Inner = "confederation" if bgp.internal == "confederation" else "fake"
    for end in ends:
        assert end.local_asn is not None
        assert end.remote_asn is not None
        yield Session(
            origin=end.origin,
            name=ProtocolName.of("int", end.device) if end.device else ProtocolName.of("ibgp", end.far),
            kind=between if end.local_asn != end.remote_asn else "ibgp",
            families=known if end.remote.version == 6 else only_four,
            local=end.local,
            local_asn=end.local_asn,
            remote=end.remote,
            remote_asn=end.remote_asn,
            device=end.device,
            direct=end.device is not None,
            cost=0 if recursive else end.cost,
            cluster=cluster if end.is_reflected else None,
            # Between loopbacks, the IGP notices a dead link and finds another path for the session.
            bfd=bgp.bfd and end.device is not None,
        )


def _outer(host: HostName, name: PeerName, peer: BgpPeer, network: Network) -> Session:
    topology = network.topology
    bgp = topology.bgp
    local_asn = member(host, topology)
    assert bgp is not None
    assert local_asn is not None
    role = role_of(peer, bgp)
    assert role is not None
    fake = bgp.internal == "fake-confederation"
    known = peer_families(peer, bgp)
    link, private = peer.dn42, private_asns(peer, bgp)
    uplink = peer_uplink(host, peer, network)
    return Session(
        origin=("hosts", host, "bgp", "peers", name),
        name=ProtocolName.of("peer", name),
        kind=role,
        families=known,
        local=peer_local(host, peer, network),
        local_asn=bgp.asn if fake else local_asn,
        remote=peer.address,
        remote_asn=peer.asn,
        device=peer_device(host, peer, network),
        direct=peer.multihop is None,
        hops=peer.multihop,
        shared=not peer.tunnel,
        lan=peer_lan(host, peer, network) if role == "route-server" else None,
        uplink=uplink.table if uplink else None,
        own_hops=own_hops(host, peer, network) if role == "upstream" and peer.multihop else (),
        local_pref=peer.local_pref or LOCAL_PREF.get(role),
        limits=tuple(_limits(peer, role, bgp, known)),
        export_limits=tuple(filter(None, (_limit(peer.export_limit, family) for family in known))),
        only=tuple(Accepted(net, net.prefixlen, _longest(net, bgp)) for net in sorted(peer.prefixes)),
        measures=tuple(filter(None, (link.latency, link.bandwidth, link.crypto))) if link else (),
        password=secret(peer.password),
        gtsm=peer.gtsm,
        bfd=peer.bfd,
        send_hold=peer.send_hold,
        private_asns=private,
        begins=tuple(dict.fromkeys((peer.asn, *private))) if private else (),
        requires=tuple(sorted(peer.require)),
        import_table=peer.import_table,
        log_rejects=peer.log_rejects,
    )


def _longest(net: IPNetwork, bgp: Bgp) -> int:
    """The neighbour may also announce parts of a prefix that the profile accepts."""
    spans = [most for span, _, most in WORLD[bgp.profile] if span.version == net.version and net in span]
    return max([net.prefixlen, *spans])


def _limits(peer: BgpPeer, role: Role, bgp: Bgp, known: tuple[Family, ...]) -> Iterator[RouteLimit]:
    defaults = limits(bgp.profile, role)
    for family in known if role != "collector" else ():
        default = defaults[0 if family == 4 else 1]
        yield _limit(peer.limit, family) or RouteLimit(family, default, (peer.limit and peer.limit.action) or "block")


def _limit(given: Limit | None, family: Family) -> RouteLimit | None:
    routes = (given.ipv4 if family == 4 else given.ipv6) if given else None
    return RouteLimit(family, routes, given.action or "block") if given and routes else None


def _igp(host: HostName, network: Network) -> Iterator[IgpInterface]:
    topology = network.topology
    for interface in network.interfaces[host]:
        if interface.origin[0] == "hosts" or interface.origin[1] not in igp_links(topology):
            continue
        other = peer_end(interface, network)
        carried: tuple[Family, ...] = (6,) if four_over_six(network) else (4, 6)
        spoken: tuple[Family, ...] = tuple(f for f in carried if other and _carries(interface, other, f, topology))
        if other and spoken:
            yield _igp_interface(interface, other, spoken, topology)


def _carries(near: Interface, far: Interface, family: Family, topology: Topology) -> bool:
    """With extended next hops, IPv4 needs no more of a link than IPv6 does."""
    extended = topology.igp is not None and topology.igp.extended_next_hop
    return joined(near, far, 6 if extended else family) is not None or joined(near, far, family) is not None


def _igp_interface(near: Interface, far: Interface, spoken: tuple[Family, ...], topology: Topology) -> IgpInterface:
    assert topology.igp is not None
    kind, cost = topology.igp.kind, cost_of(near, topology)
    if kind == "babel":
        four = joined(near, far, 4)
        igp = topology.igp
        bird = tools_of(topology.hosts[near.host].target).bird
        return IgpInterface(
            kind,
            near.name,
            spoken,
            cost,
            bfd=False,
            next_hop=four[0] if four else None,
            extended_next_hop=igp.extended_next_hop if can(bird, "babel-extended") else None,
            rtt_cost=igp.rtt_cost,
            password=secret(igp.password),
        )
    return IgpInterface(kind, near.name, spoken, cost, topology.bgp.bfd if topology.bgp else True)
