"""The autonomous system: how it is made, the numbers of its members, and what is its own."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPNetwork

from netc.checks.words import MOST
from netc.language.bgp import RESERVED_ASNS, Bgp
from netc.language.names import HostName
from netc.network.interface import Network
from netc.network.overlaps import first_overlaps
from netc.network.profiles import WORLD
from netc.network.speakers import families, has_members, loopback, member, router_id, speakers
from netc.network.sums import of_member
from netc.problem import KeyPath, Problem

PRIVATE_ASNS = ((64512, 65534), (4200000000, 4294967294))
"""RFC 6996."""

REGISTRIES = ((4201270000, 4201279999, "NeoNetwork"), (4242420000, 4242429999, "DN42"))
"""Ranges of private ASNs that networks of many share out."""


def check(network: Network) -> Iterator[Problem]:
    topology = network.topology
    routers = speakers(topology)
    for host, table in topology.hosts.items():
        yield from _loopbacks(host, table.loopback)
    yield from _loopbacks_of_two(network)
    if topology.bgp is None:
        for host in routers:
            what = f"{host} is a router of an AS, and there is none"
            yield Problem("NC2002", ("hosts", host, "bgp"), what, "write [bgp]", on_key=True)
        return
    if not routers:
        yield Problem("NC2002", ("bgp",), "no host is a router of it", "write [hosts.NAME.bgp]", on_key=True)
    yield from _form(topology.bgp, network)
    for host in routers:
        yield from _member(host, topology.bgp, network)
        yield from _own_source(host, topology.bgp, network)
        yield from _parts(host, topology.bgp, network)
        own = topology.hosts[host].bgp
        for key in ("region", "country"):
            if topology.bgp.profile != "dn42" and getattr(own, key):
                what = f"DN42's communities mean nothing in `{topology.bgp.profile}`"
                yield Problem("NC2205", ("hosts", host, "bgp", key), what, "leave it out")
    yield from _router_ids(routers, network)
    yield from _own(topology.bgp)
    yield from _roas(topology.bgp)


def _form(bgp: Bgp, network: Network) -> Iterator[Problem]:
    """Keys that go with how the AS is made, and with nothing else."""
    igp = network.topology.igp
    if bgp.internal == "confederation" and bgp.next_hop is None:
        hint = '`"recursive"` with an [igp], `"med"` without one'
        yield Problem(
            "NC2003", ("bgp",), "by what does the shortest way win?", f"write `next_hop`: {hint}", on_key=True
        )
    if bgp.internal != "confederation" and bgp.next_hop is not None:
        yield Problem("NC2003", ("bgp", "next_hop"), "`next_hop` is a confederation's to choose", "leave it out")
    if not has_members(bgp) and bgp.members is not None:
        what = f"there are no members in `{bgp.internal}`"
        yield Problem("NC2003", ("bgp", "members"), what, "leave them out", on_key=True)
    wants = "reflectors" if bgp.internal == "reflectors" else "recursive" if bgp.next_hop == "recursive" else ""
    if wants and igp is None:
        what = f"`{wants}` needs somebody who knows the ways between our routers"
        yield Problem("NC2003", ("bgp",), what, 'write [igp], with `kind = "ospf"` and `over`', on_key=True)
    if has_members(bgp) and bgp.next_hop != "recursive" and igp is not None:
        what = "with an [igp] next hops are found by it, and here each router is the next hop of what it tells"
        yield Problem("NC2003", ("igp",), what, 'leave it out, or write `next_hop = "recursive"`', on_key=True)
    if bgp.internal == "reflectors" and not bgp.reflectors:
        yield Problem("NC2003", ("bgp",), "who reflects?", 'write `reflectors = ["…"]`', on_key=True)
    if bgp.reflectors and bgp.internal != "reflectors" and bgp.next_hop != "recursive":
        what = "reflectors are of a network with an [igp]"
        yield Problem("NC2003", ("bgp", "reflectors"), what, "leave them out")
    if not bgp.over and igp is None and len(speakers(network.topology)) > 1:
        what = "no link carries sessions between our routers: neither `bgp.over` nor `igp.over` names one"
        yield Problem("NC2003", ("bgp",), what, _over(network), on_key=True)
    if bgp.over and igp is not None and not has_members(bgp):
        what = "sessions are between loopbacks, by whatever way the [igp] finds"
        yield Problem("NC2003", ("bgp", "over"), what, "leave it out")
    for index, host in enumerate(bgp.reflectors):
        if host in network.topology.hosts and host not in speakers(network.topology):
            yield Problem("NC2002", ("bgp", "reflectors", index), f"{host} is no router", f"write [hosts.{host}.bgp]")


def _over(network: Network) -> str:
    """The links and per-peer meshes that join routers, as `over` names them."""
    topology, routers = network.topology, set(speakers(network.topology))
    names = [str(name) for name, link in topology.links.items() if set(link.between) <= routers]
    names += [str(name) for name, mesh in topology.meshes.items() if mesh.interfaces == "per-peer"]
    if not names:
        return "write a link or a per-peer mesh between the routers, and name it in `over`"
    return f"write `over = [{', '.join(f'{chr(34)}{name}{chr(34)}' for name in names[:MOST])}]`"


# ---- numbers -------------------------------------------------------------------------------------------------


def _member(host: HostName, bgp: Bgp, network: Network) -> Iterator[Problem]:
    topology = network.topology
    own = topology.hosts[host].bgp
    given = bool(own and own.member)
    where: KeyPath = ("hosts", host, "bgp", "member") if given else ("hosts", host, "bgp")
    if not has_members(bgp):
        if given:
            yield Problem("NC2004", where, f"there are no members in `{bgp.internal}`", "leave it out")
        return
    number = member(host, topology)
    if number is None:
        hint = "write `bgp.members = { base = 4225470000 }`, or `member` here"
        yield Problem("NC2004", where, f"{host} has no member ASN", hint, on_key=True)
        return
    made_of = of_member(host, number, topology)
    if number == bgp.asn:
        yield Problem("NC2004", where, f"{made_of} is the AS itself, and no member of it", "choose another number")
    elif not any(first <= number <= last for first, last in PRIVATE_ASNS) or number in RESERVED_ASNS:
        what = f"{made_of}, the member ASN of {host}, is not for private use, and so somebody's"
        yield Problem("NC2004", where, what, "use 64512 to 65534, or 4200000000 to 4294967294")
    for first, last, owner in REGISTRIES:
        if first <= number <= last and bgp.profile == "dn42":
            what = f"{made_of}, the member ASN of {host}, is one of {first} to {last}, which {owner} shares out"
            yield Problem("NC2004", where, what, "choose from another range, such as 4225470000 and up")


def _router_ids(routers: tuple[HostName, ...], network: Network) -> Iterator[Problem]:
    seen: dict[object, HostName] = {}
    for host in routers:
        own = network.topology.hosts[host].bgp
        given: KeyPath = ("hosts", host, "bgp", "router_id")
        if own and own.router_id and (own.router_id.version != 4 or int(own.router_id) == 0):
            yield Problem("NC2005", given, f"{own.router_id} is no router id", "write it as an IPv4 address")
            continue
        number = router_id(host, network.topology)
        other = seen.setdefault(number, host)
        if other != host:
            what = f"{other} and {host} have the same router id, {number}"
            yield Problem("NC2005", given[:3], what, "set another `router_id`", (("hosts", other, "bgp"),), on_key=True)


# ---- addresses -----------------------------------------------------------------------------------------------


def _loopbacks(host: HostName, nets: tuple[IPNetwork, ...]) -> Iterator[Problem]:
    seen: dict[int, int] = {}
    for index, net in enumerate(nets):
        where: KeyPath = ("hosts", host, "loopback", index)
        bits = 32 if net.version == 4 else 128
        if net.prefixlen != bits:
            yield Problem(
                "NC2006", where, f"{net} has {net.size} addresses, and a loopback is one", f"write `{net.ip}/{bits}`"
            )
        if net.ip.is_link_local() or net.ip.is_loopback() or net.ip.is_multicast() or int(net.ip) == 0:
            yield Problem("NC2006", where, f"{net.ip} is an address that nobody else can reach", "use one of your own")
        other = seen.setdefault(net.version, index)
        if other != index:
            what = f"two loopback addresses of IPv{net.version}: which one do packets carry?"
            yield Problem("NC2006", where, what, "keep one", ((*where[:3], other),))


def _loopbacks_of_two(network: Network) -> Iterator[Problem]:
    seen: dict[object, KeyPath] = {}
    for host, table in network.topology.hosts.items():
        for index, net in enumerate(table.loopback):
            where: KeyPath = ("hosts", host, "loopback", index)
            other = seen.setdefault(net.ip, where)
            if other[1] != host:
                yield Problem("NC2006", where, f"{net.ip} is {other[1]}'s too", "give each its own", (other,))


def _own_source(host: HostName, bgp: Bgp, network: Network) -> Iterator[Problem]:
    """Packets of a router itself carry its loopback: without one, an address of a link that nobody can answer."""
    for version in families(bgp):
        ip = loopback(host, version, network.topology)
        where: KeyPath = ("hosts", host)
        if ip is None:
            what = f"{host} has no IPv{version} loopback, which its own packets would carry"
            yield Problem("NC2006", where, what, "write `loopback`, out of `bgp.prefixes`", on_key=True)
        elif not any(ip in net for net in bgp.prefixes):
            index = next(i for i, net in enumerate(network.topology.hosts[host].loopback) if net.ip == ip)
            what = f"{ip} is not in what is ours, so the world could not answer {host}"
            yield Problem("NC2006", (*where, "loopback", index), what, "choose it out of `bgp.prefixes`")


def _own(bgp: Bgp) -> Iterator[Problem]:
    overlapped = first_overlaps([(net, number) for number, net in enumerate(bgp.prefixes)])
    for index, (net, earlier) in enumerate(zip(bgp.prefixes, overlapped, strict=True)):
        where: KeyPath = ("bgp", "prefixes", index)
        spans = [span for span in WORLD[bgp.profile] if span[0].version == net.version and net in span[0]]
        if earlier is not None:
            what = f"{net} overlaps {bgp.prefixes[earlier]}"
            yield Problem("NC2007", where, what, "write the larger one", ((*where[:2], earlier),))
        elif not any(least <= net.prefixlen <= most for _, least, most in spans):
            what = f"nobody in `{bgp.profile}` takes {net}: its range or its length is not routed there"
            hint = f"take {' and '.join(f'/{least} to /{most} of {span}' for span, least, most in spans)}"
            yield Problem("NC2007", where, what, hint if spans else "choose another `profile`")


def _roas(bgp: Bgp) -> Iterator[Problem]:
    for key, sources in (("roa", bgp.roa), ("flaps", bgp.flaps)):
        for index, source in enumerate(sources):
            where: KeyPath = ("bgp", key, index)
            files = [name for name, path in (("ipv4", source.ipv4), ("ipv6", source.ipv6)) if path]
            if (source.rtr is None) == (not files):
                what = "ROAs come from a server or from files"
                hint = 'write `{ rtr = "rpki.example:8282" }`, or `{ ipv4 = "/…", ipv6 = "/…" }`'
                yield Problem("NC2008", where, what, hint)
            elif source.rtr and source.rtr.port is None:
                yield Problem(
                    "NC2008", (*where, "rtr"), "RTR has no port of its own", "write it, as in `rpki.example:8282`"
                )
            for name in files:
                if (4 if name == "ipv4" else 6) not in families(bgp):
                    yield Problem("NC2008", (*where, name), f"what is ours has no {name}", "leave it out")
    if bgp.roa_unknown and not bgp.roa:
        yield Problem(
            "NC2008", ("bgp", "roa_unknown"), "there is no `roa` that could know", "leave it out", on_key=True
        )


def _parts(host: HostName, bgp: Bgp, network: Network) -> Iterator[Problem]:
    own = network.topology.hosts[host].bgp
    for index, net in enumerate(own.prefixes if own else ()):
        where: KeyPath = ("hosts", host, "bgp", "prefixes", index)
        if not any(net in one for one in bgp.prefixes):
            yield Problem("NC2007", where, f"{net} is no part of what is ours", "write it into `bgp.prefixes` too")
        for other in speakers(network.topology):
            there = network.topology.hosts[other].bgp
            for number, held in enumerate(there.prefixes if there else ()):
                if (other, number) < (host, index) and (net in held or held in net):
                    also: KeyPath = ("hosts", other, "bgp", "prefixes", number)
                    yield Problem("NC2007", where, f"{net} is at {other} too", "say where it is once", (also,))
