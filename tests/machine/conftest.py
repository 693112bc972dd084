"""Machines need a little more than the lab."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from live.lab import Lab
from live.needs import LIVE, missing, require

MACHINE = LIVE | {"debootstrap": "debootstrap", "systemd-nspawn": "systemd-container", "ssh": "openssh-client"}


@pytest.fixture
def lab() -> Iterator[Lab]:
    require(missing(MACHINE))
    with Lab() as lab:
        yield lab
