"""Files as they were seen: whether anybody has written to them since, by what the file system says (inode(7))."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

from netc.exchange import above

PATIENCE = 0.05
"""Seconds to wait for the file system's clock, which moves every few milliseconds."""


class Look(NamedTuple):
    """At some files of a folder. Whoever writes to one, or puts another in its place, changes `what` or `when`; a
    hard link more, or a folder that is made anew around them, changes `when` alone."""

    what: str
    when: str


def look(folder: str, paths: Sequence[str]) -> Look | None:
    """At `paths`, relative to `folder`; None unless all are plain files, below folders that are no links."""
    try:
        files = [os.lstat(f"{folder}/{path}") for path in paths]
        folders = [os.lstat(f"{folder}/{path}") for path in ("", *sorted(above(paths)))]
    except OSError:
        return None
    if not all(stat.S_ISREG(file.st_mode) for file in files) or not all(stat.S_ISDIR(one.st_mode) for one in folders):
        return None
    what = [(f.st_mode, f.st_uid, f.st_size, f.st_dev, f.st_ino, f.st_mtime_ns) for f in files]
    when = ([f.st_ctime_ns for f in files], [(one.st_dev, one.st_ino) for one in folders])
    return Look(*(sha256(repr(part).encode()).hexdigest() for part in (what, when)))


def has_settled(folder: Path) -> bool:
    """Whether what is written in `folder` from now on gets a later time than what was written up to now: until then,
    two writes look like one. Waits a moment for it; a clock that moves by the second is not waited for."""
    end, first = monotonic() + PATIENCE, _now(folder)
    while (now := _now(folder)) <= first:
        if monotonic() > end:
            return False
        sleep(0.001)
    return now > first


def _now(folder: Path) -> int:
    """By the clock of the file system, which may be another machine's: nanoseconds since 1970."""
    from tempfile import TemporaryFile

    with TemporaryFile(dir=folder) as probe:
        return os.fstat(probe.fileno()).st_ctime_ns
