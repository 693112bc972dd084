"""BGP neighbours: each can be reached, is in another AS, and may announce only what it should."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from netaddr import IPAddress, IPNetwork, spanning_cidr

from netc.checks.words import with_address
from netc.diagnostic import Diagnostic, KeyPath, dotted
from netc.language.bgp import Bgp, BgpPeer, Role
from netc.language.names import HostName
from netc.network.derive import is_alone
from netc.network.interface import Interface, Network, WireguardInterface
from netc.network.lookup import by_device
from netc.network.peers import (
    is_fe80,
    known_subnets,
    ours_elsewhere,
    peer_device,
    peer_families,
    peer_local,
    peer_tunnel,
    role_of,
)
from netc.network.speakers import families, loopback, member, speakers
from netc.network.sums import of_member
from netc.network.uplinks import every_address

SMALL = {4: 24, 6: 64}
"""The shortest prefix length of a subnet that a hint offers for a tunnel, and of a route to a neighbour."""


ROLES = tuple(f"`{role}`" for role in get_args(Role))

ROLELESS = {"collector": "a collector has no role", "mutual-transit": "with mutual transit, a session has no role"}
"""Of RFC 9234."""


def check(network: Network) -> Iterator[Diagnostic]:
    bgp = network.topology.bgp
    if bgp is None:
        return
    for host in speakers(network.topology):
        table = network.topology.hosts[host].bgp
        seen: dict[tuple[object, IPAddress], KeyPath] = {}
        for name, peer in table.peers.items() if table else ():
            where: KeyPath = ("hosts", host, "bgp", "peers", name)
            yield from _number(peer, bgp, where, network)
            yield from _reach(host, peer, where, network)
            yield from _near(host, peer, where, network)
            if role_of(peer, bgp) is None:
                what = f"`role` is missing in {dotted(where)}"
                yield Diagnostic("NC2207", where, what, f"write one of {', '.join(ROLES)}", on_key=True)
            yield from _ours_elsewhere(peer, where, network)
            yield from _required(peer, bgp, where)
            if peer.dn42 and bgp.profile != "dn42":
                what = f"profile `{bgp.profile}` has no DN42 communities"
                yield Diagnostic("NC2205", (*where, "dn42"), what, "leave it out", on_key=True)
            twin = seen.setdefault((peer_device(host, peer, network), peer.address), where)
            if twin != where:
                what = f"neighbour `{twin[-1]}` already has a session with {peer.address}"
                yield Diagnostic("NC2203", (*where, "address"), what, "keep one of the two", (twin,))


def _number(peer: BgpPeer, bgp: Bgp, where: KeyPath, network: Network) -> Iterator[Diagnostic]:
    at = (*where, "asn")
    if peer.asn == bgp.asn:
        hint = "leave the neighbour out: netc makes the sessions between routers of our own AS"
        yield Diagnostic("NC2201", at, f"{peer.asn} is our own ASN", hint, (("bgp", "asn"),))
    holders = [host for host in speakers(network.topology) if member(host, network.topology) == peer.asn]
    if peer.asn != bgp.asn and holders:
        made_of = of_member(holders[0], peer.asn, network.topology)
        what = f"the neighbour has the member ASN of {holders[0]}, {made_of}"
        what += ": BGP rejects routes through both as loops"
        yield Diagnostic(
            "NC2201",
            at,
            what,
            f"give {holders[0]} another `member`, or the confederation another `members.base`",
            (("hosts", holders[0], "bgp"),),
        )


def _required(peer: BgpPeer, bgp: Bgp, where: KeyPath) -> Iterator[Diagnostic]:
    """BIRD cannot require what the session does not offer."""
    over_six = peer.address.version == 6 and 4 in peer_families(peer, bgp)
    missing = {
        "roles": ROLELESS.get(role_of(peer, bgp) or "peer", ""),
        "graceful-restart": "a session with `bfd` has none: BFD dies with BIRD" if peer.bfd else "",
        "extended-next-hop": "" if over_six else "the session carries no IPv4 routes over IPv6",
    }
    for index, one in enumerate(peer.require):
        if why := missing.get(one):
            what = f"the session cannot require `{one}`: {why}"
            yield Diagnostic("NC2206", (*where, "require", index), what, "leave it out")


def _reach(host: HostName, peer: BgpPeer, where: KeyPath, network: Network) -> Iterator[Diagnostic]:
    if peer.tunnel and peer.interface:
        yield Diagnostic(
            "NC2202", where, "the neighbour has both `tunnel` and `interface`", "leave one of the two out", on_key=True
        )
    if peer.multihop and (peer.tunnel or peer.interface or is_fe80(peer.address)):
        what = "`multihop` is for a neighbour behind other routers, and this one is on a link of the host"
        hint = "leave it out"
        if not (peer.tunnel or peer.interface):
            hint = "write the `tunnel` or `interface` that leads to the neighbour, in place of `multihop`"
        yield Diagnostic("NC2202", (*where, "multihop"), what, hint)
    elif is_fe80(peer.address) and not (peer.tunnel or peer.interface):
        what = f"{peer.address} is link-local, and the neighbour has neither `tunnel` nor `interface`"
        yield Diagnostic(
            "NC2202", (*where, "address"), what, "write the `tunnel` or `interface` that leads to the neighbour"
        )
    if _lacks_source(host, peer, network):
        what = f"the session has no source address: {host} has no IPv{peer.address.version} loopback"
        yield Diagnostic("NC2202", (*where, "multihop"), what, f"write a `local` address, or give {host} a `loopback`")
    made = by_device(host, network).get(peer.interface) if peer.interface else None
    if made:
        what = f"netc makes `{made.name}` on {host}, and `interface` takes one that netc does not make"
        hint = (
            f'write `tunnel = "{made.origin[-1]}"` in place of `interface`'
            if made.origin[0] == "hosts"
            else "leave the neighbour out: the interface leads to a router of our own AS"
        )
        yield Diagnostic("NC2202", (*where, "interface"), what, hint, (made.where,))


def _lacks_source(host: HostName, peer: BgpPeer, network: Network) -> bool:
    """Of a session with `multihop`, whose source is a loopback. NC2006 reports one that all routers need."""
    bgp, version = network.topology.bgp, peer.address.version
    if bgp is None or not peer.multihop or peer.local or is_fe80(peer.address) or version in families(bgp):
        return False
    return loopback(host, version, network.topology) is None


def _near(host: HostName, peer: BgpPeer, where: KeyPath, network: Network) -> Iterator[Diagnostic]:
    tunnel = peer_tunnel(host, peer, network)
    local = peer_local(host, peer, network)
    if peer.local and peer.local.version != peer.address.version:
        what = f"`local` {peer.local.ip} and `address` {peer.address} are of different families"
        yield Diagnostic("NC2202", (*where, "local"), what, f"write an IPv{peer.address.version} address")
    elif peer.local and peer.local.size > 1 and peer.address not in peer.local and not is_fe80(peer.address):
        what = f"{peer.address} is not in {peer.local.cidr}, the subnet of `local`"
        yield Diagnostic("NC2202", (*where, "local"), what, f"write the length of the subnet, or `{peer.local.ip}`")
    is_held = not is_fe80(peer.address) and peer.address in every_address(host, network)
    if local == peer.address or is_held:
        yield Diagnostic(
            "NC2202",
            (*where, "address"),
            f"{peer.address} is the address of {host} itself",
            "write the address of the neighbour",
        )
    yield from _is_no_host(host, peer, where, network)
    if tunnel is None:
        yield from _by_route_alone(host, peer, where, network)
        return
    if tunnel.namespace:
        what = f"tunnel `{peer.tunnel}` is in namespace `{tunnel.namespace}`, where BIRD does not run"
        yield Diagnostic("NC2202", (*where, "tunnel"), what, "make a second tunnel that is in no namespace")
    if local is None:
        kind = "fe80" if is_fe80(peer.address) else f"IPv{peer.address.version}"
        what = f"tunnel `{peer.tunnel}` has no {kind} address for our end of the session"
        yield Diagnostic(
            "NC2202", (*where, "tunnel"), what, f"add an {kind} address to `address` of {peer.tunnel}", (tunnel.where,)
        )
    elif local not in [net.ip for net in tunnel.addresses] and local not in every_address(host, network):
        what = f"{local} is no address of tunnel `{peer.tunnel}` or of {host}"
        yield Diagnostic("NC2202", (*where, "local"), what, "leave it out", (tunnel.where,))
    elif not _is_on(peer.address, tunnel) and not _points_to_us(tunnel):
        yield _no_subnet(host, peer, where, tunnel, network)
    far = tunnel.peers if isinstance(tunnel, WireguardInterface) else ()
    if far and not any(peer.address in net for one in far for net in one.allowed_ips):
        what = f"no peer of tunnel `{peer.tunnel}` has {peer.address} in `allowed_ips`"
        yield Diagnostic(
            "NC2202",
            (*where, "address"),
            what,
            f"add `{peer.address}/{32 if peer.address.version == 4 else 128}` to `allowed_ips` of the peer",
            (tunnel.where,),
        )


def _is_no_host(host: HostName, peer: BgpPeer, where: KeyPath, network: Network) -> Iterator[Diagnostic]:
    """The first and the last address of an IPv4 subnet are nobody's (RFC 922), but for /31 (RFC 3021) and /32."""
    table, tunnel = network.topology.hosts[host], peer_tunnel(host, peer, network)
    nets = [*(tunnel.addresses if tunnel else table.addresses), *([peer.local] if peer.local else [])]
    for net in nets:
        if net.version == 4 and net.prefixlen < 31 and peer.address in (net.network, net.broadcast):
            which = "network" if peer.address == net.network else "broadcast"
            what = f"{peer.address} is the {which} address of {net.cidr}, and no neighbour's"
            yield Diagnostic("NC2202", (*where, "address"), what, "write the address of the neighbour")
            return


