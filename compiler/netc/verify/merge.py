"""Scripts that are alike, that is the same except for plain lines: a judge reads them as one script.

A plain line is a comment, an empty line, or one command of a library with words that the shell takes literally. It
changes no verdict about another line. So if the script with the plain lines of all has no fault, none of the scripts
has one. If it has a fault, the judge reads each script by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from netc.emit.file import File
from netc.verify import tree

_WORDS = r"(?: (?:[A-Za-z0-9_.,:/@%+=-]+|'[A-Za-z0-9_.,:/@%+= -]+'))*"
_COMMAND = re.compile(rf"([a-z][a-z0-9_]*){_WORDS}")
_COMMENT = re.compile(r"#(?!!|\s*shellcheck\b).*")
_SOURCE = re.compile(rf"(source /[A-Za-z0-9_./-]+){_WORDS}")
_GOES_ON = re.compile(r"<<|[|&\\]$", re.MULTILINE)
"""Where the next line belongs to this one."""

_KEPT = (
    "alias bg bind break builtin caller case cd command compgen complete compopt continue coproc declare dirs "
    "disown do done echo elif else enable esac eval exec exit export false fc fg fi for function getopts hash "
    "help history if in jobs kill let local logout mapfile popd printf pushd pwd read readarray readonly return "
    "select set shift shopt source suspend test then time times trap true type typeset ulimit umask unalias unset "
    "until wait while"
)
"""Commands and keywords of the shell itself, of which some change what other lines mean."""

_SHELL = frozenset(_KEPT.split())

Shape = tuple[str, ...]
"""The lines of a script that are not plain, and an empty one for each run of those that are."""


def shape(script: File) -> Shape | None:
    """What scripts that are alike have in common; None of a script that is like no other."""
    if not tree.has_shebang(script) or _GOES_ON.search(script.text):
        return None
    return tuple(
        "" if plain else _bare(line) for plain, lines in _runs(script) for line in (lines[:1] if plain else lines)
    )


def is_plain(script: File) -> bool:
    """Nothing but plain lines, and libraries that are sourced: it has no variables, and no line that is not reached."""
    lines = shape(script)
    return lines is not None and all(not line or line.startswith("#!") or _SOURCE.fullmatch(line) for line in lines)


def merged(alike: Sequence[File]) -> File | None:
    """One script with the plain lines of all, each where it was in its own; all are of one shape, or plain. None where
    one calls without words what another gives some: a judge asks whether anybody does."""
    lines = _of_plain(alike) if all(map(is_plain, alike)) else _of_one_shape(alike)
    commands = [found for line in lines if (found := _COMMAND.fullmatch(line))]
    bare = {found[1] for found in commands if found[1] == found[0]}
    if any(found[1] in bare and found[1] != found[0] for found in commands):
        return None
    return File(alike[0].path, "\n".join(lines) + "\n", alike[0].mode)


def _of_one_shape(alike: Sequence[File]) -> list[str]:
    first, *others = ([*_runs(script)] for script in alike)
    lines: list[str] = []
    for number, (plain, own) in enumerate(first):
        if plain:
            own = _once(line for runs in (first, *others) for line in runs[number][1])
        lines += own
    return lines


def _of_plain(scripts: Sequence[File]) -> list[str]:
    """The libraries of all, and then what is called of them."""
    said = [line for script in scripts for line in script.text.splitlines()]
    libraries = dict.fromkeys(found[1] for line in said if (found := _SOURCE.fullmatch(line)))
    called = (line for line in said if not line.startswith("#!") and not _SOURCE.fullmatch(line))
    return [said[0], *libraries, *_once(called)]


def _once(lines: Iterable[str]) -> list[str]:
    """Each where it is said last: what ends each script ends all."""
    return [*reversed(dict.fromkeys(reversed([*lines])))]


def _runs(script: File) -> Iterator[tuple[bool, list[str]]]:
    """Lines in their order, those that are plain and those that are not."""
    for plain, lines in groupby(script.text.splitlines(), _is_plain):
        yield plain, [*lines]


def _is_plain(line: str) -> bool:
    command = _COMMAND.fullmatch(line)
    if command:
        return command[1] not in _SHELL
    return not line or _COMMENT.fullmatch(line) is not None


def _bare(line: str) -> str:
    """What a library is given says nothing about it."""
    source = _SOURCE.fullmatch(line)
    return source[1] if source else line
