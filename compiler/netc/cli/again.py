"""A build of what is built already ends as soon as that is certain: the same compiler, the same text of the topology
and of every file that it names, and in DIR every file as it was written.

Only a whole build that took its time, and about which there was nothing to say, is remembered. `--check` and `--verify`
never ask.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from netc.cli.topology import beside, kept

if TYPE_CHECKING:
    from netc.emit.file import File
    from netc.language.names import HostName


SLACK = 2
"""Seconds that some file systems are late to say."""


class Memory:
    """Of one topology in one DIR."""

    def __init__(self, topo: Path, text: str, out: Path, began: float) -> None:
        """`began`: when the build did, in seconds since 1970."""
        self.text, self.out, self.began = text, out, began
        self.kept = kept()
        self.name = f"build {topo.resolve()} {out.resolve()}"
        self.read = beside(topo)
        self.beside: dict[str, str] = {}
        self.manifests: dict[str, str] = {}
        self.is_steady = True
        """No file became another while it was read."""

    def unchanged(self) -> int | None:
        """How many files DIR holds, if a build would find nothing to do; else None."""
        from netc.write import holds

        if not self.kept.has(self.name):
            return None
        data = self.kept.get(self.name, self.origin())
        try:
            said = json.loads(data or b"{}")
            if any(_digest(self.read(name)) != digest for name, digest in said["beside"].items()):
                return None
            return holds(self.out, said["manifests"])
        except (ValueError, LookupError, TypeError, AttributeError, OSError):
            # What was kept is not ours, or what it names cannot be read any more: a build says what is wrong.
            return None

    def reading(self, name: str) -> str:
        """The text of a file beside the topology, which is noted."""
        text = self.read(name)
        self.is_steady &= self.beside.setdefault(name, _digest(text)) == _digest(text)
        return text

    def making(self, hosts: Iterable[tuple[HostName, tuple[File, ...]]]) -> Iterator[tuple[HostName, tuple[File, ...]]]:
        """Hosts with their files as they come, which are noted."""
        for host, files in hosts:
            self.manifests[host] = _digest(files[0].text)
            yield host, files

    def remember(self) -> None:
        """DIR holds what was made."""
        from netc.shipped import last_change

        if self.is_steady and last_change() < self.began - SLACK:
            said = {"beside": self.beside, "manifests": self.manifests}
            self.kept.put(self.name, self.origin(), json.dumps(said).encode())

    def origin(self) -> bytes:
        from netc.kept import fingerprint
        from netc.shipped import compiler

        return fingerprint((self.text.encode(), *compiler()))


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
