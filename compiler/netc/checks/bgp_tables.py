"""A routing table of the routers' own: what has an address of ours leaves by it or not at all."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPNetwork

from netc.language.names import HostName
from netc.network.bgp import speakers
from netc.network.interface import Network
from netc.network.routed import has_own_table, our_addresses
from netc.problem import KeyPath, Problem


def check(network: Network) -> Iterator[Problem]:
    topology = network.topology
    for host in speakers(topology) if topology.bgp else ():
        if has_own_table(host, topology):
            yield from _own(host, our_addresses(topology), network)


def _own(host: HostName, ours: tuple[IPNetwork, ...], network: Network) -> Iterator[Problem]:
    table = network.topology.hosts[host]
    said: KeyPath = ("hosts", host, "bgp", "table")
    for index, net in enumerate(table.addresses):
        if any(net.ip in one for one in ours):
            what = f"{net.ip} is ours, so nothing from it would leave by the image's default route, not even ssh"
            hint = f"leave `table` out of hosts.{host}.bgp, or give `wan` an address of somebody else's"
            yield Problem("NC2106", ("hosts", host, "addresses", index), what, hint, (said,))
    for name, uplink in sorted(table.uplinks.items()):
        for index, net in enumerate(uplink.prefixes):
            if any(net.cidr in one or one in net.cidr for one in ours):
                what = f"{net.cidr} is ours, and who has an address of it would leave by `{name}` first of all"
                hint = "take it out: what is ours goes by what BIRD knows"
                yield Problem("NC2106", ("hosts", host, "uplinks", name, "prefixes", index), what, hint, (said,))
