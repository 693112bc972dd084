"""Checks of the whole network. Each file has one subject, and yields all diagnostics of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module

from netc.checks import firewall, lockout, references, shadowed, unused
from netc.diagnostic import Diagnostic, KeyPath
from netc.network.interface import Network
from netc.plan.host_plan import HostPlan

Check = Callable[[Network], Iterator[Diagnostic]]

SUBJECTS = (
    "kinds",
    "addresses",
    "routes",
    "point_to_point",
    "names",
    "ports",
    "peers",
    "endpoints",
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
    "strangers",
    "devices",
    "coexistence",
    "targets",
    "sets",
    "splits",
    "iptables",
    "split_services",
    "bgp_system",
    "bgp_prefixes",
    "bgp_links",
    "bgp_peers",
    "bgp_lans",
    "bgp_limits",
    "bgp_tables",
    "anycast",
)
"""In the order in which diagnostics of one place are reported. A new check is a file of this directory with a `check`,
and a line here."""

CHECKS: dict[str, Check] = {subject: import_module(f"{__name__}.{subject}").check for subject in SUBJECTS}

OF_THE_SYSTEM = (*(one for one in SUBJECTS if one.startswith("bgp_")), "anycast")
"""Subjects that are skipped while a table of the AS cannot be read: its routers and their links are not known then."""

NAMED = ("NC0201", "NC0209", "NC0210", "NC2101")
"""Reported for a name that nothing has."""

FOLLOW = {"links": ("NC2104",), "bgp": ("NC2104",), "igp": ("NC2104",), "anycast": ("NC2510",)}
"""Diagnostics that may follow from such a name, by its table. In the table of a link or forward, any other may too."""


WRONG_PROFILE: KeyPath = ("bgp", "profile")
OF_THE_PROFILE = ("NC2007", "NC2204", "NC2205", "NC2207", "NC2503")
"""Diagnostics that may follow from a profile that allows none of our prefixes."""


def check(network: Network, broken: frozenset[KeyPath]) -> tuple[Diagnostic, ...]:
    """All diagnostics. `broken`: tables that could not be read. References to them are not reported."""
    named = tuple(references.check(network, broken))
    unclear = {diagnostic.where[:2] for diagnostic in named if diagnostic.code in NAMED}
    subjects = (name for name in SUBJECTS if name not in OF_THE_SYSTEM or not any(map(_of_the_system, broken)))
    found: Iterable[Diagnostic] = (
        diagnostic for name in subjects for diagnostic in CHECKS[name](network) if not _follows(diagnostic, unclear)
    )
    found = tuple(found)
    if any(diagnostic.where == WRONG_PROFILE for diagnostic in found):
        found = (one for one in found if one.where == WRONG_PROFILE or one.code not in OF_THE_PROFILE)
    first = (diagnostic for diagnostic in named if diagnostic.code in NAMED or not _follows(diagnostic, unclear))
    # A diagnostic that both ends of a link have in the same words is reported once.
    return tuple(dict.fromkeys((*first, *found)))


def _follows(diagnostic: Diagnostic, unclear: set[KeyPath]) -> bool:
    """Whether a diagnostic may be there only because a name in one of these tables is misspelt."""
    if diagnostic.where[:2] in unclear and diagnostic.where[0] in ("links", "forwards"):
        return True
    return any(diagnostic.code in FOLLOW.get(str(table[0]), ()) for table in unclear)


def _of_the_system(table: KeyPath) -> bool:
    """Whether a table makes a host a router, or connects routers."""
    is_a_router = table[0] == "hosts" and (len(table) < 3 or table[2] == "bgp")
    return is_a_router or table[0] in ("bgp", "igp", "links", "meshes")


def tidy(network: Network) -> tuple[Diagnostic, ...]:
    """What has no effect. Only for a network in which `check` found no error, since it may follow from one."""
    return (*unused.check(network), *shadowed.check(network))


def check_plan(plan: HostPlan, network: Network) -> Iterator[Diagnostic]:
    """Diagnostics of the plan of a host, in a network in which `check` found no error. The plan of
    `lockout.filtering` is enough."""
    yield from firewall.check_plan(plan, network)
    yield from shadowed.check_plan(plan, network)
    yield from lockout.check_plan(plan, network)
