"""Problems with their places, in the order in which they are told: what every form of report is made from.

Secrets end here: no source line that leaves this module shows one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from netc.language.secrets import masked
from netc.problem import KeyPath, Place, Problem, Severity

if TYPE_CHECKING:
    from netc.language.spans import Spans


@dataclass(frozen=True, slots=True)
class Spot:
    """A place, and the key path that leads there; empty for what no key leads to."""

    place: Place
    path: KeyPath


@dataclass(frozen=True, slots=True)
class Finding:
    problem: Problem
    at: Spot | None
    """None for what is about nothing in particular."""
    also: tuple[Spot, ...]


def findings(
    problems: Iterable[Problem], file: str, text: str, *, with_acknowledged: bool = False
) -> tuple[Finding, ...]:
    """Errors first, then by place; without what is acknowledged, unless it is asked for.

    `file` is the topology as the author named it and `text` what it holds.
    """
    problems = [problem for problem in problems if with_acknowledged or not problem.acknowledged]
    if not problems:
        return ()
    from netc.language.spans import Spans  # tree-sitter is loaded only when there is something to show

    spans, hidden = Spans(file, text), _hidden_lines(text)
    found = [_finding(problem, spans, hidden) for problem in problems]
    return tuple(sorted(found, key=lambda finding: _order(finding, file)))


def _finding(problem: Problem, spans: Spans, hidden: dict[tuple[int, str], str]) -> Finding:
    first = None
    if problem.severity is not Severity.NOTE or problem.where or problem.place:
        place = problem.place or spans.of(problem.where, on_key=problem.on_key)
        first = Spot(_hide(place, hidden), problem.where)
    return Finding(problem, first, tuple(_other(also, spans, hidden) for also in problem.also))


def _other(also: KeyPath | Place, spans: Spans, hidden: dict[tuple[int, str], str]) -> Spot:
    if isinstance(also, Place):
        return Spot(_hide(also, hidden), ())
    return Spot(_hide(spans.of(also), hidden), also)


def _hidden_lines(text: str) -> dict[tuple[int, str], str]:
    """Lines of the topology that hold secrets, without them, by number and what they hold."""
    hidden = masked(text.removeprefix("\ufeff")).split("\n")
    lines = zip(text.removeprefix("\ufeff").split("\n"), hidden, strict=True)
    pairs = ((old.removesuffix("\r"), new.removesuffix("\r")) for old, new in lines)
    return {(number, old): new for number, (old, new) in enumerate(pairs, 1) if old != new}


def _hide(place: Place, hidden: dict[tuple[int, str], str]) -> Place:
    """Without secrets: in the topology they are known by all of it, in a file beside it by the line alone."""
    source = hidden.get((place.line, place.source)) or masked(place.source)
    return replace(place, source=source)


def _order(finding: Finding, file: str) -> tuple[object, ...]:
    """Errors before warnings, the topology before files beside it, and last what has no place."""
    rank, code = list(Severity).index(finding.problem.severity), finding.problem.code
    if finding.at is None:
        return rank, True, True, "", 0, 0, code
    place = finding.at.place
    return rank, False, place.file != file, place.file, place.line, place.column, code
