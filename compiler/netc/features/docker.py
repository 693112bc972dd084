"""The host also runs Docker, which has to accept what netc forwards.

[hosts.edge]
docker = true
"""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.names import HostName
from netc.network.interface import Network
from netc.plan.host_plan import Share


def plan(host: HostName, network: Network) -> Iterator[Share]:
    if network.topology.hosts[host].docker:
        yield Share(docker=True)
