"""Uplinks: each has prefixes of its own, one interface or tunnel, and a router where it needs one."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress, IPNetwork

from netc.checks.addresses import own_places
from netc.checks.words import without
from netc.diagnostic import Diagnostic, KeyPath, Severity
from netc.language.names import HostName
from netc.language.special import refused
from netc.language.uplinks import Uplink as Settings
from netc.network.derive import to_everywhere
from netc.network.interface import Interface, Network, SixToFourInterface, WireguardInterface
from netc.network.lookup import Longest, by_device, by_origin
from netc.network.overlaps import first_overlaps
from netc.network.uplinks import Uplink, uplinks

SIX_TO_FOUR = IPNetwork("2002::/16")
"""Addresses that hold the IPv4 address of their router (RFC 3056)."""


def check(network: Network) -> Iterator[Diagnostic]:
    for host, table in network.topology.hosts.items():
        own = own_places(host, network) if table.uplinks else {}
        for name, settings in table.uplinks.items():
            where: KeyPath = ("hosts", host, "uplinks", name)
            yield from _uplink(host, settings, where, network)
            yield from _gateways(settings, _tunnel(host, settings, network), where, own)
            yield from _nowhere(settings, where)
            yield from _no_relay(settings, _tunnel(host, settings, network), where)
        resolved = uplinks(host, network)
        for uplink in resolved:
            if not uplink.prefixes:
                what = f"uplink `{uplink.name}` has no prefix"
                yield Diagnostic(
                    "NC1202",
                    uplink.origin,
                    what,
                    "write the `prefixes` that the provider routes to this host",
                    on_key=True,
                )
        yield from (each for one in network.interfaces[host] for each in _beyond(one))
        yield from _overlaps(resolved)
        yield from _preferred(resolved)
        yield from _stranded(host, resolved, network)
        yield from _into_itself(host, resolved, network)
        yield from _of_another(host, resolved, network)
        yield from _in_one_subnet(host, resolved, network)


def _uplink(host: HostName, settings: Settings, where: KeyPath, network: Network) -> Iterator[Diagnostic]:
    if (settings.interface is None) == (settings.tunnel is None):
        has = "neither" if settings.tunnel is None else "both"
        what = f"the uplink needs either `interface` or `tunnel`, and has {has}"
        yield Diagnostic(
            "NC1201",
            where,
            what,
            'write `interface = "eth1"`, or the name of a `tunnel`'
            if settings.tunnel is None
            else "leave one of the two out",
            on_key=True,
        )
        return
    tunnel = _tunnel(host, settings, network)
    if tunnel and tunnel.namespace:
        what = f"tunnel `{settings.tunnel}` is in namespace `{tunnel.namespace}`, so {host} itself cannot use it"
        yield Diagnostic("NC1206", (*where, "tunnel"), what, "make a second tunnel that is in no namespace")
    elif tunnel and tunnel.table is not None:
        what = f"tunnel `{settings.tunnel}` has a `table`, and the uplink makes one itself"
        yield Diagnostic("NC1206", (*tunnel.where, "table"), what, "leave it out", (where,))
    elif tunnel and (everywhere := to_everywhere(tunnel.routes)):
        what = f"tunnel `{settings.tunnel}` has a default route, and the uplink makes one itself"
        yield Diagnostic("NC1206", (*tunnel.where, "routes"), what, without(everywhere, tunnel.routes), (where,))
    made = by_device(host, network).get(settings.interface) if settings.interface else None
    if made:
        what = f"netc makes `{made.name}` on {host}, and `interface` takes one that netc does not make"
        hint = (
            f'write `tunnel = "{made.origin[-1]}"` in place of `interface`'
            if made.origin[0] == "hosts"
            else "name another interface: a link between our hosts is no uplink"
        )
        yield Diagnostic("NC1207", (*where, "interface"), what, hint, (made.where,))


def _tunnel(host: HostName, settings: Settings, network: Network) -> Interface | None:
    if settings.tunnel is None:
        return None
    return by_origin(host, network).get(("hosts", host, "tunnels", settings.tunnel))


def _gateways(
    settings: Settings, tunnel: Interface | None, where: KeyPath, own: dict[IPAddress, str]
) -> Iterator[Diagnostic]:
    given = settings.gateway or ()
    prefixes = {net.version for net in settings.prefixes}
    inside = {net.version for net in tunnel.addresses} if tunnel else set()
    for index, ip in enumerate(given):
        at: KeyPath = (*where, "gateway", index)
        earlier = [other for other in given[:index] if other.version == ip.version]
        if earlier:
            hint = "leave it out, or write a second uplink with it"
            yield Diagnostic("NC1204", at, f"`gateway` has two IPv{ip.version} routers, {earlier[0]} and {ip}", hint)
        elif isinstance(tunnel, SixToFourInterface):
            if not _is_relay(ip):
                what = f"{ip} is no relay: a 6to4 tunnel reaches a router by the public IPv4 address in `::192.88.99.1`"
                hint = f'write `gateway = "::{ip}"`' if ip.version == 4 else 'write `gateway = "::192.88.99.1"`'
                yield Diagnostic("NC1204", at, what, hint)
        elif inside and ip.version not in inside | prefixes:
            what = f"`gateway` has the IPv{ip.version} router {ip}, and tunnel `{settings.tunnel}` has no such address"
            yield Diagnostic("NC1204", at, what, f"leave it out, or give the tunnel an IPv{ip.version} `address`")
        elif settings.interface and ip.version not in prefixes:
            what = f"`gateway` has the IPv{ip.version} router {ip}, and `prefixes` has no IPv{ip.version} prefix"
            yield Diagnostic("NC1204", at, what, f"leave it out, or add an IPv{ip.version} prefix")
        elif any(ip in net and ip == net.ip for net in settings.prefixes):
            yield Diagnostic("NC1204", at, f"{ip} is the address of the host itself", "write the address of the router")
        elif ip in own:
            what = f"{ip} is the address of the host itself on {own[ip]}"
            yield Diagnostic("NC1204", at, what, "write the address of the router")
    missing = prefixes - {ip.version for ip in given}
    if settings.interface and missing and settings.gateway != ():
        families = " and ".join(f"IPv{version}" for version in sorted(missing))
        what = f"the uplink has no {families} router for its default route"
        yield Diagnostic(
            "NC1204",
            where,
            what,
            "write the address of the router as `gateway`, or `gateway = false` on a point-to-point link",
            on_key=True,
        )


def _is_relay(ip: IPAddress) -> bool:
    """An IPv4 address of the internet, as IPv6 writes it (RFC 4291 section 2.5.5.1). The kernel sends to no other."""
    if ip.version == 4 or int(ip) >> 32:
        return False
    inner = IPAddress(int(ip), 4)
    return inner.is_unicast() and not (inner.is_ipv4_private_use() or inner.is_loopback() or inner.is_link_local())


def _no_relay(settings: Settings, tunnel: Interface | None, where: KeyPath) -> Iterator[Diagnostic]:
    """6to4 wraps a packet to the IPv4 address in its destination or next hop; others than 2002::/16 need a relay."""
    if isinstance(tunnel, SixToFourInterface) and not settings.gateway:
        what = f"6to4 tunnel `{settings.tunnel}` reaches other 6to4 sites only: the uplink has no relay as `gateway`"
        hint = 'write `gateway = "::192.88.99.1"`, or the IPv4 address of another relay in this form'
        yield Diagnostic("NC1204", where, what, hint, severity=Severity.WARNING, on_key=True)


def _beyond(tunnel: Interface) -> Iterator[Diagnostic]:
    """Routes of a 6to4 tunnel have no relay as next hop. In a namespace it has the default route, if no other."""
    if not isinstance(tunnel, SixToFourInterface):
        return
    name, near = tunnel.origin[-1], [net for net in tunnel.routes if net in SIX_TO_FOUR]
    what = f"6to4 tunnel `{name}` reaches other 6to4 sites only, and has no relay for "
    if tunnel.namespace and not near:
        own = next((f"{net.ip}/48" for net in tunnel.addresses), "")
        keys = f'kind = "6to4", local = "{tunnel.local}", address = "{own}", routes = "{SIX_TO_FOUR}"'
        hint = f"write `tunnels.{name} = {{ {keys} }}` in hosts.{tunnel.host}: "
        hint += f"namespace `{tunnel.namespace}` reaches no more"
        what += "the default route" if not tunnel.routes else ", ".join(map(str, tunnel.routes))
        yield Diagnostic("NC1204", tunnel.where, what, hint, severity=Severity.WARNING, on_key=True)
    elif far := [net for net in tunnel.routes if net not in near]:
        kept = ", ".join(f'"{net}"' for net in near)
        hint = f"write `routes = [{kept}]`" if near else "leave `routes` out"
        hint += f': only an uplink with `tunnel = "{name}"` has a relay, as its `gateway`'
        where = (*tunnel.where, "routes")
        yield Diagnostic("NC1204", where, what + ", ".join(map(str, far)), hint, severity=Severity.WARNING, on_key=True)


def _nowhere(settings: Settings, where: KeyPath) -> Iterator[Diagnostic]:
    """Prefixes that no provider routes, and addresses that no router has."""
    for index, net in enumerate(settings.prefixes):
        if net.prefixlen == 0 or any(not _routable(ip) for ip in (net.network, net.ip)):
            hint = "write the prefix that the provider routes to this host, and `gateway` for the default route"
            yield Diagnostic("NC1210", (*where, "prefixes", index), f"{net} cannot be the prefix of an uplink", hint)
    for index, ip in enumerate(settings.gateway or ()):
        broadcast = any(net.version == 4 and net.size > 2 and ip == net.broadcast for net in settings.prefixes)
        if not (_routable(ip) or ip.is_link_local()) or broadcast:
            hint = "write the address of the router"
            yield Diagnostic("NC1210", (*where, "gateway", index), f"{ip} cannot be the address of a router", hint)


def _routable(ip: IPAddress) -> bool:
    """An address that packets can be sent to from elsewhere (RFC 6890); `::192.0.2.1` is how 6to4 writes its relay."""
    return not refused(ip, "dialled") and not ip.is_link_local()


def _of_another(host: HostName, resolved: tuple[Uplink, ...], network: Network) -> Iterator[Diagnostic]:
    """`addresses` are those of `wan`. In the prefix of another uplink, replies from them would leave by that one."""
    table = network.topology.hosts[host]
    for index, own in enumerate(table.addresses):
        holders = [uplink for uplink in resolved if any(own.ip in net for net in uplink.prefixes)]
        if table.wan and holders and all(uplink.device != table.wan for uplink in holders):
            what = f"{own.ip} is on {table.wan}, and replies from it would leave by uplink `{holders[0].name}`"
            hint = f"leave it out: `addresses` are those of {table.wan}, and `prefixes` those of an uplink"
            yield Diagnostic("NC1211", ("hosts", host, "addresses", index), what, hint, (holders[0].origin,))


def _in_one_subnet(host: HostName, resolved: tuple[Uplink, ...], network: Network) -> Iterator[Diagnostic]:
    """The kernel has the subnet twice in `main`, answers ARP by both interfaces for every address of its own, and sends
    to neighbours by the first. A neighbour or a cloud's filter sees packets from the address of the other one."""
    table = network.topology.hosts[host]
    if table.wan is None:
        return
    of_wan = [net for uplink in resolved if uplink.device == table.wan for net in uplink.prefixes]
    for uplink in (u for u in resolved if u.tunnel is None and u.device != table.wan):
        inside = (*uplink.addresses, *(table.uplinks[uplink.name].gateway or ()))
        wide = [net for net in uplink.prefixes if net.size > 1]
        if any(one in net or net in one for one in wide for net in of_wan):
            continue  # NC1203
        found: dict[IPAddress, int] = {}
        for index, net in enumerate(table.addresses):
            ip = next((ip for ip in inside if ip in net and net.size > 1), None)
            if ip and not any(net.ip in one for one in wide):  # else NC1211
                found.setdefault(ip, index)
        if found:
            subnets = [str(table.addresses[index].cidr) for index in found.values()]
            what = f"{' and '.join(map(str, found))} of `{uplink.name}` {'is' if len(found) == 1 else 'are'} in "
            what += f"{' and '.join(subnets)}, {'the subnet' if len(found) == 1 else 'subnets'} of {table.wan}"
            what += ": replies to neighbours there would leave by either interface, whatever their source"
            hint = f"leave it out, and give {table.wan} its addresses, or move {uplink.device} to another subnet"
            also = tuple(("hosts", host, "addresses", index) for index in found.values())
            yield Diagnostic("NC1212", uplink.origin, what, hint, also, on_key=True)


