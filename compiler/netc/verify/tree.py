"""The files of a host as judges find them: written to a folder, and sorted into scripts and others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from netc.emit.file import File

ROOT = "files/"
"""The files below it are installed to `/` of the host."""

_SHEBANG = re.compile(r"#!\s*/\S*(?:/env\s+(?:-S\s+)?|/)(?:ba|da)?sh\b")
_STEP = re.compile(r"files/etc/netc/parts/[^/]+/(?:up|down|reload|status)")


@contextmanager
def on_disk(files: Iterable[File]) -> Iterator[Path]:
    """A temporary folder with these files, their modes included, for as long as the block lasts."""
    with TemporaryDirectory(prefix="netc-verify-") as name:
        # Resolved, because judges print the paths that they resolved.
        folder = Path(name).resolve()
        for file in files:
            put(folder, file)
        yield folder


def put(folder: Path, file: File) -> None:
    place = folder / file.path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(file.text, encoding="utf-8", newline="\n")
    place.chmod(file.mode)


def scripts(files: Sequence[File]) -> tuple[File, ...]:
    """Shell, by shebang or by place: a part's `up` that lost its shebang is still a script, and a broken one."""
    return tuple(file for file in files if has_shebang(file) or _is_script_by_place(file.path))


def has_shebang(file: File) -> bool:
    return _SHEBANG.match(file.text) is not None


def below_root(path: str) -> str:
    """`files/etc/netc/x` as the host sees it: `/etc/netc/x`."""
    return "/" + path.removeprefix(ROOT)


def _is_script_by_place(path: str) -> bool:
    return path.endswith((".bash", ".sh")) or _STEP.fullmatch(path) is not None
