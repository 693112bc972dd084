"""TCP congestion control of a host: BBR keeps its speed on a path that loses packets.

    [hosts.lax]
    tcp_congestion = "bbr"

A part of its own and no file in /etc/sysctl.d: the part saves what the host had before, and restores it when it goes
down.
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
        yield Share(
            parts=(
                Part(
                    PartName("tcp"), origin, f"the TCP congestion control of {host}", facts=(Congestion(wanted, "fq"),)
                ),
            )
        )
