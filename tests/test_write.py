"""Claims about putting compiled trees on disk: as a whole or not at all, and nothing of anybody else's."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import os
import random
import re
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import night
from examples import OUT, ROOT, differences, root_only
from examples import tree as files_of
from netc import exchange
from netc import write as writer
from netc.emit.file import File
from netc.write import ATTRIBUTES, MANIFEST, Outcome, WriteHosts, WriteRefused, is_foreign

Hosts = Iterable[tuple[str, tuple[File, ...]]]
Tree = dict[str, tuple[int, str]]
"""By path: mode and type, and the text of a file or the target of a link."""


def host(name: str, files: dict[str, str], modes: dict[str, int] | None = None) -> tuple[str, tuple[File, ...]]:
    made = [File(path, text, (modes or {}).get(path, 0o644)) for path, text in files.items()]
    lines = sorted((f.path, f"{hashlib.sha256(f.text.encode()).hexdigest()}  {f.mode:04o}  {f.path}\n") for f in made)
    return name, (*made, File(MANIFEST, "".join(line for _, line in lines)))


def placing(hosts: Hosts) -> WriteHosts:
    return lambda lay: ((name, lay(name, files)) for name, files in hosts)


def write(directory: Path, hosts: Hosts, *, complete: bool) -> Outcome:
    return writer.write(directory, placing(hosts), complete=complete)


def stale(directory: Path, hosts: Hosts, *, complete: bool) -> tuple[str, ...]:
    return writer.stale(directory, placing(hosts), complete=complete)


OLD = (
    host("edge", {"up.sh": "up\n", "files/etc/nft": "nft\n", "files/etc/gone/x": "x\n"}, {"up.sh": 0o755}),
    host("home", {"up.sh": "home\n", "key": "secret\n"}, {"key": 0o600}),
    host("left", {"up.sh": "left\n"}),
)
NEW = (
    host("edge", {"up.sh": "up\n", "files/etc/nft": "nft 2\n", "files/etc/bird/é": "bird\n"}, {"up.sh": 0o755}),
    host("home", {"up.sh": "home\n", "key": "secret\n"}, {"key": 0o600}),
    host("more", {"up.sh": "more\n"}),
)


def tree(directory: Path) -> Tree:
    found: Tree = {}
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        text = ""
        if stat.S_ISLNK(status.st_mode):
            text = os.readlink(path)
        elif stat.S_ISREG(status.st_mode):
            text = path.read_text()
        found[str(path.relative_to(directory))] = (status.st_mode, text)
    return found


def identities(directory: Path) -> dict[str, tuple[int, int]]:
    """Inode and mtime of all that is no folder."""
    paths = [path for path in directory.rglob("*") if path.is_symlink() or not path.is_dir()]
    return {str(p.relative_to(directory)): (p.lstat().st_ino, p.lstat().st_mtime_ns) for p in paths}


def in_child(run: Callable[[], object]) -> int:
    """Runs in a process of its own: 0, 1 when it raised, or the number of the signal that ended it, negative."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            run()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def hide(monkeypatch: pytest.MonkeyPatch, *functions: str) -> None:
    """From all who ask the C library for them: that of macOS has neither."""
    kept = {name: function for name, function in vars(exchange._LIBC).items() if name not in functions}
    monkeypatch.setattr(exchange, "_LIBC", SimpleNamespace(**kept))


def two_renames(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "renameat2")


def syncs_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "syncfs")


def macos(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "syncfs", "renameat2")


def no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)


