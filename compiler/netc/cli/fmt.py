"""`netc fmt`"""

from __future__ import annotations

from typing import Annotated

import typer

from netc.cli.edit import replace, toml_of
from netc.cli.options import Topo
from netc.cli.printer import say
from netc.cli.topology import wrong_use


def fmt(
    topo: Topo,
    check: Annotated[bool, typer.Option("--check", help="Write nothing. Exit 1 if TOPO would change.")] = False,
) -> None:
    """Format TOPO: the order of keys, and spaces. Values and comments do not change."""
    from netc.language.layout import NotFormatted, formatted

    text = toml_of(topo)
    try:
        made = formatted(text)
    except NotFormatted as error:
        raise wrong_use(f"{topo} is unchanged: {error}") from None
    if made == text:
        say(f"{topo} is already formatted")
    elif check:
        say(f"{topo} is not formatted")
        raise typer.Exit(1)
    else:
        replace(topo, made)
        say(f"{topo} is now formatted")
