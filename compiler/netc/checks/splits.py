"""Split tunnels: one key that selects the packets, a tunnel that can carry them, and a resolver behind it."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping

from netaddr import IPAddress, cidr_merge

from netc.checks.namespaces import strangers
from netc.checks.words import without
from netc.diagnostic import Diagnostic, KeyPath, Severity
from netc.language.kinds import those
from netc.language.names import DnsName, HostName, SplitName
from netc.language.sets import Source
from netc.language.splits import Split as Settings
from netc.network.derive import to_everywhere
from netc.network.interface import Network, ProgramInterface, WireguardInterface, outer_ends
from netc.network.ranges import BITS
from netc.network.sets import members
from netc.network.splits import Split, splits
from netc.network.uplinks import every_address

SUITABLE = those(lambda kind: 4 in kind.carries and not kind.ethernet)
"""Kinds that carry IPv4 to one peer, without neighbours on Ethernet."""


def check(network: Network) -> Iterator[Diagnostic]:
    for host, table in network.topology.hosts.items():
        for name, settings in table.splits.items():
            where: KeyPath = ("hosts", host, "splits", name)
            yield from _who(settings, where)
            yield from _command(settings, where)
            yield from _serve(settings, where)
            yield from _bus(settings, where)
            yield from _direct(settings, where, network)
        resolved = splits(host, network)
        own = every_address(host, network) | {ip.ip for at in table.bridges.values() for ip in at.addresses}
        for split in resolved:
            yield from _tunnel(split, host)
            yield from strangers(split.settings.open, split.tunnel, split.origin)
            yield from _ipv6(split)
            yield from _dns(split, own)
            yield from _name_of_the_peer(split)
        yield from _twice(resolved)


def _given(settings: Settings) -> dict[str, Hashable]:
    """The keys that select the split's packets."""
    keys = ("group", "user", "service", "slice", "interface", "source")
    said = {key: getattr(settings, key) for key in keys}
    return {key: value for key, value in said.items() if value}


def _who(settings: Settings, where: KeyPath) -> Iterator[Diagnostic]:
    given = _given(settings)
    if len(given) != 1:
        what = "a split needs exactly one of `group`, `user`, `service`, `slice`, `interface` and `source`"
        what += f", and this one has {' and '.join(f'`{key}`' for key in given)}" if given else ""
        hint = "write a split for each" if given else f'write `group = "{where[-1]}"`'
        yield Diagnostic("NC1701", where, what, hint, on_key=True)
    elif settings.mode == "except" and (settings.interface or settings.source):
        what = '`mode = "except"` is for programs of the host, and `interface` and `source` select forwarded packets'
        hint = "leave `mode` out, and select the packets that go into the tunnel"
        yield Diagnostic("NC1701", (*where, "mode"), what, hint)


def _command(settings: Settings, where: KeyPath) -> Iterator[Diagnostic]:
    if settings.command and not settings.group:
        what = "`command` runs programs under a `group`, and the split has none"
        yield Diagnostic("NC1706", (*where, "command"), what, "leave `command` out, or write a `group`")


def _serve(settings: Settings, where: KeyPath) -> Iterator[Diagnostic]:
    at = (*where, "serve")
    if settings.serve and (settings.source or settings.interface):
        what = "`serve` is for programs of the host, and the split selects packets that the host passes on"
        yield Diagnostic("NC1713", at, what, "leave `serve` out", on_key=True)
        return
    for index, ports in enumerate(settings.serve):
        if ports.protocol == "tcp":
            what = f"programs answer TCP clients anyway, so `{ports}` has no effect in `serve`"
            yield Diagnostic("NC1713", (*at, index), what, "leave it out, or write a UDP port: `53/udp`")


