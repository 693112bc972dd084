"""What a run leaves for the next, to be faster: it may be gone, spoiled or somebody else's at any time.

Everything has a name and is bound to what it was made from, byte for byte; what was made from anything else is not
there. Only this user's own files count, in a folder that is closed to others, as ssh(1) has it with its keys.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

MOST = 256
"""Things in a folder; the oldest go."""


class Kept:
    """A folder of things; None keeps nothing."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def has(self, name: str) -> bool:
        """Whether there is anything by that name."""
        return self.folder is not None and os.path.lexists(self._path(name))

    def get(self, name: str, origin: bytes) -> bytes | None:
        """What was kept by that name, if it was made from `origin`."""
        if self.folder is None:
            return None
        try:
            if not _is_ours(os.stat(self.folder, follow_symlinks=False)):
                return None
            with open(os.open(self._path(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
                if not _is_ours(os.fstat(file.fileno())):
                    return None
                sealed = file.read()
        except OSError:
            return None
        seal, data = sealed[:32], sealed[32:]
        return data if seal == _seal(name, origin, data) else None

    def put(self, name: str, origin: bytes, data: bytes) -> None:
        """Where it cannot be kept, it is not."""
        if self.folder is None:
            return
        with suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_ours(os.stat(self.folder, follow_symlinks=False)):
                return
            path = self._path(name)
            new = f"{path}.{os.getpid()}"
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
                file.write(_seal(name, origin, data) + data)
            os.replace(new, path)
            self._prune(self.folder)

    def _path(self, name: str) -> str:
        return f"{self.folder}/{sha256(name.encode()).hexdigest()[:32]}"

    def _prune(self, folder: Path) -> None:
        names = os.listdir(folder)
        if len(names) > MOST:
            for name in sorted(names, key=lambda name: os.lstat(folder / name).st_mtime_ns)[: len(names) - MOST]:
                os.unlink(folder / name)


COMPILED = Kept(None)
"""Templates as jinja2 compiled them; a verb says where."""


def fingerprint(parts: Iterable[bytes]) -> bytes:
    """Of several texts, none of which can pass for a part of another."""
    whole = sha256()
    for part in parts:
        whole.update(sha256(part).digest())
    return whole.digest()


def _seal(name: str, origin: bytes, data: bytes) -> bytes:
    return fingerprint((name.encode(), origin, data))


def _is_ours(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not stat.S_IMODE(status.st_mode) & 0o022
