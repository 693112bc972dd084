"""`netc build`"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from netc.cli.options import Form, Strict, Topo
from netc.cli.printer import document, say, warn
from netc.cli.topology import host_of, understood, wrong_use
from netc.report import Format

if TYPE_CHECKING:
    from netc.emit.file import File
    from netc.language.names import HostName
    from netc.network.interface import Network
    from netc.write import Outcome, WriteHost

Out = Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="The folder in which each host gets a folder.")]


def build(
    topo: Topo,
    out: Out = Path("out"),
    host: Annotated[str | None, typer.Option(metavar="H", help="Compile only this host.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing. Exit 1 if DIR is not up to date.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check every file with its own tool (nft, BIRD, systemd and others).")
    ] = False,
    form: Form = Format.TEXT,
    strict: Strict = False,
) -> None:
    """Compile TOPO into DIR, every host or one."""
    from netc.write import ATTRIBUTES, added, compiled_by, stale, write

    since = monotonic()
    with _refusals_reported():
        compiler = compiled_by(out)
    network = understood(topo, form, strict=strict, compiler=compiler).network
    only = host_of(host, network) if host else None

    def write_hosts(write_host: WriteHost) -> Generator[tuple[str, Outcome], None, None]:
        return _written(network, only, write_host, since, verify=verify)

    with _refusals_reported():
        _say_foreign(attributes := out / ATTRIBUTES.path)
        if check:
            _say_stale(stale(out, write_hosts, complete=only is None), out, form)
        else:
            lost = added(attributes)
            outcome = write(out, write_hosts, complete=only is None)
            if lost and ATTRIBUTES.path in (*outcome.written, *outcome.removed):
                _say_lost(attributes, lost)
            changed = f"{len(outcome.written)} written, {len(outcome.removed)} removed, {outcome.unchanged} unchanged"
            say(f"{out}: {changed}", form)


def _written(
    network: Network, only: HostName | None, write_host: WriteHost, since: float, *, verify: bool
) -> Generator[tuple[str, Outcome], None, None]:
    """Compiles every host, judges it if `verify` is set, and writes it. A terminal shows the progress."""
    from netc.cli.progress import watched
    from netc.pipeline import compile_hosts, each_host

    if verify:
        hosts = ((host, write_host(host, files)) for host, files in _judged(compile_hosts(network, only)))
    else:
        hosts = each_host(network, lambda host, files: (host, write_host(host, files)), only)
    total = 1 if only else len(network.topology.hosts)
    # Closed here, even if something still refers to it: the processes that write files end before these are removed.
    with closing(hosts), watched(hosts, total, since) as made:
        yield from made


def _say_foreign(attributes: Path) -> None:
    """What is lost with a `.gitattributes` of somebody else's, and what gives it back."""
    from netc.write import is_foreign, keeps_line_endings

    if not is_foreign(attributes):
        return
    warn(f"netc: {attributes} is not from netc, so netc does not change it")
    if keeps_line_endings(attributes):
        warn("   = hint: reviews fold nothing that is the same on every host. Everything else works")
    else:
        what = "git may change line endings, so that MANIFEST is wrong and hosts refuse the files"
        warn(f"   = hint: add the line `* -text`: {what}. Reviews fold nothing")


def _say_lost(attributes: Path, lines: tuple[str, ...]) -> None:
    some = ", ".join(f"`{line}`" for line in lines[:3]) + " …" * (len(lines) > 3)
    warn(f"netc: {attributes} is written again, without the lines that were added to it: {some}")
    warn("   = hint: write a first line of your own, and netc leaves the file alone")


def _say_stale(paths: tuple[str, ...], out: Path, form: Format) -> None:
    if paths:
        for path in paths:
            say(path, form)
        warn(f"{out} is not what the topology compiles to")
        raise typer.Exit(1)
    say(f"{out} is up to date", form)


def _judged(hosts: Iterator[tuple[HostName, tuple[File, ...]]]) -> Iterator[tuple[HostName, tuple[File, ...]]]:
    """Passes every host on and says what its judges said; ends in exit 1, before anything is written, if one failed."""
    from netc.report.verdicts import render
    from netc.verify import Outcome, verify_all

    failed = False
    for host, files, verdicts in verify_all(hosts):
        failed = failed or any(verdict.outcome == Outcome.FAILED for verdict in verdicts)
        document(render(host, verdicts), to_stderr=True)
        yield host, files
    if failed:
        warn("netc: nothing was written, because a check failed. Please report it: it is a bug of netc")
        raise typer.Exit(1)


@contextmanager
def _refusals_reported() -> Iterator[None]:
    """What could not be read or written is wrong use."""
    from netc.exchange import WriteRefused

    try:
        yield
    except BrokenPipeError:  # nobody reads the output, so there is nothing to report
        raise
    except WriteRefused as error:
        raise wrong_use(str(error)) from None
    except OSError as error:
        raise wrong_use(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from None
