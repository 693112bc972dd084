"""Runs scripts by the system's ssh."""

from __future__ import annotations

import os
import selectors
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from msgspec import Struct

from netc.deploy.carrier import LIMIT, LOST, MOST, Said, last_jump, plain

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
        limit: float = LIMIT,
    ) -> Said:
        there = (SUDO if self.sudo else "") + shlex.join(["bash", "-c", script, "netc", *words])
        argv = [*self.command, *OPTIONS, *(FRESH if fresh else ()), "--", host, there]
        with _in_memory(given) as stdin:
            try:
                process = subprocess.Popen(argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            except OSError as error:
                return Said(LOST, "", f"{argv[0]} cannot be started: {error.strerror}")
            heard = _Lines(hear)
            with process:
                try:
                    out = _read(process, heard, time.monotonic() + limit)
                except _Endless as endless:
                    process.kill()
                    return Said(LOST, "", f"{host} {endless}")
        return Said(process.returncode, out.decode(errors="replace"), heard.last)

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


@contextmanager
def _in_memory(given: bytes) -> Iterator[int]:
    """A descriptor that reads `given`. It may be a secret, so it is never in a file on the disk."""
    create = getattr(os, "memfd_create", None)  # Linux
    if create is not None:
        with open(create("netc"), "w+b") as file:
            file.write(given)
            file.seek(0)
            yield file.fileno()
        return
    reading, writing = os.pipe()
    writer = threading.Thread(target=_write, args=(writing, given), daemon=True)
    writer.start()
    try:
        yield reading
    finally:
        os.close(reading)  # ends the writer, if nobody has read all
        writer.join()


def _write(pipe: int, given: bytes) -> None:
    with suppress(BrokenPipeError), open(pipe, "wb") as file:
        file.write(given)


class _Endless(Exception):
    """What a host does without end."""


class _Lines:
    """Passes the lines of a stream to `hear`, without control characters."""

    def __init__(self, hear: Callable[[str], object]) -> None:
        self.hear, self.last, self._rest = hear, "", b""

    def take(self, data: bytes) -> None:
        """`data` is empty at the end of the stream."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if not data and self._rest:
            lines.append(self._rest)
        for line in lines:
            self.last = plain(line) or self.last
            self.hear(plain(line))


def _read(process: subprocess.Popen[bytes], heard: _Lines, end: float) -> bytes:
    """The standard output, when the process has ended. Raises _Endless at `end` (monotonic), or after MOST bytes."""
    out, read = bytearray(), 0
    with selectors.DefaultSelector() as streams:
        for stream, take in ((process.stdout, out.extend), (process.stderr, heard.take)):
            assert stream is not None
            streams.register(stream, selectors.EVENT_READ, take)
        while streams.get_map():
            ready = streams.select(max(0, end - time.monotonic()))
            if not ready:
                raise _Endless("does not end: the time limit is over")
            for key, _ in ready:
                data = os.read(key.fd, 65536)
                key.data(data)
                read += len(data)
                if not data:
                    streams.unregister(key.fileobj)
            if read > MOST:
                raise _Endless(f"wrote more than {MOST // 2**20} MiB: netc closed the connection")
    try:
        process.wait(max(0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise _Endless("does not end: the time limit is over") from None
    return bytes(out)
