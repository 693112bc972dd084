"""What only the whole network can show. One file a subject; each yields all that is wrong in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from netc.checks import (
    addresses,
    anycast,
    bgp_peers,
    bgp_system,
    bgp_tables,
    bgp_ways,
    bridged_namespaces,
    bridges,
    coexistence,
    firewall,
    forward_families,
    forward_ports,
    forward_rings,
    forwards,
    iptables,
    kinds,
    lockout,
    names,
    namespaces,
    numbers,
    peers,
    ports,
    references,
    sets,
    shadowed,
    split_services,
    splits,
    underlay,
    unused,
    uplinks,
)
from netc.network.interface import Network
from netc.plan.host_plan import HostPlan
from netc.problem import KeyPath, Problem

CHECKS: tuple[Callable[[Network], Iterator[Problem]], ...] = (
    kinds.check,
    addresses.check,
    names.check,
    ports.check,
    peers.check,
    underlay.check,
    namespaces.check,
    bridges.check,
    bridged_namespaces.check,
    numbers.check,
    forwards.check,
    forward_families.check,
    forward_ports.check,
    forward_rings.check,
    uplinks.check,
    firewall.check,
    coexistence.check,
    sets.check,
    splits.check,
    iptables.check,
    split_services.check,
    bgp_system.check,
    bgp_ways.check,
    bgp_peers.check,
    bgp_tables.check,
    anycast.check,
)


def check(network: Network, broken: frozenset[KeyPath]) -> tuple[Problem, ...]:
    """All problems; `broken` are tables that could not be read, so what refers to them is not to blame."""
    found = (problem for one in CHECKS for problem in one(network))
    # What is told of both ends of a link in the same words is told once.
    return tuple(dict.fromkeys((*references.check(network, broken), *found)))


def tidy(network: Network) -> tuple[Problem, ...]:
    """What is right and has no effect, in a network that `check` found no error in: there, it may follow from one."""
    return (*unused.check(network), *shadowed.check(network))


def show(plan: HostPlan, network: Network) -> Iterator[Problem]:
    """What the plan of a host shows, in a network that `check` found no error in. As much of it is enough as
    `lockout.filtering` has."""
    yield from shadowed.show(plan, network)
    yield from lockout.show(plan, network)
