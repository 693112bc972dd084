"""The system's own ssh: a script and what is given to it go in, what it said comes out."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LOST = 255
"""ssh(1): no connection, or one that was lost."""
OPTIONS = ("-T", "-oConnectTimeout=10", "-oServerAliveInterval=5", "-oServerAliveCountMax=3")
FRESH = ("-S", "none")
"""ControlPath: a connection of its own, whatever is open already. Of `-o` the first counts, of this the last."""


@dataclass(frozen=True, slots=True)
class Said:
    status: int
    out: str
    last: str
    """The last line on stderr."""


@dataclass(frozen=True, slots=True)
class Ssh:
    """`command` is `ssh`, with whatever options the user has for it."""

    command: tuple[str, ...]

    def run(
        self,
        host: str,
        script: str,
        words: Sequence[str] = (),
        given: bytes = b"",
        *,
        fresh: bool = False,
        hear: Callable[[str], object] = str,
    ) -> Said:
        """Runs a bash script on `host`, with `given` on its standard input. `hear` gets each line of stderr at once."""
        there = shlex.join(["bash", "-c", script, "netc", *words])
        argv = [*self.command, *OPTIONS, *(FRESH if fresh else ()), "--", host, there]
        last = ""
        with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout:
            stdin.write(given)
            stdin.seek(0)
            try:
                process = subprocess.Popen(argv, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE)
            except OSError as error:
                return Said(LOST, "", f"{argv[0]} cannot be started: {error.strerror}")
            assert process.stderr is not None
            with process, process.stderr as stderr:
                for line in stderr:
                    last = plain(line) or last
                    hear(plain(line))
            stdout.seek(0)
            return Said(process.returncode, stdout.read().decode(errors="replace"), last)

    def jump(self, host: str) -> str | None:
        """The name of the last host on the way there, as ssh's configuration has it."""
        try:
            asked = subprocess.run([*self.command, "-G", "--", host], capture_output=True, check=False, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            return None
        for line in asked.stdout.decode(errors="replace").splitlines():
            key, _, value = line.partition(" ")
            if key == "proxyjump" and value != "none":
                return value.split(",")[-1].removeprefix("ssh://").rpartition("@")[2].partition(":")[0]
        return None


def plain(line: bytes) -> str:
    """What a host says is not for the terminal to act on."""
    text = line.decode(errors="replace").rstrip()
    return "".join(letter if letter.isprintable() else "?" for letter in text)
