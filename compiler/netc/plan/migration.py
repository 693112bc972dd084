"""The order of a migration as text: the steps, what each interrupts, and what to do."""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.names import HostName
from netc.network.migration import Hosts, Move, Step, order

BEFORE = """\
Copy the new files to all hosts first, and reload nothing. Then, for each step, run `systemctl reload netc-bird` on all
of its hosts at once. If the IGP comes or goes, reload `netc-firewall` just before. A reload ends when all sessions
bring routes again. If they do not within 75 s, BIRD on that host returns to its old configuration. Then copy the old
files to all hosts of the step, and reload those too."""


def as_text(one: Move, moved: Hosts = frozenset()) -> str:
    """All steps, or those that are left when these hosts have changed (a state without harm)."""
    steps = [step for step in order(one) if not set(step.hosts) <= moved]
    if not steps:
        return "nothing to change: our routers have the form of the new topology\n"
    lines = [line for number, step in enumerate(steps, 1) for line in _step(number, step, moved, one)]
    return "\n".join([*lines, "", BEFORE]) + "\n"


def _step(number: int, step: Step, moved: Hosts, one: Move) -> Iterator[str]:
    hosts = [host for host in step.hosts if host not in moved]
    alone = len(hosts) == 1
    yield f"{number}. {hosts[0]}" if alone else f"{number}. at the same time: {', '.join(hosts)}"
    if alone:
        yield "     why: its sessions with routers of the same member carry all routes, whichever form each end has"
    else:
        yield "     why: a session between two members carries no routes while its ends have different forms"
    if step.restarted:
        yield f"     sessions that restart, until a few seconds after the last reload: {_pairs(step.restarted)}"
    edges = [host for host in hosts if host in one.edges]
    if edges and one.real[0] != one.real[1]:
        yield f"     all sessions with external neighbours of {', '.join(edges)} restart too"
    if step.mixed:
        yield f"     sessions whose ends have different forms until a later step: {_pairs(step.mixed)}"


def _pairs(pairs: tuple[tuple[HostName, HostName], ...]) -> str:
    return ", ".join(f"{near} - {far}" for near, far in pairs)
