"""What the image of a host has configured, as the topology says. netc configures no uplink; `install` compares."""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.names import HostName
from netc.network.interface import Network
from netc.network.uplinks import uplinks
from netc.plan.host_plan import OfImage, Share


def plan(host: HostName, network: Network) -> Iterator[Share]:
    yield Share(image=tuple(_image(host, network)))


def _image(host: HostName, network: Network) -> Iterator[OfImage]:
    """A prefix without host bits may be routed to the host, so that the interface has another address."""
    table = network.topology.hosts[host]
    if table.wan:
        yield from (OfImage(table.wan, "address", net.ip) for net in table.addresses)
    for uplink in uplinks(host, network):
        if uplink.tunnel is None:
            settings = table.uplinks[uplink.name]
            yield from (OfImage(uplink.device, "address", net.ip) for net in settings.prefixes if net.ip != net.network)
            yield from (OfImage(uplink.device, "gateway", ip) for ip in settings.gateway or ())
