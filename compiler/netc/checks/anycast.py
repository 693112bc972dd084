"""Anycast: addresses that can be announced, each of one service; hosts that are routers; a timeout that fits."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress, IPNetwork

from netc.checks.namespaces import of_the_host
from netc.diagnostic import Diagnostic, KeyPath
from netc.language.anycast import Anycast, said
from netc.language.bgp import Bgp
from netc.language.names import AnycastName, HostName
from netc.network.anycast import anycast_namespace, is_taken, services_at
from netc.network.interface import Network
from netc.network.speakers import families
from netc.network.uplinks import every_address


def check(network: Network) -> Iterator[Diagnostic]:
    topology = network.topology
    seen: dict[IPAddress | IPNetwork, KeyPath] = {}
    for name, service in sorted(topology.anycast.items()):
        where: KeyPath = ("anycast", name)
        yield from _nothing(service, where)
        yield from _hosts(service, where, network)
        yield from _times(service, where)
        for index, net in enumerate(service.addresses):
            at: KeyPath = (*where, "addresses", index)
            yield from _once(net, at, seen)
            yield from _not_of_a_host(net, at, network)
            if topology.bgp:
                yield from _announced(net, at, topology.bgp, network)
        yield from _unicast(service, where, network, seen)
        for index, unit in enumerate(service.services):
            yield from of_the_host(unit, (*where, "services", index))
    for host in topology.hosts:
        yield from _services(host, network)
        yield from _namespaces(host, network)


def _once(net: IPNetwork, where: KeyPath, seen: dict[IPAddress | IPNetwork, KeyPath]) -> Iterator[Diagnostic]:
    """An address belongs to one service, and so does the prefix that is announced for it."""
    first = seen.setdefault(net.ip, where)
    same = seen.setdefault(net.cidr, where)
    if first != where:
        what = f"`{first[1]}` already has the address {net.ip}"
        yield Diagnostic("NC2505", where, what, "write another address", (first,))
    elif same[1] != where[1]:
        what = f"`{same[1]}` already announces {net.cidr}, and a prefix can belong to one service only"
        yield Diagnostic("NC2505", where, what, "write an address in another prefix", (same,))


def _nothing(service: Anycast, where: KeyPath) -> Iterator[Diagnostic]:
    """Empty lists, with which the service would do nothing."""
    missing = {"addresses": service.addresses, "hosts": service.hosts, "command": service.check.command}
    for key, value in missing.items():
        if not value:
            at: KeyPath = (*where, "check", key) if key == "command" else (*where, key)
            hint = "write the command that tests the service"
            if key != "command":
                hint = f"write at least one {'address' if key == 'addresses' else 'host'}"
            yield Diagnostic("NC2509", at, f"`{key}` is empty", hint, on_key=True)


def _hosts(service: Anycast, where: KeyPath, network: Network) -> Iterator[Diagnostic]:
    routers = network.speakers if network.topology.bgp else ()
    first: dict[HostName, int] = {}
    for index, host in enumerate(service.hosts):
        at: KeyPath = (*where, "hosts", index)
        if first.setdefault(host, index) != index:
            also = ((*where, "hosts", first[host]),)
            yield Diagnostic("NC2506", at, f"`hosts` names {host} twice", "leave it out", also)
        elif host in network.topology.hosts and host not in routers:
            what = f"{host} is not a router, so it cannot announce the service"
            yield Diagnostic(
                "NC2506",
                at,
                what,
                f"write [hosts.{host}.bgp]" if network.topology.bgp else f"write [bgp] and [hosts.{host}.bgp]",
            )


def _times(service: Anycast, where: KeyPath) -> Iterator[Diagnostic]:
    check = service.check
    if check.timeout > check.interval:
        what = f"timeout {said(check.timeout)} > interval {said(check.interval)}"
        hint = f'write `interval = "{said(check.timeout)}"`'
        yield Diagnostic("NC2502", (*where, "check"), what, hint, on_key=True)


def _not_of_a_host(net: IPNetwork, where: KeyPath, network: Network) -> Iterator[Diagnostic]:
    """A host answers at its own addresses, whether the service is up or not."""
    for host in sorted(network.topology.hosts):
        if net.ip in every_address(host, network):
            what = f"{host} itself has {net.ip}, and attracts its packets even while the service is down"
            yield Diagnostic("NC2505", where, what, "write another address")
            return


def _unicast(
    service: Anycast, where: KeyPath, network: Network, seen: dict[IPAddress | IPNetwork, KeyPath]
) -> Iterator[Diagnostic]:
    """Unicast addresses by which a host can send queries and get answers."""
    own = network.topology.bgp.prefixes if network.topology.bgp else ()
    for host, nets in sorted(service.unicast.items()):
        if service.hosts and host not in service.hosts:
            what = f"{host} is not in `hosts` of the service"
            yield Diagnostic(
                "NC2510", (*where, "unicast", host), what, f"leave it out, or add {host} to `hosts`", on_key=True
            )
        versions = [net.version for net in nets]
        for index, net in enumerate(nets):
            at: KeyPath = (*where, "unicast", host, index)
            other = seen.setdefault(net.ip, at)
            if other != at:
                what = f"`{other[1]}` already has the address {net.ip}"
                yield Diagnostic("NC2505", at, what, "write another address", (other,))
            yield from _not_of_a_host(net, at, network)
            if net.size != 1:
                bits = 32 if net.version == 4 else 128
                yield Diagnostic(
                    "NC2510",
                    at,
                    f"{net} has {net.size} addresses, and `unicast` takes one",
                    f"write `{net.ip}/{bits}`",
                )
            elif not any(net in one for one in own):
                what = f"{net.ip} is in none of `bgp.prefixes`, so no answer reaches it"
                yield Diagnostic("NC2510", at, what, "write an address from `bgp.prefixes`")
            elif net.version in versions[:index]:
                yield Diagnostic(
                    "NC2510", at, f"`unicast` has two IPv{net.version} addresses for {host}", "leave it out"
                )
            elif service.addresses and all(one.version != net.version for one in service.addresses):
                what = f"{net.ip} has no effect: the service has no IPv{net.version} address in `addresses`"
                yield Diagnostic("NC2510", at, what, "leave it out")


def _announced(net: IPNetwork, where: KeyPath, bgp: Bgp, network: Network) -> Iterator[Diagnostic]:
    outer = next((one for one in bgp.prefixes if one in net.cidr), None)
    if net.version not in families(bgp):
        what = f"`bgp.prefixes` has no IPv{net.version} prefix, so our routers have no IPv{net.version} sessions"
        yield Diagnostic("NC2503", where, what, f"add an IPv{net.version} prefix to `bgp.prefixes`")
    elif outer is not None:
        what = f"all our routers always announce {outer}, "
        what += "even while the service is down" if outer == net.cidr else f"which is part of {net.cidr}"
        cures = [f"write `{net.ip}/{32 if net.version == 4 else 128}`"] if net.ip in outer and outer.size > 1 else []
        others = any(one.version == net.version for one in bgp.prefixes if one != outer)  # without one, NC2503
        if others and not _has_hosts(outer, where[1], network):
            cures.append(f"take {outer} out of `bgp.prefixes`")
        hint = ", or ".join(cures) or "write another address, with the length of the prefix that you announce for it"
        yield Diagnostic("NC2504", where, what, hint, (("bgp", "prefixes", bgp.prefixes.index(outer)),))
    elif not any(net in one for one in bgp.prefixes) and not is_taken(net.cidr, network.topology):
        what = f"other networks reject {net.cidr}: it is in none of `bgp.prefixes`"
        hint = "write an address from `bgp.prefixes`, or write it with the length of the prefix that you announce"
        yield Diagnostic("NC2503", where, f"{what}, and profile `{bgp.profile}` does not allow it", hint)


def _has_hosts(prefix: IPNetwork, service: str | int, network: Network) -> bool:
    """Whether something else than the service needs that the AS announces the prefix."""
    topology = network.topology
    for host in topology.hosts.values():
        if any(net in prefix for net in (*host.loopback, *(host.bgp.prefixes if host.bgp else ()))):
            return True
    others = (net for name, one in topology.anycast.items() if name != service for net in one.addresses)
    unicast = (net for one in topology.anycast.values() for nets in one.unicast.values() for net in nets)
    return any(net in prefix for net in (*others, *unicast))


def _services(host: HostName, network: Network) -> Iterator[Diagnostic]:
    """A unit runs in one namespace."""
    table = network.topology.hosts[host]
    seen: dict[str, tuple[str, KeyPath]] = {}
    for space, settings in sorted(table.namespaces.items()):
        for index, unit in enumerate(settings.services):
            seen[unit] = (f"the namespace `{space}`", ("hosts", host, "namespaces", space, "services", index))
    for split, chosen in sorted(table.splits.items()):
        for index, service in enumerate(chosen.service):
            seen[service] = (f"the split `{split}`", ("hosts", host, "splits", split, "service", index))
    for name, anycast in services_at(host, network.topology):
        for index, unit in enumerate(anycast.services):
            where: KeyPath = ("anycast", name, "services", index)
            place, other = seen.setdefault(unit, (f"the anycast service `{name}`", where))
            if other != where:
                what = f"`{unit}` already runs in {place} on {host}"
                yield Diagnostic("NC2507", where, what, "leave it out of one of the two", (other,))


def _namespaces(host: HostName, network: Network) -> Iterator[Diagnostic]:
    for name, _ in services_at(host, network.topology):
        space = anycast_namespace(AnycastName(name))
        if space in network.topology.hosts[host].namespaces:
            also: KeyPath = ("hosts", host, "namespaces", space)
            what = (
                f"netc names the namespace of this service `{space}`, and {host} already has a namespace of this name"
            )
            yield Diagnostic("NC2508", ("anycast", name), what, "rename one of the two", (also,), on_key=True)
