"""Text that several forms of report share. Text from a file is escaped, so that it cannot control a terminal."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

from netc.diagnostic import Diagnostic, Severity, dotted
from netc.report.findings import Finding

LONGEST = 600
"""Characters of a message, a hint or a path; what an author wrote there may be of any length."""


RUNNER = re.compile(r"##(?=\[|vso\[)")
"""Begins a command to the runner of Azure Pipelines or GitHub Actions, anywhere in a line of a log."""


def cells(text: str) -> list[str]:
    """How each character is shown."""
    shown = [_shown(character) for character in text]
    for command in RUNNER.finditer(text):
        shown[command.start()] = r"\x23"
    return shown


def _shown(character: str) -> str:
    """Tabs as four columns; what moves the cursor, hides or turns the text around, as Python writes it."""
    if " " <= character <= "~":
        return character
    if character == "\t":
        return "    "
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    return ascii(character)[1:-1] if hidden else character


def escaped(text: str) -> str:
    """For text that is not a source line: a line break in it would forge a line of ours."""
    if len(text) > LONGEST:
        text = text[: LONGEST // 2] + "…" + text[-LONGEST // 2 :]
    return "".join(cells(text))


def as_line(text: str) -> str:
    """The same of any length, for a line of its own: `::` at its beginning is a command to the runner of GitHub."""
    line = "".join(cells(text))
    return re.sub(r"^(\s*):(?=:)", r"\1\\x3a", line)


def counted(diagnostics: Iterable[Diagnostic]) -> str:
    """`2 errors, 1 note`"""
    count = Counter(diagnostic.severity for diagnostic in diagnostics)
    return ", ".join(f"{count[s]} {s}{'s' * (count[s] != 1)}" for s in Severity if count[s])


def lines(finding: Finding, *, with_places: bool) -> str:
    """What is wrong, the hint and, for forms that know one place alone, the others: a line each."""
    said = [escaped(finding.diagnostic.what)]
    if finding.diagnostic.hint:
        said.append(f"hint: {escaped(finding.diagnostic.hint)}")
    if with_places:
        said += (f"see {escaped(s.place.file)}:{s.place.line}  {escaped(dotted(s.path))}" for s in finding.also)
    return "\n".join(said)
