"""`netc schema`"""

from __future__ import annotations

import typer


def schema() -> None:
    """Print a JSON Schema of the language, for editors."""
    import json

    from netc.language.schema import schema as made

    typer.echo(json.dumps(made(), indent=2))
