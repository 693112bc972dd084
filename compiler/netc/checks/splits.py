"""Split tunnels: one way of telling who goes in, a tunnel that can take them, and a resolver behind it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping

from netc.language.kinds import those
from netc.language.names import DnsName, HostName, SplitName
from netc.language.sets import Source
from netc.language.splits import Split as Settings
from netc.network.interface import Network, ProgramInterface, WireguardInterface, outer_ends
from netc.network.ranges import BITS
from netc.network.sets import members
from netc.network.splits import Split, splits
from netc.problem import KeyPath, Problem, Severity

SUITABLE = those(lambda kind: 4 in kind.carries and not kind.ethernet)
"""Those that carry IPv4 to one far end, with no neighbours to choose from."""


def check(network: Network) -> Iterator[Problem]:
    for host, table in network.topology.hosts.items():
        for name, settings in table.splits.items():
            where: KeyPath = ("hosts", host, "splits", name)
            yield from _who(settings, where)
            yield from _command(settings, where)
            yield from _direct(settings, where, network)
        resolved = splits(host, network)
        for split in resolved:
            yield from _tunnel(split, host)
            yield from _ipv6(split)
            yield from _dns(split)
            yield from _name_of_the_far_end(split)
        yield from _twice(resolved)


def _given(settings: Settings) -> dict[str, Hashable]:
    """How the author tells who goes in."""
    keys = ("group", "user", "service", "slice", "interface", "source")
    said = {key: getattr(settings, key) for key in keys}
    return {key: value for key, value in said.items() if value}


def _who(settings: Settings, where: KeyPath) -> Iterator[Problem]:
    given = _given(settings)
    if len(given) != 1:
        what = "a split is told by one of `group`, `user`, `service`, `slice`, `interface` and `source`"
        what += f", and here are {' and '.join(f'`{key}`' for key in given)}" if given else ""
        hint = "make a split of each" if given else 'write `group = "…"`'
        yield Problem("NC1701", where, what, hint, on_key=True)
    elif settings.mode == "except" and (settings.interface or settings.source):
        what = "all but some of what a host passes on would take what others send through it"
        hint = "`except` goes with what tells programs: name what goes in"
        yield Problem("NC1701", (*where, "mode"), what, hint)


def _command(settings: Settings, where: KeyPath) -> Iterator[Problem]:
    if settings.command and not settings.group:
        what = f"`{settings.command}` runs programs under a group, and this split has none"
        yield Problem("NC1706", (*where, "command"), what, 'write `group = "…"`, or leave `command` out')


def named_directs(host: HostName, table: Mapping[SplitName, Settings]) -> Iterator[tuple[KeyPath, Source]]:
    """Every destination that stays outside, and where it is said."""
    for name, settings in table.items():
        for index, source in enumerate(settings.direct):
            yield ("hosts", host, "splits", name, "direct", index), source


def _direct(settings: Settings, where: KeyPath, network: Network) -> Iterator[Problem]:
    found = members(settings.direct, network.sets)
    for family, bits in BITS.items():
        if found.of(family) == ((0, 2**bits - 1),):
            what = f"nothing of IPv{family} would go by the tunnel"
            hint = 'for IPv6 there is `ipv6 = "direct"`' if family == 6 else "leave some of it out"
            yield Problem("NC1707", (*where, "direct"), what, hint)


def _tunnel(split: Split, host: HostName) -> Iterator[Problem]:
    tunnel, where = split.tunnel, (*split.origin, "tunnel")
    name = split.settings.tunnel
    default = next((index for index, net in enumerate(tunnel.routes) if net.prefixlen == 0), None)
    if tunnel.namespace:
        what = f"the tunnel `{name}` is all that the namespace `{tunnel.namespace}` has, and not {host}'s"
        yield Problem("NC1702", where, what, "make another tunnel for one of the two")
    elif tunnel.kind not in SUITABLE:
        what = f"`{name}` is a {tunnel.kind}, and a split needs a way to everywhere in IPv4 that asks for no router"
        yield Problem("NC1702", where, what, f"take one of {', '.join(SUITABLE)}", (tunnel.where,))
    elif isinstance(tunnel, ProgramInterface) and _takes_root(split):
        what = f"what the program of `{name}` itself sends, as root, would go into its own tunnel"
        yield Problem("NC1702", where, what, "choose a group or a user, or a tunnel that netc makes", (tunnel.where,))
    elif 4 not in split.families:
        what = f"`{name}` has no IPv4 address, so nothing could go in"
        yield Problem("NC1702", where, what, 'write `address = "…"` of the tunnel', (tunnel.where,))
    elif default is not None and tunnel.table is None:
        what = f"`{name}` is the way to everywhere for the whole host, so there is nothing to split"
        hint = "leave the tunnel's `routes` to everywhere out"
        yield Problem("NC1702", (*tunnel.where, "routes", default), what, hint, (where,))
    elif split.settings.interface == tunnel.name:
        what = f"what came out of `{tunnel.name}` would go into it again"
        yield Problem("NC1702", (*split.origin, "interface"), what, "name the interface that it comes in by")
    elif isinstance(tunnel, WireguardInterface):
        yield from _allowed(split, tunnel)


def _allowed(split: Split, tunnel: WireguardInterface) -> Iterator[Problem]:
    """What no peer is allowed to have is lost: no leak, but no answer either."""
    for family in split.families if split.ipv6 == "tunnel" else (4,):
        if not any(net.version == family and net.prefixlen == 0 for peer in tunnel.peers for net in peer.allowed_ips):
            what = f"the peers of `{split.settings.tunnel}` take some of IPv{family} only, and the rest has no way"
            hint = f'write `"{"0.0.0.0/0" if family == 4 else "::/0"}"` into `allowed_ips`, or bear with it'
            yield Problem("NC1708", split.origin, what, hint, (tunnel.where,), Severity.WARNING, on_key=True)


def _ipv6(split: Split) -> Iterator[Problem]:
    if split.settings.ipv6 == "tunnel" and 6 not in split.families:
        what = f"the tunnel `{split.settings.tunnel}` has no IPv6 address"
        hint = 'write `"block"` or `"direct"`, or give the tunnel one'
        yield Problem("NC1704", (*split.origin, "ipv6"), what, hint, (split.tunnel.where,))


def _dns(split: Split) -> Iterator[Problem]:
    seen: dict[int, KeyPath] = {}
    for index, ip in enumerate(split.resolvers):
        where: KeyPath = (*split.origin, "dns", index)
        first = seen.setdefault(ip.version, where)
        if first != where:
            what = f"two resolvers of IPv{ip.version}, and one can be asked in place of all others"
            yield Problem("NC1703", where, what, "choose one", (first,))
        elif ip.version not in split.families or (ip.version == 6 and split.ipv6 != "tunnel"):
            what = f"{ip} is not reached by the tunnel, which carries no IPv{ip.version} here"
            yield Problem("NC1703", where, what, "name a resolver of the other family", (split.tunnel.where,))
        elif ip.is_loopback() or ip.is_link_local():
            what = f"{ip} is not reached by the tunnel: it is an address of this host or its next link"
            yield Problem("NC1703", where, what, "name a resolver at the far end or behind it")


def _takes_root(split: Split) -> bool:
    return split.is_local and ("root" in (split.settings.group, split.settings.user)) != (
        split.settings.mode == "except"
    )


def _name_of_the_far_end(split: Split) -> Iterator[Problem]:
    """netc looks it up as root, which would ask through the tunnel that is waiting for the answer."""
    name = split.settings.tunnel
    far = next((there for there in outer_ends(split.tunnel) if isinstance(there, DnsName)), None)
    if far and _takes_root(split) and split.resolvers:
        what = f"the far end of `{name}` is found by its name, {far}, and root would ask for it inside"
        at = (*split.origin, "dns")
        yield Problem("NC1709", at, what, "dial it by its address", (split.tunnel.where,), on_key=True)


def _twice(resolved: tuple[Split, ...]) -> Iterator[Problem]:
    """Two splits of the same programs, or with the same command; `split_services` sees to services."""
    who: dict[Hashable, Split] = {}
    commands: dict[str, Split] = {}
    for split in resolved:
        given = tuple(_given(split.settings).items())
        key: Hashable = "everybody else" if split.settings.mode == "except" else split.slice or given
        other = who.setdefault(key, split)
        if other != split and given:
            what = f"`{other.name}` takes what `{split.name}` would take"
            yield Problem("NC1705", split.origin, what, "keep one of them", (other.origin,), on_key=True)
        if split.settings.command:
            first = commands.setdefault(split.settings.command, split)
            if first != split:
                where = (*split.origin, "command")
                what = f"the command `{split.settings.command}` belongs to `{first.name}`"
                yield Problem("NC1706", where, what, "choose another name", ((*first.origin, "command"),))
