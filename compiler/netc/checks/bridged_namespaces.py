"""Namespaces on a bridge: they have addresses in its subnets, and no keys that belong to a tunnel."""

from __future__ import annotations

from collections.abc import Iterator

from netc.diagnostic import Diagnostic, KeyPath, Severity
from netc.language.names import HostName, NamespaceName
from netc.language.namespaces import Namespace
from netc.language.topology import Host
from netc.network.interface import Network

OF_A_TUNNEL = {
    "access": "leave it out: others reach the namespace at its `address`",
    "dbus": "leave `dbus` out: services on a bridge reach the system bus",
    "open": "leave `open` out",
    "publish": "move it into `publish` of the bridge, with `to = {name}`",
}
"""Keys that have no effect on a bridge, and what to write instead."""


def check(network: Network) -> Iterator[Diagnostic]:
    for host, table in sorted(network.topology.hosts.items()):
        for name, settings in sorted(table.namespaces.items()):
            where: KeyPath = ("hosts", host, "namespaces", name)
            if settings.tunnel:
                yield from _in_a_tunnel(settings, where)
            else:
                yield from _on_a_bridge(name, settings, where)
                yield from _addresses(settings, host, table, where)


def _in_a_tunnel(settings: Namespace, where: KeyPath) -> Iterator[Diagnostic]:
    if settings.address:
        what = "`address` belongs to namespaces on a bridge, and this one is in a tunnel"
        hint = "leave `address` out: a namespace in a tunnel is reached through `access`"
        yield Diagnostic("NC1301", (*where, "address"), what, hint, ((*where, "tunnel"),), on_key=True)


def _on_a_bridge(name: NamespaceName, settings: Namespace, where: KeyPath) -> Iterator[Diagnostic]:
    for key, hint in OF_A_TUNNEL.items():
        if getattr(settings, key):
            what = f"`{key}` belongs to namespaces in a tunnel, and this one is on a bridge"
            yield Diagnostic(
                "NC1301", (*where, key), what, hint.format(name=f'"{name}"'), ((*where, "bridge"),), on_key=True
            )
    if settings.services and not settings.dns:
        what = "the namespace has no resolver, so its services cannot resolve names"
        yield Diagnostic(
            "NC0909",
            where,
            what,
            'write `dns = ["9.9.9.9"]`, or another resolver',
            severity=Severity.WARNING,
            on_key=True,
        )


def _addresses(settings: Namespace, host: HostName, table: Host, where: KeyPath) -> Iterator[Diagnostic]:
    bridge = table.bridges.get(settings.bridge) if settings.bridge else None
    if bridge is None:
        return
    subnets = ", ".join(str(net.cidr) for net in bridge.addresses)
    there: KeyPath = ("hosts", host, "bridges", str(settings.bridge), "addresses")
    if not settings.address:
        what = f"the namespace is on bridge `{settings.bridge}` and has no `address` there"
        yield Diagnostic("NC1306", where, what, f"write an `address` in {subnets}", (there,), on_key=True)
    first: dict[int, int] = {}
    for index, net in enumerate(settings.address):
        at: KeyPath = (*where, "address", index)
        if net.version in first:
            what = f"`address` has two IPv{net.version} addresses"
            yield Diagnostic("NC1306", at, what, "leave it out", ((*where, "address", first[net.version]),))
        first.setdefault(net.version, index)
        if not any(net.cidr == own.cidr for own in bridge.addresses):
            what = f"{net} is in no subnet of bridge `{settings.bridge}`"
            yield Diagnostic("NC1306", at, what, f"write an address in {subnets}", (there,))
