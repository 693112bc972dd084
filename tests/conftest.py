"""Options and settings that all tests share."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# The same commit says the same thing twice; `--hypothesis-profile=wide` looks further, and elsewhere each time.
settings.register_profile("netc", deadline=None, derandomize=True, max_examples=25)
settings.register_profile("wide", deadline=None, max_examples=1000)
settings.load_profile("netc")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="Write what is expected anew; git diff reviews it.")
    parser.addoption("--fuzz", type=int, default=1000, help="How many spoiled examples tests/test_fuzz.py tries.")
    parser.addoption("--seed", default="netc", help="Which ones.")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Side by side, each process gets an equal part of the list, in its order: it begins with its share of what waits
    for packets, and ends with what can be shared out in small pieces."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if processes > 1:
        live = [item for item in items if item.get_closest_marker("live")]
        rest = [item for item in items if not item.get_closest_marker("live")]
        items[:] = [item for n in range(processes) for item in (*live[n::processes], *rest[n::processes])]


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update"))
