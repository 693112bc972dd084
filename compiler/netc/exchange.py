"""Replaces a folder as a whole: whoever looks, and whoever pulls the plug, finds the old tree or the new one.

The new tree grows in a hidden folder beside the old one, takes over by hard link what stays as it is, and is
exchanged with the old one in one system call. `write` decides what changes; this module only makes it so.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

_LIBC = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)
_NO_LOCK_ON_FOLDERS = (errno.EBADF, errno.EINVAL, errno.ENOTSUP)


class WriteRefused(Exception):
    """Writing would harm something that is not ours. Nothing was changed."""


def home(directory: Path) -> Path:
    """Where the tree really is: a directory that is a link stays one. Refuses what cannot be exchanged."""
    root, here = Path(os.path.realpath(directory)), Path(os.path.realpath(os.curdir))
    if root == here or root in here.parents:
        raise WriteRefused(f"`{directory}` is where netc runs, or lies around it: name a folder of its own")
    if os.path.ismount(root):
        raise WriteRefused(f"`{directory}` is a mount point, which cannot be exchanged: name a folder inside")
    if root.exists() and not root.is_dir():
        raise WriteRefused(f"`{directory}` is not a folder")
    return root


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Among all builds of this tree. The kernel lets go of the lock when its holder dies."""
    root.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(root.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in _NO_LOCK_ON_FOLDERS:
                raise
            # NFS locks only what is open for writing. The file stays: removing it would let two builds in.
            os.close(lock)
            beside = root.parent / f".{root.name}.netc-lock"
            lock = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


@contextmanager
def building(root: Path) -> Iterator[Path]:
    """Gives where the new tree is to grow. What is not committed vanishes at the end."""
    # Whoever was alone before may have been killed.
    _tidy(root)
    try:
        yield _hidden(root) / "new"
    finally:
        _tidy(root)


def put(new: Path, folders: Set[str], files: Iterable[tuple[str, str, int]]) -> None:
    """`folders`: all that `files` are in, at any depth; of each file its path, its text and its mode."""
    _begin(new)
    new.mkdir(exist_ok=True)
    for folder in sorted(folders):
        os.mkdir(f"{new}/{folder}")
    for path, text, mode in files:
        try:
            _put(f"{new}/{path}", text.encode(), mode)
        except OSError as error:
            error.filename = error.filename or f"{new}/{path}"
            raise


def _put(path: str, data: bytes, mode: int) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        while data:  # of what there is room for, the first write says nothing of the rest
            data = data[os.write(file, data) :]
        os.fchmod(file, mode)
    finally:
        os.close(file)


def nothing(*_: object) -> None:
    pass


def commit(new: Path, root: Path, changed: Set[str], meanwhile: Callable[[], None] = nothing) -> str | None:
    """Adds to `new` all of `root` that is not `changed` (paths that are put in `new`, or are to go); does `meanwhile`
    beside the disk, which takes its time; exchanges. The folder in `root` that was exchanged in place of the whole, if
    one was."""
    _begin(new)
    new.mkdir(exist_ok=True)
    touched = above(changed)
    if name := _only_folder(new, root, changed):
        changed, touched = ({path[len(name) + 1 :] for path in paths} for paths in (changed, touched))
        new, root = new / name, root / name
    if root.exists():
        _carry(root, new, changed, touched, device=root.stat().st_dev)
    with _syncing(new):
        meanwhile()
    _swap(new, root)
    _sync(root.parent)
    return name


def _only_folder(new: Path, root: Path, changed: Set[str]) -> str | None:
    """The folder in `root` that holds all that changes, when it can be exchanged in place of the whole: it is there,
    and stays; with two renames in place of an exchange, nobody would put it back."""
    name, *others = {path.split("/")[0] for path in changed}
    if others or not (new / name).is_dir() or not root.is_dir():
        return None
    _check_folder(root, root.stat().st_dev)
    old = root / name
    if old.is_symlink() or not old.is_dir() or old.stat().st_dev != root.stat().st_dev:
        return None
    probes = new.parent / "one", new.parent / "other"
    for probe in probes:
        probe.mkdir()
    return name if _exchange(*probes) else None


def above(paths: Iterable[str]) -> set[str]:
    """All folders that `paths` are in, at any depth: `a` and `a/b` of `a/b/c`."""
    found: set[str] = set()
    for path in paths:
        while (path := path.rpartition("/")[0]) and path not in found:
            found.add(path)
    return found


def _hidden(root: Path) -> Path:
    """Holds `new`, and while two renames stand in for an exchange also `old`."""
    return root.parent / f".{root.name}.netc-build"


def _begin(new: Path) -> None:
    # Closed to others: folders get the mode of the old ones only when they are full.
    new.parent.mkdir(mode=0o700, exist_ok=True)
    if new.parent.lstat().st_uid != os.geteuid():
        raise WriteRefused(f"`{new.parent}` belongs to another user: build in a folder of your own")


def _tidy(root: Path) -> None:
    hidden = _hidden(root)
    if not os.path.lexists(hidden):
        return
    if hidden.is_symlink():
        raise WriteRefused(f"`{hidden}` is a link where netc builds: remove it")
    if (hidden / "old").is_dir() and not root.exists():
        # Stopped between the two renames of `_swap`.
        os.rename(hidden / "old", root)
    for folder, _, _ in os.walk(hidden):
        # A folder that is closed to its owner would keep what it holds.
        with suppress(OSError):
            os.chmod(folder, 0o700)
    shutil.rmtree(hidden)


def _carry(old: Path, new: Path, changed: Set[str], touched: Set[str], device: int, prefix: str = "") -> None:
    """Fills `new` with what stays of `old`. `touched` holds the folders of `changed`: those may be left empty."""
    _check_folder(old, device)
    new.mkdir(exist_ok=True)
    with os.scandir(old) as entries:
        for entry in entries:
            path = prefix + entry.name
            if path in changed:
                continue
            if entry.is_dir(follow_symlinks=False):
                _carry(Path(entry.path), new / entry.name, changed, touched, device, f"{path}/")
            else:
                _take_over(entry, new / entry.name)
    is_touched = prefix.removesuffix("/") in touched
    if prefix and is_touched and not any(new.iterdir()):
        new.rmdir()
        return
    with suppress(PermissionError):
        shutil.chown(new, old.stat().st_uid, old.stat().st_gid)
    shutil.copystat(old, new)
    if is_touched:
        os.utime(new)


def _check_folder(folder: Path, device: int) -> None:
    """Refuses a folder that we could not clear away after the exchange."""
    if folder.stat().st_dev != device:
        raise WriteRefused(f"`{folder}` is a mount point, which cannot be exchanged: unmount it")
    if folder.stat().st_uid != os.geteuid() and not os.access(folder, os.W_OK | os.X_OK):
        raise WriteRefused(f"`{folder}` belongs to another user and is closed to you: move it")


def _take_over(entry: os.DirEntry[str], target: Path) -> None:
    try:
        os.link(entry.path, target, follow_symlinks=False)
    except OSError:
        # Another user's file, a file system without hard links, or too many of them.
        status = entry.stat(follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISLNK(status.st_mode):
            raise
        shutil.copyfile(entry.path, target, follow_symlinks=False)
        with suppress(PermissionError):
            os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
        shutil.copystat(entry.path, target, follow_symlinks=False)


def _sync(path: Path) -> None:
    """The whole file system at once: thousands of single fsyncs take minutes."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if _LIBC.syncfs(folder) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(path))
    finally:
        os.close(folder)


@contextmanager
def _syncing(path: Path) -> Iterator[None]:
    """Ends when the disk has it all."""
    failed: list[OSError] = []

    def sync() -> None:
        try:
            _sync(path)
        except OSError as error:
            failed.append(error)

    disk = Thread(target=sync)
    disk.start()
    try:
        yield
    finally:
        disk.join()
    if failed:
        raise failed[0]


def _swap(new: Path, root: Path) -> None:
    """Afterwards `new` is the old tree, if there was one."""
    if not root.exists():
        os.rename(new, root)
    elif not _exchange(new, root):
        old = new.parent / "old"
        os.rename(root, old)
        os.rename(new, root)
        # Under this name nobody will put it back.
        os.rename(old, new)


def _exchange(one: Path, other: Path) -> bool:
    """False where the kernel, the C library or the file system cannot."""
    rename = getattr(_LIBC, "renameat2", None)
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), str(other))