def nothing(_monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual machine."""


@pytest.fixture(params=[nothing, two_renames, syncs_one_by_one, macos, no_links])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    request.param(monkeypatch)
    return str(request.param.__name__)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A directory with `OLD` in it and with what belongs to someone else."""
    directory = tmp_path / "out"
    write(directory, OLD, complete=True)
    (directory / "README").write_text("mine\n")
    (directory / "edge" / "notes").write_text("mine\n")
    (directory / "edge" / "notes").chmod(0o640)
    (directory / "edge" / "files" / "link").symlink_to("/etc")
    (directory / "left" / "empty").mkdir(mode=0o750)
    (directory / "mine" / "deep").mkdir(parents=True)
    (directory / "mine" / "deep" / "MANIFEST").write_text("not yours\n")
    (directory / "mine" / "MANIFEST").write_text("not yours either\n")
    os.mkfifo(directory / "home" / "pipe")
    for path in directory.rglob("*"):
        os.utime(path, (1e9, 1e9), follow_symlinks=False)
    return directory


@pytest.fixture(autouse=True)
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What was synced. Really syncing a file system that others use takes its time."""
    calls: list[Path] = []

    def sync(file: int) -> int:
        calls.append(Path(os.readlink(f"/proc/self/fd/{file}")))
        return 0

    libc = exchange._LIBC
    monkeypatch.setattr(exchange, "_LIBC", SimpleNamespace(syncfs=sync, renameat2=libc.renameat2))
    monkeypatch.setattr(os, "fsync", sync)
    return calls


STRANGERS = {
    "README",
    "edge/notes",
    "edge/files/link",
    "left/empty",
    "mine",
    "mine/deep",
    "mine/deep/MANIFEST",
    "mine/MANIFEST",
    "home/pipe",
}


def siblings(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.parent.iterdir())


# --- what is written


def test_a_first_build_writes_every_file(tmp_path: Path) -> None:
    outcome = write(tmp_path / "deep" / "out", OLD, complete=True)
    made = tree(tmp_path / "deep" / "out")
    files = {f"{name}/{file.path}": (stat.S_IFREG | file.mode, file.text) for name, fs in OLD for file in fs}

    files[".gitattributes"] = (stat.S_IFREG | 0o644, ATTRIBUTES.text)
    assert {path: entry for path, entry in made.items() if stat.S_ISREG(entry[0])} == files
    assert outcome == Outcome(tuple(sorted(files)), (), 0)
    assert siblings(tmp_path / "deep" / "out") == ["out"]


def test_the_umask_applies_to_folders_and_not_to_files(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write(tmp_path / "out", OLD, complete=True)
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "out" / "edge").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "out" / "edge" / "up.sh").stat().st_mode) == 0o755


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o027, 0o077])
def test_only_the_executable_bit_of_a_checkout_counts(out: Path, mask: int) -> None:
    """git keeps no other bits of a mode, and each checkout has those of its user's umask."""
    for path in out.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod((0o777 if path.stat().st_mode & 0o100 else 0o666) & ~mask)

    assert stale(out, OLD, complete=True) == ()
    (out / "edge" / "up.sh").chmod(0o600)
    assert stale(out, OLD, complete=True) == ("write edge/up.sh",)


def test_only_what_changed_is_written(out: Path) -> None:
    before = identities(out)
    outcome = write(out, NEW, complete=True)
    after = identities(out)

    assert outcome == Outcome(
        written=(
            "edge/MANIFEST",
            "edge/files/etc/bird/é",
            "edge/files/etc/nft",
            "more/MANIFEST",
            "more/up.sh",
        ),
        removed=("edge/files/etc/gone/x", "left/MANIFEST", "left/up.sh"),
        unchanged=5,
    )
    for path in before.keys() - {*outcome.written, *outcome.removed}:
        assert after[path] == before[path], path
    assert after.keys() == (before.keys() | {*outcome.written}) - {*outcome.removed}


def test_foreign_files_move_to_the_new_tree(out: Path, machine: str) -> None:
    if machine == "no_links":
        (out / "home" / "pipe").unlink()  # a pipe cannot be copied
    before = {path: entry for path, entry in tree(out).items() if path in STRANGERS}
    write(out, NEW, complete=True)
    after = tree(out)
    made = {f"{name}/{file.path}": (stat.S_IFREG | file.mode, file.text) for name, files in NEW for file in files}
    made[".gitattributes"] = (stat.S_IFREG | 0o644, ATTRIBUTES.text)

    assert {path: entry for path, entry in after.items() if not stat.S_ISDIR(entry[0]) or path in STRANGERS} == {
        **before,
        **made,
    }
    for path in before:
        assert (out / path).lstat().st_mtime == 1e9, path
    assert siblings(out) == ["out"]


def test_folders_that_we_emptied_are_removed_and_foreign_ones_stay(out: Path) -> None:
    write(out, (), complete=True)

    assert {path for path, entry in tree(out).items() if stat.S_ISDIR(entry[0])} == {
        "edge",
        "edge/files",
        "home",
        "left",
        "left/empty",
        "mine",
        "mine/deep",
    }
    assert {path for path, entry in tree(out).items() if not stat.S_ISDIR(entry[0])} <= STRANGERS


def test_nothing_to_change_touches_nothing(out: Path) -> None:
    before = (tree(out), identities(out), out.parent.stat().st_mtime_ns, out.stat().st_ino, out.stat().st_ctime_ns)
    outcome = write(out, OLD, complete=True)
    after = (tree(out), identities(out), out.parent.stat().st_mtime_ns, out.stat().st_ino, out.stat().st_ctime_ns)

    assert outcome == Outcome((), (), 10)
    assert after == before


def test_an_empty_build_makes_no_directory(tmp_path: Path) -> None:
    assert write(tmp_path / "out", (), complete=True) == Outcome((), (), 0)
    assert not (tmp_path / "out").exists()


def test_one_host_alone_leaves_the_others(out: Path) -> None:
    before = tree(out)
    outcome = write(out, [host("home", {"up.sh": "new\n"})], complete=False)

    assert outcome == Outcome(("home/MANIFEST", "home/up.sh"), ("home/key",), 1)
    assert {p: e for p, e in tree(out).items() if not p.startswith("home/")} == {
        p: e for p, e in before.items() if not p.startswith("home/")
    }


def test_files_of_ours_that_were_altered_are_written_again(out: Path) -> None:
    clean = tree(out)
    (out / "edge" / "up.sh").write_text("hacked\n")
    (out / "edge" / "files" / "etc" / "nft").chmod(0o755)
    (out / "home" / "up.sh").unlink()
    (out / "home" / "up.sh").symlink_to("key")
    (out / "left" / "up.sh").unlink()
    outcome = write(out, OLD, complete=True)

    assert outcome.written == ("edge/files/etc/nft", "edge/up.sh", "home/up.sh", "left/up.sh")
    assert tree(out) == clean
    assert (out / "home" / "key").read_text() == "secret\n"


def test_a_disk_that_takes_only_a_part_of_a_file_leaves_the_old_tree(out: Path) -> None:
    before = (tree(out), identities(out))
    most, hardest = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hardest))
    try:
        with pytest.raises(OSError, match="File too large"):
            write(out, (host("edge", {"big": "x" * 100_001}),), complete=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, hardest))

    assert (tree(out), identities(out)) == before
    assert siblings(out) == ["out"]


