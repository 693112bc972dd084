"""`netc schema`"""

from __future__ import annotations

import typer


def schema() -> None:
    """Print what editors have to know of the language: a JSON Schema."""
    import json

    from netc.language.schema import schema as made

    typer.echo(json.dumps(made(), indent=2))
