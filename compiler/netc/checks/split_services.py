"""Splits of services: a service is in one slice, that slice in one split, and none that the packet filter needs."""

from __future__ import annotations

from collections.abc import Iterator

from netc.diagnostic import Diagnostic, KeyPath
from netc.language.names import HostName, ServiceName, SliceName
from netc.network.interface import Network

REMOTE = frozenset(("ssh.service", "sshd.service", "ssh@.service", "dropbear.service"))
"""What people come in by."""

EARLIER = frozenset(
    f"{name}.service"
    for name in ("nftables", "netfilter-persistent", "dbus", "systemd-journald", "systemd-logind", "systemd-udevd")
)
"""What a machine starts before its packet filter, or cannot do without."""


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
            if settings.slice:
                yield from _slice(settings.slice, (*at, "slice"), slices)


def _service(service: ServiceName, where: KeyPath, seen: dict[ServiceName, KeyPath]) -> Iterator[Diagnostic]:
    first = seen.setdefault(service, where)
    if first != where:
        yield Diagnostic(
            "NC1705", where, f"`{service}` is already in another split", "leave it out of one of the two", (first,)
        )
    if service in REMOTE:
        what = f"`{service}` would stop together with the packet filter, and lock you out"
        yield Diagnostic("NC1711", where, what, "leave it out: answers to ssh do not go into a tunnel anyway")
    elif service in EARLIER:
        what = f"`{service}` starts before the packet filter, and the services of a split start after it"
        yield Diagnostic("NC1711", where, what, "leave it out")


def _confined(service: ServiceName, where: KeyPath, host: HostName, network: Network) -> Iterator[Diagnostic]:
    for name, namespace in sorted(network.topology.hosts[host].namespaces.items()):
        for index, unit in enumerate(namespace.services):
            if unit == service:
                what = f"`{service}` runs in namespace `{name}`, and splits apply outside of namespaces"
                there = ("hosts", host, "namespaces", name, "services", index)
                yield Diagnostic("NC1710", where, what, "leave it out of one of the two", (there,))


def _slice(slice_: SliceName, where: KeyPath, seen: dict[SliceName, KeyPath]) -> Iterator[Diagnostic]:
    """Also one within the other."""
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
            yield Diagnostic("NC1705", where, what, "write slices of which none contains another", (there,))
            return
    seen[slice_] = where
