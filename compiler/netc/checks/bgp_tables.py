"""Routers and the kernel: their own routing table, and routes that they learn from the main table."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPNetwork

from netc.diagnostic import Diagnostic, KeyPath
from netc.language.names import HostName
from netc.network.interface import Network
from netc.network.routed import has_own_table, our_addresses
from netc.network.speakers import families, speakers


def check(network: Network) -> Iterator[Diagnostic]:
    topology = network.topology
    for host in speakers(topology) if topology.bgp else ():
        yield from _learning(host, network)
        if has_own_table(host, topology):
            # NC2007 refuses a default route among the prefixes.
            yield from _own(host, tuple(net for net in our_addresses(topology) if net.prefixlen), network)


def _own(host: HostName, ours: tuple[IPNetwork, ...], network: Network) -> Iterator[Diagnostic]:
    table = network.topology.hosts[host]
    said: KeyPath = ("hosts", host, "bgp", "table")
    for index, net in enumerate(table.addresses):
        if any(net.ip in one for one in ours):
            what = f"{net.ip} is in `bgp.prefixes`, so replies from it, including ssh, would not use the default route"
            hint = f"leave `table` out of hosts.{host}.bgp, or give the uplink an address of its provider"
            yield Diagnostic("NC2106", ("hosts", host, "addresses", index), what, hint, (said,))
    for name, uplink in sorted(table.uplinks.items()):
        for index, net in enumerate(uplink.prefixes):
            if any(net.cidr in one or one in net.cidr for one in ours):
                what = f"{net.cidr} overlaps `bgp.prefixes`, so uplink `{name}` would take its packets before BIRD does"
                hint = "leave it out"
                yield Diagnostic("NC2106", ("hosts", host, "uplinks", name, "prefixes", index), what, hint, (said,))


NEVER = tuple(
    map(
        IPNetwork,
        ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/8", "fe80::/10", "ff00::/8"),
    )
)
"""Loopback, link-local, multicast and reserved (RFC 6890)."""

WIDEST = {4: 8, 6: 16}
"""The shortest prefix length. Our routers would send most traffic of the internet to a shorter one."""


def _learning(host: HostName, network: Network) -> Iterator[Diagnostic]:
    bgp = network.topology.bgp
    own = network.topology.hosts[host].bgp
    assert bgp is not None
    for index, net in enumerate(own.learn if own else ()):
        where: KeyPath = ("hosts", host, "bgp", "learn", index)
        parts = tuple(_parts(network))
        if net.prefixlen < WIDEST[net.version]:
            what = f"{net} is shorter than /{WIDEST[net.version]}, so {host} would attract most traffic"
            yield Diagnostic("NC2107", where, what, f"write a prefix of /{WIDEST[net.version]} or longer")
        elif never := next((one for one in NEVER if net in one or one in net), None):
            yield Diagnostic("NC2107", where, f"{net} overlaps {never}, which is never routed", "leave it out")
        elif net.version not in families(bgp):
            yield Diagnostic(
                "NC2107",
                where,
                f"`bgp.prefixes` has no IPv{net.version} prefix, so our routers have no IPv{net.version} sessions",
                "leave it out",
            )
        elif whole := next((one for one in bgp.prefixes if one in net), None):
            what = f"{net} contains {whole} of `bgp.prefixes`, which every router announces anyway"
            yield Diagnostic("NC2107", where, what, "write the part of it whose routes other programs install")
        elif part := next(((one, at) for one, at in parts if net in one or one in net), None):
            what = f"{net} overlaps {part[0]}, which {part[1][1]} already announces with `prefixes`"
            yield Diagnostic("NC2107", where, what, "leave it out, or write a part that does not overlap", (part[1],))


def _parts(network: Network) -> Iterator[tuple[IPNetwork, KeyPath]]:
    for host in speakers(network.topology):
        own = network.topology.hosts[host].bgp
        for index, net in enumerate(own.prefixes if own else ()):
            yield net, ("hosts", host, "bgp", "prefixes", index)