def test_a_file_may_become_a_folder_and_a_folder_a_file(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, [host("h", {"a": "1\n", "b/c/d": "2\n"})], complete=True)
    outcome = write(out, [host("h", {"a/x": "3\n", "b": "4\n"})], complete=True)

    assert outcome == Outcome(("h/MANIFEST", "h/a/x", "h/b"), ("h/a", "h/b/c/d"), 1)
    assert {p: t for p, (_, t) in tree(out / "h").items() if p != MANIFEST} == {"a": "", "a/x": "3\n", "b": "4\n"}


def test_an_output_folder_that_is_a_symlink_stays_one(out: Path) -> None:
    link = out.parent / "elsewhere" / "link"
    link.parent.mkdir()
    link.symlink_to(out)
    write(link, NEW, complete=True)

    assert link.is_symlink()
    assert (out / "more" / "up.sh").read_text() == "more\n"
    assert siblings(link) == ["link"]


def test_a_read_only_foreign_folder_moves_to_the_new_tree(out: Path) -> None:
    (out / "mine" / "deep").chmod(0o555)
    write(out, NEW, complete=True)

    assert stat.S_IMODE((out / "mine" / "deep").stat().st_mode) == 0o555
    assert (out / "mine" / "deep" / "MANIFEST").read_text() == "not yours\n"
    (out / "mine" / "deep").chmod(0o755)
    assert siblings(out) == ["out"]


@root_only
def test_owners_of_foreign_files_stay(out: Path, machine: str) -> None:
    if machine == "no_links":
        (out / "home" / "pipe").unlink()
    for path in ("mine/deep", "mine/deep/MANIFEST", "edge/files/link"):
        os.chown(out / path, 1234, 1235, follow_symlinks=False)
    write(out, NEW, complete=True)

    for path in ("mine/deep", "mine/deep/MANIFEST", "edge/files/link"):
        assert ((out / path).lstat().st_uid, (out / path).lstat().st_gid) == (1234, 1235)


