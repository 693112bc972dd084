"""Tunnels to others: nothing begins at their other end but what `open` lets in.

    [hosts.box.tunnels.office]
    routes = "10.8.0.0/16"
    open = ["8080/tcp", { ports = "53/udp", from = "10.8.0.53/32" }]

A packet filter drops new connections that arrive by them, also those to ssh, and passes none on. Where a firewall drops
what it does not know, it keeps its own rules, and only ssh is shut.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from netc.language.names import HostName, TunnelName
from netc.network.interface import Interface, Network
from netc.network.nested import nested
from netc.network.splits import splits
from netc.network.strangers import strangers
from netc.plan.facts import Ruleset
from netc.plan.host_plan import Share
from netc.plan.opened import opened, outer_openings
from netc.plan.ruleset import Opening, Stranger


def plan(host: HostName, network: Network) -> Iterator[Share]:
    table = network.topology.hosts[host]
    wall = table.firewall
    shut = wall is not None and wall.input == "drop"
    found: list[Stranger] = []
    openings: list[Opening] = []
    for tunnel in strangers(host, network):
        own = tuple(_opened(tunnel, network))
        # Such a firewall lets in the outer packets of every tunnel by itself.
        inner = () if shut else outer_openings(_inner(tunnel, network))
        found.append(Stranger(tunnel.origin, tunnel.name, (*own, *inner)))
        openings += (one.by(tunnel.name) for one in own if shut)
    if found:
        yield Share(ruleset=Ruleset(("hosts", host), strangers=tuple(found), openings=tuple(openings)))


def _inner(tunnel: Interface, network: Network) -> Iterator[Interface]:
    """The tunnels whose peers are behind this one, or may be."""
    within = nested(tunnel.host, network)
    for interface in network.interfaces[tunnel.host]:
        if tunnel.part in within.outer.get(interface.name, ()) or interface.name in within.unsure - {tunnel.name}:
            yield interface


def _opened(tunnel: Interface, network: Network) -> Iterator[Opening]:
    settings = network.topology.hosts[tunnel.host].tunnels[cast(TunnelName, tunnel.origin[-1])]
    yield from opened(settings.open, tunnel.origin)
    for split in splits(tunnel.host, network):
        if split.tunnel.name == tunnel.name:
            yield from opened(split.settings.open, split.origin)
