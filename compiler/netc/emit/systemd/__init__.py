"""Units: one for each part, `netc.target` over all, timers for endpoints and drop-ins for confined services."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.file import File, restart_unit
from netc.emit.file import reload as reload_part
from netc.emit.render import Verbatim, about, render
from netc.emit.systemd.capabilities import HOLDING, WRITING, capabilities, devices, runs_anything
from netc.language.names import CredentialName
from netc.plan.facts import (
    AddressSet,
    Checker,
    Fact,
    HeldSlice,
    KeptRoute,
    MetricsFile,
    NamedEndpoint,
    Ruleset,
    Successor,
)
from netc.plan.facts.device import Device
from netc.plan.facts.ruleset import groups_path
from netc.plan.hidden import folders, resolv_conf, sockets
from netc.plan.host_plan import Confined, HostPlan, Part
from netc.plan.steps import reload

UNITS = "files/etc/systemd/system"


def emit(plan: HostPlan) -> Iterator[File]:
    parts = [part.name for part in plan.parts]
    followers = [part.name for part in plan.parts if part.follows or part.kind == "firewall"]
    names = {"host": plan.host, "network": plan.network}
    target = render("systemd", "netc.target.j2", **names, parts=parts, followers=followers)
    yield File(f"{UNITS}/netc.target", target)
    yield File(f"{UNITS}/netc-back.service", render("systemd", "back.service.j2", host=plan.host))
    yield from _bounds(plan)
    for part in plan.parts:
        yield from _part(part)
        yield from _sysusers(part)
        yield from _slices(part)
    for confined in plan.confined:
        yield _confined(confined)


def _bounds(plan: HostPlan) -> Iterator[File]:
    """Drop-ins for all units by the beginning of their names; one of a longer beginning stands in place of a shorter
    one, since they have the same name (systemd.unit(5))."""
    for checks in (False, True) if any(part.every(Checker) for part in plan.parts) else (False,):
        text = render("systemd", "bounds.conf.j2", host=plan.host, checks=checks, runs_anything=False)
        yield File(f"{UNITS}/netc-{'check-' if checks else ''}.service.d/50-netc.conf", text)
    for part in filter(runs_anything, plan.parts):
        text = render("systemd", "bounds.conf.j2", about=about(part.about), runs_anything=True)
        yield File(f"{UNITS}/netc-{part.name}.service.d/50-netc.conf", text)


def _bounding(facts: tuple[Fact, ...]) -> dict[str, object]:
    return {"capabilities": tuple(map(Verbatim, capabilities(facts))), "devices": tuple(map(Verbatim, devices(facts)))}


def _part(part: Part) -> Iterator[File]:
    shared: dict[str, object] = {"about": about(part.about), "part": part.name}
    beside = tuple(fact for fact in part.facts if not isinstance(fact, Device))  # those are there by then
    minding = {**shared, **_bounding(beside)}
    unit = render(
        "systemd",
        "part.service.j2",
        **shared,
        **_bounding(part.facts),
        early=part.is_early,
        flushed=part.kind == "firewall",
        sets=part.every(AddressSet),
        online=runs_anything(part),
        after=part.after,
        renewed_by=part.renewed_by,
        bound=part.bound,
        wants=part.wants,
        follows=part.follows,
        endpoints=runs_endpoints(part),
        written=part.every(MetricsFile),
        watched=part.every(KeptRoute),
        checked=part.every(Checker),
        daemon=next((Verbatim(fact.pid_file) for fact in part.facts if fact.pid_file), None),
        credentials=_credentials(part),
        reloads=any(True for _ in reload(part)),
    )
    yield File(f"{UNITS}/netc-{part.name}.service", unit)
    if part.every(KeptRoute):
        yield _own(f"netc-watch-{part.name}.service", render("systemd", "watch.service.j2", **minding))
    for checker in part.every(Checker):
        text = render("systemd", "check.service.j2", **shared, checker=checker)
        yield _own(f"netc-check-{part.name}.service", text)
    for other in part.renewed_by:
        yield File(f"{UNITS}/{other}.d/50-netc-{part.name}.conf", render("systemd", "renew.conf.j2", **shared))
    if runs_endpoints(part):
        for kind in ("service", "timer"):
            text = render("systemd", f"endpoints.{kind}.j2", **minding, keys=part.every(Successor))
            yield _own(f"netc-endpoints-{part.name}.{kind}", text)
    if part.every(MetricsFile):
        bounds = {"capabilities": tuple(map(Verbatim, WRITING)), "devices": ()}
        for kind in ("service", "timer"):
            yield _own(f"netc-write-{part.name}.{kind}", render("systemd", f"write.{kind}.j2", **shared, **bounds))


def runs_endpoints(part: Part) -> bool:
    """Has the script `endpoints`, and a timer that runs it."""
    return bool(part.every(NamedEndpoint) or part.every(Successor))


def _own(unit: str, text: str) -> File:
    return File(f"{UNITS}/{unit}", text, takings=restart_unit(unit))


def _sysusers(part: Part) -> Iterator[File]:
    for ruleset in part.every(Ruleset):
        if path := groups_path(ruleset):
            groups = sorted({split.group for split in ruleset.splits if split.group})
            text = render("systemd", "sysusers.conf.j2", groups=groups)
            yield File(f"files{path}", text, takings=reload_part(part.name))


def _slices(part: Part) -> Iterator[File]:
    """Drop-ins: the slices may have units of their own, or none."""
    shared = {"about": about(part.about), "part": part.name}
    if part.every(HeldSlice):
        hold = render("systemd", "hold.service.j2", **shared, capabilities=tuple(map(Verbatim, HOLDING)), devices=())
        yield File(f"{UNITS}/netc-hold-{part.name}.service", hold)
    for held in part.every(HeldSlice):
        yield File(f"{UNITS}/{held.name}.d/50-netc.conf", render("systemd", "slice.conf.j2", **shared))
        values = {"slice": held.name, **_hidden(resolv_conf(held.split) if held.resolvers else None, held.dbus)}
        for service in held.services:
            text = render("systemd", "sliced.conf.j2", about=shared["about"], **values)
            yield File(f"{UNITS}/{service}.d/50-netc-split.conf", text, takings=restart_unit(service))


def _credentials(part: Part) -> list[CredentialName]:
    keys = {secret.key for fact in part.facts for secret in fact.secrets()}
    return sorted(key for key in keys if isinstance(key, CredentialName))


def _hidden(instead: str | None, dbus: bool) -> dict[str, object]:
    """What `hidden.j2` prints. Without a file `instead` nothing is hidden."""
    return {
        "resolv_conf": Verbatim(instead) if instead else None,
        "folders": tuple(map(Verbatim, folders(dbus=dbus))),
        "sockets": tuple(map(Verbatim, sockets(dbus=dbus))),
    }


def _confined(confined: Confined) -> File:
    text = render(
        "systemd",
        "confined.conf.j2",
        **_hidden(f"/etc/netns/{confined.namespace}/resolv.conf", confined.dbus),
        namespace=confined.namespace,
        part=confined.part,
        tunnel=confined.after,
        service=confined.unit.endswith(".service"),
    )
    return File(f"{UNITS}/{confined.unit}.d/50-netc.conf", text, takings=restart_unit(confined.unit))