@root_only
def test_a_folder_that_could_not_be_removed_is_refused(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chown(out / "mine" / "deep", 1234, 1235)
    monkeypatch.setattr(os, "access", lambda *_: False)
    before = (tree(out), identities(out))

    with pytest.raises(WriteRefused, match="belongs to another user"):
        write(out, NEW, complete=True)
    assert (tree(out), identities(out)) == before
    assert siblings(out) == ["out"]


def test_only_a_few_hosts_are_in_memory_at_once(tmp_path: Path) -> None:
    def many() -> Iterator[tuple[str, tuple[File, ...]]]:
        for number in range(60):
            yield host(f"h{number}", {"big": str(number) * 200_000})

    tracemalloc.start()
    write(tmp_path / "out", many(), complete=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 4_000_000


# --- .gitattributes, beside hosts


def test_a_build_writes_git_attributes_beside_the_hosts(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, [host("h", {"files/usr/lib/netc/steps.bash": "", "files/etc/netc/order": ""})], complete=False)

    assert (out / ".gitattributes").read_text() == ATTRIBUTES.text
    assert stat.S_IMODE((out / ".gitattributes").stat().st_mode) == 0o644
    assert write(out, [host("h", {"x": ""})], complete=True).written == ("h/MANIFEST", "h/x")


def test_git_applies_the_attributes_to_the_right_files(tmp_path: Path) -> None:
    """In a repository, with the trees somewhere in it."""
    write(tmp_path / "deep/out", OLD, complete=True)
    folded = ["MANIFEST", "files/usr/local/sbin/netc-host", "files/usr/lib/netc/steps.bash", "files/usr/lib/netc/a/b"]
    shown = ["install", "files/etc/netc/order", "files/etc/netc/MANIFEST", "files/usr/local/sbin/netc-hosts"]
    assert attributes(tmp_path, [f"deep/out/edge/{path}" for path in folded]) == [
        {"text": "unset", "linguist-generated": "set", "gitlab-generated": "set"} for _ in folded
    ]
    assert attributes(tmp_path, [f"deep/out/edge/{path}" for path in shown]) == [{"text": "unset"} for _ in shown]
    assert attributes(tmp_path, ["edge/MANIFEST", "deep/notes"]) == [{}, {}]


def attributes(repository: Path, paths: list[str]) -> list[dict[str, str]]:
    """What git knows of each path."""
    subprocess.run(["git", "init", "-q", repository], check=True, capture_output=True)
    ask = ["git", "-C", repository, "check-attr", "-a", "-z", "--", *paths]
    words = subprocess.run(ask, check=True, capture_output=True, text=True).stdout.split("\0")
    said = list(zip(words[::3], words[1::3], words[2::3], strict=False))
    return [{name: value for path, name, value in said if path == asked} for asked in paths]


def another_text(path: Path) -> None:
    path.write_text("* text=auto\n")


def ours_below_another_line(path: Path) -> None:
    path.write_text("# mine\n" + ATTRIBUTES.text)


def nothing_in_it(path: Path) -> None:
    path.write_text("")


def a_link_to_ours(path: Path) -> None:
    path.rename(path.parent / "attributes")
    path.symlink_to("attributes")


def a_dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


FOREIGN = [another_text, ours_below_another_line, nothing_in_it, a_link_to_ours, a_dangling_link, a_folder, a_pipe]


@pytest.mark.parametrize("change", FOREIGN)
def test_foreign_git_attributes_are_left_alone(out: Path, change: Callable[[Path], None]) -> None:
    path = out / ".gitattributes"
    change(path)
    before = {name: entry for name, entry in tree(out).items() if "attributes" in name}

    assert is_foreign(path)
    assert stale(out, OLD, complete=True) == ()
    assert write(out, NEW, complete=True) == Outcome(
        written=("edge/MANIFEST", "edge/files/etc/bird/é", "edge/files/etc/nft", "more/MANIFEST", "more/up.sh"),
        removed=("edge/files/etc/gone/x", "left/MANIFEST", "left/up.sh"),
        unchanged=4,
    )
    write(out, (), complete=True)
    assert {name: entry for name, entry in tree(out).items() if "attributes" in name} == before


@pytest.mark.parametrize("change", [lambda path: path.write_text(ATTRIBUTES.text + "* text\n"), Path.unlink])
def test_our_stale_git_attributes_are_written_again(out: Path, change: Callable[[Path], None]) -> None:
    path = out / ".gitattributes"
    change(path)

    assert not is_foreign(path)
    assert stale(out, OLD, complete=True) == ("write .gitattributes",)
    assert stale(out, OLD[:1], complete=False) == ("write .gitattributes",)
    assert write(out, OLD[:1], complete=False) == Outcome((".gitattributes",), (), 4)
    assert path.read_text() == ATTRIBUTES.text
    assert stale(out, OLD, complete=True) == ()


def test_our_git_attributes_are_removed_with_the_last_host(out: Path) -> None:
    assert ".gitattributes" not in write(out, OLD[:1], complete=True).removed
    assert write(out, (), complete=False) == Outcome()
    assert (out / ".gitattributes").exists()
    outcome = write(out, (), complete=True)

    files = ("edge/MANIFEST", "edge/files/etc/gone/x", "edge/files/etc/nft", "edge/up.sh")
    assert outcome.removed == (".gitattributes", *files)
    assert not (out / ".gitattributes").exists()


# --- what a check says


def test_a_check_says_what_a_build_would_do_and_does_nothing(out: Path) -> None:
    before = (tree(out), identities(out), siblings(out), out.parent.stat().st_mtime_ns)
    said = stale(out, NEW, complete=True)

    assert said == (
        "write edge/MANIFEST",
        "write edge/files/etc/bird/é",
        "remove edge/files/etc/gone/x",
        "write edge/files/etc/nft",
        "remove left/MANIFEST",
        "remove left/up.sh",
        "write more/MANIFEST",
        "write more/up.sh",
    )
    assert (tree(out), identities(out), siblings(out), out.parent.stat().st_mtime_ns) == before
    outcome = write(out, NEW, complete=True)
    assert {line.split(" ", 1)[1] for line in said} == {*outcome.written, *outcome.removed}
    assert stale(out, NEW, complete=True) == ()


def test_a_check_of_nothing_built_yet_lists_every_file(tmp_path: Path) -> None:
    said = ("write .gitattributes", "write left/MANIFEST", "write left/up.sh")
    assert stale(tmp_path / "no" / "out", OLD[2:], complete=True) == said
    assert siblings(tmp_path / "out") == []


# --- what is refused


def link_over_the_host(out: Path) -> None:
    (out / "more").symlink_to(out / "mine")


def link_over_a_folder(out: Path) -> None:
    (out / "more").mkdir()
    (out / "more" / "up.sh").symlink_to("/etc/passwd")


def a_file_where_a_folder_must_be(out: Path) -> None:
    (out / "edge" / "files" / "etc" / "bird").write_text("mine\n")


def a_link_where_a_folder_must_be(out: Path) -> None:
    (out / "edge" / "files" / "etc" / "bird").symlink_to(out / "mine")


def a_folder_where_a_file_must_be(out: Path) -> None:
    (out / "edge" / "files" / "etc" / "bird" / "é").mkdir(parents=True)


def a_file_with_the_very_text(out: Path) -> None:
    (out / "more").mkdir()
    (out / "more" / "up.sh").write_text("more\n")


def a_manifest_that_is_not_ours(out: Path) -> None:
    (out / "home" / MANIFEST).write_text("<<<<<<< HEAD\n")


def a_manifest_that_is_a_link(out: Path) -> None:
    (out / "home" / MANIFEST).rename(out / "home" / "real")
    (out / "home" / MANIFEST).symlink_to("real")


IN_THE_WAY = [
    link_over_the_host,
    link_over_a_folder,
    a_file_where_a_folder_must_be,
    a_link_where_a_folder_must_be,
    a_folder_where_a_file_must_be,
    a_file_with_the_very_text,
    a_manifest_that_is_not_ours,
    a_manifest_that_is_a_link,
]


@pytest.mark.parametrize("put_in_the_way", IN_THE_WAY)
def test_a_foreign_file_at_the_path_of_ours_is_refused(out: Path, put_in_the_way: Callable[[Path], None]) -> None:
    put_in_the_way(out)
    before = (tree(out), identities(out))

    with pytest.raises(WriteRefused, match="in the way"):
        write(out, NEW, complete=True)
    with pytest.raises(WriteRefused, match="in the way"):
        stale(out, NEW, complete=True)
    assert (tree(out), identities(out)) == before
    assert siblings(out) == ["out"]


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "a//x", "./x", "a/", "", ".", "..", "a\nb", "a\0"])
def test_paths_that_leave_the_folder_are_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(WriteRefused):
        write(tmp_path / "out", [host("h", {path: "x"})], complete=True)
    assert siblings(tmp_path / "out") == []


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/etc", "a\n"])
def test_a_host_whose_name_is_no_folder_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(WriteRefused):
        write(tmp_path / "out", [host(name, {"x": "x"})], complete=True)
    assert siblings(tmp_path / "out") == []


