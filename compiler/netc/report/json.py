"""Problems for programs: one JSON document, as docs/reference/diagnostics.md describes it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from netc.problem import Problem, Severity, dotted
from netc.report.findings import Finding, Spot, findings

FORMAT = 1
"""Grows when what is there changes its meaning or goes; new keys may come at any time."""


def render(problems: Iterable[Problem], file: str, text: str) -> str:
    """A document, also when there are no problems."""
    problems = tuple(problems)
    found = findings(problems, file, text, with_acknowledged=True)
    told = [problem.severity for problem in problems if not problem.acknowledged]
    counts = {f"{severity}s": told.count(severity) for severity in Severity}
    document = {"format": FORMAT, "file": file, **counts, "problems": [_problem(finding) for finding in found]}
    return json.dumps(document, indent=2) + "\n"


def _problem(finding: Finding) -> dict[str, Any]:
    problem = finding.problem
    return {
        "code": problem.code,
        "severity": problem.severity,
        "what": problem.what,
        "hint": problem.hint or None,
        "at": _spot(finding.at) if finding.at else None,
        "also": [_spot(spot) for spot in finding.also],
        "acknowledged": problem.acknowledged or None,
    }


def _spot(spot: Spot) -> dict[str, Any]:
    place = spot.place
    return {
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "end_column": max(place.end, place.column),
        "key": dotted(spot.path) or None,
        "path": list(spot.path),
    }
