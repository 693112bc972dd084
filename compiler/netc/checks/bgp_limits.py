"""What BGP neighbours may announce: a downstream has limits, and every limit has an effect."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPNetwork

from netc.diagnostic import Diagnostic, KeyPath
from netc.language.bgp import Bgp, BgpPeer
from netc.language.values import Family
from netc.network.interface import Network
from netc.network.peers import peer_families
from netc.network.profiles import WORLD, is_refused, reserved
from netc.network.speakers import member, speakers


def check(network: Network) -> Iterator[Diagnostic]:
    bgp = network.topology.bgp
    if bgp is None:
        return
    members = (member(host, network.topology) for host in speakers(network.topology))
    ours = {bgp.asn, *(asn for asn in members if asn)}
    for host in speakers(network.topology):
        table = network.topology.hosts[host].bgp
        for name, peer in table.peers.items() if table else ():
            where: KeyPath = ("hosts", host, "bgp", "peers", name)
            yield from _says(peer, bgp, where)
            yield from _private(peer, bgp, where, ours)


def _says(peer: BgpPeer, bgp: Bgp, where: KeyPath) -> Iterator[Diagnostic]:
    spoken = peer_families(peer, bgp)
    if not spoken:
        what = "`bgp.prefixes` has IPv6 only, and a session between IPv4 addresses carries no IPv6 routes"
        yield Diagnostic("NC2204", (*where, "address"), what, "use an IPv6 address of the neighbour")
    if peer.role == "downstream" and not peer.prefixes:
        what = "a downstream needs `prefixes` that limit what it may announce, and this one has none"
        yield Diagnostic("NC2204", where, what, "write the `prefixes` that the downstream may announce", on_key=True)
    if peer.role == "collector" and (peer.prefixes or peer.limit):
        key = "prefixes" if peer.prefixes else "limit"
        yield Diagnostic(
            "NC2204", (*where, key), f"we import no routes from a collector, so `{key}` has no effect", "leave it out"
        )
    for index, net in enumerate(peer.prefixes):
        yield from _prefix(net, bgp, spoken, (*where, "prefixes", index))
    for version, key in ((4, "ipv4"), (6, "ipv6")):
        if peer.limit and getattr(peer.limit, key) and spoken and version not in spoken:
            yield Diagnostic(
                "NC2204", (*where, "limit", key), f"the session carries no IPv{version} routes", "leave it out"
            )


def _prefix(net: IPNetwork, bgp: Bgp, spoken: tuple[Family, ...], at: KeyPath) -> Iterator[Diagnostic]:
    """A list that would be empty without it has another hint: see `cures`."""
    own = [i for i, one in enumerate(bgp.prefixes) if net in one]
    spans = [span for span in WORLD[bgp.profile] if span[0].version == net.version and net in span[0]]
    if own:
        what = f"{net} is in our own {bgp.prefixes[own[0]]}, which no neighbour may announce"
        yield Diagnostic("NC2204", at, what, "leave it out", (("bgp", "prefixes", own[0]),))
    elif net.prefixlen == 0:
        what = f"{net} limits nothing, and routers import no default route"
        yield Diagnostic("NC2204", at, what, "leave it out")
    elif special := reserved(net, bgp.profile):
        what = f"profile `{bgp.profile}` refuses {net}: {special} is not routed there"
        yield Diagnostic("NC2204", at, what, "leave it out")
    elif not spans:
        what = f"profile `{bgp.profile}` refuses {net}: the profile does not allow its range"
        yield Diagnostic("NC2204", at, what, "leave it out")
    elif all(net.prefixlen > most for _, _, most in spans):
        span, _, most = max(spans, key=lambda one: one[2])
        what = f"profile `{bgp.profile}` refuses {net}: in {span}, prefixes are /{most} or shorter"
        yield Diagnostic("NC2204", at, what, "leave it out")
    elif net.version not in spoken:
        yield Diagnostic("NC2204", at, f"the session carries no IPv{net.version} routes", "leave it out")


def _private(peer: BgpPeer, bgp: Bgp, where: KeyPath, ours: set[int]) -> Iterator[Diagnostic]:
    for index, asn in enumerate(peer.private_asns):
        if asn in ours:
            what = f"{asn} is an ASN of ours, and a path with it is a loop"
        elif peer.role == "collector":
            what = "we import no routes from a collector, so `private_asns` has no effect"
        elif not is_refused(asn, bgp.profile):
            what = f"profile `{bgp.profile}` does not refuse {asn}, so `private_asns` need not name it"
        else:
            continue
        yield Diagnostic("NC2204", (*where, "private_asns", index), what, "leave it out")
