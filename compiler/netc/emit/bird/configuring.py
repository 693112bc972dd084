"""A router as BIRD's configuration."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace
from netaddr import IPAddress

from netc.diagnostic import dotted
from netc.emit.bird import communities, exports, igp, imports, kernel
from netc.emit.bird.filtering import Function, RoaTable, Statement
from netc.emit.bird.router import (
    hop_families,
    is_multihop,
    is_outer,
    learned_families,
    roa_sources,
    roa_tables,
    router_families,
    secret_at,
    uplinks,
)
from netc.emit.bird.tree import (
    Bfd,
    Bgp,
    BgpChannel,
    BgpGroup,
    BgpRole,
    BgpTerms,
    Channel,
    Config,
    Connected,
    Device,
    Kernel,
    Limit,
    Pipe,
    Protocol,
    RoaStatic,
    Rpki,
    Static,
    Table,
)
from netc.language.names import HostPath, ProtocolName
from netc.language.values import Family
from netc.network.derive import MAIN
from netc.network.peers import is_fe80
from netc.plan.bgp import Anycast, RoaServer, RouteLimit, Session, SessionKind, System
from netc.plan.facts import Router
from netc.plan.facts.router import BIRD_SWITCHES

ROLE: dict[SessionKind, BgpRole] = {
    "upstream": "customer",
    "downstream": "provider",
    "peer": "peer",
    "route-server": "rs_client",
}
"""Our role to a neighbour (RFC 9234, section 4.1). None where each is the other's provider: routes that this RFC calls
leaks are what both want there."""

NEIGHBOUR: dict[SessionKind, str] = {
    "ibgp": "a router of the same AS",
    "confederation": "a router of another member of our confederation",
    "fake": "a router of another member of our confederation",
    "upstream": "an upstream",
    "peer": "a peer",
    "downstream": "a downstream",
    "mutual-transit": "a neighbour with mutual transit",
    "route-server": "a route server",
    "collector": "a collector",
}

OWN = "Prefixes that this router announces."
OTHERS = "Connected networks of interfaces that others made."
HOPS = "The host's routes, which resolve next hops of multihop sessions."
UPLINK_HOPS = "The same without default routes, for sessions of this uplink."
IGP_HOPS = "Routes of the IGP, which resolve next hops of our own routers."
ANYCAST = "Anycast: the check of the service enables and disables this protocol. The file keeps its state."
DRAINING = "Anycast while the service drains: the last resort (RFC 8326)."

ANYBODY = ProtocolName("anybody")
ANY_ADDRESS, ANY_FE80 = {4: IPAddress("0.0.0.0"), 6: IPAddress("::")}, IPAddress("fe80::")
"""Filters depend on the kind of a neighbour's address."""

TEMPLATE: dict[SessionKind, str] = {
    "ibgp": "ibgp_session",
    "confederation": "member_session",
    "fake": "member_session",
    "upstream": "upstream_session",
    "peer": "peer_session",
    "downstream": "downstream_session",
    "mutual-transit": "mutual_transit_session",
    "route-server": "route_server_session",
    "collector": "collector_session",
}


def config(router: Router, about: str) -> Config:
    waits = any(is_outer(session) and not session.bfd for session in router.sessions)
    roas, said = tuple(roa_tables(router)), tuple(_functions(router))
    named = tuple(communities.constants(router))
    return Config(about, router.id, named, roas, said, tuple(_protocols(router)), tuple(_beside(router)), waits)


def _functions(router: Router) -> Iterator[Function]:
    if router.system:
        yield from imports.functions(router)
        yield from exports.functions(router)
    yield from kernel.functions(router)


def _beside(router: Router) -> Iterator[Table]:
    hops = hop_families(router)
    if router.table != MAIN:
        only = (family for family in learned_families(router) if family not in hops)
        yield from (Table(f"learned{family}", family) for family in only)
    yield from (Table(_hops(family), family) for family in hops)
    yield from (Table(_hops(family, table), family) for table, family in uplinks(router))
    yield from (Table(_igp_table(family), family) for family in hops if _is_igp_apart(router))


def _hops(family: Family, uplink: int | None = None) -> str:
    return f"nexthops{family}" if uplink is None else f"nexthops{family}_{uplink}"


def _igp_table(family: Family) -> str:
    return f"igp{family}"


