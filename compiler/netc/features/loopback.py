"""Loopback addresses: they belong to the host and to no link, so any link that is up reaches them.

    [hosts.hkg]
    loopback = ["172.22.76.185/32", "fdbc:f9dc:67ad::1/128"]

They are on `lo`, which every kernel has and which is never down. The part comes before parts that use them.
"""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.names import HostName
from netc.network.bgp import LOOPBACK_PART
from netc.network.interface import Network
from netc.plan.facts import Loopback
from netc.plan.host_plan import Part, Share


def plan(host: HostName, network: Network) -> Iterator[Share]:
    addresses = network.topology.hosts[host].loopback
    if addresses:
        origin = ("hosts", host, "loopback")
        facts = tuple(map(Loopback, addresses))
        yield Share(parts=(Part(LOOPBACK_PART, origin, f"loopback addresses of {host}", facts=facts),))
