"""What every verb does first: reads a topology and what lies beside it, and says what is wrong."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from netc.language.names import HostName
    from netc.network.interface import Network
    from netc.pipeline import Checked
    from netc.problem import Problem

Topo = Annotated[Path, typer.Argument(metavar="TOPO", help="The topology, a TOML file.")]

LARGEST = 64 << 20
"""Bytes; a topology of 10,000 hosts has about 5 MB."""


def understood(topo: Path) -> Checked:
    """The checked topology; what its author should know is on stderr. Exits 1 when it has mistakes."""
    from netc.pipeline import understand
    from netc.problem import Mistakes

    text = text_of(topo)
    try:
        checked = understand(text, str(topo), beside(topo))
    except Mistakes as mistakes:
        report(mistakes.problems, topo, text)
        raise typer.Exit(1) from None
    report(checked.notes, topo, text)
    return checked


def report(problems: tuple[Problem, ...], topo: Path, text: str) -> None:
    if problems:
        from netc.report.text import render

        sys.stderr.write(render(problems, str(topo), text))


def text_of(topo: Path) -> str:
    try:
        data = _regular(topo)
    except OSError as error:
        raise wrong_use(f"cannot read {topo}: {error.strerror}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        from netc.language.syntax import not_utf8

        report((not_utf8(data, error.start, str(topo)),), topo, data.decode(errors="replace"))
        raise typer.Exit(1) from None


def _regular(path: Path) -> bytes:
    """The bytes of a plain file of reasonable size: no device, no pipe."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is not a plain file")
        if status.st_size > LARGEST:
            raise OSError(0, f"it has more than {LARGEST >> 20} MiB")
        return file.read()


def beside(topo: Path) -> Callable[[str], str]:
    """Reads files that a topology names: only in its own folder or below, also after links are followed."""
    from netc.language.names import Wrong, quoted

    folder = topo.resolve().parent

    def read_file(name: str) -> str:
        hint = f"put the file beside {topo.name} and write its name"
        try:
            path = (folder / name).resolve()
            if not path.is_relative_to(folder):
                raise Wrong("NC0003", f"{quoted(name)} is outside the topology's folder", hint)
            return _regular(path).decode("utf-8-sig")
        except (OSError, ValueError) as error:
            if isinstance(error, Wrong):
                raise
            if isinstance(error, IsADirectoryError):
                raise Wrong("NC0003", f"{quoted(name)} is a folder" if name else "no file is named", hint) from None
            reason = (error.strerror if isinstance(error, OSError) else None) or "it is not a text file"
            raise Wrong("NC0003", f"cannot read {quoted(name)}: {reason[:1].lower()}{reason[1:]}", hint) from None

    return read_file


def host_of(name: str, network: Network) -> HostName:
    from netc.language.mistakes import did_you_mean

    for host in network.topology.hosts:
        if host == name:
            return host
    raise wrong_use(f"no host is called {name!r}", did_you_mean(name, list(network.topology.hosts)))


def wrong_use(what: str, hint: str = "") -> typer.Exit:
    typer.echo(f"netc: {what}" + (f"\n   = hint: {hint}" if hint else ""), err=True)
    return typer.Exit(2)
