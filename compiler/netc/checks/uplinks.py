"""Uplinks: each brings prefixes of its own, by one way, and has a router where it needs one."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress

from netc.language.names import HostName
from netc.language.uplinks import Uplink as Settings
from netc.network.interface import Interface, Network, WireguardInterface
from netc.network.lookup import Longest, by_device, by_origin
from netc.network.overlaps import first_overlaps
from netc.network.uplinks import Uplink, uplinks
from netc.problem import KeyPath, Problem


def check(network: Network) -> Iterator[Problem]:
    for host, table in network.topology.hosts.items():
        for name, settings in table.uplinks.items():
            where: KeyPath = ("hosts", host, "uplinks", name)
            yield from _way(host, settings, where, network)
            yield from _gateways(settings, where)
            yield from _nowhere(settings, where)
        resolved = uplinks(host, network)
        for uplink in resolved:
            if not uplink.prefixes:
                what = f"nothing comes by `{uplink.name}`: it has no prefix"
                yield Problem("NC1202", uplink.origin, what, 'write `prefixes = ["…"]`', on_key=True)
        yield from _overlaps(resolved)
        yield from _preferred(resolved)
        yield from _stranded(host, resolved, network)
        yield from _into_itself(host, resolved, network)
        yield from _of_another(host, resolved, network)


def _way(host: HostName, settings: Settings, where: KeyPath, network: Network) -> Iterator[Problem]:
    if (settings.interface is None) == (settings.tunnel is None):
        what = "an uplink is an interface of the image, or a tunnel"
        yield Problem("NC1201", where, what, 'write `interface = "eth1"` or `tunnel = "…"`', on_key=True)
        return
    tunnel = _tunnel(host, settings, network)
    if tunnel and tunnel.namespace:
        what = f"the tunnel `{settings.tunnel}` is all that the namespace `{tunnel.namespace}` has, and not {host}'s"
        yield Problem("NC1206", (*where, "tunnel"), what, "make another tunnel for one of the two")
    elif tunnel and (tunnel.table is not None or any(net.prefixlen == 0 for net in tunnel.routes)):
        what = f"the uplink has a table of its own, and the tunnel `{settings.tunnel}` routes elsewhere"
        key = "table" if tunnel.table is not None else "routes"
        yield Problem("NC1206", (*tunnel.where, key), what, "leave it out: the uplink sees to it", (where,))
    made = by_device(host, network).get(settings.interface) if settings.interface else None
    if made:
        what = f"{host} has `{made.name}` from netc, not from its image"
        hint = f'write `tunnel = "{made.origin[-1]}"`' if made.origin[0] == "hosts" else "an uplink is no link of ours"
        yield Problem("NC1207", (*where, "interface"), what, hint, (made.where,))


def _tunnel(host: HostName, settings: Settings, network: Network) -> Interface | None:
    if settings.tunnel is None:
        return None
    return by_origin(host, network).get(("hosts", host, "tunnels", settings.tunnel))


def _gateways(settings: Settings, where: KeyPath) -> Iterator[Problem]:
    given = settings.gateway or ()
    prefixes = {net.version for net in settings.prefixes}
    for index, ip in enumerate(given):
        at: KeyPath = (*where, "gateway", index)
        earlier = [other for other in given[:index] if other.version == ip.version]
        if earlier:
            hint = "name one, or make an uplink of each"
            yield Problem("NC1204", at, f"two routers of IPv{ip.version}: {earlier[0]} and {ip}", hint)
        elif settings.interface and ip.version not in prefixes:
            what = f"a router of IPv{ip.version}, and no prefix of that family comes by it"
            yield Problem("NC1204", at, what, "write the prefix, or leave the router out")
        elif any(ip in net and ip == net.ip for net in settings.prefixes):
            yield Problem("NC1204", at, f"{ip} is the host's own address", "name the router's")
    missing = prefixes - {ip.version for ip in given}
    if settings.interface and missing and settings.gateway != ():
        families = " and ".join(f"IPv{version}" for version in sorted(missing))
        what = f"no router of {families}: where would its default route lead?"
        yield Problem("NC1204", where, what, 'write `gateway = "…"`, or `false` on a point-to-point link', on_key=True)


def _nowhere(settings: Settings, where: KeyPath) -> Iterator[Problem]:
    """Ranges that no provider brings, and routers that nobody is."""
    for index, net in enumerate(settings.prefixes):
        if net.prefixlen == 0 or any(not _routable(ip) for ip in (net.network, net.ip)):
            hint = "write what the provider routes to this host; where it leads is said by `gateway`"
            yield Problem("NC1210", (*where, "prefixes", index), f"{net} is nothing that an uplink brings", hint)
    for index, ip in enumerate(settings.gateway or ()):
        broadcast = any(net.version == 4 and net.size > 2 and ip == net.broadcast for net in settings.prefixes)
        if not (_routable(ip) or ip.is_link_local()) or broadcast:
            hint = "write the router's own address"
            yield Problem("NC1210", (*where, "gateway", index), f"{ip} is no router's address", hint)


def _routable(ip: IPAddress) -> bool:
    """An address that packets can be sent to from elsewhere (RFC 6890); `::192.0.2.1` is how 6to4 writes its relay."""
    return not (ip.is_multicast() or ip.is_loopback() or ip.is_link_local() or int(ip) == 0)


def _of_another(host: HostName, resolved: tuple[Uplink, ...], network: Network) -> Iterator[Problem]:
    """`addresses` are those of `wan`; in the prefix of another interface they would be answered there."""
    table = network.topology.hosts[host]
    for index, own in enumerate(table.addresses):
        holders = [uplink for uplink in resolved if any(own.ip in net for net in uplink.prefixes)]
        if table.wan and holders and all(uplink.device != table.wan for uplink in holders):
            what = f"{own.ip} is on {table.wan}, and would be answered by `{holders[0].name}` on {holders[0].device}"
            hint = f"`addresses` are those of {table.wan} alone; an uplink says its own in `prefixes`"
            yield Problem("NC1211", ("hosts", host, "addresses", index), what, hint, (holders[0].origin,))


def _overlaps(resolved: tuple[Uplink, ...]) -> Iterator[Problem]:
    """The same prefix by two ways: nobody could tell by which one to answer."""
    brought = [(net, uplink) for uplink in resolved for net in uplink.prefixes]
    overlapped = first_overlaps([(net, uplink.name) for net, uplink in brought])
    for (net, uplink), earlier in zip(brought, overlapped, strict=True):
        if earlier is not None:
            its, other = brought[earlier]
            what = f"{net} of `{uplink.name}` overlaps {its} of `{other.name}`"
            hint = "leave one of the two out, or have its provider route another prefix to this host"
            yield Problem("NC1203", uplink.origin, what, hint, (other.origin,), on_key=True)


def _preferred(resolved: tuple[Uplink, ...]) -> Iterator[Problem]:
    seen: dict[int, Uplink] = {}
    for uplink in resolved:
        for way in uplink.ways if uplink.preferred else ():
            other = seen.setdefault(way.family, uplink)
            if other != uplink:
                what = f"`{uplink.name}` and `{other.name}` are both preferred for IPv{way.family}"
                where = (*uplink.origin, "preferred")
                yield Problem("NC1205", where, what, "prefer one", ((*other.origin, "preferred"),))


def _stranded(host: HostName, resolved: tuple[Uplink, ...], network: Network) -> Iterator[Problem]:
    """What no uplink brings follows the preferred one, also answers: who dialled it, by ssh too, would hear nothing."""
    table = network.topology.hosts[host]
    brought = Longest((net, True) for uplink in resolved for net in uplink.prefixes)
    devices = {uplink.device for uplink in resolved}
    for uplink in (u for u in resolved if u.preferred):
        where: KeyPath = (*uplink.origin, "preferred")
        families = {way.family for way in uplink.ways}
        for index, own in enumerate(table.addresses):
            if own.version in families and not brought.of(own.ip):
                what = f"who dials {own.ip}, by ssh for one, would be answered by `{uplink.name}`"
                there = f'`interface = "{table.wan or "eth0"}"`, `prefixes = "{own}"`'
                hint = f"make an uplink of it too: {there} and its `gateway`"
                yield Problem("NC1208", where, what, hint, (("hosts", host, "addresses", index),))
        if table.wan and not table.addresses and table.wan not in devices:
            what = f"who dials {host} at {table.wan}, by ssh for one, would be answered by `{uplink.name}`"
            yield Problem("NC1208", where, what, f"make an uplink of {table.wan} too", (("hosts", host, "wan"),))


def _into_itself(host: HostName, resolved: tuple[Uplink, ...], network: Network) -> Iterator[Problem]:
    """WireGuard's own packets have no source yet when their route is looked up, so no rule of another uplink's holds
    them; other kinds send from `local`."""
    table = network.topology.hosts[host]
    near = [*table.addresses, *(net for u in resolved if not u.tunnel for net in u.prefixes)]
    for uplink in (u for u in resolved if u.preferred):
        made = by_device(host, network).get(uplink.device)
        for peer in made.peers if isinstance(made, WireguardInterface) else ():
            if peer.endpoint is None:
                continue
            there = peer.endpoint
            outer = {there.family} if there.family else {net.version for net in table.addresses} or {4, 6}
            inner = {way.family for way in uplink.ways} & outer
            if inner and not any(there.host in net for net in near if there.family):
                what = f"`{uplink.name}` is preferred, and would carry its own packets to {there.host} too"
                hint = f"prefer another uplink, or dial the peer by an address that is not IPv{min(inner)}"
                yield Problem("NC1209", (*uplink.origin, "preferred"), what, hint, (made.where,) if made else ())
