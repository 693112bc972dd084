"""Warnings that their author acknowledges are told of no more; acknowledgements of nothing are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from netc.language.acknowledgements import Acknowledgement
from netc.language.names import quoted
from netc.language.topology import Topology
from netc.problem import KeyPath, Problem, Severity, dotted

SHOWN = 3
"""Places that a hint names."""


def acknowledge(
    problems: Iterable[Problem], topology: Topology, elsewhere: Iterable[Problem] = ()
) -> tuple[Problem, ...]:
    """All problems, with the author's reason where there is one, and what is wrong with acknowledgements. `elsewhere`:
    what is told at other times than this, and so may be acknowledged."""
    found = tuple(dict.fromkeys(problems))
    reasons = {(str(ack.code), ack.at.strip()): ack.reason for ack in topology.acknowledge}
    known = tuple(
        problem
        if problem.severity is Severity.ERROR
        else replace(problem, acknowledged=reasons.get((problem.code, dotted(problem.where)), ""))
        for problem in found
    )
    there: defaultdict[tuple[str, str], list[Problem]] = defaultdict(list)
    unacknowledged: defaultdict[str, list[str]] = defaultdict(list)
    for problem in elsewhere:
        there[problem.code, dotted(problem.where)].append(problem)
    for problem in known if topology.acknowledge else ():
        place = dotted(problem.where)
        there[problem.code, place].append(problem)
        if not problem.acknowledged and len(unacknowledged[problem.code]) < SHOWN:
            unacknowledged[problem.code].append(place)
    failed = any(problem.severity is Severity.ERROR for problem in known)
    wrong = (
        one
        for number, ack in enumerate(topology.acknowledge)
        for one in _wrong(number, ack, there[ack.code, ack.at.strip()], unacknowledged[ack.code], failed=failed)
    )
    return (*known, *wrong)


def _wrong(
    number: int, ack: Acknowledgement, here: list[Problem], others: list[str], *, failed: bool
) -> Iterator[Problem]:
    """`here` are the problems with that code at that place, `others` some places of those that are not acknowledged.
    Where there are errors (`failed`), nobody knows what is behind them."""
    where: KeyPath = ("acknowledge", number)
    if any(problem.severity is Severity.ERROR for problem in here):
        what = f"{ack.code} is an error, and only warnings and notes can be acknowledged"
        yield Problem("NC2802", (*where, "code"), what, "correct it, and take this table out", (here[0].where,))
    elif not here and not failed:
        what = f"{quoted(ack.at)} has no {ack.code}, so this table has no effect"
        places = ", ".join(f"`{place}`" for place in others)
        hint = f"take it out, or write {places}" if places else "take it out"
        yield Problem("NC2801", (*where, "at"), what, hint, severity=Severity.WARNING)
