"""Links between our routers: every two routers learn each other's routes."""

from __future__ import annotations

from collections.abc import Iterator

from netc.diagnostic import Diagnostic, KeyPath, dotted
from netc.language.bgp import Bgp
from netc.language.kinds import KINDS
from netc.language.names import HostName
from netc.language.topology import Topology
from netc.network.bgp import ends, four_over_six, peer_end
from netc.network.derive import EVERYTHING
from netc.network.interface import Interface, Network, WireguardInterface
from netc.network.routing import bgp_links, carries_routing, igp_links, is_shared_by_routers, joined
from netc.network.speakers import families, has_members, is_recursive


def check(network: Network) -> Iterator[Diagnostic]:
    topology = network.topology
    if topology.igp and topology.igp.kind != "babel":
        for key in ("extended_next_hop", "rtt_cost", "password"):
            if getattr(topology.igp, key):
                what = f"`{key}` is a key of Babel, and the [igp] is {topology.igp.kind}"
                yield Diagnostic("NC2110", ("igp", key), what, 'leave it out, or write `kind = "babel"`', on_key=True)
    for interfaces in network.interfaces.values():
        for interface in interfaces:
            if carries_routing(interface.origin, topology):
                yield from _link(interface, network)
    shared = {name: mesh for name, mesh in topology.meshes.items() if is_shared_by_routers(name, topology)}
    for name, mesh in shared.items():
        what = f"mesh `{name}` has one interface for all peers, and routing needs one for each peer"
        foreign = [f"`{key}`" for key in ("interface", "subnet") if key in mesh.model_fields_set]
        hint = 'write `interfaces = "per-peer"`' + (f", without {' and '.join(foreign)}" if foreign else "")
        yield Diagnostic("NC2102", ("meshes", name, "interfaces"), what, hint)
    if topology.bgp and bgp_links(topology) and not shared:
        yield from _met(topology.bgp, network)


def _link(interface: Interface, network: Network) -> Iterator[Diagnostic]:
    topology = network.topology
    other = peer_end(interface, network)
    if topology.bgp and interface.host not in network.speakers:
        what = f"one end of {dotted(interface.origin)} is {interface.host}, which is not a router"
        hint = f"write [hosts.{interface.host}.bgp], or take `{interface.origin[1]}` out of `over`"
        yield Diagnostic("NC2102", interface.origin, what, hint, (("hosts", interface.host),), on_key=True)
    # A mesh that allows only some addresses is a shared one, which `check` reports.
    peers = interface.peers if isinstance(interface, WireguardInterface) and interface.origin[0] == "links" else ()
    if any(net not in peer.allowed_ips for peer in peers for net in EVERYTHING):
        what = "`over` names this link, so BIRD needs 0.0.0.0/0 and ::/0 in its `allowed_ips`"
        yield Diagnostic("NC2103", (*interface.where, "allowed_ips"), what, "leave it out")
    if interface.table is not None:
        what = "`over` names this link, so BIRD makes its routes, and it cannot have a `table`"
        yield Diagnostic("NC2103", (*interface.where, "table"), what, "leave it out")
    if other is None or interface.host > other.host:
        return
    yield from _babel(interface, other, network)
    if topology.bgp is None or _is_undecided(topology.bgp, topology):
        return
    for version in _lacking(interface, other, network):
        what = f"{dotted(interface.origin)} carries no IPv{version}: "
        what += f"its ends have no IPv{version} addresses in one subnet"
        hint = _cure(interface, version, network)
        yield Diagnostic("NC2103", interface.origin, what, hint, on_key=True)


def _is_undecided(bgp: Bgp, topology: Topology) -> bool:
    """Whether the AS has an [igp] that its form does not use, which NC2003 reports. What links must carry follows from
    which of the two the author corrects."""
    return has_members(bgp) and topology.igp is not None and not is_recursive(topology)


def _lacking(near: Interface, far: Interface, network: Network) -> list[int]:
    """Families of ours that the link does not carry."""
    topology = network.topology
    known = families(topology.bgp) if topology.bgp else ()
    if near.origin[1] in igp_links(topology):
        extended = topology.igp is not None and topology.igp.extended_next_hop
        if four_over_six(network) and 4 in KINDS[near.kind].carries:
            extended = True
        return [version for version in known if not joined(near, far, 6 if extended else version)]
    four, six = joined(near, far, 4), joined(near, far, 6)
    return [version for version in known if not six and (version == 6 or not four)]


