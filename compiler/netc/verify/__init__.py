"""The judges of output: each takes the files of one host and returns verdicts.

Judges write and load only in folders and namespaces that end with the check, and need neither root nor the network. A
judge that cannot run here says so, and names what would enable it: a check that did not run is not a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from netc.emit.file import File
from netc.verify import bash, bird, iptables, nft, shellcheck, systemd
from netc.verify.verdict import Outcome, Verdict

__all__ = ["JUDGES", "Outcome", "Verdict", "verify", "verify_all"]

JUDGES: tuple[Callable[[Sequence[File]], tuple[Verdict, ...]], ...] = (
    bash.judge,
    shellcheck.judge,
    nft.judge,
    iptables.judge,
    bird.judge,
    systemd.judge,
)


Host = TypeVar("Host", bound=str)

TOGETHER = 50
"""Hosts of which the files are held at once."""


def verify_all(
    hosts: Iterable[tuple[Host, tuple[File, ...]]],
) -> Iterator[tuple[Host, tuple[File, ...], tuple[Verdict, ...]]]:
    """Every host with its files and the verdicts on them, as `verify` has them; shell that many have is read once."""
    ahead = iter(hosts)
    while some := tuple(islice(ahead, TOGETHER)):
        shellcheck.read_ahead(files for _, files in some)
        for host, files in some:
            yield host, files, verify(files)


def verify(files: Sequence[File]) -> tuple[Verdict, ...]:
    """Every judge's verdicts on one host's files, in the order of JUDGES and then of paths.

    A verdict is on one file, or on all files of its kind when the judge itself could not run. The judges are
    processes that wait for nothing of each other, hence the threads.
    """
    ordered = sorted(files, key=lambda file: file.path)
    with ThreadPoolExecutor(len(JUDGES)) as pool:
        heard = tuple(pool.map(lambda judge: judge(ordered), JUDGES))
    return tuple(verdict for verdicts in heard for verdict in verdicts)
