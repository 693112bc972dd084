"""Puts compiled trees on disk: hosts in, `<directory>/<host>/...` changed as a whole or not at all.

What the `MANIFEST` of a host lists is ours, whatever became of it. Everything else in the directory is someone
else's and stays: files, links, empty folders. Links are never followed.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Set
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from netc.exchange import WriteRefused, alone, building, commit, home, parents, put

if TYPE_CHECKING:
    # With it would come every printer, and nothing here prints.
    from netc.emit.file import File

__all__ = ["MANIFEST", "Files", "Hosts", "Outcome", "WriteRefused", "is_ours", "stale", "write"]

MANIFEST = "MANIFEST"
"""One line for each other file of the host, by path: `<sha256>  <mode, four octal digits>  <path>`, and where a change
of the file asks for more than the file itself `  <verb>:<part or unit>,...`."""

Files: TypeAlias = "tuple[File, ...] | int"
"""All files of a host, `MANIFEST` among them, or how many there are where each is known to be as it should."""

Hosts: TypeAlias = "Iterable[tuple[str, Files]]"
"""Read once, one host at a time."""

_LINE = re.compile(r"[0-9a-f]{64}  [0-7]{4}  (.+?)(?:  [a-z]+:[^ /]+)?")
_Inventory = dict[str, os.stat_result]


class Outcome(Struct, frozen=True):
    """Paths are relative to the directory and sorted; `unchanged` counts files."""

    written: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int


class _Change(Struct, frozen=True):
    """What one host needs. `remove` is relative to the host; `unchanged` counts files that are right already."""

    host: str
    write: tuple[File, ...]
    remove: tuple[str, ...]
    unchanged: int


def write(directory: Path, hosts: Hosts, *, complete: bool, done: Callable[[Set[str]], None] | None = None) -> Outcome:
    """Makes `directory` hold `hosts`; `complete` also removes the hosts that we wrote once and that are gone. `done` is
    called when all is in place, and before anybody else may write, with the hosts whose files were written or linked.

    Raises `WriteRefused`, `OSError`, or what `hosts` raises; then the directory is as before.
    """
    root = home(directory)
    written: list[str] = []
    removed: list[str] = []
    unchanged = 0
    touched: Set[str] = frozenset()
    with alone(root):
        with building(root) as new:
            for change in _changes(root, hosts, complete=complete):
                for file in change.write:
                    path = f"{change.host}/{file.path}"
                    put(new, path, file.text, file.mode)
                    written.append(path)
                removed += (f"{change.host}/{path}" for path in change.remove)
                unchanged += change.unchanged
            if written or removed:
                name = commit(new, root, {*written, *removed})
                touched = {name} if name else set(os.listdir(root))
        if done:
            done(touched)
    return Outcome(tuple(sorted(written)), tuple(sorted(removed)), unchanged)


def stale(directory: Path, hosts: Hosts, *, complete: bool) -> tuple[str, ...]:
    """What `write` would do, as `write <path>` and `remove <path>`, sorted by path. Touches nothing."""
    found: list[tuple[str, str]] = []
    for change in _changes(home(directory), hosts, complete=complete):
        found += ((f"{change.host}/{file.path}", "write") for file in change.write)
        found += ((f"{change.host}/{path}", "remove") for path in change.remove)
    return tuple(f"{verb} {path}" for path, verb in sorted(found))


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


def _changes(root: Path, hosts: Hosts, *, complete: bool) -> Iterator[_Change]:
    seen: set[str] = set()
    for host, files in hosts:
        if host in seen or "/" in host:
            raise WriteRefused(f"`{host}` cannot name the folder of one host")
        seen.add(host)
        if isinstance(files, int):
            yield _Change(host, (), (), files)
            continue
        _check_paths(host, files)
        yield _change(root / host, files)
    if complete and root.exists():
        for name in sorted(os.listdir(root)):
            if name not in seen and is_ours(root / name):
                yield _change(root / name, ())


def _check_paths(host: str, files: tuple[File, ...]) -> None:
    paths = {file.path for file in files}
    for path in (host, *paths):
        if not path.isprintable() or any(part in ("", ".", "..") for part in path.split("/")):
            raise WriteRefused(f"`{host}`: {path!r} is no path inside the folder of a host")
        if clash := next((above for above in parents(path) if above in paths), None):
            raise WriteRefused(f"`{host}`: `{clash}` cannot be a file and the folder of `{path}`")
    listed = next((_listed(file.text) for file in files if file.path == MANIFEST), [])
    # A file that is not listed would be a stranger's to the next build.
    if sorted(file.path for file in files) != sorted([*listed, MANIFEST]):
        raise WriteRefused(f"`{host}`: {MANIFEST} does not list the files of this host")


def _change(folder: Path, files: tuple[File, ...]) -> _Change:
    """No files: the host is gone."""
    old = _inventory(folder)
    ours = _ours(folder)
    made = {file.path for file in files}
    _check_strangers(folder, old, ours, made)
    write = tuple(file for file in files if not _same(f"{folder}/{file.path}", old.get(file.path), file))
    remove = sorted(path for path in ours - made if path in old and not stat.S_ISDIR(old[path].st_mode))
    return _Change(folder.name, write, tuple(remove), len(files) - len(write))


def _check_strangers(folder: Path, old: _Inventory, ours: Iterable[str], made: Iterable[str]) -> None:
    """Refuses when something that is not ours stands where a file, or a folder above it, has to be."""
    held = {above for path in old for above in parents(path)}
    folders = {path for path, status in old.items() if stat.S_ISDIR(status.st_mode)}
    # An empty folder is a stranger's too: ours lead to a file.
    leaves = (folders - held) | (old.keys() - folders - set(ours))
    strangers = leaves | {above for path in leaves for above in parents(path)}
    for path in made:
        for blocked in (path, *parents(path)):
            if blocked in strangers and (blocked == path or blocked not in folders):
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