@pytest.mark.parametrize(
    "hosts",
    [
        [("h", ())],
        [("h", (File("x", "x"),))],
        [("h", (*host("h", {"x": "x"})[1], File("y", "y")))],
        [("h", (*host("h", {"x": "x"})[1], File("x", "y")))],
        [host("h", {"x": "x", "x/y": "y"})],
        [host("h", {"x": "x"}), host("h", {"y": "y"})],
    ],
)
def test_files_that_do_not_match_their_manifest_are_refused(tmp_path: Path, hosts: Hosts) -> None:
    with pytest.raises(WriteRefused):
        write(tmp_path / "out", hosts, complete=True)
    assert siblings(tmp_path / "out") == []


def test_a_forged_manifest_removes_no_file_of_others(out: Path) -> None:
    victims = [out.parent / "victim", out / "mine" / "victim"]
    for victim in victims:
        victim.write_text("precious\n")
    (out / "left" / "way").symlink_to(out / "mine")
    listed = ["../../victim", str(victims[0]), "way/victim", "../mine/victim"]
    (out / "left" / MANIFEST).write_text("".join(f"{'0' * 64}  0644  {path}\n" for path in listed))
    outcome = write(out, NEW, complete=True)

    assert {path for path in outcome.removed if path.startswith("left")} == {"left/MANIFEST"}
    assert [victim.read_text() for victim in victims] == ["precious\n"] * 2


