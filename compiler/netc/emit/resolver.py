"""Name resolution inside a namespace: resolv.conf(5) and nsswitch.conf(5) below /etc/netns (ip-netns(8))."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.file import File, Taking
from netc.emit.render import origin, render
from netc.plan.facts import Namespace
from netc.plan.host_plan import HostPlan


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
