"""BGP peers: each can be reached, is somebody else, and may say what it should and no more."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress

from netc.language.bgp import Bgp, BgpPeer
from netc.language.names import HostName
from netc.network.interface import Network, WireguardInterface
from netc.network.lookup import by_device
from netc.network.peers import peer_device, peer_families, peer_local, peer_tunnel
from netc.network.profiles import WORLD
from netc.network.speakers import loopback, member, speakers
from netc.network.sums import of_member
from netc.problem import KeyPath, Problem


def check(network: Network) -> Iterator[Problem]:
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
            yield from _says(peer, bgp, where)
            if peer.dn42 and bgp.profile != "dn42":
                what = f"DN42's communities mean nothing in `{bgp.profile}`"
                yield Problem("NC2205", (*where, "dn42"), what, "leave them out", on_key=True)
            twin = seen.setdefault((peer_device(host, peer, network), peer.address), where)
            if twin != where:
                what = f"{peer.address} has a session already, and there is one between two addresses"
                yield Problem("NC2203", (*where, "address"), what, "keep one of the two", (twin,))


def _number(peer: BgpPeer, bgp: Bgp, where: KeyPath, network: Network) -> Iterator[Problem]:
    at = (*where, "asn")
    if peer.asn == bgp.asn:
        hint = "routers of our own are hosts; sessions between them follow from `bgp`"
        yield Problem("NC2201", at, f"{peer.asn} is our own AS", hint, (("bgp", "asn"),))
    holders = [host for host in speakers(network.topology) if member(host, network.topology) == peer.asn]
    if peer.asn != bgp.asn and holders:
        made_of = of_member(holders[0], peer.asn, network.topology)
        what = f"{made_of}, the member ASN of {holders[0]}, is this neighbour's too"
        what += ", so all that goes through either would be refused"
        yield Problem("NC2201", at, what, "choose another `member` or `base`", (("hosts", holders[0], "bgp"),))


def _reach(host: HostName, peer: BgpPeer, where: KeyPath, network: Network) -> Iterator[Problem]:
    if peer.tunnel and peer.interface:
        yield Problem("NC2202", where, "a neighbour is behind a tunnel or an interface", "keep one", on_key=True)
    if peer.multihop and (peer.tunnel or peer.interface or peer.address.is_link_local()):
        what = "who is several hops away is reached by routes, and not behind one interface"
        yield Problem("NC2202", (*where, "multihop"), what, "leave it out, or the tunnel or interface")
    elif peer.address.is_link_local() and not (peer.tunnel or peer.interface):
        what = f"{peer.address} is somebody's on every link: on which one is this neighbour?"
        yield Problem("NC2202", (*where, "address"), what, "name its `tunnel` or `interface`")
    if peer.multihop and peer.local is None and loopback(host, peer.address.version, network.topology) is None:
        what = f"{host} has no IPv{peer.address.version} loopback to dial it from"
        yield Problem("NC2202", (*where, "multihop"), what, "set `local`")
    made = by_device(host, network).get(peer.interface) if peer.interface else None
    if made:
        what = f"{host} has `{made.name}` from netc, not from its image"
        hint = (
            f'write `tunnel = "{made.origin[-1]}"`' if made.origin[0] == "hosts" else "that is a way to our own routers"
        )
        yield Problem("NC2202", (*where, "interface"), what, hint, (made.where,))


def _near(host: HostName, peer: BgpPeer, where: KeyPath, network: Network) -> Iterator[Problem]:
    tunnel = peer_tunnel(host, peer, network)
    local = peer_local(host, peer, network)
    if peer.local and peer.local.version != peer.address.version:
        what = f"a session from {peer.local} to {peer.address} would be of two families"
        yield Problem("NC2202", (*where, "local"), what, "write an address of the neighbour's family")
    if local == peer.address:
        yield Problem("NC2202", (*where, "address"), f"{peer.address} is our own", "write the neighbour's")
    if tunnel is None:
        return
    if tunnel.namespace:
        what = f"the tunnel `{peer.tunnel}` is in the namespace `{tunnel.namespace}`, where no router is"
        yield Problem("NC2202", (*where, "tunnel"), what, "make another tunnel for one of the two")
    if local is None:
        kind = "fe80" if peer.address.is_link_local() else f"IPv{peer.address.version}"
        what = f"the tunnel `{peer.tunnel}` has no {kind} address of ours"
        yield Problem("NC2202", (*where, "tunnel"), what, "add it to the tunnel's `address`", (tunnel.where,))
    far = tunnel.peers if isinstance(tunnel, WireguardInterface) else ()
    if far and not any(peer.address in net for one in far for net in one.allowed_ips):
        what = f"the tunnel `{peer.tunnel}` lets nothing in from {peer.address}"
        yield Problem("NC2202", (*where, "address"), what, "add it to the tunnel's `allowed_ips`", (tunnel.where,))


def _says(peer: BgpPeer, bgp: Bgp, where: KeyPath) -> Iterator[Problem]:
    spoken = peer_families(peer, bgp)
    if not spoken:
        what = "what is ours is IPv6, and a session between IPv4 addresses carries none"
        yield Problem("NC2204", (*where, "address"), what, "use an IPv6 address of the neighbour")
    if peer.role == "downstream" and not peer.prefixes:
        what = "what a customer announces is told to the world, and this one may announce anything"
        yield Problem("NC2204", where, what, "say in `prefixes` what it has", on_key=True)
    if peer.role == "collector" and (peer.prefixes or peer.limit):
        key = "prefixes" if peer.prefixes else "limit"
        yield Problem("NC2204", (*where, key), "nothing is learned from a collector", "leave it out")
    for index, net in enumerate(peer.prefixes):
        at: KeyPath = (*where, "prefixes", index)
        own = [i for i, one in enumerate(bgp.prefixes) if net in one or one in net]
        spans = [span for span in WORLD[bgp.profile] if span[0].version == net.version and net in span[0]]
        if own:
            what = f"{net} is ours, and no neighbour may announce it"
            yield Problem("NC2204", at, what, "leave it out", (("bgp", "prefixes", own[0]),))
        elif all(net.prefixlen > most for _, _, most in spans):
            longest = max((most for _, _, most in spans), default=0)
            why = (
                f"/{net.prefixlen} > /{longest}, the longest of its range" if spans else "its range is not routed there"
            )
            what = f"nobody in `{bgp.profile}` takes {net}, so it would never be let in: {why}"
            yield Problem("NC2204", at, what, "leave it out, or choose another `profile`")
        elif net.version not in spoken:
            yield Problem("NC2204", at, f"the session carries no IPv{net.version}", "leave it out")
    for version, key in ((4, "ipv4"), (6, "ipv6")):
        if peer.limit and getattr(peer.limit, key) and spoken and version not in spoken:
            yield Problem("NC2204", (*where, "limit", key), f"the session carries no IPv{version}", "leave it out")
