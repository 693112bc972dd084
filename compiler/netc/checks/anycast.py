"""Anycast: addresses that somebody can be told of, each one service's; hosts that are routers; times that fit."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress, IPNetwork

from netc.language.anycast import Anycast, said
from netc.language.bgp import Bgp
from netc.language.names import AnycastName, HostName
from netc.network.anycast import anycast_namespace, is_taken, services_at
from netc.network.interface import Network
from netc.network.speakers import families
from netc.network.uplinks import held_addresses
from netc.problem import KeyPath, Problem


def check(network: Network) -> Iterator[Problem]:
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
                yield from _told(net, at, topology.bgp, network)
        yield from _unicast(service, where, network, seen)
    for host in topology.hosts:
        yield from _services(host, network)
        yield from _namespaces(host, network)


def _once(net: IPNetwork, where: KeyPath, seen: dict[IPAddress | IPNetwork, KeyPath]) -> Iterator[Problem]:
    """An address is one service's, and so is what is told of it: packets for a prefix go one way."""
    first = seen.setdefault(net.ip, where)
    same = seen.setdefault(net.cidr, where)
    if first != where:
        what = f"{net.ip} is an address of `{first[1]}` already"
        yield Problem("NC2505", where, what, "an address is one service's", (first,))
    elif same[1] != where[1]:
        what = f"{net.cidr} is told of while `{same[1]}` answers, and cannot go with another service"
        yield Problem("NC2505", where, what, "give each a prefix of its own", (same,))


def _nothing(service: Anycast, where: KeyPath) -> Iterator[Problem]:
    """What an empty list would make of a service."""
    missing = {"addresses": service.addresses, "hosts": service.hosts, "command": service.check.command}
    for key, value in missing.items():
        if not value:
            at: KeyPath = (*where, "check", key) if key == "command" else (*where, key)
            yield Problem(
                "NC2509", at, f"`{key}` is empty", "a service has an address, a host, and a check", on_key=True
            )


def _hosts(service: Anycast, where: KeyPath, network: Network) -> Iterator[Problem]:
    routers = network.speakers if network.topology.bgp else ()
    first: dict[HostName, int] = {}
    for index, host in enumerate(service.hosts):
        at: KeyPath = (*where, "hosts", index)
        if first.setdefault(host, index) != index:
            also = ((*where, "hosts", first[host]),)
            yield Problem("NC2506", at, f"{host} is there twice", "name it once", also)
        elif host in network.topology.hosts and host not in routers:
            what = f"{host} is no router of an AS, so it can tell nobody"
            yield Problem("NC2506", at, what, f"write [bgp] and [hosts.{host}.bgp]")


def _times(service: Anycast, where: KeyPath) -> Iterator[Problem]:
    check = service.check
    if check.timeout > check.interval:
        what = f"timeout {said(check.timeout)} > {said(check.interval)}, the interval from one check to the next"
        hint = "the interval has to be as long as the timeout, at least"
        yield Problem("NC2502", (*where, "check"), what, hint, on_key=True)


def _not_of_a_host(net: IPNetwork, where: KeyPath, network: Network) -> Iterator[Problem]:
    """What the host itself holds, it answers itself, whatever the service does."""
    for host, table in sorted(network.topology.hosts.items()):
        own = {one.ip for one in table.loopback} | set(held_addresses(host, network))
        if net.ip in own:
            what = f"{net.ip} is {host}'s own address, which others are led to whether the service answers or not"
            yield Problem("NC2505", where, what, "choose another for the service")
            return


def _unicast(
    service: Anycast, where: KeyPath, network: Network, seen: dict[IPAddress | IPNetwork, KeyPath]
) -> Iterator[Problem]:
    """Whoever is asked has to be able to answer."""
    own = network.topology.bgp.prefixes if network.topology.bgp else ()
    for host, nets in sorted(service.unicast.items()):
        if service.hosts and host not in service.hosts:
            what = f"the service is not at {host}"
            yield Problem(
                "NC2510", (*where, "unicast", host), what, "add it to `hosts`, or leave this out", on_key=True
            )
        versions = [net.version for net in nets]
        for index, net in enumerate(nets):
            at: KeyPath = (*where, "unicast", host, index)
            other = seen.setdefault(net.ip, at)
            if other != at:
                what = f"{net.ip} is an address of `{other[1]}` already"
                yield Problem("NC2505", at, what, "a unicast address is one service's at one host", (other,))
            yield from _not_of_a_host(net, at, network)
            if net.size != 1:
                bits = 32 if net.version == 4 else 128
                yield Problem(
                    "NC2510",
                    at,
                    f"{net} has {net.size} addresses, and a unicast address is one",
                    f"write `{net.ip}/{bits}`",
                )
            elif not any(net in one for one in own):
                what = f"{net.ip} is not in what is ours, so nobody could answer"
                yield Problem("NC2510", at, what, "choose it out of `bgp.prefixes`")
            elif net.version in versions[:index]:
                yield Problem("NC2510", at, f"two of IPv{net.version}: with which does it ask?", "keep one")
            elif service.addresses and all(one.version != net.version for one in service.addresses):
                what = f"the service has no IPv{net.version} address, and asks nobody by it"
                yield Problem("NC2510", at, what, "leave it out, or write one into `addresses`")


def _told(net: IPNetwork, where: KeyPath, bgp: Bgp, network: Network) -> Iterator[Problem]:
    outer = next((one for one in bgp.prefixes if one in net.cidr), None)
    if net.version not in families(bgp):
        what = f"our routers tell each other nothing of IPv{net.version}"
        yield Problem("NC2503", where, what, f"write an IPv{net.version} prefix into `bgp.prefixes`")
    elif outer is not None:
        what = f"{outer} is told to the world always, by all of our routers"
        hint = "take it out of `bgp.prefixes`, or give the service a smaller part of it, such as a /32 or a /128"
        yield Problem("NC2504", where, what, hint, (("bgp", "prefixes", bgp.prefixes.index(outer)),))
    elif not any(net in one for one in bgp.prefixes) and not is_taken(net.cidr, network.topology):
        what = f"nobody outside is told of {net.cidr}: it is in nothing of `bgp.prefixes`, and `{bgp.profile}` takes"
        hint = "choose an address of `bgp.prefixes`, or write the length of the prefix that it is told in"
        yield Problem("NC2503", where, f"{what} no such prefix", hint)


def _services(host: HostName, network: Network) -> Iterator[Problem]:
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
                what = f"`{unit}` is in {place} at {host} already"
                yield Problem("NC2507", where, what, "it can be in one place", (other,))


def _namespaces(host: HostName, network: Network) -> Iterator[Problem]:
    for name, _ in services_at(host, network.topology):
        space = anycast_namespace(AnycastName(name))
        if space in network.topology.hosts[host].namespaces:
            also: KeyPath = ("hosts", host, "namespaces", space)
            what = f"`{space}` is what the namespace of this service is called, and one of {host} is called so too"
            yield Problem("NC2508", ("anycast", name), what, "rename one of the two", (also,), on_key=True)