def _bus(settings: Settings, where: KeyPath) -> Iterator[Diagnostic]:
    """A drop-in of each service hides it, and so does the command, from programs that ask the split's resolver."""
    if "dbus" not in settings.model_fields_set:
        return
    why = ""
    if not (settings.service or settings.command):
        why = "has neither `service` nor `command`"
    elif not settings.dns:
        why = "has no `dns`"
    elif settings.mode == "except":
        why = 'has `mode = "except"`'
    if why:
        what = f"`dbus` has no effect: the split {why}, so the system bus is not hidden from any program"
        yield Diagnostic("NC1712", (*where, "dbus"), what, "leave it out", on_key=True)


def named_directs(host: HostName, table: Mapping[SplitName, Settings]) -> Iterator[tuple[KeyPath, Source]]:
    """Every destination that does not use the tunnel, and where it is written."""
    for name, settings in table.items():
        for index, source in enumerate(settings.direct):
            yield ("hosts", host, "splits", name, "direct", index), source


def _direct(settings: Settings, where: KeyPath, network: Network) -> Iterator[Diagnostic]:
    found = members(settings.direct, network.sets)
    for family, bits in BITS.items():
        if found.of(family) == ((0, 2**bits - 1),):
            what = f"`direct` covers all of IPv{family}, so no IPv{family} packet would go into the tunnel"
            hint = (
                'take prefixes out of it, or write `ipv6 = "direct"` to keep IPv6 out of the tunnel'
                if family == 6
                else "take prefixes out of it"
            )
            yield Diagnostic("NC1707", (*where, "direct"), what, hint)


def _tunnel(split: Split, host: HostName) -> Iterator[Diagnostic]:
    tunnel, where = split.tunnel, (*split.origin, "tunnel")
    name = split.settings.tunnel
    everywhere = to_everywhere(tunnel.routes)
    if tunnel.namespace:
        what = f"tunnel `{name}` is in namespace `{tunnel.namespace}`, so {host} itself cannot use it"
        yield Diagnostic("NC1702", where, what, "make a second tunnel that is in no namespace")
    elif tunnel.kind not in SUITABLE:
        what = f"tunnel `{name}` has kind `{tunnel.kind}`, which cannot carry an IPv4 default route"
        yield Diagnostic("NC1702", where, what, f"use a tunnel of kind {', '.join(SUITABLE)}", (tunnel.where,))
    elif isinstance(tunnel, ProgramInterface) and split.takes_root:
        what = f"the program of `{name}` runs as root, so the split would send its packets into its own tunnel"
        yield Diagnostic(
            "NC1702",
            where,
            what,
            "keep root out of the split, or use a tunnel of a kind that needs no program",
            (tunnel.where,),
        )
    elif 4 not in split.families:
        what = f"tunnel `{name}` has no IPv4 address, and a split needs one"
        yield Diagnostic("NC1702", where, what, "add an IPv4 `address` to the tunnel", (tunnel.where,))
    elif everywhere and tunnel.table is None:
        what = f"tunnel `{name}` has a default route for the whole host, so the split has no effect"
        hint = without(everywhere, tunnel.routes)
        yield Diagnostic("NC1702", (*tunnel.where, "routes"), what, hint, (where,))
    elif split.settings.interface == tunnel.name:
        what = f"`interface` is the tunnel itself, so packets from {tunnel.name} would go into it again"
        yield Diagnostic("NC1702", (*split.origin, "interface"), what, "write the interface where the packets arrive")
    elif isinstance(tunnel, WireguardInterface):
        yield from _allowed(split, tunnel)


def _allowed(split: Split, tunnel: WireguardInterface) -> Iterator[Diagnostic]:
    """WireGuard drops packets that are in no peer's `allowed_ips`: no leak, but no reply either."""
    for family in split.families if split.ipv6 == "tunnel" else (4,):
        allowed = [net for peer in tunnel.peers for net in peer.allowed_ips if net.version == family]
        if not any(net.prefixlen == 0 for net in cidr_merge(allowed)):
            everything = "0.0.0.0/0" if family == 4 else "::/0"
            what = f"no peer of `{split.settings.tunnel}` has {everything} in `allowed_ips`"
            what += ", so WireGuard drops packets to other addresses"
            hint = f'add `"{everything}"` to `allowed_ips` of a peer'
            yield Diagnostic("NC1708", split.origin, what, hint, (tunnel.where,), Severity.WARNING, on_key=True)


