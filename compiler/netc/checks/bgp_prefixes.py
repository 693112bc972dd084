"""Our own prefixes: those of the AS, and the parts of them that are at one router."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPNetwork

from netc.diagnostic import Diagnostic, KeyPath
from netc.language.bgp import Bgp, Profile
from netc.language.names import HostName
from netc.network.interface import Network
from netc.network.overlaps import first_overlaps
from netc.network.profiles import WORLD, reserved
from netc.network.speakers import speakers


def check(network: Network) -> Iterator[Diagnostic]:
    bgp = network.topology.bgp
    if bgp is None:
        return
    for host in speakers(network.topology):
        yield from _parts(host, bgp, network)
    yield from _own(bgp)


def _fits(net: IPNetwork, profile: Profile) -> bool:
    """Whether neighbours with this profile accept the prefix."""
    spans = (span for span in WORLD[profile] if span[0].version == net.version and net in span[0])
    return reserved(net, profile) is None and any(least <= net.prefixlen <= most for _, least, most in spans)


def _own(bgp: Bgp) -> Iterator[Diagnostic]:
    narrow: tuple[Profile, ...] = ("dn42", "private", "internet")
    others = [one for one in narrow if one != bgp.profile and all(_fits(net, one) for net in bgp.prefixes)]
    if others and len(bgp.prefixes) > 1 and not any(_fits(net, bgp.profile) for net in bgp.prefixes):
        what = f"profile `{bgp.profile}` refuses all of `bgp.prefixes`, and `{others[0]}` allows them"
        hint = f'write `profile = "{others[0]}"`'
        yield Diagnostic("NC2007", ("bgp", "profile"), what, hint, (("bgp", "prefixes"),))
        return
    for index, net in enumerate(bgp.prefixes):
        if not _fits(net, bgp.profile):
            yield _unfit(net, bgp.profile, ("bgp", "prefixes", index))
    yield from _overlaps(bgp)


def _unfit(net: IPNetwork, profile: Profile, where: KeyPath) -> Diagnostic:
    if special := reserved(net, profile):
        what = f"profile `{profile}` refuses {net}: {special} is not routed there"
        return Diagnostic("NC2007", where, what, "write a prefix that is assigned to you, or another `profile`")
    spans = [span for span in WORLD[profile] if span[0].version == net.version and net in span[0]]
    what = f"profile `{profile}` refuses {net}: it does not allow this {'length' if spans else 'range'}"
    allowed = " or of ".join(f"/{least} to /{most} in {span}" for span, least, most in spans)
    return Diagnostic("NC2007", where, what, f"write a prefix of {allowed}" if spans else "write another `profile`")


def _overlaps(bgp: Bgp) -> Iterator[Diagnostic]:
    """Of two that the profile allows. netc cannot know which of them the author holds, and must not guess the wider."""
    fit = [(net, number) for number, net in enumerate(bgp.prefixes) if _fits(net, bgp.profile)]
    for (net, index), earlier in zip(fit, first_overlaps(fit), strict=True):
        if earlier is None:
            continue
        other, place = fit[earlier]
        also: tuple[KeyPath, ...] = (("bgp", "prefixes", place),)
        small, wide = sorted((net, other), key=lambda one: -one.prefixlen)
        hint = f"leave {wide} out, unless all of it is yours: then leave {small} out"
        if small == wide:
            hint = "leave it out"
        yield Diagnostic("NC2007", ("bgp", "prefixes", index), f"{net} overlaps {other}", hint, also)


def _parts(host: HostName, bgp: Bgp, network: Network) -> Iterator[Diagnostic]:
    own = network.topology.hosts[host].bgp
    for index, net in enumerate(own.prefixes if own else ()):
        where: KeyPath = ("hosts", host, "bgp", "prefixes", index)
        if not any(net in one for one in bgp.prefixes):
            yield _foreign(net, bgp, where)
            continue
        for other in speakers(network.topology):
            there = network.topology.hosts[other].bgp
            for number, held in enumerate(there.prefixes if there else ()):
                is_ours = any(held in one for one in bgp.prefixes)
                if is_ours and (other, number) < (host, index) and (net in held or held in net):
                    also: KeyPath = ("hosts", other, "bgp", "prefixes", number)
                    yield Diagnostic(
                        "NC2007",
                        where,
                        f"{net} of {host} overlaps {held} of {other}",
                        "leave one of the two out",
                        (also,),
                    )


def _foreign(net: IPNetwork, bgp: Bgp, where: KeyPath) -> Diagnostic:
    """A part of a host that is no part of ours: wider, of another network, or one that [bgp] lacks."""
    inside = next((index for index, one in enumerate(bgp.prefixes) if one in net), None)
    if inside is not None:
        ours = bgp.prefixes[inside]
        what, also = f"{net} is wider than {ours} of `bgp.prefixes`", ("bgp", "prefixes", inside)
        return Diagnostic("NC2007", where, what, f"write `{ours}`, or the part of it that is at this host", (also,))
    what = f"{net} is in none of `bgp.prefixes`"
    is_ours = _fits(net, bgp.profile)
    hint = f"add `{net}` to `bgp.prefixes` if it is yours, or leave it out" if is_ours else "leave it out"
    return Diagnostic("NC2007", where, what, hint)
