"""The verbs, one file each. With `write` the only room that touches the world.

A verb imports what it needs when it runs.
"""

from __future__ import annotations

from typing import Annotated

import typer

from netc.cli import build, bundle, check, deploy, explain, fmt, imports, keys, new, plan, schema

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # a bug stays a traceback that can be sent
)


def main() -> None:
    """The command `netc`. Exit codes: 0 fine, 1 mistakes in the topology, 2 wrong use."""
    app()


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"netc {version('netc')}")
        raise typer.Exit


@app.callback()
def _netc(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """One topology file, compiled into what each host of a network runs."""


app.command()(build.build)
app.command()(bundle.bundle)
app.command()(check.check)
app.command()(deploy.deploy)
app.command()(plan.plan)
app.command()(explain.explain)
app.command()(keys.keys)
app.command()(fmt.fmt)
app.add_typer(imports.app, name="import")
app.command()(new.new)
app.command()(schema.schema)
