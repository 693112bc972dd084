"""The host also runs Docker, which has to accept what netc forwards. A firewall leaves Docker's own packets to Docker.

[hosts.edge]
docker = true
"""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.names import HostName
from netc.network.interface import Network
from netc.network.uplinks import uplink_interfaces
from netc.plan.facts import Ruleset
from netc.plan.host_plan import Share
from netc.plan.ruleset import DockerBridges


def plan(host: HostName, network: Network) -> Iterator[Share]:
    table = network.topology.hosts[host]
    if not table.docker:
        return
    origin = ("hosts", host, "docker")
    closed = table.firewall is not None and table.firewall.forward == "drop"
    bridges = DockerBridges(origin, uplink_interfaces(host, network))
    yield Share(docker=True, ruleset=Ruleset(origin, docker=(bridges,)) if closed else None)
