"""The autonomous system: its form, the numbers of its members, their loopbacks, and sources of ROAs."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace
from netaddr import IPNetwork

from netc.checks.bgp_links import FOUR_OVER_SIX, lacks_four
from netc.checks.words import MOST
from netc.diagnostic import Diagnostic, KeyPath, Severity
from netc.language.bgp import RESERVED_ASNS, Bgp
from netc.language.names import HostName
from netc.language.values import Endpoint
from netc.network.interface import Network
from netc.network.peers import role_of
from netc.network.speakers import families, has_members, loopback, member, router_id, speakers
from netc.network.sums import of_member

PRIVATE_ASNS = ((64512, 65534), (4200000000, 4294967294))
"""RFC 6996."""

REGISTRIES = ((4201270000, 4201279999, "NeoNetwork"), (4242420000, 4242429999, "DN42"))
"""Ranges of private ASNs that a registry assigns."""


def check(network: Network) -> Iterator[Diagnostic]:
    topology = network.topology
    routers = speakers(topology)
    for host, table in topology.hosts.items():
        yield from _loopbacks(host, table.loopback)
    yield from _loopbacks_of_two(network)
    if topology.bgp is None:
        for host in routers:
            what = f"{host} has `bgp`, and the topology has no [bgp]"
            yield Diagnostic("NC2002", ("hosts", host, "bgp"), what, "write [bgp]", on_key=True)
        return
    if not routers:
        yield Diagnostic(
            "NC2002", ("bgp",), "the AS has no router: no host has a table `bgp`", _first_router(network), on_key=True
        )
    yield from _form(topology.bgp, network)
    yield from _members(routers, topology.bgp, network)
    for host in routers:
        yield from _own_source(host, topology.bgp, network)
        own = topology.hosts[host].bgp
        for key in ("region", "country"):
            if topology.bgp.profile != "dn42" and getattr(own, key):
                what = f"profile `{topology.bgp.profile}` has no DN42 communities"
                yield Diagnostic("NC2205", ("hosts", host, "bgp", key), what, "leave it out")
    yield from _router_ids(routers, network)
    yield from _roas(topology.bgp)
    yield from _unchecked(topology.bgp, network)


def _first_router(network: Network) -> str:
    return f"write [hosts.{min(network.topology.hosts, default='NAME')}.bgp]"


def _form(bgp: Bgp, network: Network) -> Iterator[Diagnostic]:
    """Keys that belong to one form of the AS only."""
    igp = network.topology.igp
    if bgp.internal == "confederation" and bgp.next_hop is None:
        hint = 'write `next_hop = "recursive"`' if igp else 'write `next_hop = "med"`'
        yield Diagnostic("NC2003", ("bgp",), "the confederation has no `next_hop`", hint, on_key=True)
    foreign = ["next_hop"] if bgp.internal != "confederation" and bgp.next_hop is not None else []
    foreign += ["members"] if not has_members(bgp) and bgp.members is not None else []
    if foreign:
        both = len(foreign) > 1
        what = f"`{'` and `'.join(foreign)}` {'belong' if both else 'belongs'} to confederations"
        what += f", and `internal` is `{bgp.internal}`"
        also = tuple(("bgp", key) for key in foreign[1:])
        hint = f"leave {'them' if both else 'it'} out"
        yield Diagnostic("NC2003", ("bgp", foreign[0]), what, hint, also, on_key=foreign[0] == "members")
    wants = 'internal = "reflectors"' if bgp.internal == "reflectors" else ""
    wants = wants or ('next_hop = "recursive"' if bgp.next_hop == "recursive" else "")
    if wants and igp is None:
        what = f"`{wants}` needs an [igp] that finds the next hops, and the topology has none"
        key, is_alone = wants.split()[0], len(speakers(network.topology)) == 1
        hint = f"leave `{key}` out: there is no second router" if is_alone else _igp(bgp, network)
        yield Diagnostic("NC2003", ("bgp", key) if is_alone else ("bgp",), what, hint, on_key=True)
    elif not bgp.over and igp is None and len(speakers(network.topology)) > 1:
        what = "no link carries sessions between our routers: neither `bgp.over` nor `igp.over` names one"
        yield Diagnostic("NC2003", ("bgp",), what, _over(network), on_key=True)
    is_chosen = bgp.internal != "confederation" or bgp.next_hop is not None
    if has_members(bgp) and is_chosen and bgp.next_hop != "recursive" and igp is not None:
        what = f"each router of this `{bgp.internal}` sets itself as next hop, so no route needs the [igp]"
        yield Diagnostic(
            "NC2003", ("igp",), what, 'leave it out, or write `next_hop = "recursive"` in [bgp]', on_key=True
        )
    if bgp.internal == "reflectors" and not bgp.reflectors and len(speakers(network.topology)) > 1:
        yield Diagnostic(
            "NC2003",
            ("bgp",),
            "`internal` is `reflectors`, and `reflectors` names no host",
            f'write `reflectors = ["{min(speakers(network.topology), default="NAME")}"]`',
            on_key=True,
        )
    if bgp.reflectors and bgp.internal != "reflectors" and bgp.next_hop != "recursive":
        what = f'`reflectors` belongs to `internal = "reflectors"`, and `internal` is `{bgp.internal}`'
        yield Diagnostic("NC2003", ("bgp", "reflectors"), what, "leave it out")
    if bgp.over and igp is not None and not has_members(bgp):
        what = "`over` has no effect: sessions run between loopbacks, and the [igp] finds the paths"
        yield Diagnostic("NC2003", ("bgp", "over"), what, "leave it out")
    for index, host in enumerate(bgp.reflectors):
        if host in network.topology.hosts and host not in speakers(network.topology):
            yield Diagnostic(
                "NC2002", ("bgp", "reflectors", index), f"{host} is not a router", f"write [hosts.{host}.bgp]"
            )


def _igp(bgp: Bgp, network: Network) -> str:
    """The IGP that is missing, and what it needs beside: `over` of [bgp] has no effect then, but between members."""
    moves = bgp.over and not has_members(bgp)
    over = "the `over` of [bgp], which [bgp] must not have then" if moves else "`over`"
    hint = f'write [igp], with `kind = "ospf"` and {over}'
    return f"{hint}; also {FOUR_OVER_SIX}" if lacks_four(network) else hint


def _over(network: Network) -> str:
    """The links and per-peer meshes that join routers, as `over` names them."""
    topology, routers = network.topology, set(speakers(network.topology))
    names = [str(name) for name, link in topology.links.items() if set(link.between) <= routers]
    names += [str(name) for name, mesh in topology.meshes.items() if mesh.interfaces == "per-peer"]
    if not names:
        return "write a link or a per-peer mesh between the routers, and name it in `over`"
    return f"write `over = [{', '.join(f'{chr(34)}{name}{chr(34)}' for name in names[:MOST])}]`"


# ---- numbers -------------------------------------------------------------------------------------------------


def _members(routers: tuple[HostName, ...], bgp: Bgp, network: Network) -> Iterator[Diagnostic]:
    """What is wrong with the base is reported for the first router alone."""
    given = [host for host in routers if (own := network.topology.hosts[host].bgp) and own.member]
    if has_members(bgp) and bgp.members is None and routers and not given:
        hint = "write `members = { base = 4225470000 }`: a member ASN is this plus the id of the host"
        yield Diagnostic("NC2004", ("bgp",), "no router has a member ASN", hint, on_key=True)
        return
    seen: set[str] = set()
    for host in routers:
        for one in _member(host, bgp, network):
            if host in given or bgp.members is None or not has_members(bgp):
                yield one
            elif one.hint not in seen:
                seen.add(one.hint)
                at, of = ("bgp", "members", "base"), ("hosts", host, "id")
                yield replace(one, where=at, also=(of,), on_key=False)


def _member(host: HostName, bgp: Bgp, network: Network) -> Iterator[Diagnostic]:
    topology = network.topology
    own = topology.hosts[host].bgp
    given = bool(own and own.member)
    where: KeyPath = ("hosts", host, "bgp", "member") if given else ("hosts", host, "bgp")
    if not has_members(bgp):
        if given:
            yield Diagnostic(
                "NC2004",
                where,
                f"`member` belongs to confederations, and `internal` is `{bgp.internal}`",
                "leave it out",
            )
        return
    number = member(host, topology)
    if number is None:
        number = 4225470000 + topology.hosts[host].id
        hint = f"write `member = {number}`, or `members.base` in [bgp] for all hosts"
        yield Diagnostic("NC2004", where, f"{host} has no member ASN", hint, on_key=True)
        return
    made_of = of_member(host, number, topology)
    if number == bgp.asn:
        yield Diagnostic(
            "NC2004",
            where,
            f"the member ASN of {host}, {made_of}, is the ASN of the confederation itself",
            "write another number",
        )
    elif not any(first <= number <= last for first, last in PRIVATE_ASNS) or number in RESERVED_ASNS:
        what = f"{made_of}, the member ASN of {host}, is not a private ASN"
        yield Diagnostic(
            "NC2004", where, what, "write an ASN from 64512 to 65534, or from 4200000000 to 4294967294 (RFC 6996)"
        )
    for first, last, owner in REGISTRIES:
        if first <= number <= last and bgp.profile == "dn42":
            what = f"{made_of}, the member ASN of {host}, is in {first} to {last}, which {owner} assigns"
            yield Diagnostic("NC2004", where, what, "write an ASN from another range, such as 4225470000 and above")


def _router_ids(routers: tuple[HostName, ...], network: Network) -> Iterator[Diagnostic]:
    seen: dict[object, HostName] = {}
    for host in routers:
        own = network.topology.hosts[host].bgp
        given: KeyPath = ("hosts", host, "bgp", "router_id")
        if own and own.router_id and (own.router_id.version != 4 or int(own.router_id) == 0):
            yield Diagnostic(
                "NC2005",
                given,
                f"{own.router_id} cannot be a router ID, which is an IPv4 address other than 0.0.0.0",
                "write an IPv4 address, such as `192.0.2.1`",
            )
            continue
        number = router_id(host, network.topology)
        other = seen.setdefault(number, host)
        if other != host:
            what = f"{other} and {host} have the same router ID, {number}"
            yield Diagnostic(
                "NC2005", given[:3], what, "write another `router_id`", (("hosts", other, "bgp"),), on_key=True
            )


# ---- addresses -----------------------------------------------------------------------------------------------


def _loopbacks(host: HostName, nets: tuple[IPNetwork, ...]) -> Iterator[Diagnostic]:
    seen: dict[int, int] = {}
    for index, net in enumerate(nets):
        where: KeyPath = ("hosts", host, "loopback", index)
        bits = 32 if net.version == 4 else 128
        if net.prefixlen != bits:
            yield Diagnostic(
                "NC2006", where, f"{net} has {net.size} addresses, and `loopback` takes one", f"write `{net.ip}/{bits}`"
            )
        if net.ip.is_link_local():
            what = f"{net.ip} cannot be a loopback: no other host can reach it"
            yield Diagnostic("NC2006", where, what, "write an address from `bgp.prefixes`")
        other = seen.setdefault(net.version, index)
        if other != index:
            what = f"`loopback` has two IPv{net.version} addresses, and a router uses one as its source"
            yield Diagnostic("NC2006", where, what, "leave it out", ((*where[:3], other),))


def _loopbacks_of_two(network: Network) -> Iterator[Diagnostic]:
    seen: dict[object, KeyPath] = {}
    for host, table in network.topology.hosts.items():
        for index, net in enumerate(table.loopback):
            where: KeyPath = ("hosts", host, "loopback", index)
            other = seen.setdefault(net.ip, where)
            if other[1] != host:
                yield Diagnostic(
                    "NC2006",
                    where,
                    f"{host} and {other[1]} have the same loopback, {net.ip}",
                    "give one of them another address",
                    (other,),
                )


def _own_source(host: HostName, bgp: Bgp, network: Network) -> Iterator[Diagnostic]:
    """A router's own packets have its loopback as source. Without one, it is a link's address, which gets no reply."""
    for version in families(bgp):
        ip = loopback(host, version, network.topology)
        where: KeyPath = ("hosts", host)
        if ip is None:
            what = f"{host} has no IPv{version} loopback, and its own packets need one as their source"
            yield Diagnostic("NC2006", where, what, "write a `loopback` from `bgp.prefixes`", on_key=True)
        elif not any(ip in net for net in bgp.prefixes):
            index = next(i for i, net in enumerate(network.topology.hosts[host].loopback) if net.ip == ip)
            what = f"loopback {ip} is in none of `bgp.prefixes`, so other networks cannot answer {host}"
            yield Diagnostic("NC2006", (*where, "loopback", index), what, "write an address from `bgp.prefixes`")


def _unchecked(bgp: Bgp, network: Network) -> Iterator[Diagnostic]:
    """DN42 publishes the ROAs of its registry, and routers have no other check of origins."""
    tables = (network.topology.hosts[host].bgp for host in speakers(network.topology))
    roles = {role_of(peer, bgp) for table in tables if table for peer in table.peers.values()}
    if bgp.profile == "dn42" and not bgp.roa and roles - {"collector"}:
        what = "[bgp] has no `roa`, so routers do not check the origin of DN42 routes"
        hint = 'write `roa = { rtr = "rpki.example.net:8282" }`, with the RTR server that you use'
        yield Diagnostic("NC2008", ("bgp",), what, hint, severity=Severity.NOTE, on_key=True)


def _roas(bgp: Bgp) -> Iterator[Diagnostic]:
    for key, sources in (("roa", bgp.roa), ("flaps", bgp.flaps)):
        for index, source in enumerate(sources):
            where: KeyPath = ("bgp", key, index)
            files = [name for name, path in (("ipv4", source.ipv4), ("ipv6", source.ipv6)) if path]
            if (source.rtr is None) == (not files):
                what = f"the source needs either `rtr` or files, and has {'both' if files else 'neither'}"
                hint = 'write `{ rtr = "rpki.example:8282" }`, or `{ ipv4 = "/…", ipv6 = "/…" }`'
                yield Diagnostic("NC2008", where, what, hint)
            elif source.rtr and source.rtr.port is None:
                yield Diagnostic(
                    "NC2008",
                    (*where, "rtr"),
                    f"`{source.rtr}` has no port",
                    f"write `{Endpoint(source.rtr.host, 8282)}`, with the port of the server",
                )
            if source.password and source.rtr is None:
                what = "`password` is for the session with an RTR server, and the source has no `rtr`"
                yield Diagnostic("NC2008", (*where, "password"), what, "leave it out", on_key=True)
            for name in files:
                if (4 if name == "ipv4" else 6) not in families(bgp):
                    what = f"`bgp.prefixes` has no IPv{name[-1]} prefix, so this file has no effect"
                    yield Diagnostic("NC2008", (*where, name), what, "leave it out")
    if bgp.roa_unknown and not bgp.roa:
        yield Diagnostic(
            "NC2008",
            ("bgp", "roa_unknown"),
            "`roa_unknown` needs a `roa`, and [bgp] has none",
            "leave it out",
            on_key=True,
        )
