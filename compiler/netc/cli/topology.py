"""What every verb does first: it reads a topology and the files beside it, and reports what is wrong."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from netc.cli.files import beside, topology
from netc.cli.printer import warn
from netc.report import Format

if TYPE_CHECKING:
    from netc.diagnostic import Diagnostic
    from netc.language.changed import Compiler
    from netc.language.names import HostName
    from netc.network.interface import Network
    from netc.pipeline import Checked

MOST = 20
"""Hosts that a hint names."""


def understood(
    topo: Path,
    form: Format = Format.TEXT,
    *,
    strict: bool = False,
    compiler: Compiler | None = None,
    promises: bool = True,
) -> Checked:
    """The checked topology. Reports all diagnostics, and exits 1 if there are errors. `strict`: warnings count as
    errors unless they are acknowledged. `compiler`: the netc that built it before, if any. Without `promises`, those
    of the topology are not proved."""
    from netc.diagnostic import InvalidTopology, Severity
    from netc.pipeline import understand

    text = text_of(topo, form)
    try:
        checked = understand(text, str(topo), beside(topo), compiler, promises=promises)
    except InvalidTopology as invalid:
        report(invalid.diagnostics, topo, text, form)
        raise typer.Exit(1) from None
    report(checked.notes, topo, text, form)
    if strict and any(note.severity is Severity.WARNING and not note.acknowledged for note in checked.notes):
        warn("netc: --strict treats warnings as errors")
        raise typer.Exit(1)
    return checked


def report(diagnostics: tuple[Diagnostic, ...], topo: Path, text: str, form: Format = Format.TEXT) -> None:
    """Text for people goes to stderr. Programs read stdout, and get a document also when there are no diagnostics."""
    from netc.report import render

    if form in (Format.TEXT, Format.GITHUB) and diagnostics:
        # In a workflow this is the log, which has all that does not fit into annotations.
        from netc.report.text import render as render_text

        sys.stderr.write(render_text(diagnostics, str(topo), text, colour=_has_colours()))
    if form is not Format.TEXT:
        sys.stdout.write(render(form, diagnostics, str(topo), text))


def _has_colours() -> bool:
    """As no-color.org has it."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")


def text_of(topo: Path, form: Format = Format.TEXT) -> str:
    try:
        data = topology(topo)
    except OSError as error:
        raise wrong_use(f"cannot read {topo}: {error.strerror}") from None
    from netc.language.encoding import decoded

    try:
        return decoded(data)
    except UnicodeDecodeError as error:
        from netc.language.syntax import not_utf8

        report((not_utf8(data, error.start, str(topo)),), topo, data.decode(errors="replace"), form)
        raise typer.Exit(1) from None


def host_of(name: str, network: Network) -> HostName:
    from netc.language.nearest import did_you_mean

    for host in network.topology.hosts:
        if host == name:
            return host
    hosts: list[str] = sorted(network.topology.hosts)
    some = f"{', '.join(hosts[:MOST])}{' …' * (len(hosts) > MOST)}"
    raise wrong_use(f"no host is called {name!r}", did_you_mean(name, hosts) or f"the hosts are {some}")


def wrong_use(what: str, hint: str = "") -> typer.Exit:
    from netc.report.words import escaped

    warn(f"netc: {escaped(what)}", *([f"   = hint: {escaped(hint)}"] if hint else []))
    return typer.Exit(2)
