"""`netc build`"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from netc.cli import every_host
from netc.cli.options import Form, Strict, Topo
from netc.cli.topology import host_of, say, understood
from netc.report import Format

if TYPE_CHECKING:
    from netc.emit.file import File
    from netc.language.names import HostName


def build(
    topo: Topo,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where hosts get a folder each.")] = (
        every_host.OUT
    ),
    host: Annotated[str | None, typer.Option(metavar="H", help="This host alone.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 when DIR is stale.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Have every file judged by its own tool.")] = False,
    form: Form = Format.TEXT,
    strict: Strict = False,
) -> None:
    """Compile TOPO into DIR: every host, or the one that is named."""
    if form is Format.TEXT and not (host or check or verify):
        every_host.build(topo, out, strict=strict)
        return
    from netc.cli.progress import watched
    from netc.pipeline import compile_hosts
    from netc.write import compiled_by, stale, write

    since = monotonic()
    checked = understood(topo, form, strict=strict, compiled_by=compiled_by(out))
    only = host_of(host, checked.network) if host else None
    hosts = compile_hosts(checked.network, only)
    if verify:
        hosts = _judged(hosts)
    total = 1 if only else len(checked.network.topology.hosts)
    with every_host.refusals_told(), watched(hosts, total, since) as made:
        if check:
            _say_stale(stale(out, made, complete=only is None), out, form)
        else:
            every_host.say_written(write(out, made, complete=only is None), out, form)


def _say_stale(paths: tuple[str, ...], out: Path, form: Format) -> None:
    if paths:
        say("\n".join(paths), form)
        typer.echo(f"{out} is not what the topology compiles to", err=True)
        raise typer.Exit(1)
    say(f"{out} is up to date", form)


def _judged(hosts: Iterator[tuple[HostName, tuple[File, ...]]]) -> Iterator[tuple[HostName, tuple[File, ...]]]:
    """Passes every host on and says what its judges said; ends in exit 1, before anything is written, if one failed."""
    from netc.report.verdicts import render
    from netc.verify import Outcome, verify

    failed = False
    for host, files in hosts:
        verdicts = verify(files)
        failed = failed or any(verdict.outcome == Outcome.FAILED for verdict in verdicts)
        typer.echo(render(host, verdicts), err=True, nl=False)
        yield host, files
    if failed:
        typer.echo("netc: nothing was written: the output above is wrong, which is netc's fault", err=True)
        raise typer.Exit(1)
