"""From one form of a confederation to the other: what can be compared, and half-way states that break the network.

These checks take two topologies. Places are in the second one, the one that the network migrates to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from netc.diagnostic import Diagnostic, KeyPath, dotted
from netc.language.names import HostName
from netc.network.interface import Network
from netc.network.migration import Hosts, Move, harm, order
from netc.network.speakers import has_members

FORM = {("bgp", "internal"), ("bgp", "next_hop"), ("bgp", "over"), ("bgp", "reflectors"), ("igp",), ("acknowledge",)}
"""What may differ: how our routers exchange routes, and what the author acknowledged."""

FEW = 5


def comparable(before: Network, after: Network) -> Iterator[Diagnostic]:
    """Why netc cannot plan the migration."""
    old, new = before.topology, after.topology
    for topology, which in ((old, "the first topology"), (new, "this topology")):
        if topology.bgp is None or not has_members(topology.bgp):
            what = f"{which} is not a confederation, so its routers have no member ASNs"
            hint = "change all routers at the same time: a session does not come up if its ends disagree on their ASNs"
            yield Diagnostic("NC2601", ("bgp", "internal") if new.bgp else (), what, hint)
            return
    for path in _differences(old, new, ()):
        what = f"`{dotted(path)}` differs from the first topology"
        what += ", and a migration changes internal BGP only"
        yield Diagnostic("NC2601", path, what, "change it before or after the migration", on_key=True)


def _differences(old: Any, new: Any, path: KeyPath) -> Iterator[KeyPath]:
    if path in FORM or (old == new and repr(old) == repr(new)):  # netaddr: 10.0.3.1/24 equals 10.0.3.5/24
        return
    if isinstance(old, BaseModel) and type(old) is type(new):
        for name, field in type(old).model_fields.items():
            yield from _differences(getattr(old, name), getattr(new, name), (*path, field.alias or name))
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            yield from _differences(old.get(key), new.get(key), (*path, key))
    else:
        yield path


def halfway(one: Move, moved: Hosts) -> Iterator[Diagnostic]:
    """What is broken while the hosts `moved` have changed and the others have not."""
    broken = harm(one, moved)
    at_once = next((step.hosts for step in order(one) if 0 < len(moved & set(step.hosts)) < len(step.hosts)), ())
    hint = f"change these at the same time: {', '.join(at_once)}" if at_once else "follow the order of `--migrate`"
    lost: defaultdict[HostName, list[HostName]] = defaultdict(list)
    for origin, host in broken.cut:
        lost[host].append(origin)
    for host, origins in lost.items():
        state = "has changed" if host in moved else "has not changed"
        what = f"{host}, which {state}, has no routes of {_some(origins)}, so its packets to them are lost"
        yield Diagnostic("NC2602", ("hosts", host), what, hint, (("bgp", "internal"),), on_key=True)
    for host, origin in broken.leaks:
        what = f"{host} exports routes of {origin} with member ASNs in their paths, such as"
        what += f" {one.members[origin]}"
        yield Diagnostic("NC2603", ("hosts", host, "bgp"), what, hint, (("hosts", origin, "bgp"),), on_key=True)


def _some(hosts: Iterable[HostName]) -> str:
    names = sorted(hosts)
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return ", ".join(names[:FEW]) + more
