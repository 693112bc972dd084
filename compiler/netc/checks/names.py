"""Names that netc derives: short enough, and unique."""

from __future__ import annotations

from collections.abc import Iterator

from netc.diagnostic import Diagnostic, KeyPath, dotted
from netc.language.names import HostName, Wrong, shorter
from netc.network.anycast import anycast_device, services_at
from netc.network.bridges import bridge_device
from netc.network.interface import Network
from netc.network.namespaces import INNER, host_end


def check(network: Network) -> Iterator[Diagnostic]:
    for host in network.topology.hosts:
        yield from _interfaces(host, network)
        yield from _parts(host, network)


def _interfaces(host: HostName, network: Network) -> Iterator[Diagnostic]:
    """A device starts in the host's own namespace, so names are unique even for those that move to another."""
    table = network.topology.hosts[host]
    seen: dict[str, KeyPath] = {table.wan: ("hosts", host, "wan")} if table.wan else {}
    named = [(str(i.name), i.where) for i in network.interfaces[host]]
    for uplink_name, uplink in table.uplinks.items():
        if uplink.interface and uplink.interface not in (device for device, _ in named):  # `checks.uplinks` reports it
            seen.setdefault(uplink.interface, ("hosts", host, "uplinks", uplink_name, "interface"))
    for name, settings in sorted(table.namespaces.items()):
        where: KeyPath = ("hosts", host, "namespaces", name)
        try:
            outer = host_end(name, settings)
        except Wrong as wrong:
            what = f"netc cannot name the veth pair of `{name}` on {host}: {wrong.what}"
            yield Diagnostic(wrong.code, where, what, shorter("interface"), on_key=True)
            continue
        if settings.access or settings.bridge:
            named.append((outer, where))
    for bridge_name, bridge in sorted(table.bridges.items()):
        where = ("hosts", host, "bridges", bridge_name)
        try:
            named.append((bridge_device(bridge_name, bridge), where))
        except Wrong as wrong:
            what = f"netc cannot name the interface of `{bridge_name}`: {wrong.what}"
            yield Diagnostic(wrong.code, where, what, shorter("interface"), on_key=True)
    named += [(anycast_device(name), ("anycast", name)) for name, _ in services_at(host, network.topology)]
    for device, where in named:
        other = seen.setdefault(device, where)
        if other != where:
            what = (
                f"two interfaces of {host} have the same name, `{device}`: those of {_owner(other)} and {_owner(where)}"
            )
            key = "prefix" if "meshes" in (where[0], other[0]) else "interface"
            yield Diagnostic("NC0801", where, what, f"give one of them another `{key}`", (other,), on_key=True)
        if device == INNER and table.namespaces:
            what = f"`{INNER}` is the name of the inner end of each namespace's veth pair"
            yield Diagnostic("NC0801", where, what, "write another `interface`", on_key=True)


def _owner(where: KeyPath) -> str:
    """The table that an interface is of: `links.l`, `hosts.a.tunnels.t`."""
    return dotted(where[: 4 if where[0] == "hosts" else 2])


def _parts(host: HostName, network: Network) -> Iterator[Diagnostic]:
    seen: dict[str, KeyPath] = {}
    for interface in network.interfaces[host]:
        other = seen.setdefault(interface.part, interface.origin)
        if other != interface.origin:
            what = f"two parts of {host} have the same name, `{interface.part}`"
            yield Diagnostic("NC0802", interface.origin, what, "rename one of the two", (other,), on_key=True)
