"""`netc schema`"""

from __future__ import annotations

from netc.cli.printer import document


def schema() -> None:
    """Print a JSON Schema of the language, for editors."""
    import json

    from netc.language.schema import schema as made

    document(json.dumps(made(), indent=2))
