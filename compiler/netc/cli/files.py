"""What a verb reads: a topology, and the files beside it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from netc.language.encoding import converted, decoded, encoding_of
from netc.language.names import Wrong, quoted

LARGEST = 8 << 20
"""Bytes; a topology of 10,000 hosts has about 5 MB."""

LARGEST_BESIDE = 64 << 20
"""Bytes of a file that a topology names: lists of addresses are long."""


def topology(topo: Path) -> bytes:
    """Raises OSError."""
    return _regular(topo, LARGEST)


def _regular(path: Path, largest: int) -> bytes:
    """The bytes of a plain file of reasonable size: no device, no pipe."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is not a regular file")
        if status.st_size > largest:
            raise OSError(0, f"it has more than {largest >> 20} MiB")
        return file.read()


def beside(topo: Path) -> Callable[[str], str]:
    """Reads files that a topology names: only in its own folder or below, also after links are followed. Raises
    Wrong."""
    folder = topo.resolve().parent

    def read_file(name: str) -> str:
        try:
            path = (folder / name).resolve()
            if path.is_relative_to(folder):
                return _text(_regular(path, LARGEST_BESIDE), name)
            error: Exception | None = None
        except Wrong:
            raise
        except (RuntimeError, OSError, ValueError) as found:
            error = found
        raise Wrong("NC0003", _why_not(name, error), f"put the file beside {topo.name} and write its name") from None

    return read_file


def _text(data: bytes, name: str) -> str:
    try:
        return decoded(data)
    except UnicodeDecodeError:
        encoding = encoding_of(data)
        if not encoding:
            raise
        what = f"{quoted(name)} is {'UTF-16' if encoding.startswith('UTF-16') else 'not UTF-8'}, and netc reads UTF-8"
        raise Wrong("NC0003", what, converted(name, encoding)) from None


def _why_not(name: str, error: Exception | None) -> str:
    if error is None:
        return f"{quoted(name)} is not in the topology's folder"
    if isinstance(error, RuntimeError):  # what pathlib says before Python 3.13 of links that lead to each other
        return f"cannot read {quoted(name)}: it is a link to itself"
    if isinstance(error, IsADirectoryError):
        return f"{quoted(name)} is a folder" if name else "the file name is empty"
    reason = (error.strerror if isinstance(error, OSError) else None) or "it is not a text file"
    return f"cannot read {quoted(name)}: {reason[:1].lower()}{reason[1:]}"
