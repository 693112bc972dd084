"""Puts compiled trees on disk: hosts in, `<directory>/<host>/...` changed as a whole or not at all.

What the `MANIFEST` of a host lists is ours, whatever became of it. Everything else in the directory is someone
else's and stays: files, links, empty folders. Links are never followed.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Container, Generator, Iterable, Set
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from netc.exchange import WriteRefused, above, alone, building, commit, home, nothing, put
from netc.language.changed import BEFORE_ALL

if TYPE_CHECKING:
    # With it would come every printer, and nothing here prints.
    from netc.emit.file import File

__all__ = [
    "MANIFEST",
    "Hosts",
    "Laid",
    "Lay",
    "Outcome",
    "WriteRefused",
    "compiled_by",
    "is_ours",
    "stale",
    "write",
    "write_by",
]

MANIFEST = "MANIFEST"
"""One line for each other file of the host, by path: `<sha256>  <mode, four octal digits>  <path>`, and where a change
of the file asks for more than the file itself `  <verb>:<part or unit>,...`."""

Hosts: TypeAlias = "Iterable[tuple[str, tuple[File, ...]]]"
"""All files of each, `MANIFEST` among them. Read once, one host at a time."""

_LINE = re.compile(r"[0-9a-f]{64}  [0-7]{4}  (.+?)(?:  [a-z]+:[^ /]+)?")
_OUTSIDE = re.compile(r"(^|/)\.{0,2}(/|\Z)")
_Inventory = dict[str, os.stat_result]


class Outcome(Struct, frozen=True):
    """Paths are relative to the directory and sorted; `unchanged` counts files."""

    written: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int


class Laid(Struct, frozen=True):
    """What became of one host. Paths are relative to its folder; `unchanged` counts files that were right already."""

    written: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int


Lay: TypeAlias = "Callable[[str, tuple[File, ...]], Laid]"
"""Puts the files of a host where the new tree grows. May be called in a process that was forked."""


class _Change(Struct, frozen=True):
    """What one host needs. `remove` is relative to its folder."""

    write: tuple[File, ...]
    remove: tuple[str, ...]
    unchanged: int

    def laid(self) -> Laid:
        return Laid(tuple(file.path for file in self.write), self.remove, self.unchanged)


def write(directory: Path, hosts: Hosts, *, complete: bool) -> Outcome:
    """Makes `directory` hold `hosts`; `complete` also removes the hosts that we wrote once and that are gone.

    Raises `WriteRefused`, `OSError`, or what `hosts` raises; then the directory is as before.
    """
    return write_by(
        directory, lambda lay: ((host, lay(host, files)) for host, files in _once(hosts)), complete=complete
    )


def write_by(
    directory: Path,
    laying: Callable[[Lay], Generator[tuple[str, Laid], None, None]],
    *,
    complete: bool,
    settled: Callable[[Path, Set[str]], None] = nothing,
) -> Outcome:
    """As `write`, of hosts that are put down where they are made, one after the other or several at a time. `settled`
    is called before anybody else may write, if there is anything, with a tree of the hosts as they stay and with the
    names of those whose files were written or linked.
    """
    root = home(directory)
    all_laid: dict[str, Laid] = {}
    touched: Set[str] = frozenset()
    with alone(root):
        with building(root) as new:
            is_first = not root.exists()  # else the old tree shares files with the new one, which change when it goes
            lay = partial(_lay, root, new)
            with closing(laying(lay)) as hosts:
                all_laid |= hosts
            all_laid |= _gone(root, all_laid) if complete else {}
            written = {f"{host}/{path}" for host, laid in all_laid.items() for path in laid.written}
            removed = {f"{host}/{path}" for host, laid in all_laid.items() for path in laid.removed}
            if written or removed:
                meanwhile = partial(settled, new, all_laid.keys()) if is_first else nothing
                name = commit(new, root, written | removed, meanwhile)
                touched = {name} if name else set(os.listdir(root))
        if not is_first:
            settled(root, touched)
    unchanged = sum(laid.unchanged for laid in all_laid.values())
    return Outcome(tuple(sorted(written)), tuple(sorted(removed)), unchanged)


def _lay(root: Path, new: Path, host: str, files: tuple[File, ...]) -> Laid:
    change = _checked(root, host, files)
    if change.write:
        written = {f"{host}/{file.path}": file for file in change.write}
        put(new, above(written), ((path, file.text, file.mode) for path, file in written.items()))
    return change.laid()


def compiled_by(directory: Path) -> str | None:
    """The version of netc that wrote what is there, by the first line of its `.gitattributes`; `BEFORE_ALL` where that
    does not say it; None where there is nothing of ours."""
    if not directory.is_dir() or not any(is_ours(directory / name) for name in os.listdir(directory)):
        return None
    attributes = directory / ".gitattributes"
    first = attributes.read_text(errors="replace").partition("\n")[0] if attributes.is_file() else ""
    said = re.match(r"# Compiled by netc ([0-9]+(?:[.][0-9]+)*)\b", first)
    return said[1] if said else BEFORE_ALL


def stale(directory: Path, hosts: Hosts, *, complete: bool) -> tuple[str, ...]:
    """What `write` would do, as `write <path>` and `remove <path>`, sorted by path. Touches nothing."""
    root = home(directory)
    needed = {host: _checked(root, host, files).laid() for host, files in _once(hosts)}
    needed |= _gone(root, needed) if complete else {}
    found = [(f"{host}/{path}", "write") for host, laid in needed.items() for path in laid.written]
    found += [(f"{host}/{path}", "remove") for host, laid in needed.items() for path in laid.removed]
    return tuple(f"{verb} {path}" for path, verb in sorted(found))


def _once(hosts: Hosts) -> Hosts:
    seen: set[str] = set()
    for host, files in hosts:
        if host in seen:
            raise WriteRefused(f"`{host}` cannot name the folder of one host")
        seen.add(host)
        yield host, files


def _gone(root: Path, hosts: Container[str]) -> dict[str, Laid]:
    """Hosts that we wrote once, and that are not in `hosts`."""
    names = sorted(os.listdir(root)) if root.exists() else ()
    return {name: _change(root / name, ()).laid() for name in names if name not in hosts and is_ours(root / name)}


def _read(path: str, mode: int) -> bytes | None:
    """A plain file of that mode."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = os.fstat(file)
        if status.st_mode != stat.S_IFREG | mode:
            return None
        data = os.read(file, status.st_size + 1)
        return data if len(data) == status.st_size else None
    finally:
        os.close(file)


