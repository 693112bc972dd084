"""The command line, by typer: the verb that is called, or all verbs if help or an error may name them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import netc
from netc.cli import VERBS
from netc.cli.printer import say

PYDANTIC = {
    "Value error, ": "",
    "Input should be greater than or equal to ": "it must be at least ",
    "Input should be less than or equal to ": "it must be at most ",
    "Input should be a valid integer, unable to parse string as an integer": "it must be a whole number",
}
"""What typer passes on of pydantic's words, and what netc says instead."""


class _Group(TyperGroup):
    """Verbs whose wrong options are reported in netc's words."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as wrong:
            for theirs, ours in PYDANTIC.items():
                wrong.message = wrong.message.replace(theirs, ours)
            raise


def command(words: Sequence[str]) -> typer.Typer:
    """With the verb that `words` begin with, or with all verbs if help or an error may name them."""
    made = typer.Typer(
        cls=_Group,
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,  # a bug stays a traceback that can be sent
    )
    made.callback()(_netc)
    first = words[0] if words else ""
    for verb in () if first == "--version" else (first,) if first in VERBS else VERBS:
        module = import_module(f"netc.cli.{VERBS[verb]}")
        if hasattr(module, "app"):
            made.add_typer(module.app, name=verb)
        else:
            made.command(verb)(getattr(module, verb))
    return made


def _version(wanted: bool) -> None:
    if wanted:
        say(f"netc {netc.__version__}")
        raise typer.Exit


def _netc(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Compile one topology file into the files of every host of a network."""
