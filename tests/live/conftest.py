"""Fixtures of the live tests: a lab, and a host in it."""

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

from live import compiled
from live.lab import Host, Lab
from live.needs import LIVE, has_gre, missing, require


@pytest.fixture
def lab() -> Iterator[Lab]:
    require(missing(LIVE))
    with Lab() as lab:
        yield lab


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("netfilters"):
        again = pytest.param("iptables", marks=pytest.mark.again)
        metafunc.parametrize("netfilter", ["nftables", again], indirect=True)


@pytest.fixture(autouse=True)
def netfilter(request: pytest.FixtureRequest) -> Iterator[str]:
    """What loads the packet filters of the test's hosts."""
    name = getattr(request, "param", "nftables")
    before = compiled.netfilter.set(name)
    yield name
    compiled.netfilter.reset(before)


@pytest.fixture
def host(lab: Lab) -> Host:
    return lab.host("here")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tunnels that this kernel does not have are tried on the stock one, by tests/vm; here they are not on the list.
    What only a kernel without them can show is not on the list there.
    """
    if any(item.get_closest_marker(mark) for item in items for mark in ("stock_kernel", "bare_kernel")):
        other = "bare_kernel" if has_gre() else "stock_kernel"
        leave(config, items, [item for item in items if not item.get_closest_marker(other)])


def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """Of several machines that run the tests side by side, the first to come to a test takes it: NETC_TAKEN is a folder
    that all of them see."""
    taken = os.environ.get("NETC_TAKEN")
    if taken is None:
        return None
    try:
        Path(taken, sha256(item.nodeid.encode()).hexdigest()).mkdir()
    except FileExistsError:
        return True
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    runtestprotocol(item, nextitem=None)  # which one is next here, nobody knows: all fixtures end
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def leave(config: pytest.Config, items: list[pytest.Item], kept: list[pytest.Item]) -> None:
    names = {item.nodeid for item in kept}
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in names])
    items[:] = kept
