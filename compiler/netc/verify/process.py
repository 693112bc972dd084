"""Running a judge's program: an answer, or the reason why there is none."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

TIMEOUT_SECONDS = 60

ADMIN_FOLDERS = ("/usr/sbin", "/sbin")
"""Where Debian keeps nft and ip, and where the PATH of people without root does not look."""


class Answer(Struct, frozen=True):
    """`status` is the exit status, negative when a signal ended the program; `words` what it wrote."""

    status: int
    words: str


class Silence(Struct, frozen=True):
    """There is no answer, and this is why."""

    reason: str


def find(program: str) -> str | None:
    """The full path of a program, or None."""
    folders = (*os.environ.get("PATH", "").split(os.pathsep), *ADMIN_FOLDERS)
    return shutil.which(program, path=os.pathsep.join(folder for folder in folders if folder))


def ask(command: Sequence[str], folder: Path | None = None, text: str = "") -> Answer | Silence:
    """Run `command` (its first word a full path) in `folder` with `text` on its standard input."""
    try:
        ended = subprocess.run(
            command,
            cwd=folder,
            env=_environment(),
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Silence(f"{_name(command)} gave no answer within {TIMEOUT_SECONDS} s")
    except OSError as error:
        return Silence(f"{_name(command)} cannot be started: {error.strerror or error}")
    if ended.returncode == -signal.SIGKILL:
        return Silence(f"{_name(command)} was killed, perhaps for want of memory")
    return Answer(ended.returncode, ended.stdout)


def died(answer: Answer) -> str:
    """How a program that a signal ended did so; empty for one that came to an end of its own."""
    if answer.status >= 0:
        return ""
    return f"the judge died of signal {-answer.status} ({signal.strsignal(-answer.status)})\n"


def _environment() -> dict[str, str]:
    """The author's own settings (SHELLCHECK_OPTS, SYSTEMD_LOG_LEVEL, a language) must not change a verdict."""
    path = os.pathsep.join((os.environ.get("PATH", ""), *ADMIN_FOLDERS))
    return {"PATH": path, "LC_ALL": "C.UTF-8", "SYSTEMD_LOG_COLOR": "0"}


def _name(command: Sequence[str]) -> str:
    return Path(command[0]).name
