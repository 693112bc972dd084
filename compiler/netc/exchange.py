"""Replaces a folder as a whole: at any moment, and after a power failure, there is the old tree or the new one.

netc builds the new tree in a hidden folder beside the old one, hard-links the files that do not change, and exchanges
the two in one system call. Without such a call (macOS, some file systems), it renames twice. Between the two renames
there is no tree, and if netc ends there, the next build restores the old one. `write` decides what changes.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import contextmanager, suppress
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)
_NO_LOCK_ON_FOLDERS = (errno.EBADF, errno.EINVAL, errno.ENOTSUP)

PATIENCE = 60.0
"""Seconds to wait for another build."""


class WriteRefused(Exception):
    """Writing would harm something that is not ours. Nothing was changed."""


def home(directory: Path) -> Path:
    """Where the tree really is: a directory that is a link stays one. Refuses what cannot be exchanged."""
    if said := follows_stranger(directory):
        raise WriteRefused(f"{said}: remove it, or name a folder of your own")
    root, here = Path(os.path.realpath(directory)), Path(os.path.realpath(os.curdir))
    if root == here or root in here.parents:
        raise WriteRefused(f"`{directory}` is the working directory, or contains it: name another folder")
    if os.path.ismount(root):
        raise WriteRefused(f"`{directory}` is a mount point, which netc cannot replace: name a folder inside")
    if root.is_symlink():  # what is behind other links is known by now
        raise WriteRefused(f"`{directory}` is a link to itself: remove it, or name another folder")
    if path := next((path for path in (root, *root.parents) if path.exists() and _is_strangers(path)), None):
        raise WriteRefused(f"`{path}` belongs to another user, who could change it later: name a folder of your own")
    there = next(path for path in (root, *root.parents) if path.exists())
    if not there.is_dir():
        raise WriteRefused(f"`{there}` is not a folder, and is in the way: move it, or name another folder")
    return root


def _is_strangers(path: Path) -> bool:
    """Whether somebody else could have put it into a folder that many write to. In a folder of one user, and of those
    that the user shares it with, what is that user's is no stranger's."""
    own, above = path.lstat(), path.parent.stat()
    if own.st_uid in (os.geteuid(), 0):
        return False
    return bool(above.st_mode & stat.S_IWOTH) or (bool(above.st_mode & stat.S_IWGRP) and own.st_uid != above.st_uid)


def follows_stranger(path: Path) -> str:
    """Of the first link of a path that a stranger made, what to say of it; else ""."""
    link = _strangers_link(path)
    return f"`{link}` is a link that another user made" if link else ""


MOST_LINKS = 40
"""In one path, as in path_resolution(7)."""


def _strangers_link(path: Path) -> Path | None:
    """The first link of a path that neither root, nor we, nor the owner of its folder made. The kernel follows it where
    fs.protected_symlinks is 0, and in folders without the sticky bit."""
    there, rest, links = Path("/"), list(reversed((Path(os.path.realpath(os.curdir)) / path).parts)), 0
    while rest and links < MOST_LINKS:
        part = rest.pop()
        step = Path("/") if part == "/" else there.parent if part == ".." else there / part
        if not step.is_symlink():
            there = step
            continue
        links += 1
        if step.lstat().st_uid not in (0, os.geteuid(), there.stat().st_uid):
            return step
        rest += reversed(Path(os.readlink(step)).parts)
    return None


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Among all builds of this tree. The kernel lets go of the lock when its holder dies. Raises WriteRefused at the
    end of PATIENCE: everybody who can read the folder can hold its lock."""
    root.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(root.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            _wait_for(lock, root.parent)
        except OSError as error:
            if error.errno not in _NO_LOCK_ON_FOLDERS:
                raise
            # NFS locks only what is open for writing. The file stays: removing it would let two builds in.
            os.close(lock)
            beside = root.parent / f".{root.name}.netc-lock"
            lock = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            _wait_for(lock, beside)
        yield
    finally:
        os.close(lock)


def _wait_for(lock: int, path: Path) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= end:
                what = f"{_holder(lock)} has held the lock (flock) of `{path}` for {PATIENCE:g} seconds"
                raise WriteRefused(f"{what}: end it, or build into a folder elsewhere") from None
        time.sleep(0.05)


def _holder(lock: int) -> str:
    """By proc_locks(5), where Linux shows it."""
    inode = os.fstat(lock).st_ino
    with suppress(OSError):
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            found = re.match(r"\d+: FLOCK +\w+ +\w+ +(\d+) \w+:\w+:(\d+) ", line)
            if found and int(found[2]) == inode and int(found[1]) > 0:
                return f"process {found[1]}"
    return "another process"


@contextmanager
def building(root: Path) -> Iterator[Path]:
    """Gives where the new tree is to grow. What is not committed vanishes at the end."""
    # The build that had the lock before may have been killed.
    _tidy(root)
    try:
        yield _hidden(root) / "new"
    finally:
        _tidy(root)


def put(new: Path, files: Sequence[tuple[str, str, int]]) -> None:
    """Of each its path, its text and its mode. The folders that they are in must not be there yet."""
    _begin(new)
    for folder in sorted(above(path for path, _, _ in files)):
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
        while data:  # on a full disk the first write is short, and only the next one fails
            data = data[os.write(file, data) :]
        os.fchmod(file, mode)
    finally:
        os.close(file)


def commit(new: Path, root: Path, changed: Set[str]) -> None:
    """Adds to `new` all of `root` that is not `changed` (paths that are put in `new`, or are to go), and exchanges."""
    _begin(new)
    if root.exists():
        _carry(root, new, changed, above(changed), device=root.stat().st_dev)
    _sync(new, _all(new))
    _swap(new, root)
    _sync(root.parent, (new.parent, root.parent))


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
    _check_hidden(new.parent)
    new.mkdir(exist_ok=True)


def _check_hidden(hidden: Path) -> None:
    """Refuses what somebody else put there: it would become the tree, or grow while netc builds in it."""
    status = hidden.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise WriteRefused(f"`{hidden}` is not a folder, and netc builds there: remove it")
    if status.st_uid != os.geteuid():
        raise WriteRefused(f"`{hidden}` belongs to another user: build into a folder of your own")


def _tidy(root: Path) -> None:
    hidden = _hidden(root)
    if not os.path.lexists(hidden):
        return
    _check_hidden(hidden)
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
        raise WriteRefused(f"`{folder}` is a mount point, which netc cannot replace: unmount it")
    if folder.stat().st_uid != os.geteuid() and not os.access(folder, os.W_OK | os.X_OK):
        raise WriteRefused(f"`{folder}` belongs to another user, and you may not write there: move it")


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


def _sync(folder: Path, paths: Iterable[Path]) -> None:
    """Ends when the disk has `paths`, which are on the file system of `folder`: by one call for all of that, since
    thousands of single ones take minutes; where there is none (macOS), one by one."""
    syncfs = getattr(_LIBC, "syncfs", None)
    if syncfs is None:
        for path in paths:
            _sync_one(path)
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if syncfs is None:
            _empty_cache(file)
        elif syncfs(file) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(folder))
    finally:
        os.close(file)


def _sync_one(path: Path) -> None:
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except PermissionError:
        return  # it was linked: what is written here can be read
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:  # not all file systems sync folders
            raise
    finally:
        os.close(file)


def _empty_cache(file: int) -> None:
    """fsync(2) of macOS leaves things in the disk's own cache."""
    if hasattr(fcntl, "F_FULLFSYNC"):
        fcntl.fcntl(file, fcntl.F_FULLFSYNC)


def _all(tree: Path) -> Iterator[Path]:
    """Plain files and folders, `tree` last."""
    for folder, _, files in os.walk(tree, topdown=False):
        yield from (path for path in (Path(folder, name) for name in files) if stat.S_ISREG(path.lstat().st_mode))
        yield Path(folder)


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
