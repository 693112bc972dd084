"""What only the whole network can show. One file a subject; each yields all that is wrong in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module

from netc.checks import lockout, references, shadowed, unused
from netc.network.interface import Network
from netc.plan.host_plan import HostPlan
from netc.problem import KeyPath, Problem

Check = Callable[[Network], Iterator[Problem]]

SUBJECTS = (
    "kinds",
    "addresses",
    "names",
    "ports",
    "peers",
    "underlay",
    "namespaces",
    "bridges",
    "bridged_namespaces",
    "numbers",
    "forwards",
    "forward_families",
    "forward_ports",
    "forward_rings",
    "uplinks",
    "firewall",
    "coexistence",
    "sets",
    "splits",
    "iptables",
    "split_services",
    "bgp_system",
    "bgp_ways",
    "bgp_peers",
    "bgp_tables",
    "anycast",
)
"""In the order in which problems of one place are told. A new check is a file of this room with a `check`, and a line
here."""

CHECKS: tuple[Check, ...] = tuple(import_module(f"{__name__}.{subject}").check for subject in SUBJECTS)


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