def _by_route_alone(host: HostName, peer: BgpPeer, where: KeyPath, network: Network) -> Iterator[Diagnostic]:
    """A neighbour without `tunnel` and `interface` that the host reaches through a tunnel or link, by its `routes`.
    An interface of the image may be in part of a larger one, and lead to the neighbour."""
    if peer.multihop or peer.interface or peer.tunnel or is_fe80(peer.address):
        return
    interfaces = [one for one in network.interfaces[host] if not one.namespace]
    subnets = [*known_subnets(host, network), *(IPNetwork(ip) for one in interfaces for ip in one.peer_addresses)]
    small = [(one, net) for one in interfaces for net in one.routes if net.prefixlen >= SMALL[net.version]]
    by = next((one for one, net in small if peer.address in net), None)
    if any(peer.address in net for net in subnets):
        return
    if by is None:
        yield from _in_no_subnet(host, peer, where, subnets)
        return
    is_tunnel = by.origin[0] == "hosts"
    what = f"only `routes` of {'tunnel' if is_tunnel else 'link'} `{by.origin[-1]}` reach {peer.address}"
    what += ", and BIRD does not find a neighbour by a route"
    hint = "write `multihop = 2`: it is behind another router"
    if is_tunnel:
        hint = f"use `tunnel` here, and `peer_address` in {by.origin[-1]} in place of the route"
    yield Diagnostic("NC2202", (*where, "address"), what, hint, (by.where,))


