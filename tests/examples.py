"""The examples, the command `netc`, and the trees that it makes."""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

import pytest

from netc.cli import app
from netc.emit.file import File
from netc.pipeline import compile_hosts, understand

ROOT = Path(__file__).parents[1]
OUT = ROOT / "out"
EXAMPLES = tuple(sorted((ROOT / "examples").glob("*.toml")))

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")

Tree = dict[str, tuple[int, bytes]]
"""By path: 0o755 or 0o644, since git keeps no more of a mode, and what the file holds."""


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: str
    err: str


def netc(*words: str | Path) -> Ran:
    """Runs a verb in this process."""
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            app(args=[str(word) for word in words], prog_name="netc")
        except SystemExit as end:
            code = end.code or 0
    assert isinstance(code, int)
    return Ran(code, out.getvalue(), err.getvalue())


def compiled(text: str, folder: Path = ROOT / "examples") -> dict[str, tuple[File, ...]]:
    """Every host's files, from a topology that lies in `folder`. Raises InvalidTopology."""
    read_file: Callable[[str], str] = lambda name: (folder / name).read_text()  # noqa: E731
    return {str(host): files for host, files in compile_hosts(understand(text, "topo.toml", read_file).network)}


def without_promises(text: str) -> str:
    """An example that a test changes: for a promise that no longer holds, the build would refuse what is to be tried.
    Examples as they stand keep theirs."""
    return re.sub(r"(?ms)^\[\[expect\]\]\n.*?(?=^$|\Z)", "", text)


def tree(folder: Path) -> Tree:
    files = (path for path in sorted(folder.rglob("*")) if not path.is_dir() or path.is_symlink())
    return {str(path.relative_to(folder)): (_mode(path), path.read_bytes()) for path in files}


def _mode(path: Path) -> int:
    if not stat.S_ISREG(path.lstat().st_mode):
        return 0
    return 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644


def differences(wanted: Tree, made: Tree) -> list[str]:
    """A line a path that differs, and for texts what differs in them."""
    found = [f"{path}: is missing" for path in sorted(wanted.keys() - made.keys())]
    found += [f"{path}: is too much" for path in sorted(made.keys() - wanted.keys())]
    for path in sorted(wanted.keys() & made.keys()):
        (old_mode, old), (new_mode, new) = wanted[path], made[path]
        if old_mode != new_mode:
            found.append(f"{path}: mode {new_mode:o} in place of {old_mode:o}")
        if old != new:
            lines = unified_diff(old.decode().splitlines(), new.decode().splitlines(), "wanted", "made", lineterm="")
            found.append(f"{path}: " + "\n".join(lines))
    return found
