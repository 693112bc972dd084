"""Splits of services: each service and each slice is in one split, and no service that the packet filter needs."""

from __future__ import annotations

from collections.abc import Iterator

from netc.checks.namespaces import clock
from netc.diagnostic import Diagnostic, KeyPath
from netc.language.names import HostName
from netc.language.units import ServiceName, SliceName, stem, work_of
from netc.network.interface import Network


def check(network: Network) -> Iterator[Diagnostic]:
    for host, table in network.topology.hosts.items():
        services: dict[ServiceName, KeyPath] = {}
        slices: dict[SliceName, KeyPath] = {}
        for name, settings in sorted(table.splits.items()):
            at: KeyPath = ("hosts", host, "splits", name)
            for index, service in enumerate(settings.service):
                where = (*at, "service", index)
                yield from _service(service, where, services)
                yield from _confined(service, where, host, network)
                if settings.mode == "only":
                    yield from _of_the_host(service, where, hidden=bool(settings.dns))
                    if settings.tunnel in table.tunnels:
                        yield from clock(service, table.tunnels[settings.tunnel], where)
            if settings.slice:
                yield from _slice(settings.slice, (*at, "slice"), slices)


def _service(service: ServiceName, where: KeyPath, seen: dict[ServiceName, KeyPath]) -> Iterator[Diagnostic]:
    first = seen.setdefault(service, where)
    if first != where:
        yield Diagnostic(
            "NC1705", where, f"`{service}` is already in another split", "leave it out of one of the two", (first,)
        )
    work = work_of(service)
    if work == "login":
        what = f"`{service}` would stop when the packet filter stops, and lock you out"
        why = ": replies of ssh do not go into a tunnel anyway" if stem(service).startswith("ssh") else ""
        yield Diagnostic("NC1711", where, what, f"leave it out{why}")
    elif work == "network":
        what = (
            f"`{service}` starts before the packet filter, and the services of a split start after it and stop with it"
        )
        yield Diagnostic("NC1711", where, what, "leave it out")


def _of_the_host(service: ServiceName, where: KeyPath, *, hidden: bool) -> Iterator[Diagnostic]:
    """`hidden`: the split hides the sockets of resolvers and the system bus, as one with `dns` does."""
    work = work_of(service)
    if work == "names" and not hidden:
        what = f"`{service}` resolves names for the whole host, which would have none while the tunnel is down"
        yield Diagnostic("NC1711", where, what, "leave it out: `dns` of a split leads queries into the tunnel")
    elif work == "names":
        what = f"`{service}` resolves names for the whole host, and a split with `dns` hides its sockets"
        yield Diagnostic("NC1711", where, what, "leave it out: the split has a resolver of its own")
    elif work == "containers" and hidden:
        what = f"`{service}` starts containers that are not in the split"
        what += ", and a split with `dns` hides the system bus from it"
        yield Diagnostic("NC1711", where, what, "leave it out")


def _confined(service: ServiceName, where: KeyPath, host: HostName, network: Network) -> Iterator[Diagnostic]:
    for name, namespace in sorted(network.topology.hosts[host].namespaces.items()):
        for index, unit in enumerate(namespace.services):
            if unit == service:
                what = f"`{service}` runs in namespace `{name}`, where splits do not apply"
                there = ("hosts", host, "namespaces", name, "services", index)
                yield Diagnostic("NC1710", where, what, "leave it out of one of the two", (there,))


def _slice(slice_: SliceName, where: KeyPath, seen: dict[SliceName, KeyPath]) -> Iterator[Diagnostic]:
    """A slice of services of the host, in two splits, or inside a slice of another split."""
    inside = slice_.removesuffix(".slice").removeprefix("system-")
    if slice_.startswith("system-") and work_of(f"{inside}.service") in ServiceName.never:
        what = f"`{slice_}` has services of the whole host, and would stop when the packet filter stops"
        yield Diagnostic("NC1711", where, what, "write a slice of services of your own, or the services")
    groups = {other: other.control_group.split("/") for other in (*seen, slice_)}
    own = groups[slice_]
    for other, there in seen.items():
        if own[: len(groups[other])] == groups[other] or groups[other][: len(own)] == own:
            what = (
                f"slice `{slice_}` is inside `{other}`, which another split has"
                if len(own) >= len(groups[other])
                else ""
            )
            what = what or f"slice `{slice_}` contains `{other}`, which another split has"
            yield Diagnostic("NC1705", where, what, "write slices that do not contain each other", (there,))
            return
    seen[slice_] = where
