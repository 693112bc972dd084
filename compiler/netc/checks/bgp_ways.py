"""Ways between our routers: every two of them can hear of each other."""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.bgp import Bgp
from netc.language.kinds import KINDS
from netc.language.names import HostName
from netc.network.bgp import ends, far_end
from netc.network.derive import EVERYTHING
from netc.network.interface import Interface, Network, WireguardInterface
from netc.network.routing import bgp_ways, igp_ways, is_way, joined
from netc.network.speakers import families, has_members, is_recursive
from netc.problem import KeyPath, Problem


def check(network: Network) -> Iterator[Problem]:
    topology = network.topology
    for interfaces in network.interfaces.values():
        for interface in interfaces:
            if is_way(interface.origin, topology):
                yield from _way(interface, network)
    for name, mesh in topology.meshes.items():
        if is_way(("meshes", name), topology) and mesh.interfaces == "shared":
            what = f"`{name}` has one interface for all peers, which knows by addresses alone where to send"
            yield Problem("NC2102", ("meshes", name, "interfaces"), what, 'routing needs `interfaces = "per-peer"`')
    if topology.bgp and bgp_ways(topology):
        yield from _met(topology.bgp, network)


def _way(interface: Interface, network: Network) -> Iterator[Problem]:
    topology = network.topology
    other = far_end(interface, network)
    if topology.bgp and interface.host not in network.speakers:
        what = f"{interface.host} is at one end of it, and is no router"
        hint = f"write [hosts.{interface.host}.bgp], or take it out of `over`"
        yield Problem("NC2102", interface.origin, what, hint, (("hosts", interface.host),), on_key=True)
    peers = interface.peers if isinstance(interface, WireguardInterface) else ()
    if any(net not in peer.allowed_ips for peer in peers for net in EVERYTHING):
        what = "routing leads anything through, and `allowed_ips` lets in some"
        yield Problem("NC2103", (*interface.where, "allowed_ips"), what, "leave it out")
    if interface.table is not None:
        what = "ways of routers have their routes from each other"
        yield Problem("NC2103", (*interface.where, "table"), what, "leave it out")
    if other is None or interface.host > other.host:
        return
    yield from _babel(interface, other, network)
    if topology.bgp is None:
        return
    known = families(topology.bgp)
    if interface.origin[1] in igp_ways(topology):
        lacking = [version for version in known if not joined(interface, other, version)]
    else:
        four, six = joined(interface, other, 4), joined(interface, other, 6)
        lacking = [version for version in known if not six and (version == 6 or not four)]
    for version in lacking:
        what = f"no IPv{version} goes by it: its ends have no neighbouring addresses"
        hint = f"give both `ends` an IPv{version} `address`" if interface.origin[0] == "links" else "use links for it"
        yield Problem("NC2103", interface.origin, what, hint, on_key=True)


def _babel(near: Interface, far: Interface, network: Network) -> Iterator[Problem]:
    igp = network.topology.igp
    if igp is None or igp.kind != "babel" or near.origin[1] not in igp_ways(network.topology):
        return
    six = joined(near, far, 6)
    if six is None or not six[0].is_link_local():
        what = "Babel speaks from fe80 addresses, of IPv4 too, and its ends have none that are neighbours"
        hint = (
            "give both `ends` one (`fe80::1/64`, `fe80::2/64`)"
            if 6 in KINDS[near.kind].carries
            else f"{near.kind.upper()} carries no IPv6: take another kind"
        )
        yield Problem("NC2105", near.origin, what, hint, on_key=True)


def _met(bgp: Bgp, network: Network) -> Iterator[Problem]:
    """Sessions join all routers; and all routers of one AS with each other, since none of them passes on."""
    topology = network.topology
    routers = network.speakers
    heard = {host: {end.far for end in ends(host, network)} for host in routers}
    by_igp = {host: _neighbours(host, network) for host in routers} if is_recursive(topology) else heard
    apart = _unreached(by_igp)
    if apart:
        what = f"{apart[0]} and {apart[1]} never hear of each other"
        where: KeyPath = ("igp", "over") if is_recursive(topology) else ("bgp", "over")
        hint = "add a link or a mesh between them"
        yield Problem("NC2104", where, what, hint, (("hosts", apart[0]), ("hosts", apart[1])))
        return
    if not bgp.reflectors:
        for host, far in _of_one_as(network):
            if far not in heard[host]:
                what = f"{host} and {far} are of one AS, and nobody else may tell the one what the other learns"
                hint = "add a way between them to `over`"
                hint += ", or give them different member ASNs" if has_members(bgp) else ", or an [igp]"
                yield Problem("NC2104", ("bgp",), what, hint, (("hosts", host), ("hosts", far)), on_key=True)
    elif unheard := _unreached(heard):
        what = f"{unheard[0]} and {unheard[1]} never hear of each other"
        hint = "each member that has several routers needs a reflector of its own"
        yield Problem("NC2104", ("bgp", "reflectors"), what, hint)


def _of_one_as(network: Network) -> Iterator[tuple[HostName, HostName]]:
    """Every two routers of one AS, in the order of routers."""
    by_asn: dict[int | None, list[HostName]] = {}
    place: dict[HostName, int] = {}
    for host, speaker in network.speakers.items():
        same = by_asn.setdefault(speaker.asn, [])
        place[host] = len(same)
        same.append(host)
    for host, speaker in network.speakers.items():
        for far in by_asn[speaker.asn][place[host] + 1 :]:
            yield host, far


def _neighbours(host: HostName, network: Network) -> set[HostName]:
    ways = igp_ways(network.topology)
    return {i.far for i in network.interfaces[host] if i.far and i.origin[0] != "hosts" and i.origin[1] in ways}


def _unreached(near: dict[HostName, set[HostName]]) -> tuple[HostName, HostName] | None:
    """The first host, and one that nothing leads to from it."""
    if not near:
        return None
    first = min(near)
    found, waiting = {first}, [first]
    while waiting:
        further = [far for far in near[waiting.pop()] if far in near and far not in found]
        found.update(further)
        waiting += further
    lost = sorted(near.keys() - found)
    return (first, lost[0]) if lost else None
