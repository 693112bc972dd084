"""POLICY.md: who learns what from whom, in words, for the people who have to approve what the filters say."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.file import File
from netc.emit.render import token
from netc.plan.bgp import Session, System
from netc.plan.facts import Router
from netc.plan.host_plan import HostPlan

WHAT = {
    "ibgp": "ours, of the same AS",
    "confederation": "ours, of another member",
    "fake": "ours, of another member",
    "upstream": "upstream",
    "peer": "peer",
    "downstream": "downstream",
    "route-server": "route server",
    "collector": "collector",
}
INSIDE = ("ibgp", "confederation", "fake")


def emit(plan: HostPlan) -> Iterator[File]:
    for part in plan.parts:
        for router in part.every(Router):
            if router.system:
                yield File("POLICY.md", "\n".join(_page(plan, router, router.system)) + "\n")


def _page(plan: HostPlan, router: Router, system: System) -> Iterator[str]:
    yield f"# Who learns what from whom: {token(plan.host)}, AS{token(system.asn)}"
    yield ""
    yield "Compiled by netc: change the topology, not this file."
    yield ""
    yield f"Ours: {_nets(system.own)}. Here, and told inside alone: {_nets(system.inside)}."
    if router.learning:
        yield ""
        yield f"Learned from the kernel, where others made it, and told inside alone: {_nets(router.learning.nets)}."
    yield from _anycast(router, system)
    yield ""
    yield "| neighbour | AS | what it is | is told | tells us |"
    yield "|---|---|---|---|---|"
    for session in router.sessions:
        name, asn = token(session.name), token(session.remote_asn)
        yield f"| {name} | {asn} | {WHAT[session.kind]} | {_exports(session)} | {_learned(session, system)} |"


def _anycast(router: Router, system: System) -> Iterator[str]:
    if system.anycast:
        yield ""
        yield f"Ours too, and told to the world while a host of ours tells it inside: {_nets(system.anycast)}."
    for service in router.anycast:
        last = f", as the last resort while {token(service.draining)} is" if service.draining else ""
        yield ""
        yield f"Here while {token(service.name)} is on{last}: {_nets(service.nets)}."


def _nets(nets: tuple[object, ...]) -> str:
    return ", ".join(map(token, nets)) or "nothing"


def _exports(session: Session) -> str:
    if session.kind in INSIDE:
        more = "; what others of the AS say" if session.cluster else ""
        return f"what is here; what neighbours outside say{more}"
    most = "".join(f"; at most {token(one.routes)} of IPv{token(one.family)}" for one in session.export_limits)
    if session.kind in ("downstream", "collector"):
        return f"ours; all that neighbours outside say{most}"
    return f"ours; what downstreams say{most}"


def _learned(session: Session, system: System) -> str:
    if session.kind in INSIDE:
        return "everything" + (f"; {token(session.cost)} is added to MED" if session.cost else "")
    if session.kind == "collector":
        return "nothing"
    only = ", ".join(f"{token(one.net)} to /{token(one.most)}" for one in session.only)
    said = [only or "what the profile lets in"]
    if system.roa:
        said.append("valid by ROA" if system.roa_strict else "not invalid by ROA")
    if session.local_pref is not None:
        said.append(f"local_pref {token(session.local_pref)}")
    said += [f"at most {token(limit.routes)} of IPv{token(limit.family)}" for limit in session.limits]
    return "; ".join(said)
