"""`netc build TOPO -o DIR`: every host, by what is remembered of the last time. Nothing here takes long to import."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, time
from typing import TYPE_CHECKING

from netc.cli.again import Memory
from netc.cli.files import kept
from netc.cli.topology import mistakes_told, say, tell, text_of, wrong_use
from netc.report import Format

if TYPE_CHECKING:
    from netc.problem import Problem
    from netc.write import Laid, Lay, Outcome

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
        say_written(_build(topo, text, out, memory, since, strict=strict), out)
    else:
        say(f"{out}: 0 written, 0 removed, {held} unchanged")


def _build(topo: Path, text: str, out: Path, memory: Memory, since: float, *, strict: bool) -> Outcome:
    from netc.cli.progress import watched
    from netc.kept import COMPILED
    from netc.pipeline import recompile_hosts, survey
    from netc.write import compiled_by, write_by

    before = compiled_by(out)
    COMPILED.folder = kept().folder
    told = False

    def laid(lay: Lay) -> Generator[tuple[str, Laid], None, None]:
        """Ends with what is found wrong in plans, before anything takes the place of old files."""
        nonlocal told
        shown: list[Problem] = []
        hosts = recompile_hosts(surveyed.network, memory.standing, lay)
        with watched(hosts, len(surveyed.network.topology.hosts), since) as each:
            for one in each:
                shown += one.shown
                memory.note(one)
                yield one.host, one.laid
        checked = surveyed.judged(shown)
        told = bool(checked.notes)
        tell(checked, topo, text, strict=strict, compiled_by=before)

    def settled(tree: Path, touched: Set[str]) -> None:
        if memory.last or monotonic() - since > WORTH:
            memory.remember(tree, touched, is_told=told)

    with mistakes_told(topo, text):
        surveyed = survey(text, str(topo), memory.reading)
        with refusals_told():
            return write_by(out, laid, complete=True, settled=settled)


def say_written(outcome: Outcome, out: Path, form: Format = Format.TEXT) -> None:
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
    except WriteRefused as error:
        raise wrong_use(str(error)) from None
    except OSError as error:
        raise wrong_use(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from None
