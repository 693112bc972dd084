"""Options and settings that all tests share."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

import night

# By day the same commit says the same thing twice; a night looks further, and elsewhere each time.
settings.register_profile("day", deadline=None, derandomize=True, database=None, max_examples=25)
settings.register_profile("night", deadline=None, database=None, max_examples=25 * night.SHARE)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="Write what is expected anew; git diff reviews it.")
    parser.addoption("--night", metavar="SEED", help="All of the large draws, by this seed (tests/night.py).")


def pytest_configure(config: pytest.Config) -> None:
    night.begin(config.getoption("--night"))
    settings.load_profile("night" if night.is_night() else "day")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Side by side, each process gets an equal part of the list, in its order: it begins with its share of what waits
    for packets, and ends with what can be shared out in small pieces."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if processes > 1 and not any(item.get_closest_marker("machine") for item in items):
        live = [item for item in items if item.get_closest_marker("live")]
        rest = [item for item in items if not item.get_closest_marker("live")]
        items[:] = [item for n in range(processes) for item in (*live[n::processes], *rest[n::processes])]


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update"))
