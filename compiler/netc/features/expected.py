"""What the host should have that netc does not configure, as the topology says it. `netc-host` asks the host and
compares: `install` before anything changes, `status` and `check` later."""

from __future__ import annotations

from collections.abc import Iterator

from netc.diagnostic import KeyPath
from netc.language.names import HostName, InterfaceName
from netc.network.interface import Network
from netc.network.peers import peer_uplink
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
    yield from _resolved(host, network)
    if table.wan:
        yield Expected("default", tuple(dict.fromkeys(leaving)), (*where, "wan"))


def _resolved(host: HostName, network: Network) -> Iterator[Expected]:
    """Families in which the image's own default route resolves next hops for BIRD."""
    bgp = network.topology.hosts[host].bgp if network.topology.bgp else None
    behind = ((name, peer) for name, peer in sorted(bgp.peers.items()) if peer.multihop) if bgp else ()
    found: dict[int, KeyPath] = {}
    for name, peer in behind:
        if peer.role != "collector" and peer_uplink(host, peer, network) is None:
            found.setdefault(peer.address.version, ("hosts", host, "bgp", "peers", name))
    yield from (Expected("hops", (family,), key) for family, key in sorted(found.items()))


def _largest(host: HostName, network: Network) -> int:
    """The largest packet, in bytes, that tunnels of the host send by its uplink."""
    sizes = (interface.mtu for interface in network.interfaces[host] if interface.mtu and interface.mtu.overhead)
    return max((size.value + size.overhead for size in sizes), default=0)
