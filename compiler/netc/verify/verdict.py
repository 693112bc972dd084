"""What a judge says of a file, as a value."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from netc.emit.file import File

LINES = 12
COLUMNS = 300


class Outcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    COULD_NOT_RUN = "could-not-run"


class Verdict(Struct, frozen=True):
    """`subject` is a file's path in the host's folder, or `7 scripts` when the judge could not run at all.

    `detail` is the judge's own words, at most LINES lines; of a judge that could not run, the reason and what
    would enable it.
    """

    judge: str
    subject: str
    outcome: Outcome
    detail: str = ""


def verdict(judge: str, subject: str, complaints: str) -> Verdict:
    """Passed when there is nothing to complain about."""
    outcome = Outcome.FAILED if complaints.strip() else Outcome.PASSED
    return Verdict(judge, subject, outcome, trimmed(complaints))


def could_not_run(judge: str, files: Sequence[File], kind: str, reason: str) -> tuple[Verdict, ...]:
    """One verdict for all `files`, since forty lines with the same reason would hide it."""
    if not files:
        return ()
    subject = files[0].path if len(files) == 1 else f"{len(files)} {kind}"
    return (Verdict(judge, subject, Outcome.COULD_NOT_RUN, trimmed(reason)),)


def trimmed(text: str) -> str:
    lines = [line.rstrip()[:COLUMNS] for line in text.splitlines() if line.strip()]
    if len(lines) > LINES:
        lines[LINES - 1 :] = [f"… and {len(lines) - LINES + 1} more lines"]
    return "\n".join(lines)
