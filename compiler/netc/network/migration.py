"""Migration from one form of a confederation to the other: the order in which our routers may change, and what breaks
half-way.

Seen on BIRD 2.0.12, where every session stays established. If one end of a session between two members speaks RFC 5065
and the other does not, both withdraw all routes that they receive over it. RFC 5065, section 5.3, requires that: a path
has a confederation segment that it must not have, or lacks the one that it must have. Between two routers of one
member, paths without these segments pass. In a fake confederation, members' numbers are plain ASNs in the path. They
enter a real one by such a session, and it does not remove them when it announces the routes to other ASes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from msgspec import Struct

from netc.language.names import HostName
from netc.network.anycast import announced_externally, services_at
from netc.network.bgp import ends
from netc.network.interface import Network
from netc.network.speakers import is_recursive, member, speakers

Hosts = frozenset[HostName]


class Move(Struct, frozen=True):
    """Two forms of one network: the same routers and members. `sessions` are inside, by host, in each form."""

    routers: tuple[HostName, ...]
    members: dict[HostName, int]
    edges: Hosts
    """Routers that have external neighbours."""
    sources: Hosts
    """Routers that bring in routes that edges announce to other ASes with a path: edges, and those of anycast
    services."""
    sessions: tuple[dict[HostName, Hosts], dict[HostName, Hosts]]
    real: tuple[bool, bool]
    """Which form is RFC 5065's."""
    same_next_hops: bool


class Step(Struct, frozen=True):
    """Hosts that change at the same time."""

    hosts: tuple[HostName, ...]
    restarted: tuple[tuple[HostName, HostName], ...]
    """Internal sessions that restart, and with them all routes that they carry."""
    mixed: tuple[tuple[HostName, HostName], ...]
    """Sessions that have an end of each form after the step."""


class _Heard(Struct, frozen=True):
    """A route from one of our routers, as another knows it."""

    at: HostName
    by: Literal["itself", "member", "fellow"]
    segments: bool = False
    """The path has confederation segments (RFC 5065)."""
    plain: bool = False
    """The path has members' numbers as plain ASNs."""


class Harm(Struct, frozen=True):
    """`cut`: pairs of which the second has no route from the first. `leaks`: an edge, and a source whose routes the
    edge announces to other ASes with members' numbers in the path."""

    cut: tuple[tuple[HostName, HostName], ...] = ()
    leaks: tuple[tuple[HostName, HostName], ...] = ()


def move(before: Network, after: Network) -> Move:
    """Both are confederations with the same routers (checks/migration.py)."""
    old, new = before.topology, after.topology
    routers = speakers(old)
    edges = frozenset(host for host in routers if (table := old.hosts[host].bgp) and table.peers)
    served = frozenset(host for host in routers if announced_externally(old) and services_at(host, old))
    return Move(
        routers,
        {host: number for host in routers if (number := member(host, old))},
        edges,
        edges | served,
        (_sessions(before), _sessions(after)),
        (_is_real(before), _is_real(after)),
        is_recursive(old) == is_recursive(new),
    )


def _sessions(network: Network) -> dict[HostName, Hosts]:
    routers = speakers(network.topology)
    return {host: frozenset(end.far for end in ends(host, network)) for host in routers}


def _is_real(network: Network) -> bool:
    return network.topology.bgp is not None and network.topology.bgp.internal == "confederation"


def changes(one: Move) -> bool:
    return one.real[0] != one.real[1] or not one.same_next_hops


def order(one: Move) -> tuple[Step, ...]:
    """The steps of the migration, with as little harm as possible: routers that can change first without harm, all that
    have to change at the same time, and routers that can change last. Empty if nothing changes."""
    if not changes(one):
        return ()
    every = frozenset(one.routers)
    ahead = _grown(one, every, lambda early: early)
    behind = _grown(one, every - set(ahead), lambda late: every - late)
    core = tuple(host for host in one.routers if host not in {*ahead, *behind})
    groups = [(host,) for host in ahead] + ([core] if core else []) + [(host,) for host in reversed(behind)]
    return tuple(_steps(one, groups))


def _grown(one: Move, among: Hosts, state: Callable[[Hosts], Hosts]) -> list[HostName]:
    """Hosts that can change one by one, each without harm. `state` returns the hosts that have the new form then."""
    found: list[HostName] = []
    for host in sorted(among):
        near = one.sessions[0][host] & one.sessions[1][host]
        # Without a session in its own member, the router is cut off from all others as soon as its form differs.
        has_fellow = any(one.members[far] == one.members[host] for far in near)
        if has_fellow and harm(one, state(frozenset((*found, host)))) == Harm():
            found.append(host)
    return found


def _steps(one: Move, groups: list[tuple[HostName, ...]]) -> Iterator[Step]:
    moved: Hosts = frozenset()
    for group in groups:
        moved |= set(group)
        restarted = tuple(pair for pair in pairs(one) if set(pair) & set(group))
        yield Step(group, restarted, mixed(one, moved))


def pairs(one: Move) -> tuple[tuple[HostName, HostName], ...]:
    """Of routers that have a session in either form."""
    near, far = one.sessions
    return tuple((host, other) for host in one.routers for other in sorted(near[host] | far[host]) if host < other)


def mixed(one: Move, moved: Hosts) -> tuple[tuple[HostName, HostName], ...]:
    """Sessions with an end of each form."""
    return tuple(pair for pair in pairs(one) if len(moved & set(pair)) == 1)


def harm(one: Move, moved: Hosts) -> Harm:
    """What is broken while the hosts in `moved` have changed and the others have not. Only a route with a path can
    leak: it comes in by a source, and an edge announces it."""
    if moved in (frozenset(), frozenset(one.routers)) or not changes(one):
        return Harm()
    cut, leaks = [], []
    for origin in one.routers:
        known = _announced(origin, one, moved)
        reached = {heard.at for heard in known}
        cut += [(origin, host) for host in one.routers if host not in reached]
        if origin in one.sources:
            tells = {heard.at for heard in known if heard.plain and one.real[heard.at in moved]}
            leaks += [(host, origin) for host in sorted(tells & one.edges)]
    return Harm(tuple(cut), tuple(leaks))


def _announced(origin: HostName, one: Move, moved: Hosts) -> set[_Heard]:
    """All that could become of what one router says, whichever paths the others prefer."""
    found = {_Heard(origin, "itself")}
    waiting = list(found)
    while waiting:
        heard = waiting.pop()
        form = heard.at in moved
        for far in one.sessions[form][heard.at]:
            is_session = heard.at in one.sessions[far in moved][far]
            after = _passed(heard, far, one, moved) if is_session else None
            is_loop = after and after.by == "member" and one.members[far] == one.members[origin]
            if after and not is_loop and after not in found:
                found.add(after)
                waiting.append(after)
    return found


def _passed(heard: _Heard, far: HostName, one: Move, moved: Hosts) -> _Heard | None:
    """The route as `far` has it. None: `far` withdraws it, or `heard.at` does not announce it."""
    near_form, far_form = heard.at in moved, far in moved
    same = near_form == far_form
    if not same and not one.same_next_hops:
        return None  # `far` has no route to the next hop
    if one.members[far] == one.members[heard.at]:
        is_announced = heard.by != "fellow" or not one.same_next_hops  # with an IGP there may be reflectors
        is_wrong = heard.segments and not one.real[far_form]
        return _Heard(far, "fellow", heard.segments, heard.plain) if is_announced and not is_wrong else None
    if not same:
        return None
    is_real = one.real[far_form]
    return _Heard(far, "member", heard.segments or is_real, heard.plain or not is_real)
