"""Fixtures of the live tests: a lab, and a host in it."""

import subprocess
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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tunnels that this kernel does not have are tried on the stock one, by tests/vm; here they are not on the list."""
    theirs = [item for item in items if item.get_closest_marker("stock_kernel")]
    if theirs and not has_gre():
        config.hook.pytest_deselected(items=theirs)
        items[:] = [item for item in items if item not in theirs]


def has_gre() -> bool:
    """Asked in a network namespace of its own."""
    make = [
        "unshare",
        "--net",
        "ip",
        "link",
        "add",
        "dev",
        "probe",
        "type",
        "gre",
        "local",
        "192.0.2.1",
        "remote",
        "192.0.2.2",
    ]
    try:
        return subprocess.run(make, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
