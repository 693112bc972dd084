"""The verbs. With `write` the only room that touches the world; a verb imports what it needs when it runs."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from netc.emit.file import File
    from netc.language.names import HostName
    from netc.network.interface import Network
    from netc.pipeline import Checked
    from netc.problem import Problem

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # a bug stays a traceback that can be sent
)

Topo = Annotated[Path, typer.Argument(metavar="TOPO", help="The topology, a TOML file.")]

LARGEST = 64 << 20
"""Bytes; a topology of 10,000 hosts has about 5 MB."""


def main() -> None:
    """The command `netc`. Exit codes: 0 fine, 1 mistakes in the topology, 2 wrong use."""
    app()


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"netc {version('netc')}")
        raise typer.Exit


@app.callback()
def _netc(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """One topology file, compiled into what each host of a network runs."""


@app.command()
def build(
    topo: Topo,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where hosts get a folder each.")] = Path(
        "out"
    ),
    host: Annotated[str | None, typer.Option(metavar="H", help="This host alone.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 when DIR is stale.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Have every file judged by its own tool.")] = False,
) -> None:
    """Compile TOPO into DIR: every host, or the one that is named."""
    from netc.pipeline import compile_hosts
    from netc.write import WriteRefused, stale, write

    checked = _understood(topo)
    only = _host(host, checked.network) if host else None
    hosts = compile_hosts(checked.network, only)
    if verify:
        hosts = _judged(hosts)
    try:
        if check:
            _say_stale(stale(out, hosts, complete=only is None), out)
            return
        outcome = write(out, hosts, complete=only is None)
    except (WriteRefused, OSError) as error:
        raise _wrong_use(str(error)) from None
    changed = f"{len(outcome.written)} written, {len(outcome.removed)} removed, {outcome.unchanged} unchanged"
    typer.echo(f"{out}: {changed}")


@app.command(name="check")
def check_verb(topo: Topo) -> None:
    """Say what is wrong in TOPO, and write nothing."""
    hosts = len(_understood(topo).network.topology.hosts)
    typer.echo(f"{topo}: {hosts} host{'' if hosts == 1 else 's'}, nothing wrong")


@app.command()
def plan(
    topo: Topo,
    host: Annotated[str, typer.Argument(metavar="HOST", help="With --migrate: another topology.")],
    migrate: Annotated[bool, typer.Option("--migrate", help="Print the order in which routers change to it.")] = False,
    moved: Annotated[list[str] | None, typer.Option(metavar="H", help="This router has changed; repeatable.")] = None,
) -> None:
    """Print the facts that HOST's files are made of; or how the network gets from one topology to another."""
    from netc.pipeline import plan as plan_host
    from netc.plan.show import show

    if migrate:
        _migrate(topo, Path(host), moved or [])
        return
    if moved:
        raise _wrong_use("`--moved` is of `--migrate`")
    checked = _understood(topo)
    typer.echo(show(plan_host(_host(host, checked.network), checked.network)), nl=False)


def _migrate(old: Path, new: Path, names: list[str]) -> None:
    from netc.checks.migration import comparable, halfway
    from netc.network.migration import move
    from netc.plan.migration import show

    before, after = _understood(old).network, _understood(new).network
    one = move(before, after)
    moved = frozenset(_host(name, after) for name in names) & frozenset(one.routers)
    if problems := tuple(comparable(before, after)) or tuple(halfway(one, moved)):
        _report(problems, new, _text(new))
        raise typer.Exit(1)
    typer.echo(show(one, moved), nl=False)


def _understood(topo: Path) -> Checked:
    """The checked topology; what its author should know is on stderr. Exits 1 when it has mistakes."""
    from netc.pipeline import understand
    from netc.problem import Mistakes

    text = _text(topo)
    try:
        checked = understand(text, str(topo), _beside(topo))
    except Mistakes as mistakes:
        _report(mistakes.problems, topo, text)
        raise typer.Exit(1) from None
    _report(checked.notes, topo, text)
    return checked


def _report(problems: tuple[Problem, ...], topo: Path, text: str) -> None:
    if problems:
        from netc.report.text import render

        sys.stderr.write(render(problems, str(topo), text))


def _text(topo: Path) -> str:
    try:
        data = _regular(topo)
    except OSError as error:
        raise _wrong_use(f"cannot read {topo}: {error.strerror}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        from netc.language.syntax import not_utf8

        _report((not_utf8(data, error.start, str(topo)),), topo, data.decode(errors="replace"))
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


def _beside(topo: Path) -> Callable[[str], str]:
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


def _host(name: str, network: Network) -> HostName:
    from netc.language.mistakes import did_you_mean

    for host in network.topology.hosts:
        if host == name:
            return host
    raise _wrong_use(f"no host is called {name!r}", did_you_mean(name, list(network.topology.hosts)))


def _wrong_use(what: str, hint: str = "") -> typer.Exit:
    typer.echo(f"netc: {what}" + (f"\n   = hint: {hint}" if hint else ""), err=True)
    return typer.Exit(2)


def _say_stale(paths: tuple[str, ...], out: Path) -> None:
    if paths:
        typer.echo("\n".join(paths))
        typer.echo(f"{out} is not what the topology compiles to", err=True)
        raise typer.Exit(1)
    typer.echo(f"{out} is up to date")


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
