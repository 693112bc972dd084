"""What the host should have that netc does not configure, as the topology says it. `netc-host` asks the host and
compares: `install` before anything changes, `status` and `check` later."""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.names import HostName, InterfaceName
from netc.network.interface import Network
from netc.network.uplinks import uplinks
from netc.plan.host_plan import Expected, Share


def plan(host: HostName, network: Network) -> Iterator[Share]:
    yield Share(expected=tuple(_expected(host, network)))


def _expected(host: HostName, network: Network) -> Iterator[Expected]:
    table, where = network.topology.hosts[host], ("hosts", host)
    yield Expected("ssh", (table.ssh,), (*where, "ssh"))
    leaving: list[InterfaceName] = []
    if table.wan:
        leaving.append(table.wan)
        yield Expected("interface", (table.wan,), (*where, "wan"))
        yield Expected("mtu", (table.wan, table.mtu, _largest(host, network)), (*where, "mtu"))
        yield from (Expected("address", (table.wan, net.ip), (*where, "addresses")) for net in table.addresses)
    for uplink in uplinks(host, network):
        if uplink.tunnel is not None:
            continue
        leaving.append(uplink.device)
        settings, its = table.uplinks[uplink.name], (*where, "uplinks", uplink.name)
        yield Expected("interface", (uplink.device,), (*its, "interface"))
        # A prefix without host bits may be routed to the host, so that the interface has another address.
        own = (net.ip for net in settings.prefixes if net.ip != net.network)
        yield from (Expected("address", (uplink.device, ip), (*its, "prefixes")) for ip in own)
        yield from (Expected("gateway", (uplink.device, ip), (*its, "gateway")) for ip in settings.gateway or ())
    if table.wan:
        yield Expected("default", tuple(dict.fromkeys(leaving)), (*where, "wan"))


def _largest(host: HostName, network: Network) -> int:
    """The largest packet, in bytes, that tunnels of the host send by its uplink."""
    sizes = (interface.mtu for interface in network.interfaces[host] if interface.mtu and interface.mtu.overhead)
    return max((size.value + size.overhead for size in sizes), default=0)
