"""A host whose TCP keeps its speed on a lossy way: BBR instead of what the kernel would do.

    [hosts.lax]
    tcp_congestion = "bbr"

A part of its own, and no file below /etc/sysctl.d: what the host had before is known when the part comes up, and
comes back when it goes.
"""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.names import HostName, PartName
from netc.network.interface import Network
from netc.plan.facts import Congestion
from netc.plan.host_plan import Part, Share


def plan(host: HostName, network: Network) -> Iterator[Share]:
    wanted = network.topology.hosts[host].tcp_congestion
    if wanted:
        origin = ("hosts", host, "tcp_congestion")
        yield Share(parts=(Part(PartName("tcp"), origin, f"TCP of {host}", facts=(Congestion(wanted, "fq"),)),))
