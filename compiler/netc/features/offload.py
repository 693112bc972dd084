"""Established flows skip the packet filter (nft(8), FLOWTABLES).

[hosts.edge]
offload = true
"""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.names import HostName
from netc.network.interface import Network
from netc.plan.host_plan import Share


def plan(host: HostName, network: Network) -> Iterator[Share]:
    table = network.topology.hosts[host]
    if table.offload and table.wan:
        yield Share(offload=table.wan)
