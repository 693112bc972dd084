"""The metrics of a host in a file, for node_exporter.

    [hosts.edge]
    metrics = "/var/lib/prometheus/node-exporter/netc.prom"

A part of its own, so that the file is there while the host is up, and gone with netc.
"""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.names import HostName, PartName
from netc.network.interface import Network
from netc.plan.facts import MetricsFile
from netc.plan.host_plan import Part, Share


def plan(host: HostName, network: Network) -> Iterator[Share]:
    path = network.topology.hosts[host].metrics
    if path:
        origin = ("hosts", host, "metrics")
        yield Share(parts=(Part(PartName("metrics"), origin, f"the metrics of {host}", facts=(MetricsFile(path),)),))
