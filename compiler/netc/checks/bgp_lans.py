"""Our own address of a BGP session, and the subnet that it is in: `local`."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPNetwork

from netc.diagnostic import Diagnostic, KeyPath, Severity
from netc.language.bgp import BgpPeer
from netc.language.names import HostName
from netc.network.interface import Network
from netc.network.peers import is_fe80, known_subnets, role_of
from netc.network.profiles import REFUSED, WORLD
from netc.network.speakers import speakers
from netc.network.uplinks import every_address

Sessions = list[tuple[BgpPeer, KeyPath]]

EXCHANGING = ("peer", "route-server")
"""Roles of neighbours that share a LAN with many others."""


def check(network: Network) -> Iterator[Diagnostic]:
    for host in speakers(network.topology) if network.topology.bgp else ():
        table = network.topology.hosts[host].bgp
        named = table.peers.items() if table else ()
        sessions: Sessions = [(peer, ("hosts", host, "bgp", "peers", str(name))) for name, peer in named]
        for peer, where in sessions:
            yield from _is_nobody(peer, where)
            yield from _is_not_held(host, peer, where, network)
        yield from _lengths(host, sessions, network)
        yield from _unknown(host, sessions, network)


def _is_nobody(peer: BgpPeer, where: KeyPath) -> Iterator[Diagnostic]:
    """The first and the last address of an IPv4 subnet (RFC 922), but for /31 (RFC 3021) and /32."""
    net = peer.local
    if net and net.version == 4 and net.prefixlen < 31 and net.ip in (net.network, net.broadcast):
        which = "network" if net.ip == net.network else "broadcast"
        what = f"{net.ip} is the {which} address of {net.cidr}, and cannot be ours"
        yield Diagnostic("NC2202", (*where, "local"), what, "write our own address on the LAN, with the same length")


def _is_not_held(host: HostName, peer: BgpPeer, where: KeyPath, network: Network) -> Iterator[Diagnostic]:
    """On an interface that the topology does not know, we may have any address. It knows those that neighbours are on,
    and those by which packets reach a neighbour behind other routers."""
    own = peer.local
    if own is None or peer.tunnel or peer.interface or is_fe80(own.ip) or own.ip in every_address(host, network):
        return
    known = [net for net in known_subnets(host, network) if net.version == own.version and not is_fe80(net.ip)]
    near = known if peer.multihop else [net for net in known if peer.address in net]
    if near and own.version == peer.address.version:
        what = f"{own.ip} is no address of {host}, so BIRD cannot send from it"
        hint = f"write `{near[0].ip}`, or add {own.ip} to `addresses` of {host}"
        yield Diagnostic("NC2202", (*where, "local"), what, hint, (("hosts", host, "addresses"),))


def _lengths(host: HostName, sessions: Sessions, network: Network) -> Iterator[Diagnostic]:
    """Two subnets that overlap are one whose length is wrong in one of two places."""
    held = {net.ip: net for net in known_subnets(host, network) if net.size > 1}
    seen: list[tuple[IPNetwork, KeyPath]] = []
    for peer, where in sessions:
        net, at = peer.local, (*where, "local")
        if net is None or net.size == 1:
            continue
        own = held.get(net.ip)
        others: list[tuple[IPNetwork, KeyPath]] = [(own, ("hosts", host))] if own else []
        others += [(one, place) for one, place in seen if one in net.cidr or net in one.cidr]
        for other, place in [one for one in others if one[0].cidr != net.cidr][:1]:
            what = f"{net} and {other} are in one LAN, with two lengths"
            yield Diagnostic("NC2202", at, what, "write the length of the LAN in both places", (place,))
        seen.append((net, at))


def _unknown(host: HostName, sessions: Sessions, network: Network) -> Iterator[Diagnostic]:
    """Routers refuse the subnets that they are in from every neighbour, if they know them. One note a LAN."""
    bgp = network.topology.bgp
    if bgp is None:
        return
    known = [*known_subnets(host, network), *(peer.local for peer, _ in sessions if peer.local), *bgp.refuse]
    refused = [net for net in (*known, *REFUSED[bgp.profile]) if net.size > 1]
    told: set[tuple[object, int]] = set()
    for peer, where in sessions:
        lan = (peer.interface, peer.address.version)
        is_routed = any(peer.address in span for span, _, _ in WORLD[bgp.profile])
        is_said = peer.multihop or (peer.local and peer.local.size > 1)  # even if wrongly, which NC2202 reports
        if not peer.interface or is_said or role_of(peer, bgp) not in EXCHANGING or not is_routed or lan in told:
            continue
        if not any(peer.address in net for net in refused):
            told.add(lan)
            what = f"the subnet of {peer.address} is not known, so a neighbour that announces it is believed"
            hint = "write our own address there as `local`, with the length of the LAN, or add the LAN to `bgp.refuse`"
            yield Diagnostic("NC2208", where, what, hint, severity=Severity.NOTE, on_key=True)
