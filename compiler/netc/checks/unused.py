"""Links and tunnels that nothing uses, as far as netc can know. `references` reports unused sets.

Meshes are always used: a shared one has a subnet, and interfaces per peer are for a routing daemon, which needs only
their fe80 addresses.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from netc.diagnostic import Diagnostic, KeyPath, Severity
from netc.language.names import TunnelName
from netc.language.topology import Host
from netc.network.interface import Interface, Network, ProgramInterface
from netc.network.routing import bgp_links, igp_links


def check(network: Network) -> Iterator[Diagnostic]:
    topology = network.topology
    named: set[str] = {*bgp_links(topology), *igp_links(topology)}
    named |= {str(forward.via) for forward in topology.forwards.values()}
    arriving = {ip for forward in topology.forwards.values() for ip in forward.on}
    used: dict[KeyPath, bool] = {}
    for host, interfaces in network.interfaces.items():
        table = topology.hosts[host]
        mentioned = _mentioned(table)
        for interface in interfaces:
            if interface.origin[0] == "meshes":
                continue
            is_link = interface.origin[0] == "links"
            by_name = interface.name in mentioned or interface.origin[-1] in (named if is_link else mentioned)
            leads = _leads_somewhere(interface, table) or any(net.ip in arriving for net in interface.addresses)
            used[interface.origin] = used.get(interface.origin, False) or by_name or leads
    yield from (_unused(origin) for origin, is_used in used.items() if not is_used)


def _mentioned(table: Host) -> set[str]:
    """Tunnels and interfaces that other tables of the host name."""
    found: set[str | None] = {uplink.tunnel for uplink in table.uplinks.values()}
    for split in table.splits.values():
        found |= {split.tunnel, split.interface}
    for peer in table.bgp.peers.values() if table.bgp else ():
        found |= {peer.tunnel, peer.interface}
    if table.firewall:
        found |= {device for allow in table.firewall.allow for device in allow.interface}
        found |= {device for passed in table.firewall.pass_ for device in (passed.from_, passed.to)}
    return {name for name in found if name}


def _leads_somewhere(interface: Interface, table: Host) -> bool:
    """Whether routes lead into it, or its subnet has neighbours. A provider's file does not name neighbours, and a
    program that makes an interface may add routes itself."""
    if interface.routes or interface.namespace or interface.back or isinstance(interface, ProgramInterface):
        return True
    own = [net for net in interface.addresses if not net.ip.is_link_local()]
    if interface.origin[0] != "hosts":
        return bool(own)
    tunnel = table.tunnels[cast(TunnelName, interface.origin[-1])]
    return not tunnel.import_ and any(net.size > 1 for net in own)


def _unused(origin: KeyPath) -> Diagnostic:
    name = origin[-1]
    if origin[0] == "hosts":
        what = f"no route, namespace, split, uplink or neighbour uses tunnel `{name}`"
        hint = f'give it `routes`, or name it in a namespace or split with `tunnel = "{name}"`'
    else:
        what = f"no route, forward or router uses link `{name}`, which has only fe80 addresses"
        hint = "give its ends an `address` or `routes`"
    return Diagnostic("NC2901", origin, what, hint, severity=Severity.WARNING, on_key=True)
