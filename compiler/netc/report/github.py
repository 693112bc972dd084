"""Diagnostics as annotations of a GitHub workflow: what a step prints there is shown beside the lines it is about.

    ::error file=topo.toml,line=5,col=12,endColumn=19,title=NC0203::no host is called `edgee`%0Ahint: ...

GitHub shows ten errors, ten warnings and ten notices of a step and drops the others without a word
(actions/toolkit#734), so where there are more, the tenth says how many.
"""

from __future__ import annotations

from collections.abc import Iterable

from netc.diagnostic import Diagnostic, Severity
from netc.report.findings import Finding, findings
from netc.report.words import escaped, lines

MOST = 10
"""Annotations of a kind that one step may make."""

COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def render(diagnostics: Iterable[Diagnostic], file: str, text: str) -> str:
    """A line an annotation; empty when there are no diagnostics."""
    found = findings(diagnostics, file, text)
    reported: list[str] = []
    for severity in Severity:
        kind = [finding for finding in found if finding.diagnostic.severity == severity]
        fitting = kind if len(kind) <= MOST else kind[: MOST - 1]
        reported += map(_annotation, fitting)
        if rest := len(kind) - len(fitting):
            said = f"{rest} more {severity}s of {file}: the log of this step has all of them"
            reported.append(f"::{COMMANDS[severity]} {_properties(file=file, title='netc')}::{_data(said)}")
    return "".join(line + "\n" for line in reported)


def _annotation(finding: Finding) -> str:
    diagnostic = finding.diagnostic
    properties = {}
    if finding.at:
        place = finding.at.place
        column, end = place.column, max(place.end, place.column)
        properties = {"file": place.file, "line": str(place.line), "col": str(column), "endColumn": str(end)}
    properties["title"] = diagnostic.code
    return f"::{COMMANDS[diagnostic.severity]} {_properties(**properties)}::{_data(lines(finding, with_places=True))}"


def _properties(**values: str) -> str:
    """Commas part properties and colons end them, so both are escaped in these."""
    return ",".join(
        f"{key}={_data(escaped(value)).replace(':', '%3A').replace(',', '%2C')}" for key, value in values.items()
    )


def _data(text: str) -> str:
    """As `escapeData` of @actions/core does it: a line break would end the command and begin another."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