def _overlaps(resolved: tuple[Uplink, ...]) -> Iterator[Diagnostic]:
    """The same prefix on two uplinks: netc cannot know by which one replies should leave."""
    brought = [(net, uplink) for uplink in resolved for net in uplink.prefixes]
    overlapped = first_overlaps([(net, uplink.name) for net, uplink in brought])
    for (net, uplink), earlier in zip(brought, overlapped, strict=True):
        if earlier is not None:
            its, other = brought[earlier]
            what = f"{net} of `{uplink.name}` overlaps {its} of `{other.name}`"
            hint = "leave one of the two out, or have its provider route another prefix to this host"
            yield Diagnostic("NC1203", uplink.origin, what, hint, (other.origin,), on_key=True)


def _preferred(resolved: tuple[Uplink, ...]) -> Iterator[Diagnostic]:
    seen: dict[int, Uplink] = {}
    for uplink in resolved:
        for default in uplink.default_routes if uplink.preferred else ():
            other = seen.setdefault(default.family, uplink)
            if other != uplink:
                what = f"uplinks `{uplink.name}` and `{other.name}` are both preferred for IPv{default.family}"
                where = (*uplink.origin, "preferred")
                yield Diagnostic(
                    "NC1205", where, what, "leave `preferred` out of one of the two", ((*other.origin, "preferred"),)
                )


