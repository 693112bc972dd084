"""The verbs, one file each. Of the other layers, only `write`, `verify` and `deploy` have effects on a machine.

A verb is imported when it is called, and imports what it needs when it runs.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Any

VERBS = {
    "build": "build",
    "bundle": "bundle",
    "check": "check",
    "deploy": "deploy",
    "plan": "plan",
    "explain": "explain",
    "status": "status",
    "keys": "keys",
    "fmt": "fmt",
    "import": "imports",
    "new": "new",
    "schema": "schema",
    "trace": "trace",
    "exposure": "exposure",
    "lab": "lab",
    "verify": "verify",
    "diff": "diff",
}
"""The module of each verb in this package, which has a function of that name, or an `app` with verbs of its own."""


def main() -> None:
    """The command `netc`. Exit codes: 0 fine, 1 errors in the topology, 2 wrong use."""
    # Plugins that are installed beside netc must not change how it reads a topology, and to find them takes time.
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    # What a compile makes it keeps, in frozen values that cannot lead back to themselves.
    gc.disable()
    _streams()
    try:
        app()
    finally:
        # All of it goes with the process: the interpreter need not look through it first for what leads to itself.
        gc.freeze()


def _streams() -> None:
    """What a pipe or a file gets is UTF-8, the same in every locale; a terminal gets what it can show, and the rest as
    Python writes it. What is closed gets nothing."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            # In this order, so that no file that is opened later is taken for what is closed.
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
        elif mode == "w" and isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")


def app(args: Sequence[str] | None = None, **settings: Any) -> object:
    """Runs a verb; what it says goes to stdout and stderr. `settings` are click's (`Command.main`)."""
    from netc.cli.command import command

    words = sys.argv[1:] if args is None else list(args)
    return command(words)(args=words, **settings)
