"""Splits of services: each service and each slice is in one split, and no service that the packet filter needs."""

from __future__ import annotations

from collections.abc import Iterator

from netc.diagnostic import Diagnostic, KeyPath
from netc.language.names import HostName
from netc.language.units import CONTAINERS, NETWORK, REMOTE, RESOLVERS, ServiceName, SliceName, stem
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
                if settings.dns and settings.mode == "only":
                    yield from _masked(service, where)
            if settings.slice:
                yield from _slice(settings.slice, (*at, "slice"), slices)


def _service(service: ServiceName, where: KeyPath, seen: dict[ServiceName, KeyPath]) -> Iterator[Diagnostic]:
    first = seen.setdefault(service, where)
    if first != where:
        yield Diagnostic(
            "NC1705", where, f"`{service}` is already in another split", "leave it out of one of the two", (first,)
        )
    if stem(service) in REMOTE:
        what = f"`{service}` would stop when the packet filter stops, and lock you out"
        yield Diagnostic("NC1711", where, what, "leave it out: replies of ssh do not go into a tunnel anyway")
    elif stem(service) in NETWORK:
        what = (
            f"`{service}` starts before the packet filter, and the services of a split start after it and stop with it"
        )
        yield Diagnostic("NC1711", where, what, "leave it out")


def _masked(service: ServiceName, where: KeyPath) -> Iterator[Diagnostic]:
    """What a split with `dns` hides from its services, these need."""
    if stem(service) in RESOLVERS:
        what = f"`{service}` resolves names for the whole host, and a split with `dns` hides its sockets"
        yield Diagnostic("NC1711", where, what, "leave it out: the split has a resolver of its own")
    elif stem(service) in CONTAINERS:
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
    """A slice in two splits, or inside a slice of another split."""
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
