"""What derived numbers are made of, in words: a message that turns on a number shows where it comes from."""

from __future__ import annotations

from typing import cast

from netc.diagnostic import dotted
from netc.language.names import DnsName, HostName, MeshName
from netc.language.topology import Topology
from netc.network.derive import PORT_BASE
from netc.network.forwards import TABLE_BASE
from netc.network.interface import Interface, Mtu, NumberedInterface, WireguardInterface, listens_at, outer_family
from netc.network.lookup import link_of
from netc.network.speakers import has_members


def of_mtu(interface: Interface, mtu: Mtu) -> str:
    """`1492 (uplink of home) - 80 (wireguard over IPv6)`"""
    # The family of a name is not known before the host resolves it, so netc counts the larger header.
    outer = outer_family(interface)
    family = f"IPv{outer}" if outer else f"IPv6{_because(interface)}"
    return f"{mtu.under} ({mtu.under_name}) - {mtu.overhead} ({interface.kind} over {family})"


def _because(interface: Interface) -> str:
    """Why a tunnel may be carried by IPv6: `, because vpn.example.net may resolve to IPv6`"""
    peers = interface.peers if isinstance(interface, WireguardInterface) else ()
    dialled = (peer.endpoint.host for peer in peers if peer.endpoint)
    name = next((host for host in dialled if isinstance(host, DnsName)), None)
    return f", because {name} may resolve to IPv6" if name else ", which the peer may use"


def both(one: Interface, other: Interface) -> str:
    """Two interfaces of a host, by their names, or by their tables where the names are the same."""
    if one.name != other.name:
        return f"{one.name} and {other.name} of {one.host}"
    return f"the interfaces of {dotted(other.origin)} and {dotted(one.origin)} on {one.host}"


def of_port(interface: Interface, topology: Topology) -> str:
    """`, where 51821 = 51820 + 1 (id of edge)`; empty for a port that the author chose."""
    port = listens_at(interface)
    if interface.far is None or port is None:
        return ""
    base, given = PORT_BASE, False
    if interface.origin[0] == "meshes":
        base = topology.meshes[cast(MeshName, interface.origin[1])].port
    else:
        link = link_of(interface, topology)
        end = link.ends.get(interface.host) if link else None
        given = link is None or not isinstance(interface, WireguardInterface) or bool(end and end.port)
    number = topology.hosts[interface.far].id
    if given or port != base + number:
        return ""
    return f", where {port} = {base} + {number} (id of {interface.far})"


def of_vni(interface: NumberedInterface, topology: Topology) -> str:
    """`, where 4098 = 1 (id of a) * 4096 + 2 (id of b)`; empty for one that the author chose."""
    if interface.far is None or interface.origin[0] != "links":
        return ""
    ends = sorted((topology.hosts[host].id, host) for host in (interface.host, interface.far))
    (low, one), (high, other) = ends
    if interface.vni != low << 12 | high:
        return ""
    return f", where {interface.vni} = {low} (id of {one}) * 4096 + {high} (id of {other})"


def of_replies(edge: HostName, topology: Topology) -> str:
    """The table of replies to visitors of an edge: `7001 = 7000 + 1 (id of edge)`"""
    number = topology.hosts[edge].id
    return f"{TABLE_BASE + number} = {TABLE_BASE} + {number} (id of {edge})"


def of_mark(edge: HostName, topology: Topology) -> str:
    """The mark of replies to visitors of an edge: `2 = 256 (id of edge) mod 255 + 1`"""
    number = topology.hosts[edge].id
    return f"{number % 255 + 1} = {number} (id of {edge}) mod 255 + 1"


def of_member(host: HostName, number: int, topology: Topology) -> str:
    """A member ASN: `4225470001 = 4225470000 (base) + 1 (id of a)`, or the number alone where the author chose it."""
    bgp, table = topology.bgp, topology.hosts[host]
    if bgp is None or bgp.members is None or not has_members(bgp) or (table.bgp and table.bgp.member):
        return str(number)
    return f"{number} = {bgp.members.base} (base) + {table.id} (id of {host})"
