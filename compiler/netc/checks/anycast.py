"""Anycast: addresses that somebody can be told of, each one service's; hosts that are routers; times that fit."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress, IPNetwork

from netc.diagnostic import Diagnostic, KeyPath
from netc.language.anycast import Anycast, said
from netc.language.bgp import Bgp
from netc.language.names import AnycastName, HostName
from netc.network.anycast import anycast_namespace, is_taken, services_at
from netc.network.interface import Network
from netc.network.speakers import families
from netc.network.uplinks import held_addresses


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
    for host in topology.hosts:
        yield from _services(host, network)
        yield from _namespaces(host, network)


def _once(net: IPNetwork, where: KeyPath, seen: dict[IPAddress | IPNetwork, KeyPath]) -> Iterator[Diagnostic]:
    """An address is one service's, and so is what is told of it: packets for a prefix go one way."""
    first = seen.setdefault(net.ip, where)
    same = seen.setdefault(net.cidr, where)
    if first != where:
        what = f"`{first[1]}` already has the address {net.ip}"
        yield Diagnostic("NC2505", where, what, "write another address", (first,))
    elif same[1] != where[1]:
        what = f"`{same[1]}` already announces {net.cidr}, and a prefix follows the state of one service"
        yield Diagnostic("NC2505", where, what, "write an address in another prefix", (same,))


def _nothing(service: Anycast, where: KeyPath) -> Iterator[Diagnostic]:
    """What an empty list would make of a service."""
    missing = {"addresses": service.addresses, "hosts": service.hosts, "command": service.check.command}
    for key, value in missing.items():
        if not value:
            at: KeyPath = (*where, "check", key) if key == "command" else (*where, key)
            yield Diagnostic(
                "NC2509",
                at,
                f"`{key}` is empty",
                f"write {'a' if key == 'command' else 'at least one of'} `{key}`",
                on_key=True,
            )


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
    """What the host itself holds, it answers itself, whatever the service does."""
    for host, table in sorted(network.topology.hosts.items()):
        own = {one.ip for one in table.loopback} | set(held_addresses(host, network))
        if net.ip in own:
            what = (
                f"{net.ip} is an address of {host} itself, so {host} attracts its packets even if the service is down"
            )
            yield Diagnostic("NC2505", where, what, "write another address")
            return


def _unicast(
    service: Anycast, where: KeyPath, network: Network, seen: dict[IPAddress | IPNetwork, KeyPath]
) -> Iterator[Diagnostic]:
    """Whoever is asked has to be able to answer."""
    own = network.topology.bgp.prefixes if network.topology.bgp else ()
    for host, nets in sorted(service.unicast.items()):
        if service.hosts and host not in service.hosts:
            what = f"{host} is not in `hosts` of the service"
            yield Diagnostic(
                "NC2510", (*where, "unicast", host), what, "leave it out, or add the host to `hosts`", on_key=True
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
                yield Diagnostic("NC2510", at, what, "write an address out of `bgp.prefixes`")
            elif net.version in versions[:index]:
                yield Diagnostic(
                    "NC2510", at, f"`unicast` has two IPv{net.version} addresses for {host}", "leave it out"
                )
            elif service.addresses and all(one.version != net.version for one in service.addresses):
                what = (
                    f"the service has no IPv{net.version} address, so its IPv{net.version} unicast address has no use"
                )
                yield Diagnostic("NC2510", at, what, "leave it out")


def _announced(net: IPNetwork, where: KeyPath, bgp: Bgp, network: Network) -> Iterator[Diagnostic]:
    outer = next((one for one in bgp.prefixes if one in net.cidr), None)
    if net.version not in families(bgp):
        what = f"`bgp.prefixes` has no IPv{net.version} prefix, so our routers have no IPv{net.version} sessions"
        yield Diagnostic("NC2503", where, what, f"add an IPv{net.version} prefix to `bgp.prefixes`")
    elif outer is not None:
        what = f"all our routers always announce {outer}, and {net.cidr} covers it"
        hint = "take it out of `bgp.prefixes`, or give the service a smaller part of it, such as a /32 or a /128"
        yield Diagnostic("NC2504", where, what, hint, (("bgp", "prefixes", bgp.prefixes.index(outer)),))
    elif not any(net in one for one in bgp.prefixes) and not is_taken(net.cidr, network.topology):
        what = f"other networks do not get {net.cidr}: it is in none of `bgp.prefixes`, and `{bgp.profile}` takes"
        hint = "write an address out of `bgp.prefixes`, or the length of the prefix that you announce for it"
        yield Diagnostic("NC2503", where, f"{what} no such prefix", hint)


def _services(host: HostName, network: Network) -> Iterator[Diagnostic]:
    """A unit runs in one place."""
    table = network.topology.hosts[host]
    seen: dict[str, tuple[str, KeyPath]] = {}
    for space, settings in sorted(table.namespaces.items()):
        for index, unit in enumerate(settings.services):
            seen[unit] = (f"the namespace `{space}`", ("hosts", host, "namespaces", space, "services", index))
    for split, chosen in sorted(table.splits.items()):
        for index, service in enumerate(chosen.service):
            seen[service] = (f"the split `{split}` of the host", ("hosts", host, "splits", split, "service", index))
    for name, anycast in services_at(host, network.topology):
        for index, unit in enumerate(anycast.services):
            where: KeyPath = ("anycast", name, "services", index)
            place, other = seen.setdefault(unit, (f"`{name}`", where))
            if other != where:
                what = f"`{unit}` already runs in {place} at {host}"
                yield Diagnostic("NC2507", where, what, "leave it out of one of the two", (other,))


def _namespaces(host: HostName, network: Network) -> Iterator[Diagnostic]:
    for name, _ in services_at(host, network.topology):
        space = anycast_namespace(AnycastName(name))
        if space in network.topology.hosts[host].namespaces:
            also: KeyPath = ("hosts", host, "namespaces", space)
            what = f"the namespace of this service and one of {host} have the same name, `{space}`"
            yield Diagnostic("NC2508", ("anycast", name), what, "rename one of the two", (also,), on_key=True)
