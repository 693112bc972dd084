"""`netc build`"""

from __future__ import annotations

from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, time
from typing import TYPE_CHECKING, Annotated

import typer

from netc.cli.again import Memory, unchanged
from netc.cli.progress import watched
from netc.cli.topology import Form, Strict, Topo, host_of, report, say, text_of, understood, wrong_use
from netc.report import Format

if TYPE_CHECKING:
    from netc.emit.file import File
    from netc.language.names import HostName
    from netc.write import Outcome


WORTH = 0.5
"""Seconds of a build that are worth remembering it."""


def build(
    topo: Topo,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where hosts get a folder each.")] = Path(
        "out"
    ),
    host: Annotated[str | None, typer.Option(metavar="H", help="This host alone.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 when DIR is stale.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Have every file judged by its own tool.")] = False,
    form: Form = Format.TEXT,
    strict: Strict = False,
) -> None:
    """Compile TOPO into DIR: every host, or the one that is named."""
    since = monotonic()
    text = text_of(topo, form)
    if form is Format.TEXT and not (host or check or verify):
        _build(topo, text, out, since, strict=strict)
        return
    from netc.pipeline import compile_hosts
    from netc.write import stale, write

    checked = understood(topo, form, strict=strict, text=text)
    only = host_of(host, checked.network) if host else None
    hosts = compile_hosts(checked.network, only)
    if verify:
        hosts = _judged(hosts)
    total = 1 if only else len(checked.network.topology.hosts)
    with _refusals_told(), watched(hosts, total, since) as made:
        if check:
            _say_stale(stale(out, made, complete=only is None), out, form)
        else:
            _say(write(out, made, complete=only is None), out, form)


def _build(topo: Path, text: str, out: Path, since: float, *, strict: bool) -> None:
    """Every host, by what is remembered of the last time."""
    with _refusals_told():
        memory = Memory(topo, text, out, time())
        held = memory.unchanged()
    if held is not None:
        typer.echo(unchanged(out, held))
        return
    from netc.pipeline import recompile_hosts
    from netc.problem import Mistakes
    from netc.write import write

    checked = understood(topo, strict=strict, proving=False, text=text, read_file=memory.reading)

    def done(touched: Set[str]) -> None:
        if memory.last or monotonic() - since > WORTH:
            memory.remember(touched, is_told=bool(checked.notes))

    hosts = memory.noting(recompile_hosts(checked.network, memory.standing))
    try:
        with _refusals_told(), watched(hosts, len(checked.network.topology.hosts), since) as made:
            _say(write(out, made, complete=True, done=done), out, Format.TEXT)
    except Mistakes as mistakes:
        report(mistakes.problems, topo, text)
        raise typer.Exit(1) from None


def _say(outcome: Outcome, out: Path, form: Format) -> None:
    changed = f"{len(outcome.written)} written, {len(outcome.removed)} removed, {outcome.unchanged} unchanged"
    say(f"{out}: {changed}", form)


@contextmanager
def _refusals_told() -> Iterator[None]:
    from netc.write import WriteRefused

    try:
        yield
    except (WriteRefused, OSError) as error:
        raise wrong_use(str(error)) from None


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
