"""Changes a topology in its place, whole or not at all; and puts secrets beside it, for their owner alone."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

import typer

from netc.cli.topology import report, text_of, wrong_use
from netc.exchange import follows_stranger


def toml_of(topo: Path) -> str:
    """The text, which is TOML, whatever it says. Exits 1 when it is none."""
    from netc.language.syntax import loads

    text = text_of(topo)
    if isinstance(diagnostics := loads(text, str(topo)), tuple):
        report(diagnostics, topo, text)
        raise typer.Exit(1)
    return text


def replace(path: Path, data: str | bytes) -> None:
    """With the mode that it had; also behind a link, which stays one."""
    refuse_strangers(path)
    path = path.resolve()
    try:
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with open(descriptor, "wb") as file:
                file.write(data.encode() if isinstance(data, str) else data)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise wrong_use(f"cannot write {path}: {error.strerror}") from None


def refuse_strangers(path: Path) -> None:
    if said := follows_stranger(path):
        raise wrong_use(f"cannot write {path}: {said}", "remove it, or name a path in a folder of your own")


def put_secrets(folder: Path, secrets: Mapping[str, str]) -> None:
    """By path in the folder, mode 0600. A secret that is there already is not written over."""
    refuse_strangers(folder)
    for name, value in secrets.items():
        path = folder / name
        if path.is_symlink() or (path.exists() and path.read_text(encoding="utf-8").strip() != value):
            raise wrong_use(f"{path} exists and holds another key", "name another folder: `--keys DIR`")
    try:
        for name, value in secrets.items():
            path = folder / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not path.exists():
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with open(descriptor, "w", encoding="utf-8") as file:
                    file.write(f"{value}\n")
        if secrets and not (folder / ".gitignore").exists():
            (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise wrong_use(f"cannot write {folder}: {error.strerror}") from None