def _is_igp_apart(router: Router) -> bool:
    """The kernel's default route would resolve next hops of our own routers too, if it were in their table."""
    return router.table == MAIN and router.system is not None and router.system.recursive


def _protocols(router: Router) -> Iterator[Protocol]:
    yield Device()
    for family in sorted({*router_families(router), *hop_families(router)}):
        yield from _kernel(router, family)
    for table, family in uplinks(router):
        channel = Channel(family, kernel.IMPORT_UPLINK, False, _hops(family, table))
        yield Kernel(ProtocolName(f"uplink{family}_{table}"), channel, table, learns=True)
        name = ProtocolName(f"uplink_pipe{family}_{table}")
        yield Pipe(name, UPLINK_HOPS, _hops(family), _hops(family, table), kernel.of_main(family))
    if hops := hop_families(router):
        channels = tuple(Channel(family, True, False, _hops(family)) for family in hops)
        yield Connected(ProtocolName("nexthops"), HOPS, channels, ())
    if router.learning:
        learned = learned_families(router)
        channels = tuple(Channel(family, kernel.import_connected(), False) for family in learned)
        yield Connected(ProtocolName("connected"), OTHERS, channels, router.learning.excluded)
    for family in router_families(router):
        system = router.system
        nets = {net for net in (*system.own, *system.internal) if net.version == family} if system else set()
        if nets:
            yield Static(ProtocolName(f"own{family}"), OWN, family, tuple(sorted(nets)))
    for service in router.anycast:
        yield from _anycast(service)
    if any(session.bfd for session in router.sessions) or any(way.bfd for way in router.igp):
        yield Bfd(ProtocolName("bfd1"))
    yield from igp.protocols(router)
    yield from _roas(router)
    if router.system:
        yield from _sessions(router, router.system)


def _kernel(router: Router, family: Family) -> Iterator[Protocol]:
    """Two kernel protocols cannot share a table of BIRD's or of the kernel's."""
    learns, hops = family in learned_families(router), family in hop_families(router)
    heard = kernel.import_kernel(router, family) if learns or hops else False
    master = f"master{family}"
    if family not in router_families(router):
        yield Kernel(ProtocolName(f"main{family}"), Channel(family, heard, False, _hops(family)), None, learns=True)
        return
    name, said = ProtocolName(f"kernel{family}"), kernel.export_kernel()
    if router.table == MAIN:
        yield Kernel(name, Channel(family, heard, said), None, learns or hops)
        if hops:
            yield Pipe(ProtocolName(f"nexthops_pipe{family}"), HOPS, master, _hops(family), kernel.of_kernel())
        if hops and _is_igp_apart(router):
            igp = _igp_table(family)
            yield Pipe(ProtocolName(f"igp_pipe{family}"), IGP_HOPS, master, igp, kernel.of_igp(router))
        return
    yield Kernel(name, Channel(family, False, said), router.table)
    if learns or hops:
        table = _hops(family) if hops else f"learned{family}"
        yield Kernel(ProtocolName(f"main{family}"), Channel(family, heard, False, table), None, learns=True)
        if learns:
            about = f"Copies routes of {table} into {master}."
            announced = kernel.to_announce() if hops else True
            yield Pipe(ProtocolName(f"learned_pipe{family}"), about, table, master, announced)


def _anycast(service: Anycast) -> Iterator[Static]:
    announced: list[tuple[ProtocolName, str, tuple[Statement, ...]]] = [(service.name, ANYCAST, ())]
    if service.draining:
        announced.append((service.draining, DRAINING, exports.LAST))
    for name, about, said in announced:
        switch = HostPath(f"{BIRD_SWITCHES}/{name}")
        yield Static(name, about, service.family, service.nets, service.device, switch, said)


def _roas(router: Router) -> Iterator[Protocol]:
    tables = tuple(roa_tables(router))
    for kind, sources in roa_sources(router):
        for number, source in enumerate(sources, 1):
            mine = tuple(table for table in tables if table.kind == kind)
            if isinstance(source, RoaServer):
                name = ProtocolName(f"{kind}_rtr{number}")
                yield Rpki(name, mine, source.endpoint, secret_at(name) if source.password else None)
            elif (table := RoaTable(kind, source.family)) in tables:
                yield RoaStatic(ProtocolName(f"{kind}_file{number}"), table, source.path)


