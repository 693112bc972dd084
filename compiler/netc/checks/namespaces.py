"""Namespaces in tunnels: one tunnel each, one namespace for each service, and published ports that can be reached."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netaddr import IPAddress

from netc.checks.words import lacks, unlike
from netc.diagnostic import Diagnostic, KeyPath, Severity, dotted
from netc.language.kinds import KINDS
from netc.language.names import HostName, NamespaceName
from netc.language.namespaces import Namespace, Publish
from netc.language.openings import Open
from netc.language.tunnels import Tunnel
from netc.language.units import UnitName, work_of
from netc.network.interface import Interface, Network
from netc.network.lookup import by_namespace
from netc.network.namespaces import Pair, pairs
from netc.network.uplinks import every_address

STUB = IPAddress("127.0.0.53")


def check(network: Network) -> Iterator[Diagnostic]:
    for host, table in network.topology.hosts.items():
        tunnels: dict[str, KeyPath] = {}
        services: dict[str, KeyPath] = {}
        for name, settings in sorted(table.namespaces.items()):
            where: KeyPath = ("hosts", host, "namespaces", name)
            if settings.tunnel:
                yield from _once(settings.tunnel, (*where, "tunnel"), tunnels, "NC0901", "the tunnel")
            for index, unit in enumerate(settings.services):
                yield from _once(unit, (*where, "services", index), services, "NC0902", "the service")
                yield from of_the_host(unit, (*where, "services", index))
                if settings.tunnel and settings.tunnel in table.tunnels:
                    yield from clock(unit, table.tunnels[settings.tunnel], (*where, "services", index))
            if settings.bridge:
                continue
            yield from _access(settings, where)
            for index, publish in enumerate(settings.publish):
                yield from _publish(publish, settings, (*where, "publish", index), host, network)
            if tunnel := _tunnel(name, host, network):
                yield from _inside(settings, tunnel, where)


def _once(name: str, where: KeyPath, seen: dict[str, KeyPath], code: str, noun: str) -> Iterator[Diagnostic]:
    first = seen.setdefault(name, where)
    if first != where:
        yield Diagnostic(
            code, where, f"{noun} `{name}` is already in another namespace", "leave it out of one of the two", (first,)
        )


def of_the_host(unit: UnitName, where: KeyPath) -> Iterator[Diagnostic]:
    work = work_of(unit)
    if work == "login":
        what = f"`{unit}` would answer in the namespace only, and you could not log in to the host"
        yield Diagnostic("NC1711", where, what, "leave it out")
    elif work in UnitName.never:
        what = f"`{unit}` works for the whole host, and would not see the host's network from a namespace"
        yield Diagnostic("NC1711", where, what, "leave it out")


def clock(unit: UnitName, tunnel: Tunnel, where: KeyPath) -> Iterator[Diagnostic]:
    """A host without a battery boots with an old time, and a WireGuard peer takes no handshake that is older than the
    last one; TLS takes no certificate of the future."""
    if work_of(unit) == "clock" and KINDS[tunnel.kind].form in ("wireguard", "program"):
        what = f"`{unit}` sets the clock by this tunnel, and while the clock is behind, the tunnel does not come up"
        yield Diagnostic("NC1711", where, what, "leave it out", severity=Severity.WARNING)


def _access(settings: Namespace, where: KeyPath) -> Iterator[Diagnostic]:
    families: dict[int, int] = {}
    for index, prefix in enumerate(settings.access):
        at = (*where, "access", index)
        if prefix.version in families:
            what = f"`access` has two IPv{prefix.version} prefixes, and takes one for each family"
            yield Diagnostic("NC0903", at, what, "leave it out", ((*where, "access", families[prefix.version]),))
        families.setdefault(prefix.version, index)
        if prefix.size < 2:
            what = f"{prefix} has 1 address, and a veth pair needs 2"
            yield Diagnostic("NC0903", at, what, f"write a {'/31' if prefix.version == 4 else '/127'}")
        elif prefix.ip != prefix.network:
            what = f"{prefix} has host bits set"
            yield Diagnostic(
                "NC0903", at, what, f"write `{prefix.cidr}`: the host has the first address, the namespace the next"
            )


def _tunnel(name: NamespaceName, host: HostName, network: Network) -> Interface | None:
    return by_namespace(host, network).get(name)


def _ends(settings: Namespace) -> Iterator[IPAddress]:
    return (pair.host.ip for pair in usable_pairs(settings))


def usable_pairs(settings: Namespace) -> tuple[Pair, ...]:
    """Pairs of the prefixes with at least two addresses. `_access` reports the others."""
    usable = tuple(prefix for prefix in settings.access if prefix.size > 1)
    return pairs(settings.model_copy(update={"access": usable}))


def _publish(
    publish: Publish, settings: Namespace, where: KeyPath, host: HostName, network: Network
) -> Iterator[Diagnostic]:
    inside = {prefix.version for prefix in settings.access}
    if not inside:
        what = f"netc cannot publish {publish.port}: the namespace has no `access`"
        yield Diagnostic("NC0904", where, what, f'write `access = ["10.200.0.0/31"]` in {dotted(where[:4])}')
        return
    held = every_address(host, network)
    for index, address in enumerate(publish.on):
        at = (*where, "on", index)
        if address not in held and address not in set(_ends(settings)):
            what, own = lacks(host, address), {*held, *_ends(settings)}
            yield Diagnostic("NC0905", at, what, "write one of " + ", ".join(map(str, sorted(own))))
        elif address.version not in inside:
            what = f"{address} is IPv{address.version}, and `access` has no IPv{address.version} prefix"
            yield Diagnostic(
                "NC0906",
                at,
                what,
                f"add an IPv{address.version} prefix to `access`: the client keeps its address, and so its family",
            )
    for index, prefix in enumerate(publish.allow):
        if prefix.version not in ({address.version for address in publish.on} or inside):
            what = f"no client of {prefix} can connect: the port is not published for IPv{prefix.version}"
            yield Diagnostic("NC0906", (*where, "allow", index), what, f"add an IPv{prefix.version} address to `on`")
    for index, what in unlike(publish.on, publish.allow):
        hint = f"leave it out, or add an IPv{publish.on[index].version} prefix to `allow`"
        yield Diagnostic("NC0906", (*where, "on", index), what, hint, severity=Severity.WARNING)


def _inside(settings: Namespace, tunnel: Interface, where: KeyPath) -> Iterator[Diagnostic]:
    yield from strangers(settings.open, tunnel, where)
    if not tunnel.addresses:
        what = f"tunnel `{settings.tunnel}` has no `address`, so services in the namespace cannot send packets"
        yield Diagnostic(
            "NC0907",
            (*tunnel.where, "address"),
            what,
            "write the `address` that the provider gave you",
            ((*where, "tunnel"),),
        )
    if tunnel.table is not None:
        what = "a tunnel in a namespace uses the main table there, and this one has a `table`"
        yield Diagnostic("NC0908", (*tunnel.where, "table"), what, "leave it out", ((*where, "tunnel"),), on_key=True)
    for index, ip in enumerate(settings.dns or ()):
        if ip == STUB:
            what = f"{ip} is systemd-resolved on the host, and nothing listens there in a namespace"
            hint = 'write `dns = ["9.9.9.9"]`, or another resolver that the tunnel leads to'
            yield Diagnostic("NC0909", (*where, "dns", index), what, hint, severity=Severity.WARNING)
    if settings.services and not (settings.dns or tunnel.dns):
        what = "the namespace has no resolver, so its services cannot resolve names"
        yield Diagnostic(
            "NC0909",
            where,
            what,
            'write `dns = ["9.9.9.9"]`, or another resolver',
            severity=Severity.WARNING,
            on_key=True,
        )


def strangers(table: Iterable[Open], tunnel: Interface, where: KeyPath) -> Iterator[Diagnostic]:
    """Whether those that `open` of `where` names can arrive by a tunnel."""
    families = {net.version for net in tunnel.addresses}
    for number, one in enumerate(table):
        for index, net in enumerate(one.from_):
            if net.version not in families:
                what = f"no connection of {net} can arrive: the tunnel has no IPv{net.version} address"
                hint = "leave it out"
                yield Diagnostic("NC0906", (*where, "open", number, "from", index), what, hint, (tunnel.where,))
