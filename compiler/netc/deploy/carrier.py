"""What carries scripts to hosts: a script goes in, what it said comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

LOST = 255
"""As ssh(1) has it: no connection, or one that was lost."""


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
    ) -> Said:
        """Runs a bash script on `host` as root, with `given` on its standard input; `hear` gets each line of stderr.

        `fresh`: over a connection of its own. Never raises: what does not get there says LOST, and why.
        """
        ...

    def jump(self, host: str) -> str | None:
        """The last host on the way there that is told of: by its name in the topology, where it has one."""
        ...


def plain(line: bytes) -> str:
    """What a host says is not for the terminal to act on."""
    text = line.decode(errors="replace").rstrip()
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def last_jump(value: str) -> str:
    """`[ssh://][USER@]HOST[:PORT],…`, as ssh_config(5) has ProxyJump: the last HOST."""
    return value.split(",")[-1].removeprefix("ssh://").rpartition("@")[2].partition(":")[0]
