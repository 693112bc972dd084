"""Machines need a little more than the lab."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from live.lab import Lab
from live.needs import LIVE, missing, require
from machine.root import SUITES, release

MACHINE = LIVE | {"debootstrap": "debootstrap", "systemd-nspawn": "systemd-container", "ssh": "openssh-client"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The essential half on Debian 13 too; with NETC_RELEASE, all that there are on one release."""
    if metafunc.definition.get_closest_marker("releases") and "NETC_RELEASE" not in os.environ:
        metafunc.parametrize("debian", SUITES, indirect=True)


@pytest.fixture(autouse=True)
def debian(request: pytest.FixtureRequest) -> Iterator[str]:
    """What the test's machines run."""
    before = release.set(getattr(request, "param", release.get()))
    yield release.get()
    release.reset(before)


@pytest.fixture
def lab() -> Iterator[Lab]:
    require(missing(MACHINE))
    with Lab() as lab:
        yield lab
