"""`python -m bench [SUBJECT]...`: all subjects, or those; the report goes to .cache/bench and to stdout.

Exit codes: 0 every bar holds, 1 one is missed or a subject broke, 2 no such subject.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from tempfile import TemporaryDirectory

from bench.figure import Figure, Missing, NotMeasured
from bench.peers import CACHE
from bench.report import as_json, markdown, missed

SUBJECTS = ("start", "mesh", "ring", "expect", "sets", "nat", "growth", "links", "edge", "processes", "booted")
CURVES = "growth.svg"


def taken(subject: str) -> Iterator[Figure | Missing]:
    """What cannot be measured is said, and the rest of the subject with it. So is what breaks: a bench of many minutes
    does not end there."""
    try:
        yield from import_module(f"bench.{subject}").figures()
    except NotMeasured as reason:
        yield Missing(subject, str(reason))
    except Exception as error:
        yield Missing(subject, f"it broke: {type(error).__name__}: {error}", broken=True)


@contextmanager
def apart() -> Iterator[None]:
    """All that subjects write is in one folder, which goes when all is measured."""
    before = tempfile.tempdir
    with TemporaryDirectory(prefix="bench-") as tempfile.tempdir:
        try:
            yield
        finally:
            tempfile.tempdir = before


def about() -> dict[str, str]:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    one, five, _ = os.getloadavg()
    return {
        "taken": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit or "none",
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, Linux {platform.release()}",
        "Python": platform.python_version(),
        "load before": f"{one:.1f}, {five:.1f} in five minutes",
    }


def main(wanted: list[str]) -> int:
    if unknown := [name for name in wanted if name not in SUBJECTS]:
        print(f"no such subject: {', '.join(unknown)}; there are {', '.join(SUBJECTS)}", file=sys.stderr)
        return 2
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE / CURVES).unlink(missing_ok=True)
    said, rows = about(), {}
    with apart():
        for subject in wanted or SUBJECTS:
            print(f"bench: {subject}", file=sys.stderr, flush=True)
            rows[subject] = tuple(taken(subject))
    one, five, _ = os.getloadavg()
    said["load after"] = f"{one:.1f}, {five:.1f} in five minutes"
    text = markdown(rows, said, CURVES if (CACHE / CURVES).exists() else None)
    (CACHE / "report.md").write_text(text)
    (CACHE / "report.json").write_text(as_json(rows, said))
    print(text, end="")
    if late := missed(rows):
        print(f"\nmissed: {'; '.join(late)}", file=sys.stderr)
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
