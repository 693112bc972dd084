"""The same work for many things, by as many processes as there are processors."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor

Thing = TypeVar("Thing")
Made = TypeVar("Made")

LEAST = 24
"""Things, below which it takes longer to begin than to do."""
EACH = 4
"""Things that a process takes at a time."""


def spread(work: Callable[[Thing], Made], things: Sequence[Thing]) -> Generator[Made, None, None]:
    """`work` of each thing, in their order, and only a few things ahead of the caller, who takes what was made.

    The processes are forked, so they have the things and all other values of this process. Their results are pickled.
    What `work` raises is raised here. With one processor, little to do, or no fork(2), this process does the work.
    However this process ends, the others do not outlive it, because they hold its locks.
    """
    processes = _processors() if len(things) >= LEAST else 1
    if processes == 1:
        yield from map(work, things)
        return
    ends = os.pipe()
    try:
        pool = _pool(processes, lambda index: work(things[index]), *ends)
        yield from _by(pool, processes, len(things)) if pool else map(work, things)
    finally:
        for end in ends:
            os.close(end)


def _by(pool: ProcessPoolExecutor, processes: int, things: int) -> Iterator[Any]:
    ahead: deque[Future[list[Any]]] = deque()
    try:
        for start in range(0, things, EACH):
            ahead.append(pool.submit(_do, range(start, min(start + EACH, things))))
            if len(ahead) > 2 * processes:
                yield from ahead.popleft().result()
        while ahead:
            yield from ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _pool(processes: int, work: Callable[[int], Any], read: int, write: int) -> ProcessPoolExecutor | None:
    """`read` and `write` are the ends of a pipe that nobody writes to. None if the system refuses more processes, or
    semaphores for them (sem_open(3) needs /dev/shm)."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import active_children, get_context

    try:
        pool = ProcessPoolExecutor(processes, get_context("fork"), _begin, (work, read, write))
        pool.submit(_do, range(0))
    except (OSError, ImportError, NotImplementedError):
        for begun in active_children():  # before the one that could not; they would wait for work forever
            begun.kill()
            begun.join()
        return None
    return pool


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") and hasattr(os, "fork") else 1


_work: Callable[[int], Any]
"""Of a process that was forked for it."""


def _begin(work: Callable[[int], Any], read: int, write: int) -> None:
    global _work
    _work = work
    os.close(write)  # only the process that forked has this end now: when that is gone, `_end` reads the end of file
    Thread(target=_end, args=(read,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that forked decides when this one ends


def _end(read: int) -> None:
    os.read(read, 1)
    os.kill(os.getpid(), signal.SIGKILL)


def _do(indices: range) -> list[Any]:
    return [_work(index) for index in indices]
