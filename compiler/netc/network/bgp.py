"""Who of our own routers tells whom: every session has two ends, and both come from one link, mesh or pair."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from netaddr import IPAddress

from netc.language.bgp import Bgp
from netc.language.names import HostName, InterfaceName, PartName
from netc.language.topology import Topology
from netc.language.values import Family
from netc.network.interface import Interface, Network
from netc.network.routing import bgp_ways, cost_of, joined
from netc.problem import KeyPath

LOOPBACK_PART = PartName("loopback")


class End(Struct, frozen=True):
    """One end of a session between two of our routers. `device` is None between loopbacks."""

    near: HostName
    far: HostName
    origin: KeyPath
    device: InterfaceName | None
    local: IPAddress
    remote: IPAddress
    cost: int
    is_reflected: bool = False
    """The far end is told what others of the same AS said."""


def speakers(topology: Topology) -> tuple[HostName, ...]:
    return tuple(sorted(host for host, table in topology.hosts.items() if table.bgp))


def families(bgp: Bgp) -> tuple[Family, ...]:
    """Of what is ours."""
    found: set[Family] = {4 if net.version == 4 else 6 for net in bgp.prefixes}
    return tuple(sorted(found))


def has_members(bgp: Bgp) -> bool:
    return bgp.internal in ("confederation", "fake-confederation")


def member(host: HostName, topology: Topology) -> int | None:
    """The ASN by which our other routers know it; None when nothing says one."""
    bgp, table = topology.bgp, topology.hosts[host]
    if bgp is None or table.bgp is None:
        return None
    if not has_members(bgp):
        return bgp.asn
    return table.bgp.member or (bgp.members.base + table.id if bgp.members else None)


def is_recursive(topology: Topology) -> bool:
    """Next hops are loopbacks, and the IGP knows the way."""
    bgp = topology.bgp
    if bgp is None or topology.igp is None:
        return False
    return bgp.next_hop == "recursive" if has_members(bgp) else True


def loopback(host: HostName, version: int, topology: Topology) -> IPAddress | None:
    return next((net.ip for net in topology.hosts[host].loopback if net.version == version), None)


def router_id(host: HostName, topology: Topology) -> IPAddress:
    """Any number that no other router of the network has will do (RFC 6286)."""
    table = topology.hosts[host]
    given = table.bgp.router_id if table.bgp else None
    return given or loopback(host, 4, topology) or IPAddress(table.id, 4)


def ends(host: HostName, network: Network) -> tuple[End, ...]:
    """The host's ends of sessions with our other routers, in the order of interfaces and hosts."""
    if network.topology.bgp is None or host not in speakers(network.topology):
        return ()
    return (*_over_ways(host, network), *_over_loopbacks(host, network))


def _over_ways(host: HostName, network: Network) -> Iterator[End]:
    topology = network.topology
    ways, routers = bgp_ways(topology), speakers(topology)
    for interface in network.interfaces[host]:
        far = interface.far
        if interface.origin[0] == "hosts" or interface.origin[1] not in ways or far not in routers:
            continue
        same = member(host, topology) == member(far, topology)
        other = far_end(interface, network)
        if other is None or (same and is_recursive(topology)):
            continue
        pair = joined(interface, other, 6) or joined(interface, other, 4)
        if pair:
            cost = cost_of(interface, topology)
            yield End(host, far, interface.origin, interface.name, *pair, cost)


def far_end(interface: Interface, network: Network) -> Interface | None:
    """The other end of a link or of a mesh's tunnel."""
    there = network.interfaces.get(interface.far, ()) if interface.far else ()
    return next((i for i in there if i.origin == interface.origin and i.far == interface.host), None)


def _over_loopbacks(host: HostName, network: Network) -> Iterator[End]:
    """With an IGP, routers of one AS are told wherever they are."""
    topology = network.topology
    if topology.bgp is None or not is_recursive(topology):
        return
    reflectors = set(topology.bgp.reflectors)
    version = 6 if 6 in families(topology.bgp) else 4
    mine, local = member(host, topology), loopback(host, version, topology)
    if local is None:
        return
    for far in speakers(topology):
        if far == host or member(far, topology) != mine:
            continue
        if reflectors and not {host, far} & reflectors:
            continue
        remote = loopback(far, version, topology)
        if remote:
            is_reflected = host in reflectors and far not in reflectors
            yield End(host, far, ("bgp",), None, local, remote, 0, is_reflected)
