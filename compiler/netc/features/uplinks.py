"""Several uplinks: replies leave by the uplink that the prefix belongs to.

    [hosts.lin.uplinks.he]
    tunnel = "he6"
    prefixes = ["2001:470:1f05::/48"]

Each has a table with its default route, and an unreachable route after it. Policy rules by source lead there, after the
main table without its default route. Replies of forwarded connections, to a container or over a link, have another
source: their connections are marked as they come in, and a rule matches the mark. The kernel removes routes with the
device of an uplink, so each has a watcher.
"""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress, IPNetwork

from netc.language.bridges import Bridge
from netc.language.names import HostName, PartName
from netc.language.values import Family
from netc.network.bridges import bridge_device, source_of, sources
from netc.network.derive import EVERYTHING, MAIN
from netc.network.interface import Network
from netc.network.passing import families_passed_on
from netc.network.uplinks import PREFERENCE, PREFERRED, Uplink, uplink_interfaces, uplinks
from netc.plan.facts import Forwarding, KeptRoute, Loose, MovedSource, Route, Rule, Ruleset
from netc.plan.host_plan import Part, Share
from netc.plan.numbers import Number
from netc.plan.ruleset import ReturnMark

NEAR = 11999
"""The priority of the rules for the main table without its default route, which come first."""

OWN = 12000
"""And of those for the table of an uplink: no two uplinks have a prefix or a mark in common."""


def plan(host: HostName, network: Network) -> Iterator[Share]:
    passed = families_passed_on(host, network)
    moved = tuple(_moved(host, network))
    for uplink in uplinks(host, network):
        yield _share(uplink, passed, moved)


def _moved(host: HostName, network: Network) -> Iterator[MovedSource]:
    """Whichever uplink comes or goes, every fixed address is affected: of two, one leaves by the other's."""
    for name, bridge in sorted(network.topology.hosts[host].bridges.items()):
        for net in sources(bridge):
            family: Family = 4 if net.version == 4 else 6
            devices = uplink_interfaces(host, network, family)
            for device in devices if len(devices) > 1 else ():
                if (to := source_of(bridge, family, device, host, network)) and (container := _container(bridge, net)):
                    yield MovedSource(family, bridge_device(name, bridge), container, device, to)


def _container(bridge: Bridge, net: IPNetwork) -> IPAddress | None:
    """An address that a container could have: the last one that the host has not."""
    own = {address.ip for address in bridge.addresses}
    return next((ip for n in range(2, min(net.size, 16)) if (ip := net[-n]) not in own), None)


def _share(uplink: Uplink, passed: set[Family], moved: tuple[MovedSource, ...]) -> Share:
    families: set[Family] = {default.family for default in uplink.default_routes}
    needs = (uplink.tunnel,) if uplink.tunnel else ()
    part = Part(
        PartName(f"uplink-{uplink.name}"),
        uplink.origin,
        about=f"hosts.{uplink.origin[1]}.uplinks.{uplink.name}",
        after=needs,
        facts=(
            *(Route(net, None, table=uplink.table) for net in EVERYTHING if net.version in families),
            *_kept(uplink),
            *moved,
            *((Loose(uplink.device),) if 4 in families & passed else ()),
            *(*_by_source(uplink), *_by_mark(uplink, families & passed), *_preferred(uplink)),
        ),
        numbers=tuple(_numbers(uplink)),
    )
    marked = tuple(net for net in uplink.prefixes if net.version in passed)
    mark = ReturnMark(uplink.device, uplink.mark, scrub=uplink.scrub, on=marked)
    return Share(
        parts=(part,),
        ruleset=Ruleset(uplink.origin, marks=(mark,)) if marked else None,
        forwarding=None if uplink.tunnel else Forwarding((), (uplink.device,)),
    )


def _numbers(uplink: Uplink) -> Iterator[Number]:
    yield Number(
        "table", uplink.table, f"the default routes of uplink {uplink.name}", PartName(f"uplink-{uplink.name}")
    )
    yield Number("mark", uplink.mark, f"connections that came in by uplink {uplink.name}")
    yield Number("priority", NEAR, f"packets of uplink {uplink.name} use main, without its default route")
    yield Number("priority", OWN, f"packets of uplink {uplink.name} use table {uplink.table}")
    if uplink.preferred:
        yield Number("table", PREFERRED, "the default routes of the preferred uplinks", PartName("preferred"))
        yield Number("priority", PREFERENCE, "all packets use main, without its default route")
        yield Number("priority", PREFERENCE + 1, f"all packets use table {PREFERRED}")


def _kept(uplink: Uplink) -> Iterator[KeptRoute]:
    for table in (uplink.table, *((PREFERRED,) if uplink.preferred else ())):
        for default in uplink.default_routes:
            yield KeptRoute(default.family, uplink.device, table, default.gateway, default.onlink, default.source)


def _by_source(uplink: Uplink) -> Iterator[Rule]:
    for net in uplink.prefixes:
        family: Family = 4 if net.version == 4 else 6
        yield Rule(family, NEAR, MAIN, specific=True, source=net)
        yield Rule(family, OWN, uplink.table, source=net)


def _by_mark(uplink: Uplink, passed: set[Family]) -> Iterator[Rule]:
    for family in sorted(passed):
        yield Rule(family, NEAR, MAIN, specific=True, mark=uplink.mark)
        yield Rule(family, OWN, uplink.table, mark=uplink.mark)


def _preferred(uplink: Uplink) -> Iterator[Rule]:
    """A table of its own: while the uplink is down, the host uses its own default route."""
    if uplink.preferred:
        for default in uplink.default_routes:
            yield Rule(default.family, PREFERENCE, MAIN, specific=True)
            yield Rule(default.family, PREFERENCE + 1, PREFERRED)
