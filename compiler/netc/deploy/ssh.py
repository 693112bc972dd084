"""Runs scripts by the system's ssh."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Callable, Sequence

from msgspec import Struct

from netc.deploy.carrier import LOST, Said, last_jump, plain

OPTIONS = ("-T", "-oConnectTimeout=10", "-oServerAliveInterval=5", "-oServerAliveCountMax=3")
FRESH = ("-S", "none")
"""ControlPath: a new connection even if one is shared. The first of several `-o` counts, the last of several `-S`."""
SUDO = "sudo -n -- "


class Ssh(Struct, frozen=True):
    """`command` is `ssh` with the user's options. `sudo`: the login is not root."""

    command: tuple[str, ...]
    sudo: bool = False

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
        there = (SUDO if self.sudo else "") + shlex.join(["bash", "-c", script, "netc", *words])
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
        """From ssh's configuration."""
        try:
            asked = subprocess.run([*self.command, "-G", "--", host], capture_output=True, check=False, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            return None
        for line in asked.stdout.decode(errors="replace").splitlines():
            key, _, value = line.partition(" ")
            if key == "proxyjump" and value != "none":
                return last_jump(value)
        return None
