"""`netc fmt`"""

from __future__ import annotations

from typing import Annotated

import typer

from netc.cli.edit import replace, toml_of
from netc.cli.options import Topo
from netc.cli.topology import named, wrong_use


def fmt(
    topo: Topo,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 when TOPO would change.")] = False,
) -> None:
    """Lay TOPO out: order and spaces. What it says, and every comment, stays."""
    from netc.language.layout import NotFormatted, formatted

    text = toml_of(topo)
    try:
        made = formatted(text)
    except NotFormatted as error:
        raise wrong_use(f"{topo} stays as it is: {error}") from None
    if made == text:
        typer.echo(f"{named(topo)} is laid out")
    elif check:
        typer.echo(f"{named(topo)} would change")
        raise typer.Exit(1)
    else:
        replace(topo, made)
        typer.echo(f"{named(topo)} is laid out anew")
