"""Tunnels to others: `open` has an effect, and a router says what its neighbours reach."""

from __future__ import annotations

from collections.abc import Iterator

from netc.checks.namespaces import strangers as families
from netc.diagnostic import Diagnostic, KeyPath, Severity
from netc.language.names import HostName
from netc.network.interface import Network
from netc.network.lookup import by_origin
from netc.network.strangers import strangers


def check(network: Network) -> Iterator[Diagnostic]:
    for host in network.topology.hosts:
        yield from _open(host, network)
        yield from _neighbours(host, network)


def _open(host: HostName, network: Network) -> Iterator[Diagnostic]:
    filtered = {interface.origin for interface in strangers(host, network)}
    for name, tunnel in network.topology.hosts[host].tunnels.items():
        where: KeyPath = ("hosts", host, "tunnels", name)
        interface = by_origin(host, network).get(where)
        if not tunnel.open or not interface:
            continue
        if where in filtered:
            yield from families(tunnel.open, interface, where)
        elif interface.namespace:
            what = f"tunnel `{name}` is in namespace `{interface.namespace}`, which has a filter of its own"
            hint = f"write `open` in hosts.{host}.namespaces.{interface.namespace}"
            yield Diagnostic("NC1412", (*where, "open"), what, hint, on_key=True)
        else:
            what = (
                f"netc does not filter what begins at the other end of `{name}`, an uplink or the tunnel of a neighbour"
            )
            hint = f"leave it out, and write the ports into `allow` of hosts.{host}.firewall"
            yield Diagnostic("NC1412", (*where, "open"), what, hint, on_key=True)


def _neighbours(host: HostName, network: Network) -> Iterator[Diagnostic]:
    """A default would be wrong: packets for the router itself come in by any neighbour, also those of the author's own
    hosts and the visitors of anycast services."""
    table = network.topology.hosts[host]
    if table.firewall or not (table.bgp and table.bgp.peers):
        return
    names = sorted(table.bgp.peers)
    some = ", ".join(f"`{name}`" for name in names[:3]) + (", …" if len(names) > 3 else "")
    what = f"{host} has no `firewall`, so its BGP neighbours ({some}) reach every port of it"
    hint = f"write `[hosts.{host}.firewall]`: BGP, transit and ICMP pass, and `allow` lets in the rest"
    yield Diagnostic("NC1411", ("hosts", host, "bgp", "peers"), what, hint, severity=Severity.WARNING, on_key=True)
