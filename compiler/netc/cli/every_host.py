"""`netc build TOPO -o DIR`: every host, by what is remembered of the last time. Nothing here takes long to import."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, time
from typing import TYPE_CHECKING

from netc.cli.again import Memory
from netc.cli.topology import report, say, text_of, understood, wrong_use
from netc.report import Format

if TYPE_CHECKING:
    from netc.write import Outcome

OUT = Path("out")

WORTH = 0.5
"""Seconds of a build that are worth remembering it."""


def asked(words: Sequence[str]) -> tuple[Path, Path] | None:
    """TOPO and DIR of a build that is asked for nothing else; None where typer has more to read."""
    match list(words):
        case [topo]:
            out = str(OUT)
        case [topo, "-o" | "--out", out] | ["-o" | "--out", out, topo]:
            pass
        case _:
            return None
    return None if topo.startswith("-") or out.startswith("-") else (Path(topo), Path(out))


def build(topo: Path, out: Path, *, strict: bool = False) -> None:
    since = monotonic()
    text = text_of(topo)
    with refusals_told():
        memory = Memory(topo, text, out, time())
        held = memory.unchanged()
    if held is None:
        tell(_build(topo, text, out, memory, since, strict=strict), out)
    else:
        say(f"{out}: 0 written, 0 removed, {held} unchanged")


def _build(topo: Path, text: str, out: Path, memory: Memory, since: float, *, strict: bool) -> Outcome:
    from netc.cli.progress import watched
    from netc.pipeline import recompile_hosts
    from netc.problem import Mistakes
    from netc.write import write

    checked = understood(topo, strict=strict, proving=False, text=text, read_file=memory.reading)

    def done(touched: Set[str]) -> None:
        if memory.last or monotonic() - since > WORTH:
            memory.remember(touched, is_told=bool(checked.notes))

    hosts = memory.noting(recompile_hosts(checked.network, memory.standing))
    try:
        with refusals_told(), watched(hosts, len(checked.network.topology.hosts), since) as made:
            return write(out, made, complete=True, done=done)
    except Mistakes as mistakes:
        report(mistakes.problems, topo, text)
        raise SystemExit(1) from None


def tell(outcome: Outcome, out: Path, form: Format = Format.TEXT) -> None:
    changed = f"{len(outcome.written)} written, {len(outcome.removed)} removed, {outcome.unchanged} unchanged"
    say(f"{out}: {changed}", form)


@contextmanager
def refusals_told() -> Iterator[None]:
    """What could not be read or written is wrong use."""
    from netc.exchange import WriteRefused

    try:
        yield
    except BrokenPipeError:  # nobody listens: nothing to tell
        raise
    except (WriteRefused, OSError) as error:
        raise wrong_use(str(error)) from None
