"""Warnings that their author acknowledges are told of no more; acknowledgements of nothing are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from netc.language.acknowledgements import Acknowledgement
from netc.language.names import quoted
from netc.language.topology import Topology
from netc.problem import KeyPath, Problem, Severity, dotted


def acknowledge(problems: Iterable[Problem], topology: Topology) -> tuple[Problem, ...]:
    """All problems, with the author's reason where there is one, and what is wrong with acknowledgements."""
    found = tuple(dict.fromkeys(problems))
    reasons = {(str(ack.code), ack.at.strip()): ack.reason for ack in topology.acknowledge}
    known = tuple(
        problem
        if problem.severity is Severity.ERROR
        else replace(problem, acknowledged=reasons.get((problem.code, dotted(problem.where)), ""))
        for problem in found
    )
    return (*known, *(wrong for n, ack in enumerate(topology.acknowledge) for wrong in _wrong(n, ack, known)))


def _wrong(number: int, ack: Acknowledgement, found: tuple[Problem, ...]) -> Iterator[Problem]:
    where: KeyPath = ("acknowledge", number)
    same = [problem for problem in found if problem.code == ack.code]
    here = [problem for problem in same if dotted(problem.where) == ack.at.strip()]
    if any(problem.severity is Severity.ERROR for problem in here):
        what = f"{ack.code} is an error there, and errors are not acknowledged"
        yield Problem("NC2802", (*where, "code"), what, "put it right, and take this out", (here[0].where,))
    elif not here and not any(problem.severity is Severity.ERROR for problem in found):
        # An error hides what would have been found behind it.
        what = f"{quoted(ack.at)} has no {ack.code}, so this acknowledges nothing"
        places = ", ".join(f"`{dotted(problem.where)}`" for problem in same if not problem.acknowledged)
        hint = f"take it out, or is {places} meant?" if places else "take it out"
        yield Problem("NC2801", (*where, "at"), what, hint, severity=Severity.WARNING)