def _stranded(host: HostName, resolved: tuple[Uplink, ...], network: Network) -> Iterator[Diagnostic]:
    """Replies from an address of no uplink leave by the preferred one, so connections to it, including ssh, break."""
    table = network.topology.hosts[host]
    brought = Longest((net, True) for uplink in resolved for net in uplink.prefixes)
    devices = {uplink.device for uplink in resolved}
    for uplink in (u for u in resolved if u.preferred):
        where: KeyPath = (*uplink.origin, "preferred")
        families = {default.family for default in uplink.default_routes}
        for index, own in enumerate(table.addresses):
            if own.version in families and not brought.of(own.ip):
                what = f"replies from {own.ip}, including ssh, would leave by uplink `{uplink.name}`"
                there = f'`interface = "{table.wan or "eth0"}"`, `prefixes = "{own}"`'
                hint = f"write an uplink for it too, with {there} and its `gateway`"
                yield Diagnostic("NC1208", where, what, hint, (("hosts", host, "addresses", index),))
        if table.wan and not table.addresses and table.wan not in devices:
            what = f"replies from {table.wan} of {host}, including ssh, would leave by uplink `{uplink.name}`"
            yield Diagnostic("NC1208", where, what, f"write an uplink for {table.wan} too", (("hosts", host, "wan"),))


def _into_itself(host: HostName, resolved: tuple[Uplink, ...], network: Network) -> Iterator[Diagnostic]:
    """The kernel looks up the route of WireGuard's outer packets before they have a source, so no rule of another
    uplink matches them. Other kinds send from `local`."""
    table = network.topology.hosts[host]
    near = [*table.addresses, *(net for u in resolved if not u.tunnel for net in u.prefixes)]
    for uplink in (u for u in resolved if u.preferred):
        made = by_device(host, network).get(uplink.device)
        for peer in made.peers if isinstance(made, WireguardInterface) else ():
            if peer.endpoint is None:
                continue
            there = peer.endpoint
            outer = {there.family} if there.family else {net.version for net in table.addresses} or {4, 6}
            inner = {default.family for default in uplink.default_routes} & outer
            if inner and not any(there.host in net for net in near if there.family):
                what = (
                    f"uplink `{uplink.name}` is preferred, so its outer packets to {there.host} would be routed into it"
                )
                hint = f"prefer another uplink, or write an endpoint that is not IPv{min(inner)}"
                yield Diagnostic("NC1209", (*uplink.origin, "preferred"), what, hint, (made.where,) if made else ())
