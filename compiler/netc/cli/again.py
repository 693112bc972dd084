"""A build of what is built already ends as soon as that is certain, and one of what has changed a little compiles the
hosts whose plans are others.

What is remembered of DIR is bound to the compiler, and holds for a host as long as nobody has written to its files.
Only builds that took their time are remembered. `--check`, `--host` and `--verify` never ask.
"""

from __future__ import annotations

import json
import os
from collections.abc import Set
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from netc.cli.files import beside, kept
from netc.cli.seen import Look, has_settled, look
from netc.exchange import home

if TYPE_CHECKING:
    from netc.pipeline import Made


SLACK = 2
"""Seconds that some file systems are late to say."""


UNSEEN = Look("", "")


class Standing(NamedTuple):
    """A host in DIR: the digest of the plan that it was compiled from, and its files as they were seen."""

    plan: str
    paths: tuple[str, ...]
    seen: Look


class Record(NamedTuple):
    """Digests of the topology and of every file that it names; no topology where there was something to say of it."""

    topology: str | None
    beside: dict[str, str]
    hosts: dict[str, Standing]


def recalled(data: bytes) -> Record | None:
    """Of JSON; None for whatever is none."""
    try:
        said: dict[str, Any] = json.loads(data)
        hosts = {host: Standing(plan, tuple(paths), Look(*seen)) for host, (plan, paths, seen) in said["hosts"].items()}
        return Record(said["topology"], dict(said["beside"]), hosts)
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


class Memory:
    """Of one topology in one DIR."""

    def __init__(self, topo: Path, text: str, out: Path, began: float) -> None:
        """`began`: when the build did, in seconds since 1970. Raises WriteRefused where nothing can be built."""
        self.text, self.out, self.began = text, home(out), began
        self.kept = kept()
        self.name = f"build {topo.resolve()} {self.out}"
        self.read = beside(topo)
        self.beside: dict[str, str] = {}
        self.made: dict[str, Standing] = {}
        self.is_steady = True
        """No file became another while it was read."""
        self.last = self._last()

    def _last(self) -> Record | None:
        return recalled(self.kept.get(self.name, self.origin()) or b"") if self.kept.has(self.name) else None

    def unchanged(self) -> int | None:
        """How many files DIR holds, if a build would find nothing to do; else None."""
        last = self.last
        if last is None or last.topology != _digest(self.text) or not last.hosts or not self._reads_the_same(last):
            return None
        if not all(self._stands(host, standing) for host, standing in last.hosts.items()):
            return None
        if any(name not in last.hosts and _is_host(self.out / name) for name in os.listdir(self.out)):
            return None
        return sum(len(standing.paths) for standing in last.hosts.values())

    def _reads_the_same(self, last: Record) -> bool:
        try:
            return all(_digest(self.read(name)) == digest for name, digest in last.beside.items())
        except (ValueError, OSError):
            return False  # a build says what is wrong

    def _stands(self, host: str, standing: Standing) -> bool:
        return look(f"{self.out}/{host}", standing.paths) == standing.seen

    def standing(self, host: str, plan: bytes) -> int | None:
        """How many files the host has, if all are there that this plan compiles to; else None."""
        standing = self.last.hosts.get(host) if self.last else None
        if standing is None or standing.plan != plan.hex() or not self._stands(host, standing):
            return None
        return len(standing.paths)

    def reading(self, name: str) -> str:
        """The text of a file beside the topology, which is noted."""
        text = self.read(name)
        self.is_steady &= self.beside.setdefault(name, _digest(text)) == _digest(text)
        return text

    def note(self, made: Made) -> None:
        """Of a host, as it will be in DIR."""
        if made.paths is None:
            assert self.last is not None
            self.made[made.host] = self.last.hosts[made.host]
        else:
            self.made[made.host] = Standing(made.digest.hex(), made.paths, UNSEEN)

    def remember(self, tree: Path, touched: Set[str], *, is_told: bool) -> None:
        """`tree`, which is DIR or is about to be, holds what was made, and nobody else builds there now. `touched`:
        hosts with files that were written or linked; `is_told`: its author has to hear of something, each time."""
        from netc.shipped import last_change

        if not self.is_steady or last_change() >= self.began - SLACK or not has_settled(self.out.parent):
            return
        fresh = {host for host, one in self.made.items() if host in touched or one.seen == UNSEEN}
        looks = {host: _as_it_is(tree / host, one) if host in fresh else one for host, one in self.made.items()}
        hosts = {host: one for host, one in looks.items() if one}
        is_whole = not is_told and hosts.keys() == self.made.keys()
        record = Record(_digest(self.text) if is_whole else None, self.beside, hosts)
        self.kept.put(self.name, self.origin(), json.dumps(record._asdict()).encode())

    def origin(self) -> bytes:
        from netc.kept import fingerprint
        from netc.shipped import compiler

        return fingerprint(compiler())


def _as_it_is(folder: Path, made: Standing) -> Standing | None:
    """None when somebody wrote to a file since it was looked at."""
    now = look(str(folder), made.paths)
    if now is None or made.seen not in (UNSEEN, Look(now.what, made.seen.when)):
        return None
    return Standing(made.plan, made.paths, now)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _is_host(folder: Path) -> bool:
    from netc.write import is_ours

    return is_ours(folder)
