"""The verbs, one file each. With `write` the only room that touches the world.

A verb is imported when it is called, and imports what it needs when it runs.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer

import netc

VERBS = {
    "build": "build",
    "bundle": "bundle",
    "check": "check",
    "deploy": "deploy",
    "plan": "plan",
    "explain": "explain",
    "keys": "keys",
    "fmt": "fmt",
    "import": "imports",
    "new": "new",
    "schema": "schema",
}
"""Each in a module of this room, as the function of that name, or as `app` with verbs of its own."""


def main() -> None:
    """The command `netc`. Exit codes: 0 fine, 1 mistakes in the topology, 2 wrong use."""
    # Nothing that happens to be installed beside netc has a say in how a topology is read; looking for it takes time.
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    # What a compile makes it keeps, in frozen values that cannot lead back to themselves.
    gc.disable()
    app()


def app(args: Sequence[str] | None = None, **settings: Any) -> object:
    """Runs a verb; what it says goes to stdout and stderr. `settings` are click's (`Command.main`)."""
    words = sys.argv[1:] if args is None else list(args)
    return _command(words)(args=words, **settings)


def _command(words: Sequence[str]) -> typer.Typer:
    """With the verb that `words` begin with, or with all where help or a mistake may name them."""
    command = typer.Typer(
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,  # a bug stays a traceback that can be sent
    )
    command.callback()(_netc)
    first = words[0] if words else ""
    for verb in () if first == "--version" else (first,) if first in VERBS else VERBS:
        module = import_module(f"netc.cli.{VERBS[verb]}")
        if hasattr(module, "app"):
            command.add_typer(module.app, name=verb)
        else:
            command.command(verb)(getattr(module, verb))
    return command


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"netc {netc.__version__}")
        raise typer.Exit


def _netc(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """One topology file, compiled into what each host of a network runs."""
