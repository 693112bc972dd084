"""Our routers that speak BGP, as the topology has them."""

from __future__ import annotations

from msgspec import Struct
from netaddr import IPAddress

from netc.language.bgp import Bgp
from netc.language.names import HostName
from netc.language.topology import Topology
from netc.language.values import Family


class Speaker(Struct, frozen=True):
    """A router of ours as the others know it: `loopback` is where sessions between loopbacks go."""

    asn: int | None
    loopback: IPAddress | None


def speakers(topology: Topology) -> tuple[HostName, ...]:
    return tuple(sorted(host for host, table in topology.hosts.items() if table.bgp))


def families(bgp: Bgp) -> tuple[Family, ...]:
    """Of what is ours."""
    found: set[Family] = {4 if net.version == 4 else 6 for net in bgp.prefixes}
    return tuple(sorted(found))


def has_members(bgp: Bgp) -> bool:
    return bgp.internal in ("confederation", "fake-confederation")


def member(host: HostName, topology: Topology) -> int | None:
    """The ASN by which our other routers know it. None if it has none."""
    bgp, table = topology.bgp, topology.hosts[host]
    if bgp is None or table.bgp is None:
        return None
    if not has_members(bgp):
        return bgp.asn
    return table.bgp.member or (bgp.members.base + table.id if bgp.members else None)


def is_recursive(topology: Topology) -> bool:
    """Next hops are loopbacks, and the IGP resolves them."""
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


def known_speakers(topology: Topology) -> dict[HostName, Speaker]:
    """Each is computed once, because all other routers refer to it, and there may be 200."""
    bgp = topology.bgp
    version = 6 if bgp and 6 in families(bgp) else 4
    return {host: Speaker(member(host, topology), loopback(host, version, topology)) for host in speakers(topology)}
