"""Running a judge's program: an answer, or the reason why there is none."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

CPU_SECONDS = 300
"""Of a processor. A judge that uses more hangs: even on a busy machine, a check takes a small part of that."""
TIMEOUT_SECONDS = 3600
"""By the clock, for what waits and computes nothing: where others compute, minutes pass with nothing wrong."""

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
        program = subprocess.Popen(
            command,
            cwd=folder,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        return Silence(f"cannot start {_name(command)}: {error.strerror or error}")
    with program:
        _bound(program.pid)
        try:
            words, _ = program.communicate(text, TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            program.kill()
            return Silence(f"{_name(command)} did not finish within {TIMEOUT_SECONDS} s")
        except BaseException:
            program.kill()
            raise
    if program.returncode == -signal.SIGXCPU:
        return Silence(f"{_name(command)} did not finish within {CPU_SECONDS} s of CPU time")
    if program.returncode == -signal.SIGKILL:
        return Silence(f"{_name(command)} was killed, perhaps because memory ran out")
    return Answer(program.returncode, words)


def _bound(pid: int) -> None:
    """Of the program and of those that it starts from now on; where the kernel cannot, the clock is left."""
    if sys.platform == "linux":
        with suppress(OSError):  # it has ended
            resource.prlimit(pid, resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))


def died(answer: Answer) -> str:
    """How a program that a signal ended did so; empty for one that came to an end of its own."""
    if answer.status >= 0:
        return ""
    return f"the tool died of signal {-answer.status} ({signal.strsignal(-answer.status)})\n"


def _environment() -> dict[str, str]:
    """The author's own settings (SHELLCHECK_OPTS, SYSTEMD_LOG_LEVEL, a language) must not change a verdict."""
    path = os.pathsep.join((os.environ.get("PATH", ""), *ADMIN_FOLDERS))
    return {"PATH": path, "LC_ALL": "C.UTF-8", "SYSTEMD_LOG_COLOR": "0"}


def _name(command: Sequence[str]) -> str:
    return Path(command[0]).name
