"""Tunnels to others: nothing begins at their other end but what `open` lets in.

    [hosts.box.tunnels.office]
    routes = "10.8.0.0/16"
    open = ["8080/tcp", { ports = "53/udp", from = "10.8.0.53/32" }]

A packet filter drops new connections that arrive by them, also those to ssh, and passes none on. Where a firewall drops
what it does not know, it keeps its own rules, but for ssh and those for some sources alone: these need to name the
interface.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

from netc.language.names import HostName, InterfaceName, PartName, TunnelName
from netc.network.interface import Interface, Network
from netc.network.nested import nested
from netc.network.splits import splits
from netc.network.strangers import strangers
from netc.plan.facts import Ruleset
from netc.plan.filtering import is_limited
from netc.plan.host_plan import Share
from netc.plan.opened import opened, outer_openings
from netc.plan.ruleset import Opening, Stranger


def plan(host: HostName, network: Network) -> Iterator[Share]:
    table = network.topology.hosts[host]
    wall = table.firewall
    shut = wall is not None and wall.input == "drop"
    found: list[Stranger] = []
    openings: list[Opening] = []
    inside = _inside(host, network)
    opens: dict[InterfaceName, list[Opening]] = {}
    for split in splits(host, network):
        opens.setdefault(split.tunnel.name, []).extend(opened(split.settings.open, split.origin))
    for tunnel in strangers(host, network):
        settings = table.tunnels[cast(TunnelName, tunnel.origin[-1])]
        own = (*opened(settings.open, tunnel.origin), *opens.get(tunnel.name, ()))
        inner = tuple(outer_openings(one for one in inside(tunnel.part) if one.name != tunnel.name))
        found.append(Stranger(tunnel.origin, tunnel.name, own if shut else (*own, *inner)))
        if shut:  # lets in the outer packets of every tunnel by itself, but those from one address by none of these
            openings += (one.by(tunnel.name) for one in (*own, *filter(is_limited, inner)))
    if found:
        yield Share(ruleset=Ruleset(("hosts", host), strangers=tuple(found), openings=tuple(openings)))


def _inside(host: HostName, network: Network) -> Callable[[PartName], Iterator[Interface]]:
    """By the part of a tunnel: the interfaces whose peers are behind it, or may be."""
    within = nested(host, network)
    order = {one.name: (number, one) for number, one in enumerate(network.interfaces[host])}
    behind: dict[PartName, set[InterfaceName]] = {}
    for name, parts in within.outer.items():
        for part in parts:
            behind.setdefault(part, set()).add(name)

    def inside(part: PartName) -> Iterator[Interface]:
        names = behind.get(part, frozenset()) | within.unsure
        return (one for _, one in sorted((order[name] for name in names), key=lambda found: found[0]))

    return inside