def _ipv6(split: Split) -> Iterator[Diagnostic]:
    if split.settings.ipv6 == "tunnel" and 6 not in split.families:
        what = f"tunnel `{split.settings.tunnel}` has no IPv6 address"
        hint = 'write `"block"` or `"direct"`, or give the tunnel an IPv6 address'
        yield Diagnostic("NC1704", (*split.origin, "ipv6"), what, hint, (split.tunnel.where,))


def _is_sent(family: int, split: Split) -> bool:
    return family in split.families and (family == 4 or split.ipv6 == "tunnel")


def _dns(split: Split, own: Collection[IPAddress]) -> Iterator[Diagnostic]:
    seen: dict[int, KeyPath] = {}
    usable = {ip.version: ip for ip in reversed(split.tunnel.dns) if _is_sent(ip.version, split)}
    if split.is_local and usable and not split.resolvers:
        what = f"tunnel `{split.settings.tunnel}` has resolvers, and the split uses those of the host"
        listed = ", ".join(f'"{ip}"' for _, ip in sorted(usable.items()))
        hint = f"write `dns = [{listed}]`, or queries for names may leave by the uplink"
        yield Diagnostic("NC1703", split.origin, what, hint, (split.tunnel.where,), Severity.WARNING, on_key=True)
    for index, ip in enumerate(split.resolvers):
        where: KeyPath = (*split.origin, "dns", index)
        first = seen.setdefault(ip.version, where)
        if first != where:
            what = f"`dns` has two IPv{ip.version} resolvers, and a split takes one for each family"
            yield Diagnostic("NC1703", where, what, "leave it out", (first,))
        elif not _is_sent(ip.version, split):
            what = f"the split sends no IPv{ip.version} into the tunnel, so programs do not reach resolver {ip}"
            yield Diagnostic("NC1703", where, what, f"write an IPv{10 - ip.version} resolver", (split.tunnel.where,))
        elif ip.is_loopback() or ip.is_link_local() or ip in own:
            what = f"{ip} is an address of this host or link, so the tunnel does not lead to it"
            yield Diagnostic("NC1703", where, what, "write a resolver that is reached through the tunnel")


def _name_of_the_peer(split: Split) -> Iterator[Diagnostic]:
    """netc resolves the name as root, and the query would need the tunnel that waits for the answer."""
    name = split.settings.tunnel
    far = next((there for there in outer_ends(split.tunnel) if isinstance(there, DnsName)), None)
    if far is None or not split.takes_root:
        return
    what = f"root must resolve {far}, the peer of `{name}`, and the split sends the queries into the same tunnel"
    hint = "write the address of the peer in place of its name"
    if split.resolvers:
        yield Diagnostic("NC1709", (*split.origin, "dns"), what, hint, (split.tunnel.where,), on_key=True)
    else:
        what += ", unless the host's resolver is in `direct`"
        at = (*split.origin, "tunnel")
        yield Diagnostic("NC1709", at, what, hint, (split.tunnel.where,), Severity.WARNING)


def _twice(resolved: tuple[Split, ...]) -> Iterator[Diagnostic]:
    """Two splits of the same programs, or with the same command. `split_services` checks services."""
    who: dict[Hashable, Split] = {}
    commands: dict[str, Split] = {}
    for split in resolved:
        given = tuple(_given(split.settings).items())
        key: Hashable = "everybody else" if split.settings.mode == "except" else split.slice or given
        other = who.setdefault(key, split)
        if other != split and given:
            what = f"splits `{other.name}` and `{split.name}` select the same packets"
            yield Diagnostic("NC1705", split.origin, what, "keep one of the two", (other.origin,), on_key=True)
        if split.settings.command:
            first = commands.setdefault(split.settings.command, split)
            if first != split:
                where = (*split.origin, "command")
                what = f"split `{first.name}` already has the command `{split.settings.command}`"
                yield Diagnostic("NC1706", where, what, "choose another name", ((*first.origin, "command"),))
