"""Tunnels to others: `open` has an effect, rules for sources behind them too, and a router says what its neighbours
reach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netaddr import IPAddress, IPNetwork

from netc.checks.namespaces import strangers as families
from netc.diagnostic import Diagnostic, KeyPath, Severity
from netc.language.names import HostName
from netc.language.sets import Source
from netc.network.bridges import dnats
from netc.network.derive import apart, is_alone
from netc.network.interface import Interface, Network
from netc.network.lookup import by_origin
from netc.network.namespaces import pairs
from netc.network.sets import Members, members
from netc.network.strangers import past, strangers


def check(network: Network) -> Iterator[Diagnostic]:
    for host in network.topology.hosts:
        yield from _open(host, network)
        yield from _limited(host, network)
        yield from _neighbours(host, network)


def _open(host: HostName, network: Network) -> Iterator[Diagnostic]:
    filtered = {interface.origin for interface in strangers(host, network)}
    for name, tunnel in network.topology.hosts[host].tunnels.items():
        where: KeyPath = ("hosts", host, "tunnels", name)
        interface = by_origin(host, network).get(where)
        if not tunnel.open or not interface:
            continue
        if where in filtered:
            yield from families(tunnel.open, interface, where)
        elif interface.namespace:
            what = f"tunnel `{name}` is in namespace `{interface.namespace}`, which has a filter of its own"
            hint = f"leave it out, and write `open` in hosts.{host}.namespaces.{interface.namespace}"
            yield Diagnostic("NC1412", (*where, "open"), what, hint, on_key=True)
        else:
            what = (
                f"netc does not filter what begins at the other end of `{name}`, an uplink or the tunnel of a neighbour"
            )
            hint = f"leave it out, and write the ports into `allow` of hosts.{host}.firewall"
            yield Diagnostic("NC1412", (*where, "open"), what, hint, on_key=True)


def _neighbours(host: HostName, network: Network) -> Iterator[Diagnostic]:
    """A default would be wrong: packets for the router itself come in by any neighbour, also those of the author's own
    hosts and the visitors of anycast services."""
    table = network.topology.hosts[host]
    if table.firewall or not (table.bgp and table.bgp.peers):
        return
    names = sorted(table.bgp.peers)
    some = ", ".join(f"`{name}`" for name in names[:3]) + (", …" if len(names) > 3 else "")
    what = f"{host} has no `firewall`, so its BGP neighbours ({some}) reach every port of it"
    hint = f"write `[hosts.{host}.firewall]`: BGP, transit and ICMP pass, and `allow` lets in the rest"
    yield Diagnostic("NC1411", ("hosts", host, "bgp", "peers"), what, hint, severity=Severity.WARNING, on_key=True)


# ---- rules for some sources ------------------------------------------------------------------------------------


def _limited(host: HostName, network: Network) -> Iterator[Diagnostic]:
    """By a tunnel to strangers nobody comes in by a rule for some sources alone. If they are behind the tunnel, the
    author meant who comes by it."""
    by_tunnel = [(one, _behind(one, host, network)) for one in strangers(host, network)]
    for where, sources, hint, shut in (*_allowed(host, network), *_published(host, network)):
        for tunnel, behind in by_tunnel:
            inside = [one for one in sources if _holds(behind, members((one,), network.sets))]
            if inside and tunnel.name in shut:
                what = f"`{inside[0]}` is behind {tunnel.name}, a tunnel to others, where this rule accepts nobody"
                alone = "" if len(inside) == len(sources) else f"give `{inside[0]}` a rule of its own: "
                hint_ = alone + hint.format(tunnel.name)
                yield Diagnostic("NC1413", where, what, hint_, (tunnel.where,), Severity.WARNING)


def _behind(tunnel: Interface, host: HostName, network: Network) -> Members:
    """What only the tunnel leads to, but for a tunnel that leads everywhere."""
    table = network.topology.hosts[host]
    near = [*table.addresses, *(net for bridge in table.bridges.values() for net in bridge.addresses)]
    near += [net for one in network.interfaces[host] if one != tunnel for net in _led(one)]
    return members([net.cidr for net in _led(tunnel)], {}) - members([net.cidr for net in near], {})


def _led(interface: Interface) -> Iterator[IPNetwork]:
    if interface.namespace is None:
        yield from (net for net in interface.addresses if not is_alone(net))
        yield from apart(interface.routes)


def _holds(wider: Members, held: Members) -> bool:
    return bool(held) and not held - wider


Limited = tuple[KeyPath, Sequence[Source], str, Sequence[str]]
"""A rule: its place, its sources, the hint, and the tunnels whose peers do not come in by it."""


def _allowed(host: HostName, network: Network) -> Iterator[Limited]:
    wall = network.topology.hosts[host].firewall
    shut = tuple(one.name for one in strangers(host, network))
    for index, allow in enumerate(wall.allow if wall and wall.input == "drop" else ()):
        if allow.from_ and not allow.interface:
            yield ("hosts", host, "firewall", "allow", index), allow.from_, 'write `interface = "{}"`', shut


def _published(host: HostName, network: Network) -> Iterator[Limited]:
    table = network.topology.hosts[host]
    hint = "write an address of {} into `on` too"
    for name, space in sorted(table.namespaces.items()):
        inner = [pair.host.ip for pair in pairs(space)] if space.access else []
        for index, port in enumerate(space.publish):
            on: Sequence[IPAddress] = port.on or inner
            where: KeyPath = ("hosts", host, "namespaces", name, "publish", index)
            yield where, port.allow, hint, past(port.allow, on, host, network)
    for bridge, settings in sorted(table.bridges.items()):
        for index, container in enumerate(settings.publish):
            on = [ip for one in dnats(container, host, network) for ip in one.on]
            where = ("hosts", host, "bridges", bridge, "publish", index)
            yield where, container.allow, hint, past(container.allow, on, host, network)
