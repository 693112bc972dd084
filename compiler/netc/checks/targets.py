"""`target`: what the tools of a host's system cannot do, and systems that no test of netc boots."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import asdict

from netc.diagnostic import Diagnostic, KeyPath, Severity
from netc.language.names import HostName
from netc.language.targets import (
    CAPABILITIES,
    FLOOR,
    SYSTEMS,
    TRIED_BIRDS,
    Capability,
    Number,
    Target,
    can,
    shown,
    tools_of,
)
from netc.network.interface import Network
from netc.network.routing import igp_links

LABEL = {"bird": "BIRD"}


def check(network: Network) -> Iterator[Diagnostic]:
    yield from _systems(network)
    for wanted in (*_of_igp(network), *_of_bgp(network)):
        yield from _refused(wanted, network)


class Wanted(Struct, frozen=True):
    """A key that needs a capability of the BIRD of some hosts."""

    where: KeyPath
    capability: Capability
    hosts: tuple[HostName, ...]


def _of_igp(network: Network) -> Iterator[Wanted]:
    igp, links = network.topology.igp, igp_links(network.topology)
    if igp is None or igp.kind != "babel":  # else NC2110 refuses the keys
        return
    on_links = tuple(
        host
        for host, interfaces in sorted(network.interfaces.items())
        if any(i.origin[0] in ("links", "meshes") and i.origin[1] in links for i in interfaces)
    )
    if igp.extended_next_hop:
        yield Wanted(("igp", "extended_next_hop"), "babel-next-hop", on_links)
    if igp.rtt_cost:
        yield Wanted(("igp", "rtt_cost"), "babel-rtt", on_links)


def _of_bgp(network: Network) -> Iterator[Wanted]:
    bgp, tables = network.topology.bgp, {host: network.topology.hosts[host].bgp for host in network.speakers}
    edges = tuple(host for host, table in tables.items() if table and table.peers)
    for key, sources in (("roa", bgp.roa), ("flaps", bgp.flaps)) if bgp else ():
        for index, source in enumerate(sources):
            if source.password:
                yield Wanted(("bgp", key, index, "password"), "rpki-md5", edges)
    for host, table in tables.items():
        for name, peer in table.peers.items() if table else ():
            where: KeyPath = ("hosts", host, "bgp", "peers", name)
            if peer.send_hold:
                yield Wanted((*where, "send_hold"), "send-hold", (host,))
            if set(peer.require) - {"roles"}:  # 2.0.12 can require these
                yield Wanted((*where, "require"), "capabilities", (host,))


def _refused(wanted: Wanted, network: Network) -> Iterator[Diagnostic]:
    """One diagnostic, whatever the number of hosts: the topology says it once."""
    hosts = network.topology.hosts
    lacking = [host for host in wanted.hosts if not can(tools_of(hosts[host].target).bird, wanted.capability)]
    if not lacking:
        return
    first, more = lacking[0], len(lacking) - 1
    who = f"{first} (and of {more} more)" if more else first
    key = next(str(word) for word in reversed(wanted.where) if isinstance(word, str))
    there = shown(tools_of(hosts[first].target).bird)
    said = "has" if hosts[first].target else "is not written, which stands for"
    what = f"`{key}` needs BIRD {shown(CAPABILITIES[wanted.capability])}: the `target` of {who} {said} {there}"
    hint = f'leave `{key}` out, or write `target = "debian-13"` for each host that runs it'
    yield Diagnostic("NC2109", wanted.where, what, hint, (("hosts", first),), on_key=True)


def _systems(network: Network) -> Iterator[Diagnostic]:
    for name, host in sorted(network.topology.hosts.items()):
        if host.target is None:
            continue
        is_router = host.bgp is not None or bool(network.topology.igp)
        yield from tuple(_lacking(name, host.target, is_router=is_router)) or _untried(
            name, host.target, is_router=is_router
        )


def _lacking(host: HostName, target: Target, *, is_router: bool) -> Iterator[Diagnostic]:
    """Tools that are older than what netc writes for every host."""
    needed: dict[str, Number] = asdict(FLOOR)
    there: dict[str, Number] = asdict(target.tools)
    old = [tool for tool in needed if there[tool] < needed[tool] and (tool != "bird" or is_router)]
    written = [tool for tool in old if tool in target.written]
    where: KeyPath = ("hosts", host, "target")
    if old:
        has = ", ".join(f"{LABEL.get(tool, tool)} {shown(there[tool])}" for tool in old)
        needs = ", ".join(shown(needed[tool]) for tool in old)
        what = f"{target.name} has {has}, and netc needs {needs} or later"
        hint = "upgrade the host, and write the `target` that it then has"
        yield Diagnostic("NC2109", (*where, written[0]) if old == written[:1] else where, what, hint)


def _untried(host: HostName, target: Target, *, is_router: bool) -> Iterator[Diagnostic]:
    where: KeyPath = ("hosts", host, "target")
    hint = "install on one host first: `install` has the host's own `nft -c` and `bird -p` read the files"
    if not target.is_known and not target.written:
        what = f"netc knows no versions of the tools of {target.name}, so it writes for the oldest that it supports"
        hint = "leave `target` out, or write the versions that the host has"
        yield Diagnostic("NC2108", where, what, hint, severity=Severity.WARNING)
    elif target.base not in SYSTEMS or not SYSTEMS[target.base].is_tried:
        what = f"untested: no test of netc boots {target.name}"
        yield Diagnostic("NC2108", where, what, hint, severity=Severity.WARNING)
    elif is_router and not _is_tried(target.tools.bird):
        series = ", ".join(map(shown, TRIED_BIRDS))
        what = f"untested: the tests of netc run BIRD {series}, and {host} has {shown(target.tools.bird)}"
        yield Diagnostic("NC2108", (*where, "bird"), what, hint, severity=Severity.WARNING)


def _is_tried(bird: Number) -> bool:
    """`3.1` stands for every 3.1; 2.0 began to be enough with 2.0.12."""
    return any(bird[: len(tried)] == tried for tried in TRIED_BIRDS)