FOUR_OVER_SIX = "add an IPv6 prefix to `bgp.prefixes`, and an IPv6 `loopback` to each router"
"""What gives IPv4 routes to links without IPv4 addresses, such as those of a mesh: IPv6 next hops (RFC 8950)."""


def _cure(interface: Interface, version: int, network: Network) -> str:
    if version not in KINDS[interface.kind].carries:
        return f"{interface.kind.upper()} carries no IPv{version}: write another `kind`"
    if interface.origin[0] == "links":
        return f"give both `ends` an IPv{version} `address`"
    babel = "`extended_next_hop = true` in [igp]"
    if network.topology.igp and network.topology.igp.kind != "babel":
        babel = f'`kind = "babel"` and {babel}'
    return f'{FOUR_OVER_SIX}, or write {babel} and `target = "debian-13"` for each router that runs it'


def lacks_four(network: Network) -> bool:
    """Whether an IGP over these links would have no IPv4, which is all that we have."""
    topology = network.topology
    if topology.bgp is None or families(topology.bgp) != (4,):
        return False
    held = (one for ones in network.interfaces.values() for one in ones if carries_routing(one.origin, topology))
    pairs = ((near, peer_end(near, network)) for near in held)
    return any(far is not None and joined(near, far, 4) is None for near, far in pairs)


def _babel(near: Interface, far: Interface, network: Network) -> Iterator[Diagnostic]:
    igp = network.topology.igp
    if igp is None or igp.kind != "babel" or near.origin[1] not in igp_links(network.topology):
        return
    six = joined(near, far, 6)
    if six is None or not six[0].is_link_local():
        what = f"Babel needs fe80 addresses, and the ends of {dotted(near.origin)} have none in one subnet"
        hint = (
            "give both `ends` an fe80 address, such as `fe80::1/64` and `fe80::2/64`"
            if 6 in KINDS[near.kind].carries
            else f"{near.kind.upper()} carries no IPv6: write another `kind`"
        )
        yield Diagnostic("NC2105", near.origin, what, hint, on_key=True)


def _met(bgp: Bgp, network: Network) -> Iterator[Diagnostic]:
    """Sessions connect all routers. Those of one AS need one with each other, since iBGP routes are not passed on."""
    topology = network.topology
    routers = network.speakers
    heard = {host: {end.far for end in ends(host, network)} for host in routers}
    by_igp = {host: _neighbours(host, network) for host in routers} if is_recursive(topology) else heard
    apart = _unreached(by_igp)
    if apart:
        path = "path over links of the [igp]" if is_recursive(topology) else "path of BGP sessions"
        what = f"no {path} connects {apart[0]} and {apart[1]}"
        where: KeyPath = ("igp", "over") if is_recursive(topology) else ("bgp", "over")
        hint = "make a link or mesh between them, and name it in `over`"
        yield Diagnostic("NC2104", where, what, hint, (("hosts", apart[0]), ("hosts", apart[1])))
        return
    if not bgp.reflectors:
        for host, far in _of_one_as(network):
            if far not in heard[host]:
                what = f"{host} and {far} are in one AS and have no session, so neither learns the routes of the other"
                hint = "add a link between them to `over`"
                hint += ", or give them different member ASNs" if has_members(bgp) else ", or write an [igp]"
                yield Diagnostic("NC2104", ("bgp",), what, hint, (("hosts", host), ("hosts", far)), on_key=True)
    elif unheard := _unreached(heard):
        what = f"no path of BGP sessions connects {unheard[0]} and {unheard[1]}"
        hint = "name one router of each member AS that has several in `reflectors`"
        yield Diagnostic("NC2104", ("bgp", "reflectors"), what, hint)


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
    links = igp_links(network.topology)
    return {i.far for i in network.interfaces[host] if i.far and i.origin[0] != "hosts" and i.origin[1] in links}


def _unreached(near: dict[HostName, set[HostName]]) -> tuple[HostName, HostName] | None:
    """The first host, and one that it does not reach."""
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
