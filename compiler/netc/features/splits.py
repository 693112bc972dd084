"""Split tunnels: packets of chosen programs use a tunnel, and the rest of the host does not.

    [hosts.laptop.splits.cavorite]
    tunnel = "escape"
    group = "cavorite"
    dns = "10.66.0.1"
    command = "t"

The packet filter marks chosen packets, and a policy rule for the mark leads to a table. The table has a default route
by the tunnel and an unreachable route after it. The filter drops marked packets that would leave elsewhere. The kernel
removes the tunnel's route with its device, so a watcher adds it again.
"""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPNetwork, cidr_merge

from netc.language.kinds import KINDS
from netc.language.names import HostName, InterfaceName, PartName, SetName
from netc.language.values import Family
from netc.network.bridges import bridge_device
from netc.network.derive import EVERYTHING
from netc.network.interface import Network, PlainInterface
from netc.network.namespaces import host_end
from netc.network.splits import LINK_LOCAL, Split, splits
from netc.plan.facts import Fact, HeldSlice, KeptRoute, Launcher, Route, Rule, Ruleset
from netc.plan.facts.forwarding import forwarding
from netc.plan.host_plan import Part, Share
from netc.plan.lists import address_set
from netc.plan.numbers import Number
from netc.plan.opened import merged
from netc.plan.ruleset import Outer, Passage, Sources, SplitTunnel

PRIORITY = 5100
"""Of the rules for marks: before Tailscale's (5210) and netc's own for addresses (7000 and up), which would choose
another table for the same packets."""


def plan(host: HostName, network: Network) -> Iterator[Share]:
    wan = network.topology.hosts[host].wan
    near = tuple(_near(host, network))
    for split in splits(host, network):
        passed_on = () if split.is_local else _passed_on(split)
        sets = tuple(address_set(name, network.sets) for name in _direct(split).sets)
        yield Share(
            parts=(_part(split),),
            ruleset=Ruleset(split.origin, splits=(_fact(split, near),), sets=sets, passages=tuple(_passages(split))),
            forwarding=forwarding(passed_on, wan),
        )


def _passed_on(split: Split) -> Iterator[Family]:
    given = {net.version for net in split.settings.source}
    yield from (family for family in split.families if not given or family in given)


def _passages(split: Split) -> Iterator[Passage]:
    """For an incoming interface. If the split has prefixes, the author allows their packets."""
    if split.settings.interface:
        yield Passage(split.origin, split.settings.interface, split.tunnel.name)


def _part(split: Split) -> Part:
    families = [family for family in split.families if family == 4 or split.ipv6 == "tunnel"]
    return Part(
        PartName(f"split-{split.name}"),
        split.origin,
        about=f"hosts.{split.origin[1]}.splits.{split.name}",
        after=(split.tunnel.part,),
        facts=(
            *(Route(net, None, table=split.table) for net in EVERYTHING if net.version in families),
            *(KeptRoute(family, split.tunnel.name, split.table) for family in families),
            *(Rule(family, PRIORITY, split.table, mark=split.mark) for family in families),
            *_programs(split),
        ),
        numbers=(
            Number("table", split.table, f"the routes of split {split.name}", PartName(f"split-{split.name}")),
            Number("mark", split.mark, f"packets that split {split.name} chose"),
            Number("priority", PRIORITY, f"packets with the mark of the split use table {split.table}"),
        ),
    )


def _programs(split: Split) -> Iterator[Fact]:
    """What the tunnel is for asks its resolver. With `except`, these programs are those that it is not for."""
    settings = split.settings
    resolvers = split.resolvers if settings.mode == "only" else ()
    if settings.command and settings.group:
        yield Launcher(split.name, settings.command, settings.group, resolvers, settings.dbus)
    if split.slice:
        yield HeldSlice(split.name, split.slice, settings.service, resolvers, settings.dbus)


def _direct(split: Split) -> Sources:
    named = split.settings.direct
    prefixes = cidr_merge([*LINK_LOCAL, *(one for one in named if isinstance(one, IPNetwork))])
    return Sources(tuple(prefixes), tuple(sorted({one for one in named if isinstance(one, SetName)})))


def _near(host: HostName, network: Network) -> Iterator[InterfaceName]:
    """To the author's own hosts, containers and namespaces."""
    table = network.topology.hosts[host]
    links = (i.name for i in network.interfaces[host] if i.origin[0] != "hosts" and i.namespace is None)
    bridges = (bridge_device(name, bridge) for name, bridge in table.bridges.items())
    pairs = (host_end(name, space) for name, space in table.namespaces.items() if space.access)
    yield from sorted({*links, *bridges, *pairs})


def _is_of(net: IPNetwork, family: Family) -> bool:
    return bool(net.version == family and not net.ip.is_link_local())


def _fact(split: Split, near: tuple[InterfaceName, ...]) -> SplitTunnel:
    settings, tunnel = split.settings, split.tunnel
    protocol = KINDS[tunnel.kind].protocol
    return SplitTunnel(
        split.origin,
        split.name,
        tunnel.name,
        tuple(next(net.ip for net in tunnel.addresses if _is_of(net, family)) for family in split.families),
        tunnel.mtu.value if tunnel.mtu else None,
        split.mark,
        group=settings.group,
        user=settings.user,
        slice=split.slice,
        sources=settings.source,
        incoming=settings.interface,
        others=settings.mode == "except",
        hides=bool(settings.service or settings.command),
        direct=_direct(split),
        resolvers=split.resolvers,
        ipv6=split.ipv6,
        outer=Outer(protocol, tunnel.remote) if protocol and isinstance(tunnel, PlainInterface) else None,
        serves=merged(ports for ports in settings.serve if ports.protocol == "udp"),
        near=near,
        takes_root=split.takes_root,
    )
