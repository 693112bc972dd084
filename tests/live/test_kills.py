"""Every operation of `netc-host`, killed at random moments on hosts of every example: what is left is old or new."""

from __future__ import annotations

from pathlib import Path

import pytest

import night
from live.compiled import EXAMPLES
from live.example_host import ready
from live.kills import Killing, generations
from live.lab import Lab

pytestmark = pytest.mark.live

HOSTS = (
    *("start/server", "seedbox/seedbox", "slim-edge/edge1", "slim-edge/node", "uplinks/lin", "mesh/sfo"),
    *("dn42/hkg", "dn42-fake/hkg", "first-peer/router", "laptop/laptop", "laptop-iptables/laptop"),
)
KILLS = 27
"""Of each; and 30 on machines with systemd."""


def test_every_example_is_killed() -> None:
    assert {which.partition("/")[0] for which in HOSTS} == {path.stem for path in EXAMPLES.glob("*.toml")}


@pytest.mark.parametrize("which", night.some(HOSTS, least=2))
def test_a_killed_operation_leaves_the_old_generation_or_the_new(which: str, lab: Lab, tmp_path: Path) -> None:
    """The seed of one that fails is told."""
    topology, name = which.split("/")
    old, new = generations(EXAMPLES / f"{topology}.toml", name, tmp_path)
    host = ready(lab, name, old)
    killing = Killing(lab, host, old, new)
    kills = KILLS if night.is_night() else 2
    wrong = [said for n in range(kills) if (said := killing.once(f"{night.seed()} {which} {n}"))]
    print(f"{which}: {dict(killing.done)}")
    assert wrong == []
