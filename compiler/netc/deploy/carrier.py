"""Runs scripts on hosts, and returns their exit status and output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

LOST = 255
"""The exit status of ssh(1) for no connection or a lost one."""
LIMIT = 600
"""Seconds that one script may take. A keepalive does not end it: a host that hangs may answer keepalives."""
MOST = 4 * 2**20
"""Bytes that one script may write by ssh. `netc-host` writes a few lines for each part."""


class Said(Struct, frozen=True):
    """`last`: the last line on stderr."""

    status: int
    out: str
    last: str


class Carrier(Protocol):
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
        """Runs a bash script on `host` as root, with `given` on its standard input; `hear` gets each line of stderr.

        `fresh`: over a new connection. `limit`: seconds until netc gives up. Never raises: if the connection fails, if
        the script does not end, or if it writes more than MOST to ssh, `status` is LOST and `last` the reason. pyinfra
        has no such bound: it returns the output only when the script has ended.
        """
        ...

    def jump(self, host: str) -> str | None:
        """The last jump host before `host`, by its name in the topology if it has one."""
        ...


def plain(line: bytes) -> str:
    """Output of a host without control characters, which could change the terminal."""
    text = line.decode(errors="replace").rstrip()
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def last_jump(value: str) -> str:
    """`[ssh://][USER@]HOST[:PORT],…`, as ssh_config(5) has ProxyJump: the last HOST."""
    return value.split(",")[-1].removeprefix("ssh://").rpartition("@")[2].partition(":")[0]
