"""As tests/live/test_kills.py, on machines that boot: systemd starts the parts, and services with them."""

from __future__ import annotations

from pathlib import Path

import pytest

import night
from live.compiled import EXAMPLES
from live.example_host import ready
from live.kills import Killing, generations
from live.lab import Lab
from machine.machine import MOMENTARY, machine

pytestmark = pytest.mark.machine

HOSTS = ("laptop/laptop", "start/server", "seedbox/seedbox")
KILLS = 10
"""Of each, at night."""


@pytest.mark.parametrize("which", night.some(HOSTS))
def test_a_killed_operation_leaves_the_old_generation_or_the_new(which: str, lab: Lab, tmp_path: Path) -> None:
    topology, name = which.split("/")
    old, new = generations(EXAMPLES / f"{topology}.toml", name, tmp_path, beyond=())
    killing = Killing(lab, ready(lab, name, old, machine(lab, name)), old, new, MOMENTARY)
    kills = KILLS if night.is_night() else 2
    wrong = [said for n in range(kills) if (said := killing.once(f"{night.seed()} {which} {n}"))]
    print(f"{which}: {dict(killing.done)}")
    assert wrong == []