def _check_paths(host: str, files: tuple[File, ...]) -> None:
    if "/" in host:
        raise WriteRefused(f"`{host}` cannot name the folder of one host")
    paths = {file.path for file in files}
    for path in (host, *paths):
        if not path.isprintable() or _OUTSIDE.search(path):
            raise WriteRefused(f"`{host}`: {path!r} is no path inside the folder of a host")
    if clash := min(paths & above(paths), default=None):
        path = min(path for path in paths if path.startswith(f"{clash}/"))
        raise WriteRefused(f"`{host}`: `{clash}` cannot be a file and the folder of `{path}`")
    listed = next((_listed(file.text) for file in files if file.path == MANIFEST), [])
    # A file that is not listed would be a stranger's to the next build.
    if sorted(file.path for file in files) != sorted([*listed, MANIFEST]):
        raise WriteRefused(f"`{host}`: {MANIFEST} does not list the files of this host")


def _checked(root: Path, host: str, files: tuple[File, ...]) -> _Change:
    _check_paths(host, files)
    return _change(root / host, files)


def _change(folder: Path, files: tuple[File, ...]) -> _Change:
    """No files: the host is gone."""
    old = _inventory(folder)
    ours = _ours(folder)
    made = {file.path for file in files}
    _check_strangers(folder, old, ours, made)
    write = tuple(file for file in files if not _same(f"{folder}/{file.path}", old.get(file.path), file))
    remove = sorted(path for path in ours - made if path in old and not stat.S_ISDIR(old[path].st_mode))
    return _Change(write, tuple(remove), len(files) - len(write))


def _check_strangers(folder: Path, old: _Inventory, ours: Iterable[str], made: Set[str]) -> None:
    """Refuses when something that is not ours stands where a file, or a folder above it, has to be."""
    held = above(old)
    folders = {path for path, status in old.items() if stat.S_ISDIR(status.st_mode)}
    # An empty folder is a stranger's too: ours lead to a file.
    leaves = (folders - held) | (old.keys() - folders - set(ours))
    strangers = leaves | above(leaves)
    for blocked in sorted(strangers & {*made, *above(made)}):
        if blocked in made or blocked not in folders:
            raise _in_the_way(folder / blocked)


def _in_the_way(path: Path) -> WriteRefused:
    return WriteRefused(f"`{path}` is in the way and is not from netc: move it, or remove it")


def _inventory(folder: Path) -> _Inventory:
    """All that `folder` holds at any depth, by path relative to it."""
    found: _Inventory = {}
    if not os.path.lexists(folder):
        return found
    if not stat.S_ISDIR(folder.lstat().st_mode):
        raise _in_the_way(folder)
    todo = [""]
    while todo:
        prefix = todo.pop()
        with os.scandir(folder / prefix) as entries:
            for entry in entries:
                found[prefix + entry.name] = entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    todo.append(f"{prefix}{entry.name}/")
    return found


def is_ours(folder: Path) -> bool:
    """Whether netc wrote a host there."""
    return bool(_ours(folder))


def _ours(folder: Path) -> frozenset[str]:
    """What the `MANIFEST` in `folder` lists, and itself; nothing if it is missing or not from netc."""
    manifest = folder / MANIFEST
    if folder.is_symlink() or manifest.is_symlink() or not manifest.is_file():
        return frozenset()
    listed = _listed(manifest.read_bytes().decode(errors="replace"))
    return frozenset([*listed, MANIFEST]) if listed else frozenset()


def _listed(manifest: str) -> list[str]:
    """The paths, or none if any line is of another form."""
    lines = [_LINE.fullmatch(line) for line in manifest.removesuffix("\n").split("\n")]
    return [line[1] for line in lines if line] if all(lines) else []


def _same(path: str, status: os.stat_result | None, file: File) -> bool:
    if status is None or status.st_mode != stat.S_IFREG | file.mode:
        return False
    text = file.text.encode()
    return status.st_size == len(text) and _read(path, file.mode) == text
