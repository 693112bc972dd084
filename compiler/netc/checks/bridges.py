"""Bridges: the source address of containers' packets, and published ports with a target on the bridge."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress, IPNetwork

from netc.checks.addresses import is_edge
from netc.checks.words import has, lacks, unlike
from netc.diagnostic import Diagnostic, KeyPath, Severity
from netc.language.bridges import Bridge, PublishedContainer
from netc.language.names import BridgeName, HostName
from netc.language.topology import Host
from netc.network.bridges import arrivals, hidden, places
from netc.network.interface import Network
from netc.network.once import once
from netc.network.uplinks import every_address, own_addresses, uplink_interfaces


def check(network: Network) -> Iterator[Diagnostic]:
    for host, table in sorted(network.topology.hosts.items()):
        for name, bridge in sorted(table.bridges.items()):
            where: KeyPath = ("hosts", host, "bridges", name)
            yield from _going_out(bridge, host, network, where)
            yield from _snat(bridge, host, network, where)
            for index, publish in enumerate(bridge.publish):
                at: KeyPath = (*where, "publish", index)
                served = set(_served(publish, table))
                yield from _targets(publish, name, host, table, at)
                yield from _arrivals(publish, served, host, network, at)
                yield from _allowed(publish, served, host, network, at)


# ---- out -----------------------------------------------------------------------------------------------------


def _going_out(bridge: Bridge, host: HostName, network: Network, where: KeyPath) -> Iterator[Diagnostic]:
    key = "snat" if bridge.snat else "masquerade"
    if not (bridge.snat or bridge.masquerade):
        return
    if bridge.snat and bridge.masquerade:
        what = "the bridge has both `snat` and `masquerade`"
        hint = "leave it out: `snat` is for a fixed address, `masquerade` for one that changes"
        yield Diagnostic("NC1302", (*where, "masquerade"), what, hint, ((*where, "snat"),), on_key=True)
        return
    if not uplink_interfaces(host, network):
        what = f"`{key}` needs the name of the uplink, and {host} has no `wan`"
        yield Diagnostic(
            "NC1302", (*where, key), what, f'write `wan = "eth0"` in hosts.{host}', (("hosts", host),), on_key=True
        )
    if not any(map(hidden, bridge.addresses)):
        what = f"`{key}` has no effect: all addresses of the bridge are public"
        yield Diagnostic("NC1302", (*where, key), what, "leave it out", ((*where, "addresses"),), on_key=True)


@once
def _own(host: HostName, network: Network) -> frozenset[IPAddress]:
    return frozenset(own_addresses(host, network))


def _snat(bridge: Bridge, host: HostName, network: Network, where: KeyPath) -> Iterator[Diagnostic]:
    own = _own(host, network)
    first: dict[int, int] = {}
    for index, ip in enumerate(bridge.snat):
        at: KeyPath = (*where, "snat", index)
        if ip.version in first:
            what = f"`snat` has two IPv{ip.version} addresses"
            yield Diagnostic("NC1303", at, what, "leave it out", ((*where, "snat", first[ip.version]),))
        first.setdefault(ip.version, index)
        if ip not in own:
            yield Diagnostic("NC1303", at, f"{host} does not have {ip}", has(host, own))
        elif not any(hidden(net) and net.version == ip.version for net in bridge.addresses):
            what = f"{ip} has no effect: the bridge has no private IPv{ip.version} prefix"
            yield Diagnostic("NC1303", at, what, "leave it out", ((*where, "addresses"),))
    unnamed = {net.version for net in bridge.addresses if hidden(net)} - first.keys()
    if first and not bridge.masquerade:
        for family in sorted(unnamed):
            what = f"`snat` has no IPv{family} address, so IPv{family} connections of containers get no answer"
            at, hint = (*where, "snat"), f"add an IPv{family} address of {host}"
            yield Diagnostic("NC1303", at, what, hint, severity=Severity.WARNING, on_key=True)


# ---- in ------------------------------------------------------------------------------------------------------


def _served(publish: PublishedContainer, table: Host) -> Iterator[int]:
    """Families that have a target."""
    return (ip.version for target in publish.to for ip in places(target, table))


def _targets(
    publish: PublishedContainer, name: BridgeName, host: HostName, table: Host, where: KeyPath
) -> Iterator[Diagnostic]:
    bridge = table.bridges[name]
    first: dict[int, int] = {}
    for index, target in enumerate(publish.to):
        at: KeyPath = (*where, "to", index)
        space = table.namespaces.get(target.namespace) if target.namespace else None
        if space and space.bridge != name:
            there = "in a tunnel" if space.tunnel else f"on bridge `{space.bridge}`"
            what = f"namespace `{target.namespace}` is {there}, not on bridge `{name}`"
            hint = f"write a namespace that is on bridge {name}"
            hint += f", or move `publish` into the table of {target.namespace}" if space.tunnel else ""
            also = (("hosts", host, "namespaces", str(target.namespace), "tunnel" if space.tunnel else "bridge"),)
            yield Diagnostic("NC1304", at, what, hint, also)
        if target.address is not None:
            yield from _on_the_bridge(target.address, bridge.addresses, name, host, at, (*where[:-2], "addresses"))
        families = {ip.version for ip in places(target, table)}
        come = {ip.version for ip in publish.on} & set(_served(publish, table))
        if target.address is not None and come and target.address.version not in come:
            what = f"no visitor reaches {target.address}: `on` has no IPv{target.address.version} address"
            yield Diagnostic(
                "NC1305",
                at,
                what,
                f"leave it out, or add an IPv{target.address.version} address to `on`",
                severity=Severity.WARNING,
            )
        if twice := sorted(families & first.keys()):
            what = f"`to` has two targets for IPv{twice[0]}"
            yield Diagnostic("NC1304", at, what, "leave it out", ((*where, "to", first[twice[0]]),))
        first |= {family: index for family in families if family not in first}


def _on_the_bridge(
    ip: IPAddress, ends: tuple[IPNetwork, ...], name: BridgeName, host: HostName, at: KeyPath, also: KeyPath
) -> Iterator[Diagnostic]:
    if any(ip == net.ip for net in ends):
        what = f"{ip} is the address of {host} on bridge `{name}`"
        yield Diagnostic("NC1304", at, what, "write the address of the container", (also,))
    elif edge := next((net for net in ends if ip in net and is_edge(IPNetwork(f"{ip}/{net.prefixlen}"))), None):
        what = f"{ip} is the {'network' if ip == edge.network else 'broadcast'} address of {edge.cidr}"
        yield Diagnostic("NC1304", at, what, "write the address of the container", (also,))
    elif not any(ip in net for net in ends):
        hint = "write an address in " + ", ".join(str(net.cidr) for net in ends)
        yield Diagnostic("NC1304", at, f"{ip} is in no subnet of bridge `{name}`", hint, (also,))


@once
def _held(host: HostName, network: Network) -> frozenset[IPAddress]:
    """Addresses that visitors may dial: those of the host's interfaces and bridges, and its `loopback`."""
    own = {ip for ip in every_address(host, network) if not ip.is_link_local()}
    bridges = network.topology.hosts[host].bridges.values()
    return frozenset(own | {net.ip for bridge in bridges for net in bridge.addresses})


