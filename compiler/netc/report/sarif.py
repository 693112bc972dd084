"""Diagnostics as SARIF 2.1.0, which code scanning services read (OASIS, docs.oasis-open.org/sarif/sarif/v2.1.0)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from netc.diagnostic import Diagnostic, Severity, dotted
from netc.report.findings import Finding, Spot, findings
from netc.report.words import lines

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


def render(diagnostics: Iterable[Diagnostic], file: str, text: str) -> str:
    """A log of one run, also when there are no diagnostics: then services know that old ones are gone."""
    found = findings(diagnostics, file, text, with_acknowledged=True)
    codes = sorted({finding.diagnostic.code for finding in found})
    run = {
        "tool": {"driver": {"name": "netc", "rules": [{"id": code} for code in codes]}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, codes) for finding in found],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _result(finding: Finding, codes: list[str]) -> dict[str, Any]:
    diagnostic = finding.diagnostic
    result: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "ruleIndex": codes.index(diagnostic.code),
        "level": LEVELS[diagnostic.severity],
        "message": {"text": lines(finding, with_places=False)},
    }
    if finding.at:
        result["locations"] = [_location(finding.at)]
    if diagnostic.acknowledged:
        result["suppressions"] = [{"kind": "inSource", "justification": diagnostic.acknowledged}]
    if finding.also:
        result["relatedLocations"] = [{"id": n} | _location(spot) for n, spot in enumerate(finding.also, 1)]
    return result


def _location(spot: Spot) -> dict[str, Any]:
    place = spot.place
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(place.file, errors="replace")},
            "region": {
                "startLine": place.line,
                "startColumn": place.column,
                "endColumn": max(place.end, place.column),
            },
        }
    }
    if spot.path:
        key = dotted(spot.path)
        location["logicalLocations"] = [{"fullyQualifiedName": key, "kind": "member"}]
        location["message"] = {"text": key}
    return location
