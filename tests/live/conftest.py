"""Fixtures of the live tests: a lab, and a host in it."""

from collections.abc import Iterator

import pytest

from live.lab import Host, Lab
from live.needs import LIVE, missing, require


@pytest.fixture
def lab() -> Iterator[Lab]:
    require(missing(LIVE))
    with Lab() as lab:
        yield lab


@pytest.fixture
def host(lab: Lab) -> Host:
    return lab.host("here")
