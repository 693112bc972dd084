"""Changes a topology in its place: whole or not at all, with the mode that it had."""

from __future__ import annotations

import os
import stat
import tempfile
import tomllib
from pathlib import Path

import typer

from netc.cli.topology import report, text_of, wrong_use


def toml_of(topo: Path) -> str:
    """The text, which is TOML, whatever it says. Exits 1 when it is none."""
    text = text_of(topo)
    try:
        tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        from netc.language.syntax import not_toml

        report((not_toml(error, text, str(topo)),), topo, text)
        raise typer.Exit(1) from None
    return text


def replace(path: Path, text: str) -> None:
    """Also behind a link, which stays one."""
    path = path.resolve()
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with open(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise wrong_use(f"cannot write {path}: {error.strerror}") from None
