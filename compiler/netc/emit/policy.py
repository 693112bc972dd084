"""POLICY.md: which routes a router exports to whom and imports from whom, for the people who approve its filters."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.file import File
from netc.emit.render import token
from netc.language.values import Family
from netc.plan.bgp import Session, System, is_held_to_its_device, names_its_next_hop
from netc.plan.communities import BLACKHOLE, GRACEFUL_SHUTDOWN, Community, dn42
from netc.plan.facts import Router
from netc.plan.host_plan import HostPlan
from netc.plan.route_class import (
    FROM_DOWNSTREAM,
    FROM_MUTUAL_TRANSIT,
    LEARNED_FROM,
    ROUTE_CLASSES,
    RouteClass,
    class_of,
)

RELATION = {
    "ibgp": "our router, same AS",
    "confederation": "our router, another member",
    "fake": "our router, another member",
    "upstream": "upstream",
    "peer": "peer",
    "downstream": "downstream",
    "mutual-transit": "mutual transit",
    "route-server": "route server",
    "collector": "collector",
}
INTERNAL = ("ibgp", "confederation", "fake")


def emit(plan: HostPlan) -> Iterator[File]:
    for part in plan.parts:
        for router in part.every(Router):
            if router.system:
                yield File("POLICY.md", "\n".join(_page(plan, router, router.system)) + "\n")


def _page(plan: HostPlan, router: Router, system: System) -> Iterator[str]:
    yield f"# BGP policy of {token(plan.host)}, AS{token(system.asn)}"
    yield ""
    yield "Compiled by netc: change the topology, not this file."
    yield ""
    yield "| prefixes | exported to |"
    yield "|---|---|"
    yield from _prefixes(router, system)
    yield ""
    if system.drained:
        yield (
            "The router is drained (`drain = true`). It exports all routes to external neighbours with "
            "GRACEFUL_SHUTDOWN (RFC 8326), and BGP routes and anycast prefixes to our own routers with local pref 0."
        )
        yield ""
    inner = [session for session in router.sessions if session.kind in INTERNAL]
    if inner:
        yield from ("| our router | AS | relation | exports | imports |", "|---|---|---|---|---|")
    for session in inner:
        name, asn = token(session.name), token(session.remote_asn)
        exports = f"prefixes of this router, {_passed(session, router)}"
        imports = "all routes" + (f", MED + {token(session.cost)}" if session.cost else "")
        yield f"| {name} | {asn} | {RELATION[session.kind]} | {exports} | {imports} |"
    for session in router.sessions:
        if session.kind not in INTERNAL:
            yield from _neighbour(session, router, system)
    yield from ("", "## Communities", "")
    yield from _communities(system)
    if any(session.kind not in (*INTERNAL, "collector") for session in router.sessions):
        yield from _small_communities(router, system)


def _prefixes(router: Router, system: System) -> Iterator[str]:
    yield f"| {_nets(system.own)} | external neighbours |"
    if system.internal:
        yield f"| {_nets(system.internal)} | our own routers |"
    if system.anycast:
        yield f"| {_nets(system.anycast)} | external neighbours, while one of our hosts announces them to our routers |"
    for service in router.anycast:
        last = ""
        if service.draining:
            last = f". While `{token(service.draining)}` is enabled: as the last resort (RFC 8326)"
        yield f"| {_nets(service.nets)} | our own routers while the protocol `{token(service.name)}` is enabled{last} |"
    if router.learning:
        nets = _nets(router.learning.nets)
        yield f"| kernel routes that others made to {nets}, or to parts of them | our own routers |"


def _communities(system: System) -> Iterator[str]:
    asn = token(system.asn)
    yield "The router that imports a route from an external neighbour sets one of these communities. Filters delete all"
    yield f"large communities of AS{asn} from routes that external neighbours announce, and from routes to them."
    yield ""
    yield "| large community | name in bird.conf | meaning |"
    yield "|---|---|---|"
    for one in ROUTE_CLASSES:
        yield f"| ({asn}, {LEARNED_FROM}, {one.number}) | {one.name} | {one.meaning} |"


def _small_communities(router: Router, system: System) -> Iterator[str]:
    """Those of other ASes, and of DN42, that filters read or add."""
    yield ""
    yield "| community | name in bird.conf | meaning | what filters do |"
    yield "|---|---|---|---|"
    yield _row(GRACEFUL_SHUTDOWN, "set local pref 0 on routes that external neighbours announce with it")
    yield _row(BLACKHOLE, "export no route with it to external neighbours")
    measured: dict[int, list[str]] = {}
    for session in router.sessions:
        for number in session.measures:
            measured.setdefault(number, []).append(token(session.name))
    for number, names in sorted(measured.items()):
        yield _of_link(number, f"add it to routes from and to {', '.join(names)}, and keep the worst on the path")
    for number in system.tags:
        yield _row(dn42(number), "add it to our own prefixes, on export to external neighbours")


def _of_link(number: int, does: str) -> str:
    """An argument of the function `dn42_link`."""
    one = dn42(number)
    return f"| {_numbers(one)} | (DN42, {token(number)}) | {one.about} | {does} |"


def _row(one: Community, does: str) -> str:
    return f"| {_numbers(one)} | {one.name} | {one.about} | {does} |"


def _nets(nets: tuple[object, ...]) -> str:
    return ", ".join(map(token, nets))


def _passed(session: Session, router: Router) -> str:
    """BGP routes that one of our routers gets. Only a reflector passes routes on from one iBGP session to another."""
    if session.kind != "ibgp" or session.cluster:
        return "all BGP routes"
    if any(other.cluster for other in router.sessions):
        return "BGP routes from external neighbours and route reflector clients"
    if any(other.kind in ("confederation", "fake") for other in router.sessions):
        return "BGP routes from external neighbours and other members"
    return "BGP routes from external neighbours"


def _neighbour(session: Session, router: Router, system: System) -> Iterator[str]:
    yield ""
    yield f"## {token(session.name)}: {RELATION[session.kind]}, AS{token(session.remote_asn)}"
    yield ""
    yield from ("| | routes | communities and attributes |", "|---|---|---|")
    yield f"| exports | {_exports(session, system)} | {'; '.join(_changes_of_exports(session, system))} |"
    imports = _imports(session, system)
    changes = "; ".join(_changes_of_imports(session, router, system)) if session.kind != "collector" else ""
    yield f"| imports | {imports} | {changes} |"


def _exports(session: Session, system: System) -> str:
    most = "".join(f", at most {token(one.routes)} IPv{token(one.family)} routes" for one in session.export_limits)
    if session.kind in ("downstream", "mutual-transit", "collector"):
        known = f"routes of all external neighbours, ({token(system.asn)}, {LEARNED_FROM}, *)"
    else:
        carried = " or ".join(f"{_of_class(one, system)}" for one in (FROM_DOWNSTREAM, FROM_MUTUAL_TRANSIT))
        known = f"routes of downstreams and neighbours with mutual transit, {carried}"
    return f"our prefixes, {known}, without {_named(BLACKHOLE)}{most}"


def _changes_of_exports(session: Session, system: System) -> Iterator[str]:
    if system.tags:
        yield f"adds {_numbers(*map(dn42, system.tags))} to our prefixes"
    yield from _measured(session)
    if system.drained:
        yield f"adds {_named(GRACEFUL_SHUTDOWN)}"
    yield f"deletes {_of_ours(system)}"
    yield from _deleted_otc(session)
    others = [asn for asn in system.private_asns if asn not in session.private_asns]
    if others:
        yield f"deletes {_nets(tuple(others))} from the AS path"
    if system.form == "fake":
        yield "deletes the ASNs of members from the AS path"


def _changes_of_imports(session: Session, router: Router, system: System) -> Iterator[str]:
    yield f"deletes {_of_ours(system)}"
    yield from _deleted_otc(session)
    yield from _measured(session)
    yield f"adds {_of_class(class_of(session.kind), system)}"
    if session.local_pref is not None:
        yield f"sets local pref {token(session.local_pref)}, and 0 with {_named(GRACEFUL_SHUTDOWN)}"
    yield "sets MED 0"
    if system.recursive:
        yield f"sets the next hop {_nets(router.sources)}"


def _deleted_otc(session: Session) -> Iterator[str]:
    if session.kind == "mutual-transit":
        yield "deletes OTC (RFC 9234)"


def _measured(session: Session) -> Iterator[str]:
    if session.measures:
        yield f"adds {_numbers(*map(dn42, session.measures))}, and keeps the worst on the path"


def _of_ours(system: System) -> str:
    asn = token(system.asn)
    return f"({asn}, *, *) and ({asn}, *)" if system.asn < 1 << 16 else f"({asn}, *, *)"


def _of_class(one: RouteClass, system: System) -> str:
    return f"({token(system.asn)}, {LEARNED_FROM}, {one.number}) {one.name}"


def _numbers(*some: Community) -> str:
    return ", ".join(f"({', '.join(map(token, one.numbers))})" for one in some)


def _named(one: Community) -> str:
    return f"{_numbers(one)} {one.name}"


def _imports(session: Session, system: System) -> str:
    if session.kind == "collector":
        return "nothing"
    only = ", ".join(f"{token(one.net)} to /{token(one.most)}" for one in session.only)
    said = [only or "prefixes that the profile accepts"]
    if system.roa:
        said.append("ROA valid" if system.roa_strict else "not ROA invalid")
    if system.flaps:
        said.append("no flap")
    if session.begins:
        said.append(f"AS paths that begin with {_nets(session.begins)}, then public ASNs alone")
    said += dict.fromkeys(hop for family in session.families if (hop := _next_hop(session, family)))
    said += [f"at most {token(limit.routes)} IPv{token(limit.family)} routes" for limit in session.limits]
    return ", ".join(said)


def _next_hop(session: Session, family: Family) -> str | None:
    if names_its_next_hop(session, family):
        return "next hop: the neighbour itself"
    if session.device and is_held_to_its_device(session, family):
        return f"next hop: on {token(session.device)}"
    if session.lan:
        return f"next hop: in {token(session.lan)}"
    return f"next hop: not in {_nets(session.own_hops)}" if session.own_hops else None
