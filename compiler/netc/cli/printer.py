"""The one printer of the verbs. Text that netc did not write (topologies, MANIFESTs, CSV files, answers of
hosts) starts no line of its own, controls no terminal, and is no command to the runner that reads a CI log."""

from __future__ import annotations

import typer

from netc.report import Format


def say(line: str, form: Format = Format.TEXT) -> None:
    """What the verb did: on standard output, or beside the document that `form` writes there."""
    _print(line, err=form is not Format.TEXT)


def warn(*lines: str) -> None:
    """What the reader should know, on standard error."""
    for line in lines:
        _print(line, err=True)


def document(text: str, *, to_stderr: bool = False) -> None:
    """What the verb was asked for: lines that each end with a line break."""
    for line in text.removesuffix("\n").split("\n"):
        _print(line, err=to_stderr)


def wipe() -> None:
    """Clears a terminal's screen (ECMA-48: ED, CUP)."""
    typer.echo("\x1b[2J\x1b[H", nl=False)


def _print(line: str, *, err: bool) -> None:
    from netc.report.words import as_line

    typer.echo(as_line(line), err=err)