def _in_no_subnet(host: HostName, peer: BgpPeer, where: KeyPath, subnets: list[IPNetwork]) -> Iterator[Diagnostic]:
    """With a `local` that the topology does not know, the neighbour is on an interface that it does not know either."""
    known = [net for net in subnets if net.version == peer.address.version]
    if not known or (peer.local and not any(peer.local.ip == net.ip for net in known)):
        return
    what = f"{peer.address} is in no subnet of {host}, so BIRD does not find the neighbour"
    hint = "write `multihop = 2` if it is behind a router, else the `interface` that leads to it"
    yield Diagnostic("NC2202", (*where, "address"), what, hint, (("hosts", host, "addresses"),))


def _is_alike(one: IPAddress, other: IPAddress) -> bool:
    return bool(one.version == other.version and is_fe80(one) == is_fe80(other))


def _is_on(ip: IPAddress, tunnel: Interface) -> bool:
    return ip in tunnel.peer_addresses or any(ip in net for net in tunnel.addresses)


def _points_to_us(tunnel: Interface) -> bool:
    """NC0409 reports it."""
    return any(net.ip in tunnel.peer_addresses for net in tunnel.addresses)


def _no_subnet(host: HostName, peer: BgpPeer, where: KeyPath, tunnel: Interface, network: Network) -> Diagnostic:
    """A large subnet with both ends in it would take addresses of others into the tunnel."""
    what = f"{peer.address} is in no subnet of tunnel `{peer.tunnel}`, so BIRD does not find the neighbour on it"
    own = next((net for net in tunnel.addresses if _is_alike(net.ip, peer.address)), None)
    if own and is_fe80(peer.address):
        length = min(64, spanning_cidr((own.ip, peer.address)).prefixlen)
        return Diagnostic("NC2202", (*where, "address"), what, with_address(tunnel, own, length), (tunnel.where,))
    bgp = network.topology.hosts[host].bgp
    for name, other in bgp.peers.items() if bgp else ():
        if other.tunnel == peer.tunnel and other.asn == peer.asn and is_fe80(other.address):
            hint = f"leave it out: the session of `{name}` carries the routes of both families"
            return Diagnostic("NC2202", where, what, hint, (tunnel.where,), on_key=True)
    if named := next((ip for ip in tunnel.peer_addresses if ip.version == peer.address.version), None):
        what = f"{peer.address} is not {named}, the `peer_address` of tunnel `{peer.tunnel}`"
        hint = f"write `{named}`, or correct `peer_address` there"
        return Diagnostic("NC2202", (*where, "address"), what, hint, ((*tunnel.where, "peer_address"),))
    hint = f"use fe80 addresses, here and in `address` of {peer.tunnel}"
    held = [ip for ip in tunnel.peer_addresses if ip.version != peer.address.version]
    if own and is_alone(own) and len(held) == len(tunnel.peer_addresses):
        both = ", ".join(f'"{ip}"' for ip in (*held, peer.address))
        hint = f"write `peer_address = {f'[{both}]' if held else both}` in [{dotted(tunnel.where)}]"
        if IPNetwork(peer.address) in tunnel.routes:
            hint += " in place of the route"
    elif own and (subnet := spanning_cidr((own.ip, peer.address))).prefixlen >= SMALL[subnet.version]:
        hint += f", or write `{own.ip}/{subnet.prefixlen}` there"
    return Diagnostic("NC2202", (*where, "address"), what, hint, (tunnel.where,))


def _ours_elsewhere(peer: BgpPeer, where: KeyPath, network: Network) -> Iterator[Diagnostic]:
    """`_says` asks about those in `bgp.prefixes`."""
    for index, net in enumerate(peer.prefixes):
        held = next((one for one in ours_elsewhere(network.topology) if net in one), None)
        if held:
            what = f"{net} is in {held}, which an anycast service or `learn` of ours has, and no neighbour may announce"
            yield Diagnostic("NC2204", (*where, "prefixes", index), what, "leave it out")
