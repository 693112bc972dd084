"""The order of a migration for people: a step a line, what it interrupts, and what to do."""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.names import HostName
from netc.network.migration import Hosts, Move, Step, order

BEFORE = """\
Lay the new trees on all hosts first, and reload nothing. Then, for each step, `systemctl reload netc-bird` on all of
its hosts at once; if the IGP comes or goes, `netc-firewall` just before. A reload ends when all sessions bring routes
again. If they do not within 75 s, that host goes back to the old form by itself: then lay the old trees on all hosts of
the step, and reload those too."""


def as_text(one: Move, moved: Hosts = frozenset()) -> str:
    """All steps, or those that are left when these hosts have changed (a state without harm)."""
    steps = [step for step in order(one) if not set(step.hosts) <= moved]
    if not steps:
        return "nothing to change: our routers tell each other in the same way\n"
    lines = [line for number, step in enumerate(steps, 1) for line in _step(number, step, moved, one)]
    return "\n".join([*lines, "", BEFORE]) + "\n"


def _step(number: int, step: Step, moved: Hosts, one: Move) -> Iterator[str]:
    hosts = [host for host in step.hosts if host not in moved]
    alone = len(hosts) == 1
    yield f"{number}. {hosts[0]}" if alone else f"{number}. at one moment: {', '.join(hosts)}"
    if alone:
        yield "     why: what routers of one member tell each other is enough for it, whichever form each has"
    else:
        yield "     why: a session between two members with an end of each form is established, and carries nothing"
    if step.restarted:
        yield f"     anew, until some seconds after the last reload: {_pairs(step.restarted)}"
    edges = [host for host in hosts if host in one.edges]
    if edges and one.real[0] != one.real[1]:
        yield f"     and all sessions with neighbours outside of {', '.join(edges)}"
    if step.mixed:
        yield f"     until a later step with an end of each form: {_pairs(step.mixed)}"


def _pairs(pairs: tuple[tuple[HostName, HostName], ...]) -> str:
    return ", ".join(f"{near} - {far}" for near, far in pairs)
