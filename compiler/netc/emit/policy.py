"""POLICY.md: which routes a router exports to whom and imports from whom, for the people who approve its filters."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.file import File
from netc.emit.render import token
from netc.plan.bgp import Session, System
from netc.plan.communities import BLACKHOLE, GRACEFUL_SHUTDOWN, Community, dn42
from netc.plan.facts import Router
from netc.plan.host_plan import HostPlan
from netc.plan.route_class import LEARNED_FROM, ROUTE_CLASSES

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
    yield "| neighbour | AS | relation | exports | imports |"
    yield "|---|---|---|---|---|"
    for session in router.sessions:
        name, asn = token(session.name), token(session.remote_asn)
        exports, imports = _exports(session, router), _imports(session, system)
        yield f"| {name} | {asn} | {RELATION[session.kind]} | {exports} | {imports} |"
    yield ""
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
        yield _row(dn42(number), f"add it to routes from and to {', '.join(names)}, and keep the worst on the path")
    for number in system.tags:
        yield _row(dn42(number), "add it to our own prefixes, on export to external neighbours")


def _row(one: Community, does: str) -> str:
    return f"| ({', '.join(map(token, one.numbers))}) | {one.name} | {one.about} | {does} |"


def _nets(nets: tuple[object, ...]) -> str:
    return ", ".join(map(token, nets))


def _exports(session: Session, router: Router) -> str:
    if session.kind in INTERNAL:
        return f"prefixes of this router, {_passed(session, router)}"
    most = "".join(f", at most {token(one.routes)} IPv{token(one.family)} routes" for one in session.export_limits)
    if session.kind in ("downstream", "mutual-transit", "collector"):
        return f"our prefixes, routes from all external neighbours{most}"
    return f"our prefixes, routes from downstreams and neighbours with mutual transit{most}"


def _passed(session: Session, router: Router) -> str:
    """BGP routes that one of our routers gets. Only a reflector passes routes on from one iBGP session to another."""
    if session.kind != "ibgp" or session.cluster:
        return "all BGP routes"
    if any(other.cluster for other in router.sessions):
        return "BGP routes from external neighbours and route reflector clients"
    if any(other.kind in ("confederation", "fake") for other in router.sessions):
        return "BGP routes from external neighbours and other members"
    return "BGP routes from external neighbours"


def _imports(session: Session, system: System) -> str:
    if session.kind in INTERNAL:
        return "all routes" + (f", MED + {token(session.cost)}" if session.cost else "")
    if session.kind == "collector":
        return "nothing"
    only = ", ".join(f"{token(one.net)} to /{token(one.most)}" for one in session.only)
    said = [only or "prefixes that the profile accepts"]
    if system.roa:
        said.append("ROA valid" if system.roa_strict else "not ROA invalid")
    if session.local_pref is not None:
        said.append(f"local pref {token(session.local_pref)}")
    said += [f"at most {token(limit.routes)} IPv{token(limit.family)} routes" for limit in session.limits]
    return ", ".join(said)
