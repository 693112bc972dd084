"""Puts compiled trees on disk: hosts in, `<directory>/<host>/...` changed as a whole or not at all.

What the `MANIFEST` of a host lists is ours, whatever became of it; so is a `.gitattributes` that says so. Everything
else in the directory is someone else's and stays: files, links, empty folders. Links are never followed.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Container, Generator, Iterable, Set
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct

from netc import __version__
from netc.emit.file import File
from netc.exchange import WriteRefused, above, alone, building, commit, home, put
from netc.language.changed import BEFORE_ALL, Compiler

__all__ = [
    "ATTRIBUTES",
    "MANIFEST",
    "Outcome",
    "WriteHost",
    "WriteHosts",
    "WriteRefused",
    "added",
    "compiled_by",
    "is_foreign",
    "keeps_line_endings",
    "stale",
    "write",
]

MANIFEST = "MANIFEST"
"""One line for each other file of the host, by path: `<sha256>  <mode, four octal digits>  <path>`, and where a change
of the file asks for more than the file itself `  <verb>:<part or unit>,...`."""

_OURS = "# Compiled by netc"
ATTRIBUTES = File(
    ".gitattributes",
    f"""{_OURS} {__version__}. If this is not the first line, netc does not change this file.
# MANIFEST has the checksums of files as they are here: no line ending is changed.
* -text
# Reviews fold checksums, and what is the same on every host.
/*/MANIFEST linguist-generated gitlab-generated
/*/files/usr/lib/netc/** linguist-generated gitlab-generated
/*/files/usr/local/sbin/netc-host linguist-generated gitlab-generated
""",
)
"""For git(1) and for review tools, in the directory beside the hosts."""

_LINE = re.compile(r"[0-9a-f]{64}  [0-7]{4}  (.+?)(?:  [a-z]+:[^ /]+)?")
_OUTSIDE = re.compile(r"(^|/)\.{0,2}(/|\Z)")
_Inventory = dict[str, os.stat_result]


class Outcome(Struct, frozen=True):
    """What becomes, or would become, of the directory or of one host. Paths are relative to it; `unchanged` counts
    files."""

    written: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    unchanged: int = 0


WriteHost: TypeAlias = Callable[[str, tuple[File, ...]], Outcome]
"""Takes all files of a host, `MANIFEST` among them. May be called in a process that was forked."""
WriteHosts: TypeAlias = Callable[[WriteHost], Generator[tuple[str, Outcome], None, None]]
"""Writes each host once, one after the other or several at a time, and yields each with its outcome."""


def write(directory: Path, write_hosts: WriteHosts, *, complete: bool) -> Outcome:
    """Writes the hosts that `write_hosts` yields to `directory`. `complete` also removes hosts that netc wrote before
    and that are no longer there. The paths in the result are sorted.

    Raises `WriteRefused`, `OSError`, or what `write_hosts` raises. The directory is then as before.
    """
    root = home(directory)
    with alone(root), building(root) as new:
        outcome = _outcome(root, write_hosts, partial(_write_host, root, new), complete=complete)
        if ATTRIBUTES.path in outcome.written:
            put(new, [(ATTRIBUTES.path, ATTRIBUTES.text, ATTRIBUTES.mode)])
        if changed := {*outcome.written, *outcome.removed}:
            commit(new, root, changed)
    return outcome


def compiled_by(directory: Path) -> Compiler | None:
    """The netc that wrote what is there, by the first line of its `.gitattributes`, `BEFORE_ALL` where that does not
    say it; None where there is nothing of ours. Raises OSError."""
    if not directory.is_dir() or not any(_ours(directory / name) for name in os.listdir(directory)):
        return None
    attributes = directory / ATTRIBUTES.path
    first = attributes.read_text(encoding="utf-8", errors="replace").partition("\n")[0] if attributes.is_file() else ""
    said = re.match(rf"{_OURS} ([0-9]+(?:[.][0-9]+)*)\b", first)
    return Compiler(said[1] if said else BEFORE_ALL, said=not is_foreign(attributes))


def stale(directory: Path, write_hosts: WriteHosts, *, complete: bool) -> tuple[str, ...]:
    """What `write` would do, as `write <path>` and `remove <path>`, sorted by path. Touches nothing."""
    root = home(directory)
    outcome = _outcome(root, write_hosts, lambda host, files: _needed(root, host, files)[1], complete=complete)
    found = [(path, "write") for path in outcome.written] + [(path, "remove") for path in outcome.removed]
    return tuple(f"{verb} {path}" for path, verb in sorted(found))


def is_foreign(path: Path) -> bool:
    """Whether something stands there that does not say in its first line that it is ours."""
    if not os.path.lexists(path):
        return False
    text = _read(str(path))
    return text is None or not text.startswith(_OURS.encode())


def added(path: Path) -> tuple[str, ...]:
    """Lines that somebody added to our `.gitattributes`. They are lost when netc writes it."""
    if not path.is_file() or is_foreign(path):
        return ()
    _, *lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return tuple(line for line in lines if line.strip() and line not in ATTRIBUTES.text.splitlines())


def keeps_line_endings(path: Path) -> bool:
    """Whether a `.gitattributes` of somebody else's keeps git from changing line endings, as ours does."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else ()
    of_all = [line.split()[1:] for line in lines if line.split()[:1] in (["*"], ["**"])]
    said = [
        word for words in of_all for word in words if word.lstrip("-!").partition("=")[0] == "text" or word == "binary"
    ]
    return bool(said) and said[-1] in ("-text", "binary")