def test_the_folder_that_netc_runs_in_is_never_exchanged(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (out.parent / "link").symlink_to(out)
    monkeypatch.chdir(out / "edge")
    before = tree(out)

    for directory in (".", "..", str(out), "/", str(out.parent), "../../link", "../edge"):
        with pytest.raises(WriteRefused):
            write(Path(directory), NEW, complete=True)
        with pytest.raises(WriteRefused):
            stale(Path(directory), NEW, complete=True)
    assert tree(out) == before


def test_a_file_in_place_of_the_output_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine\n")

    with pytest.raises(WriteRefused, match="not a folder"):
        write(tmp_path / "out", OLD, complete=True)
    assert (tmp_path / "out").read_text() == "mine\n"


def test_a_mount_point_is_refused(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == out)

    with pytest.raises(WriteRefused, match="mount"):
        write(out, NEW, complete=True)


# --- all or nothing


class Later(Exception):
    """A mistake in a later host."""


def test_an_error_in_a_later_host_leaves_the_old_tree(out: Path) -> None:
    def broken() -> Iterator[tuple[str, tuple[File, ...]]]:
        yield from NEW[:2]
        raise Later

    before = (tree(out), identities(out))
    with pytest.raises(Later):
        write(out, broken(), complete=True)

    assert (tree(out), identities(out)) == before
    assert siblings(out) == ["out"]


def end_at_event(number: int, end: Callable[[], None]) -> None:
    """Ends this process, or raises, right before the `number`th thing that Python does to the world."""
    count = 0

    def hook(event: str, _args: object) -> None:
        nonlocal count
        if event.split(".")[0] in ("open", "os", "shutil", "fcntl", "ctypes"):
            count += 1
            if count == number:
                end()

    sys.addaudithook(hook)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("machine", [nothing, two_renames, syncs_one_by_one, macos], indirect=True)
@pytest.mark.parametrize("end", [kill, interrupt])
def test_a_build_that_ends_at_any_step_leaves_the_old_tree_or_the_new(
    out: Path, machine: str, end: Callable[[], None]
) -> None:
    keep = out.parent / "keep"
    shutil.copytree(out, keep, symlinks=True, copy_function=copy_any)
    before = tree(out)
    write(out, NEW, complete=True)
    after = tree(out)
    found = after
    seen = []

    every = 1 if night.is_night() else night.SHARE
    for number in range(1, 10_000, every):
        if found == after:
            shutil.rmtree(out)
            shutil.copytree(keep, out, symlinks=True, copy_function=copy_any)

        def run(number: int = number) -> None:
            end_at_event(number, end)
            write(out, NEW, complete=True)

        code = in_child(run)
        if not out.exists():
            assert machine in ("two_renames", "macos"), "an exchange has no moment without a directory"
            assert end is kill, "what is interrupted puts itself right"
            with exchange.building(out):
                pass
        found = tree(out)
        assert found in (before, after), f"step {number}"
        seen.append(found == after)
        if code == 0:
            break
        # Now and then the next build clears up; otherwise what is left would count among its steps.
        if number % 7 == 0:
            write(out, OLD if found == before else NEW, complete=True)
            assert tree(out) == found
            assert siblings(out) == ["keep", "out"]
        shutil.rmtree(out.parent / ".out.netc-build", ignore_errors=True)

    assert seen == sorted(seen)
    assert seen.count(False) * every > 50
    assert seen[-1]


def copy_any(source: str, target: str) -> None:
    if stat.S_ISFIFO(os.lstat(source).st_mode):
        os.mkfifo(target)
    else:
        shutil.copy2(source, target, follow_symlinks=False)


def test_a_kill_at_any_moment_leaves_the_old_tree_or_the_new(tmp_path: Path) -> None:
    def hosts(text: str) -> Hosts:
        return [host(f"h{n}", {f"d{m}/f": f"{text} {n} {m}\n" for m in range(12)} | {text: text}) for n in range(6)]

    out = tmp_path / "out"
    trees = []
    for text in ("even", "odd"):
        write(out, hosts(text), complete=True)
        (out / "h1" / "mine").write_text("mine\n")
        trees.append(tree(out))

    parent = os.getpid()

    def build_for_ever() -> None:
        while os.getppid() == parent:
            for text in ("even", "odd"):
                write(out, hosts(text), complete=True)

    moments = random.Random(7)
    for _ in range(night.number(400)):
        pid = os.fork()
        if pid == 0:
            try:
                build_for_ever()
            finally:
                os._exit(1)
        time.sleep(moments.uniform(0.0, 0.15))
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)

        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
        assert tree(out) in trees
    write(out, hosts("even"), complete=True)
    assert tree(out) == trees[0]
    assert siblings(out) == ["out"]