def _arrivals(
    publish: PublishedContainer, served: set[int], host: HostName, network: Network, where: KeyPath
) -> Iterator[Diagnostic]:
    own = _held(host, network)
    for index, ip in enumerate(publish.on):
        at: KeyPath = (*where, "on", index)
        if ip not in own:
            yield Diagnostic("NC1305", at, lacks(host, ip), has(host, own))
        elif served and ip.version not in served:
            what = f"{ip} is IPv{ip.version}, and `to` has no IPv{ip.version} target"
            yield Diagnostic("NC1305", at, what, f"leave it out, or add an IPv{ip.version} target to `to`")
    if served and not publish.on and not any(arrivals(publish, host, network, family) for family in served):
        families = " or ".join(f"IPv{family}" for family in sorted(served))
        what = f"{host} has no {families} address that visitors can dial"
        yield Diagnostic("NC1305", (*where, "to"), what, f"add one to `addresses` of {host}, and write it in `on`")


def _allowed(
    publish: PublishedContainer, served: set[int], host: HostName, network: Network, where: KeyPath
) -> Iterator[Diagnostic]:
    open_ = {family for family in served if arrivals(publish, host, network, family)}
    for index, net in enumerate(publish.allow):
        if open_ and net.version not in open_:
            what = f"no client of {net} can connect: the port is not published for IPv{net.version}"
            hint = f"leave it out, or add IPv{net.version} addresses to `to` and `on`"
            yield Diagnostic("NC1305", (*where, "allow", index), what, hint)
    for index, what in unlike(publish.on, publish.allow):
        family = publish.on[index].version
        if family in served:  # else `_arrivals` reports it
            hint = f"add an IPv{family} prefix to `allow`, or leave out the IPv{family} entries of `on` and `to`"
            yield Diagnostic("NC1305", (*where, "on", index), what, hint, severity=Severity.WARNING)