def _sessions(router: Router, system: System) -> Iterator[Protocol]:
    """Those of a kind have a template. Many are alike: what they have in common is made once."""
    alike: dict[Session, BgpTerms] = {}
    groups: dict[str, list[Bgp]] = {}
    for session in router.sessions:
        common = _with_anybody(session)
        if common not in alike:
            alike[common] = _terms(common, router, system)
        groups.setdefault(_template(session, router), []).append(_bgp(session, alike[common]))
    yield from (BgpGroup(name, tuple(sessions)) for name, sessions in groups.items())


def _with_anybody(session: Session) -> Session:
    remote = ANY_FE80 if is_fe80(session.remote) else ANY_ADDRESS[session.remote.version]
    return replace(session, name=ANYBODY, origin=(), remote=remote, remote_asn=0, local=None, device=None)


def _template(session: Session, router: Router) -> str:
    """A session has all channels of its template, so one template is for sessions of the same families."""
    is_whole = session.families == router_families(router)
    return TEMPLATE[session.kind] + ("" if is_whole else "".join(map(str, session.families)))


def _bgp(session: Session, terms: BgpTerms) -> Bgp:
    return Bgp(
        name=session.name,
        about=f"{dotted(session.origin)}, AS{session.remote_asn}, {NEIGHBOUR[session.kind]}",
        local=session.local,
        local_asn=session.local_asn,
        neighbor=session.remote,
        device=session.device,
        neighbor_asn=session.remote_asn,
        terms=terms,
        secret=secret_at(session.name) if session.password else None,
    )


def _terms(session: Session, router: Router, system: System) -> BgpTerms:
    outer = is_outer(session)
    return BgpTerms(
        hops=None if session.direct else session.hops or 0,
        channels=tuple(_channel(session, router, system, family) for family in session.families),
        confederation=system.asn if system.form == "confederation" else None,
        confederation_member=session.kind == "confederation",
        role=ROLE.get(session.kind),
        enforce_first_as=outer and session.kind not in ("route-server", "collector"),
        allow_local_pref=session.kind == "fake",
        med_metric=not system.recursive and bool(system.members),
        interpret_communities=session.kind != "fake",
        rr_client=session.cluster is not None,
        rr_cluster=session.cluster,
        quick=not outer,
        bfd=session.bfd,
        gtsm=session.gtsm,
        # BFD dies with BIRD, so a neighbour with BFD would not wait.
        graceful=outer and not session.bfd,
        send_hold=session.send_hold,
        requires=tuple(one for one in session.requires if one != "extended-next-hop"),
    )


def _channel(session: Session, router: Router, system: System, family: Family) -> BgpChannel:
    over_six = session.remote.version == 6 and family == 4
    hops: tuple[Family, ...] = (4, 6) if over_six else (family,)
    if is_outer(session):
        return BgpChannel(
            family,
            imports.import_external(session, router, family),
            exports.export_external(session, router),
            next_hop_self=True,
            extended_next_hop=over_six,
            requires_extended_next_hop=over_six and "extended-next-hop" in session.requires,
            receive_limit=_limit(session.limits, family),
            export_limit=_limit(session.export_limits, family),
            add_paths=session.kind == "collector",
            # Next hops of routes in an import table are not looked up again when routes change.
            import_table=session.import_table and session.kind != "collector" and session.direct,
            recursive=is_multihop(session),
            igp_tables=tuple(_hops(one, session.uplink) for one in hops) if is_multihop(session) else (),
        )
    return BgpChannel(
        family,
        imports.import_internal(session),
        exports.export_internal(session),
        next_hop_self=not system.recursive,
        recursive=system.recursive,
        extended_next_hop=over_six and (not system.recursive or system.four_over_six),
        igp_tables=_resolving(router, system, family),
    )


def _resolving(router: Router, system: System, family: Family) -> tuple[str, ...]:
    """Tables that resolve next hops of our own routers."""
    of_hops: Family = 6 if system.four_over_six else family
    if _is_igp_apart(router) and of_hops in hop_families(router):
        return (_igp_table(of_hops),)
    return (f"master{of_hops}",) if of_hops != family else ()


def _limit(limits: tuple[RouteLimit, ...], family: Family) -> Limit | None:
    return next((Limit(one.routes, one.action) for one in limits if one.family == family), None)