@pytest.mark.parametrize("machine", [nothing, syncs_one_by_one], indirect=True)
def test_the_new_tree_is_on_disk_before_it_is_exchanged(
    out: Path, machine: str, synced: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    swap = exchange._swap
    before: list[Path] = []
    plain: list[Path] = []

    def noted(new: Path, root: Path) -> None:
        before.extend(synced)
        synced.clear()
        found = (path for path in (new, *new.rglob("*")) if path.is_file() or path.is_dir())
        plain.extend(path for path in found if not path.is_symlink())
        swap(new, root)

    monkeypatch.setattr(exchange, "_swap", noted)
    synced.clear()
    write(out, NEW, complete=True)
    hidden = out.parent / ".out.netc-build"

    if machine == "nothing":
        assert (before, synced) == ([hidden / "new"], [out.parent])
    else:
        assert len(plain) > 12
        assert sorted(before) == sorted(plain)
        assert synced == [hidden, out.parent]


@pytest.mark.parametrize("machine", [syncs_one_by_one], indirect=True)
def test_the_cache_of_the_disk_is_flushed(
    out: Path, machine: str, synced: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """fcntl(2) of macOS."""
    assert machine
    asked = []
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", lambda _, command: asked.append((command, len(synced))))
    synced.clear()
    write(out, NEW, complete=True)

    assert len(synced) > 12
    assert asked == [(51, len(synced) - 2), (51, len(synced))]


@pytest.mark.parametrize("machine", [nothing, syncs_one_by_one], indirect=True)
@pytest.mark.parametrize("name", ["out", "first"])
def test_a_full_disk_is_reported(name: str, out: Path, machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> int:
        ctypes.set_errno(errno.ENOSPC)
        return -1

    def full_too(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if machine == "nothing":
        monkeypatch.setattr(exchange._LIBC, "syncfs", full)
    monkeypatch.setattr(os, "fsync", full_too)
    before = tree(out.parent)
    with pytest.raises(OSError, match="No space left"):
        write(out.parent / name, NEW, complete=True)

    assert tree(out.parent) == before


@pytest.mark.parametrize("machine", [nothing, two_renames, syncs_one_by_one, macos], indirect=True)
def test_a_foreign_folder_that_cannot_be_synced_is_skipped(
    out: Path, machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems sync no folder."""
    assert machine

    def unsupported(file: int) -> None:
        if stat.S_ISDIR(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", unsupported)

    assert write(out, NEW, complete=True).written
    assert stale(out, NEW, complete=True) == ()


@pytest.mark.parametrize("functions", [(), ("syncfs",), ("renameat2",), ("syncfs", "renameat2")])
def test_write_works_with_the_functions_of_this_system(
    out: Path, functions: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is stood in for, but for what is hidden."""
    monkeypatch.undo()
    libc = exchange._LIBC
    monkeypatch.setattr(exchange, "_LIBC", SimpleNamespace(syncfs=libc.syncfs, renameat2=libc.renameat2))
    hide(monkeypatch, *functions)
    write(out, NEW, complete=True)

    assert stale(out, NEW, complete=True) == ()
    assert siblings(out) == ["out"]
    with pytest.raises(NotADirectoryError):
        exchange._sync(out / "README", [])


def test_write_works_with_a_c_library_without_syncfs_and_renameat2(tmp_path: Path) -> None:
    """From the import on."""
    script = (
        "import ctypes; real = ctypes.CDLL.__getattr__\n"
        "def found(self, name):\n"
        "    if name in ('syncfs', 'renameat2'): raise AttributeError(name)\n"
        "    return real(self, name)\n"
        "ctypes.CDLL.__getattr__ = found\n"
        "from netc.cli import main; main()"
    )
    words = [sys.executable, "-c", script, "build", str(ROOT / "examples/start.toml"), "-o", "out"]
    for said in (" 0 removed, 0 unchanged", " 0 written, 0 removed"):
        ran = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert said in ran.stdout

    assert differences(files_of(OUT / "start"), files_of(tmp_path / "out")) == []


def test_a_build_holds_a_lock(out: Path) -> None:
    tried = []

    def hosts() -> Iterator[tuple[str, tuple[File, ...]]]:
        lock = os.open(out.parent, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tried.append("locked")
        os.close(lock)
        yield from NEW

    write(out, hosts(), complete=True)

    assert tried == ["locked"]


@pytest.mark.parametrize("locks_folders", [True, False])
def test_a_build_does_not_wait_for_ever_for_a_lock(
    out: Path, monkeypatch: pytest.MonkeyPatch, locks_folders: bool
) -> None:
    """Every user who can read the folder can hold its lock."""
    path = out.parent if locks_folders else out.parent / ".out.netc-lock"
    if not locks_folders:
        path.touch()
        real = fcntl.flock

        def like_nfs(lock: int, operation: int) -> None:
            if stat.S_ISDIR(os.fstat(lock).st_mode):
                raise OSError(errno.EBADF, "not open for writing")
            real(lock, operation)

        monkeypatch.setattr(fcntl, "flock", like_nfs)
    monkeypatch.setattr(exchange, "PATIENCE", 0.1)
    before = tree(out)
    held = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_SH)
        with pytest.raises(exchange.WriteRefused) as refused:
            write(out, NEW, complete=True)
    finally:
        os.close(held)

    assert re.fullmatch(
        rf"(process {os.getpid()}|another process) has held the lock \(flock\) of `{re.escape(str(path))}` "
        "for 0.1 seconds: end it, or build into a folder elsewhere",
        str(refused.value),
    )
    assert tree(out) == before
    write(out, NEW, complete=True)
    assert tree(out) != before


@pytest.mark.parametrize("locks_folders", [True, False])
def test_two_builds_at_once_end_in_the_tree_of_one(
    out: Path, monkeypatch: pytest.MonkeyPatch, locks_folders: bool
) -> None:
    if not locks_folders:
        real = fcntl.flock

        def like_nfs(lock: int, operation: int) -> None:
            if stat.S_ISDIR(os.fstat(lock).st_mode):
                raise OSError(errno.EBADF, "not open for writing")
            real(lock, operation)

        monkeypatch.setattr(fcntl, "flock", like_nfs)
    (out / "home" / "pipe").unlink()
    results = []
    for hosts in (OLD, NEW):
        write(out, hosts, complete=True)
        results.append({p: e for p, e in tree(out).items() if not stat.S_ISDIR(e[0])})

    children = []
    for hosts in (OLD, NEW):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                for _ in range(15):
                    write(out, hosts, complete=True)
                code = 0
            finally:
                os._exit(code)
        children.append(pid)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]

    assert codes == [0, 0]
    assert {p: e for p, e in tree(out).items() if not stat.S_ISDIR(e[0])} in results
    assert siblings(out) == (["out"] if locks_folders else [".out.netc-lock", "out"])


def test_remains_of_a_killed_build_are_removed_even_if_nothing_changes(out: Path) -> None:
    left = out.parent / ".out.netc-build"
    (left / "new" / "edge").mkdir(parents=True)
    (left / "new" / "edge").chmod(0o555)

    assert write(out, OLD, complete=True) == Outcome((), (), 10)
    assert siblings(out) == ["out"]


def test_the_next_build_repairs_a_swap_that_was_interrupted(out: Path) -> None:
    before = (tree(out), identities(out))
    (out.parent / ".out.netc-build" / "new").mkdir(parents=True)
    out.rename(out.parent / ".out.netc-build" / "old")

    assert write(out, OLD, complete=True) == Outcome((), (), 10)
    assert (tree(out), identities(out)) == before
    assert siblings(out) == ["out"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can stand in for another user")
@pytest.mark.parametrize("is_missing", [False, True])
def test_a_hidden_folder_of_another_user_is_refused(out: Path, *, is_missing: bool) -> None:
    """In a shared folder anybody can make it. With `old` in it, it would become the tree."""
    forged = out.parent / ".out.netc-build"
    (forged / "old").mkdir(parents=True)
    (forged / "old" / "edge").mkdir()
    for path in (forged, forged / "old", forged / "old" / "edge"):
        os.chown(path, 65534, 65534)
    if is_missing:
        shutil.rmtree(out)
    before = tree(out.parent)

    with pytest.raises(WriteRefused, match="belongs to another user"):
        write(out, NEW, complete=True)
    assert tree(out.parent) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can stand in for another user")
@pytest.mark.parametrize(("mode", "is_refused"), [(0o1777, True), (0o777, True), (0o755, False)])
def test_a_tree_of_another_user_in_a_shared_folder_is_refused(out: Path, mode: int, *, is_refused: bool) -> None:
    """Not in a folder of that user: there root builds for them, as containers of CI systems do."""
    os.chown(out, 65534, 65534)
    out.parent.chmod(mode)

    if is_refused:
        with pytest.raises(WriteRefused, match="belongs to another user"):
            write(out, NEW, complete=True)
    else:
        assert write(out, NEW, complete=True).written


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can stand in for another user")
@pytest.mark.parametrize(
    ("above", "mode", "owner", "is_refused"),
    [
        (0, 0o770, 65534, True),
        (0, 0o2775, 65534, True),
        (0, 0o1770, 65534, True),
        (65534, 0o775, 65534, False),
        (65534, 0o777, 65534, True),
        (65534, 0o770, 0, False),
        (65533, 0o755, 65534, False),
    ],
)
def test_a_tree_of_another_user_in_a_group_s_folder_is_refused(
    out: Path, above: int, mode: int, owner: int, *, is_refused: bool
) -> None:
    """In a project of one user, whom a container's root builds for, it is that user's."""
    write(out, OLD, complete=True)
    for deep in (out, out / "deep" / "er"):
        os.chown(out, owner, owner)
        os.chown(out.parent, above, above)
        out.parent.chmod(mode)
        if is_refused:
            with pytest.raises(WriteRefused, match=f"`{re.escape(str(out))}` belongs to another user"):
                write(deep, NEW, complete=True)
        else:
            assert write(deep, NEW, complete=True).written


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can stand in for another user")
@pytest.mark.parametrize(
    ("link_owner", "folder_owner", "is_refused"),
    [(65534, 0, True), (65534, 65533, True), (65534, 65534, False), (0, 65534, False)],
)
@pytest.mark.parametrize("place", ["last", "in the middle", "behind another"])
def test_a_link_of_another_user_is_not_followed(
    tmp_path: Path, place: str, link_owner: int, folder_owner: int, *, is_refused: bool
) -> None:
    """As the kernel has it with fs.protected_symlinks, here and in folders without the sticky bit."""
    (tmp_path / "mine").mkdir()
    shared = tmp_path / "shared"
    shared.mkdir()
    link = shared / "link"
    link.symlink_to(tmp_path / "mine")
    os.chown(link, link_owner, link_owner, follow_symlinks=False)
    os.chown(shared, folder_owner, folder_owner)
    shared.chmod(0o777)
    (tmp_path / "own").symlink_to("shared/link")
    asked = {"last": link, "in the middle": link / "out", "behind another": tmp_path / "own" / "out"}[place]

    if is_refused:
        with pytest.raises(WriteRefused, match=f"`{re.escape(str(link))}` is a link that another user made"):
            write(asked, NEW, complete=True)
        assert list((tmp_path / "mine").iterdir()) == []
    else:
        assert write(asked, NEW, complete=True).written


def test_the_hidden_folder_is_closed_to_others(out: Path) -> None:
    modes = []

    def hosts() -> Iterator[tuple[str, tuple[File, ...]]]:
        for entry in NEW:
            yield entry
            modes.append(stat.S_IMODE((out.parent / ".out.netc-build").stat().st_mode))

    write(out, hosts(), complete=True)

    assert modes == [0o700] * 3


def test_a_kernel_without_exchange_is_distinguished_from_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    monkeypatch.setattr(exchange, "_RENAME_EXCHANGE", 1 << 20)
    assert exchange._exchange(tmp_path / "a", tmp_path / "b") is False

    monkeypatch.undo()
    with pytest.raises(FileNotFoundError):
        exchange._exchange(tmp_path / "a", tmp_path / "b")