def _write_host(root: Path, new: Path, host: str, files: tuple[File, ...]) -> Outcome:
    needed, outcome = _needed(root, host, files)
    if needed and (new / host).exists():
        raise _named_twice(host)
    if needed:
        put(new, [(f"{host}/{file.path}", file.text, file.mode) for file in needed])
    return outcome


def _outcome(root: Path, write_hosts: WriteHosts, write_host: WriteHost, *, complete: bool) -> Outcome:
    """Of the whole directory."""
    of_hosts: dict[str, Outcome] = {}
    # The processes that write hosts have ended before their files are used or removed.
    with closing(write_hosts(write_host)) as hosts:
        for host, outcome in hosts:
            if host in of_hosts:
                raise _named_twice(host)
            of_hosts[host] = outcome
    beside = _of_attributes(root / ATTRIBUTES.path, has_hosts=bool(of_hosts), complete=complete)
    of_hosts |= _gone(root, of_hosts) if complete else {}
    found = {"": beside, **{f"{host}/": outcome for host, outcome in of_hosts.items()}}
    return Outcome(
        tuple(sorted(prefix + path for prefix, outcome in found.items() for path in outcome.written)),
        tuple(sorted(prefix + path for prefix, outcome in found.items() for path in outcome.removed)),
        sum(outcome.unchanged for outcome in found.values()),
    )


def _named_twice(host: str) -> WriteRefused:
    return WriteRefused(f"`{host}` cannot name the folder of one host")


def _of_attributes(path: Path, *, has_hosts: bool, complete: bool) -> Outcome:
    """They come with the first host and go with the last."""
    if is_foreign(path):
        return Outcome()
    is_there = os.path.lexists(path)
    if not has_hosts:
        return Outcome(removed=(ATTRIBUTES.path,)) if is_there and complete else Outcome()
    if is_there and _same(str(path), path.lstat(), ATTRIBUTES):
        return Outcome(unchanged=1)
    return Outcome(written=(ATTRIBUTES.path,))


def _gone(root: Path, hosts: Container[str]) -> dict[str, Outcome]:
    """Hosts that we wrote once, and that are not in `hosts`."""
    names = sorted(os.listdir(root)) if root.exists() else ()
    gone = [name for name in names if name not in hosts and _ours(root / name)]
    return {name: _change(root / name, ())[1] for name in gone}


def _read(path: str) -> bytes | None:
    """A plain file."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
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
            raise WriteRefused(f"`{host}`: {path!r} is not a path inside the folder of a host")
    if clash := min(paths & above(paths), default=None):
        path = min(path for path in paths if path.startswith(f"{clash}/"))
        raise WriteRefused(f"`{host}`: `{clash}` cannot be a file and the folder of `{path}`")
    listed = next((_listed(file.text) for file in files if file.path == MANIFEST), [])
    # A file that is not listed would be a stranger's to the next build.
    if sorted(file.path for file in files) != sorted([*listed, MANIFEST]):
        raise WriteRefused(f"`{host}`: {MANIFEST} does not list the files of this host")


def _needed(root: Path, host: str, files: tuple[File, ...]) -> tuple[tuple[File, ...], Outcome]:
    """Those of its files that are to be written, and what becomes of it. Raises WriteRefused."""
    _check_paths(host, files)
    return _change(root / host, files)


def _change(folder: Path, files: tuple[File, ...]) -> tuple[tuple[File, ...], Outcome]:
    """No files: the host is gone."""
    old = _inventory(folder)
    ours = _ours(folder)
    made = {file.path for file in files}
    _check_strangers(folder, old, ours, made)
    needed = tuple(file for file in files if not _same(f"{folder}/{file.path}", old.get(file.path), file))
    remove = sorted(path for path in ours - made if path in old and not stat.S_ISDIR(old[path].st_mode))
    return needed, Outcome(tuple(file.path for file in needed), tuple(remove), len(files) - len(needed))


def _check_strangers(folder: Path, old: _Inventory, ours: Iterable[str], made: Set[str]) -> None:
    """Refuses when something that is not ours stands where a file, or a folder above it, has to be."""
    held = above(old)
    folders = {path for path, status in old.items() if stat.S_ISDIR(status.st_mode)}
    # An empty folder is a stranger's too: ours lead to a file.
    leaves = (folders - held) | (old.keys() - folders - set(ours))
    strangers = leaves | above(leaves)
    for blocked in sorted(strangers & {*made, *above(made)}):
        if blocked in made or blocked not in folders:
            raise _obstacle(folder / blocked)


def _obstacle(path: Path) -> WriteRefused:
    return WriteRefused(f"`{path}` is in the way and is not from netc: move it, or remove it")


def _inventory(folder: Path) -> _Inventory:
    """All that `folder` holds at any depth, by path relative to it."""
    found: _Inventory = {}
    if not os.path.lexists(folder):
        return found
    if not stat.S_ISDIR(folder.lstat().st_mode):
        raise _obstacle(folder)
    todo = [""]
    while todo:
        prefix = todo.pop()
        with os.scandir(folder / prefix) as entries:
            for entry in entries:
                found[prefix + entry.name] = entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    todo.append(f"{prefix}{entry.name}/")
    return found


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
    """In its text and the executable bit. git keeps no other bits, and a checkout has those of its user's umask. On the
    host, files get the modes of MANIFEST."""
    if status is None or not stat.S_ISREG(status.st_mode) or bool(status.st_mode & 0o100) != bool(file.mode & 0o100):
        return False
    text = file.text.encode()
    return status.st_size == len(text) and _read(path) == text
