"""Loopback addresses: a host's own, on no link, so that they are reached by whichever way is up.

    [hosts.hkg]
    loopback = ["172.22.76.185/32", "fdbc:f9dc:67ad::1/128"]

They stand on `lo`, which is there on every kernel, is never down and needs no module; a part of its own, which others
come after.
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
        yield Share(parts=(Part(LOOPBACK_PART, origin, f"addresses of {host} itself", facts=facts),))
