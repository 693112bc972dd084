"""Options of several verbs, for typer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from netc.report import Format

Topo = Annotated[Path, typer.Argument(metavar="TOPO", help="The topology, a TOML file.")]
Hosts = Annotated[
    list[str] | None, typer.Option("--host", metavar="H", help="Only this host. Repeatable. Default: all hosts.")
]

Form = Annotated[
    Format, typer.Option("--format", help="The form of diagnostics. Text goes to stderr, all others to stdout.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Treat warnings as errors.")]
