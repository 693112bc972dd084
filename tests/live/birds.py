"""BIRD as other releases have it. A host of the lab has this machine's programs, but may have another BIRD.

NETC_BIRD, or `with_birds` in a test, says which hosts run which: `make matrix` runs the suites of BGP once with each.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from machine.root import PACKAGES, debian_root

if TYPE_CHECKING:
    from live.lab import Host

RELEASES = {
    "2.17": ("trixie", PACKAGES),
    "3.1": ("trixie", ("bird3",)),
    "2.20": ("sid", ("bird2",)),
    "3.4": ("sid", ("bird3",)),
}
"""By series: what Debian has beside this machine's own. That of 2.17 boots in machine tests too."""

OWN = ""
"""This machine's BIRD, and no `target` in the topology."""

EVERYBODY = "*"

_birds: ContextVar[Mapping[str, str]] = ContextVar("birds")

WRAPPER = """#!/bin/bash
# Sees the programs and libraries of another release, and all else of this host.
see='mount -n --rbind "$0/usr" /usr && exec "$@"'
exec unshare --mount --propagation=private bash -c "$see" {root} /usr/sbin/{name} "$@"
"""
"""The process stays the same one, and is called `bird` in the end."""


def bird_of(host: str) -> str:
    """The series of BIRD that the host has, or OWN."""
    birds = _birds.get({EVERYBODY: os.environ.get("NETC_BIRD", OWN)})
    return birds.get(host, birds.get(EVERYBODY, OWN))


@contextmanager
def with_birds(birds: Mapping[str, str]) -> Iterator[None]:
    """Hosts that are made meanwhile, and topologies that are compiled, have these; EVERYBODY stands for the others."""
    before = _birds.set(birds)
    try:
        yield
    finally:
        _birds.reset(before)


def give_bird(host: Host) -> None:
    series = bird_of(host.name)
    if series != OWN:
        suite, packages = RELEASES[series]
        root = debian_root(packages, suite)
        for name in ("bird", "birdc"):
            host.write(f"/usr/local/sbin/{name}", WRAPPER.format(root=root, name=name), 0o755)


def with_targets(text: str) -> str:
    """A topology whose hosts say which BIRD they run."""

    def said(table: re.Match[str]) -> str:
        series = bird_of(table[1])
        return table[0] if series == OWN else f'{table[0]}\ntarget.bird = "{series}"'

    return re.sub(r"(?m)^\[hosts\.([a-z0-9-]+)\]$", said, text)
