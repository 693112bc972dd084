"""What several verbs are told, for typer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from netc.report import Format

Topo = Annotated[Path, typer.Argument(metavar="TOPO", help="The topology, a TOML file.")]

Form = Annotated[Format, typer.Option("--format", help="How problems are told; all but text goes to stdout.")]
Strict = Annotated[bool, typer.Option("--strict", help="Warnings are mistakes too.")]
