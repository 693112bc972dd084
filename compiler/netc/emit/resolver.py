"""Name resolution inside a namespace: resolv.conf(5) and nsswitch.conf(5) below /etc/netns (ip-netns(8)); and
resolv.conf(5) of programs of a split."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.file import File, Taking, restart_unit
from netc.emit.render import Verbatim, origin, render
from netc.language.units import ServiceName
from netc.plan.facts import HeldSlice, Launcher, Namespace
from netc.plan.hidden import resolv_conf
from netc.plan.host_plan import HostPlan, Part


def emit(plan: HostPlan) -> Iterator[File]:
    inside: dict[str, list[Taking]] = {}
    for one in plan.confined:
        inside.setdefault(one.namespace, []).append(Taking("unit", one.unit))
    for part in plan.parts:
        for namespace in part.every(Namespace):
            folder = f"files/etc/netns/{namespace.name}"
            takings = tuple(inside.get(namespace.name, ()))
            asked = namespace.resolvers
            values = {"origin": origin(part.origin), "resolvers": asked, "none": not asked}
            text = render("resolver", "resolv.conf.j2", **values)
            yield File(f"{folder}/resolv.conf", text, takings=takings)
            text = render("resolver", "nsswitch.conf.j2", origin=origin(part.origin))
            yield File(f"{folder}/nsswitch.conf", text, takings=takings)
        yield from _of_splits(part)


def _of_splits(part: Part) -> Iterator[File]:
    where = origin(part.origin)
    for launcher in part.every(Launcher):
        yield from _of_split(launcher, (), where)
    for held in part.every(HeldSlice):
        yield from _of_split(held, held.services, where) if held.services else ()


def _of_split(fact: Launcher | HeldSlice, services: tuple[ServiceName, ...], where: Verbatim) -> Iterator[File]:
    if fact.resolvers:
        text = render("resolver", "resolv.conf.j2", origin=where, resolvers=fact.resolvers, none=False)
        takings = tuple(taking for service in services for taking in restart_unit(service))
        yield File(f"files{resolv_conf(fact.split)}", text, takings=takings)
