"""The order of a migration for people: a step a line, what it interrupts, and what to do."""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.names import HostName
from netc.network.migration import Hosts, Move, Step, order

BEFORE = """\
First put the files of the new trees into place on all hosts, and reload nothing. Then, for each step, run
`systemctl reload netc-bird` on all of its hosts at once. If the IGP is added or removed, reload `netc-firewall` just
before. A reload ends when all sessions have routes again. If they do not within 75 s, BIRD of that host loads its old
configuration again: then put the old files into place on all hosts of the step, and reload those too."""


def as_text(one: Move, moved: Hosts = frozenset()) -> str:
    """All steps, or those that are left when these hosts have changed (a state without harm)."""
    steps = [step for step in order(one) if not set(step.hosts) <= moved]
    if not steps:
        return "nothing to change: the sessions between our routers have the same form in both\n"
    lines = [line for number, step in enumerate(steps, 1) for line in _step(number, step, moved, one)]
    return "\n".join([*lines, "", BEFORE]) + "\n"


def _step(number: int, step: Step, moved: Hosts, one: Move) -> Iterator[str]:
    hosts = [host for host in step.hosts if host not in moved]
    alone = len(hosts) == 1
    yield f"{number}. {hosts[0]}" if alone else f"{number}. at the same time: {', '.join(hosts)}"
    if alone:
        yield "     why: it gets all routes from routers of its own member, whichever form each has"
    else:
        yield "     why: a session between members of different forms is established, but its routes are withdrawn"
    if step.restarted:
        yield f"     sessions that restart, until some seconds after the last reload: {_pairs(step.restarted)}"
    edges = [host for host in hosts if host in one.edges]
    if edges and one.real[0] != one.real[1]:
        yield f"     and all sessions with external neighbours of {', '.join(edges)}"
    if step.mixed:
        yield f"     sessions with different forms at their ends until a later step: {_pairs(step.mixed)}"


def _pairs(pairs: tuple[tuple[HostName, HostName], ...]) -> str:
    return ", ".join(f"{near} - {far}" for near, far in pairs)
