"""Diagnostics for programs: one JSON document, as docs/reference/diagnostics.md describes it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from netc.diagnostic import Diagnostic, Severity, dotted
from netc.report.findings import Finding, Spot, findings

FORMAT = 1
"""Grows when what is there changes its meaning or goes; new keys may come at any time."""


def render(diagnostics: Iterable[Diagnostic], file: str, text: str) -> str:
    """A document, also when there are no diagnostics."""
    diagnostics = tuple(diagnostics)
    found = findings(diagnostics, file, text, with_acknowledged=True)
    reported = [diagnostic.severity for diagnostic in diagnostics if not diagnostic.acknowledged]
    counts = {f"{severity}s": reported.count(severity) for severity in Severity}
    document = {"format": FORMAT, "file": file, **counts, "problems": [_diagnostic(finding) for finding in found]}
    return json.dumps(document, indent=2) + "\n"


def _diagnostic(finding: Finding) -> dict[str, Any]:
    diagnostic = finding.diagnostic
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "what": diagnostic.what,
        "hint": diagnostic.hint or None,
        "at": _spot(finding.at) if finding.at else None,
        "also": [_spot(spot) for spot in finding.also],
        "acknowledged": diagnostic.acknowledged or None,
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
