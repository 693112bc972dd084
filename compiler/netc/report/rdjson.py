"""Diagnostics in the Reviewdog Diagnostic Format (github.com/reviewdog/reviewdog, proto/rdf/reviewdog.proto)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from netc.diagnostic import Diagnostic, Place, Severity
from netc.report.findings import Finding, findings
from netc.report.words import lines

SEVERITIES = {Severity.ERROR: "ERROR", Severity.WARNING: "WARNING", Severity.NOTE: "INFO"}


def render(diagnostics: Iterable[Diagnostic], file: str, text: str) -> str:
    """A document, also when there are no diagnostics."""
    found = findings(diagnostics, file, text)
    document = {"source": {"name": "netc"}, "diagnostics": [_diagnostic(finding, file) for finding in found]}
    return json.dumps(document, indent=2) + "\n"


def _diagnostic(finding: Finding, file: str) -> dict[str, Any]:
    diagnostic = finding.diagnostic
    location: dict[str, Any] = {"path": file}
    if finding.at:
        location = {"path": finding.at.place.file, "range": _range(finding.at.place)}
    return {
        "message": lines(finding, with_places=True),
        "location": location,
        "severity": SEVERITIES[diagnostic.severity],
        "code": {"value": diagnostic.code},
    }


def _range(place: Place) -> dict[str, Any]:
    """Columns are bytes of UTF-8 here, counted from 1; the end is not part of it."""
    start = _bytes(place.source, place.column - 1)
    end = max(start, _bytes(place.source, place.end - 1))
    return {
        "start": {"line": place.line, "column": start + 1},
        "end": {"line": place.line, "column": end + 1},
    }


def _bytes(source: str, column: int) -> int:
    """The bytes up to a character. It is fast for ASCII, because thousands of diagnostics may point to one line."""
    return min(column, len(source)) if source.isascii() else len(source[:column].encode(errors="replace"))
