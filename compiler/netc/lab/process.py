"""Programs that the lab started: from an argument vector to what it said and how it ended.

Output goes to files, not to pipes: a daemon that a script leaves behind keeps its output open, and nobody waits for it.
Each program has a session of its own, so that it can be ended with all that it started, and nothing else.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from netc.lab.waiting import LONG, Late


class Process:
    def __init__(self, argv: Sequence[str], out: Path, err: Path, env: Mapping[str, str], input: str) -> None:
        self.argv = tuple(argv)
        self.out = out
        self.err = err
        given = out.with_suffix(".in")
        given.write_text(input, encoding="utf-8")
        with given.open("rb") as stdin, out.open("wb") as stdout, err.open("wb") as stderr:
            self.popen = subprocess.Popen(
                argv, stdin=stdin, stdout=stdout, stderr=stderr, env=dict(env), cwd="/", start_new_session=True
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def alive(self) -> bool:
        return self.popen.poll() is None

    def texts(self) -> tuple[str, str]:
        out, err = (said.read_text(encoding="utf-8", errors="replace") for said in (self.out, self.err))
        return out, err

    def said(self) -> str:
        return "".join(self.texts())

    def wait(self, timeout: float = LONG) -> int:
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired as error:
            self.stop()
            raise Late(f"`{' '.join(self.argv)}` did not end within {timeout} s:\n{self.said()}") from error

    def wait_for(self, text: str, timeout: float = LONG) -> None:
        """Until the program has said this."""
        end = time.monotonic() + timeout
        while text not in self.said():
            if not self.alive:
                raise RuntimeError(f"`{' '.join(self.argv)}` ended before it said `{text}`:\n{self.said()}")
            if time.monotonic() > end:
                raise Late(f"`{' '.join(self.argv)}` did not say `{text}` within {timeout} s:\n{self.said()}")
            time.sleep(0.01)

    def stop(self, by: signal.Signals = signal.SIGTERM, patience: float = 20) -> None:
        """Gently, then not; what ends meanwhile has ended."""
        if not self.alive:
            return
        for pid in self._children() or [self.pid]:  # nsenter waits for its child, and would not pass a signal on
            with suppress(ProcessLookupError):
                os.kill(pid, by)
        try:
            self.popen.wait(patience)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self.popen.wait()

    def _children(self) -> list[int]:
        try:
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="utf-8")
            return [int(child) for child in children.split()]
        except (FileNotFoundError, ProcessLookupError):
            return []
