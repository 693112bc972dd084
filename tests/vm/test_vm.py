"""The live tests pass on a stock Debian kernel, with its own tunnels.

An emulated processor takes half a minute for what this machine does in two seconds, so `make stock` runs those that
a kernel can decide (`stock`); `make vm` runs all.
"""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from live.needs import LIVE, missing, require
from vm.boot import VNG, Guest, live_tests, newest_kernel

pytestmark = pytest.mark.vm

MACHINE = {
    "qemu-system-x86_64": "qemu-system-x86",
    "busybox": "busybox-static",
    "setpriv": "util-linux",
}
TUNNELS = ["wireguard", "dummy", "gre", "ip6gre", "ipip", "sit", "vxlan"]
SECONDS = 3600
CHOSEN = ["-m", "stock and not again", "-k", "not after_a_kill_at_any_moment"]
"""What a kill leaves behind has little to do with the kernel, and takes long to try."""


def absent() -> str:
    """What a machine needs; none of it is in every container."""
    reason = missing(LIVE | MACHINE)
    if not reason and newest_kernel() is None:
        reason = "could not run: apt-get install linux-image-amd64"
    if not reason and not VNG.exists():
        reason = "could not run: pip install virtme-ng"
    return reason


@pytest.fixture(scope="module")
def guests(tmp_path_factory: pytest.TempPathFactory) -> list[Guest]:
    require(absent())
    kernel = newest_kernel()
    assert kernel is not None
    return live_tests(kernel, tmp_path_factory.mktemp("guests"), SECONDS, CHOSEN)


def results(guest: Guest) -> dict[str, int]:
    """How many tests there were, failed, were skipped, by junit's names."""
    report = ElementTree.parse(guest.folder / "junit.xml").getroot()
    suites = list(report.iter("testsuite"))
    names = ("tests", "failures", "errors", "skipped")
    return {name: sum(int(suite.attrib[name]) for suite in suites) for name in names}


def slowest(guest: Guest) -> list[str]:
    """As `--durations` has it."""
    cases = ElementTree.parse(guest.folder / "junit.xml").getroot().iter("testcase")
    times = sorted(((float(case.attrib["time"]), case.attrib["name"]) for case in cases), reverse=True)
    return [f"{seconds:.0f} s {name}" for seconds, name in times]


def test_the_kernel_is_the_stock_one_and_has_every_tunnel(guests: list[Guest]) -> None:
    kernel = newest_kernel()
    assert kernel is not None

    for guest in guests:
        assert guest.read("kernel").strip() == kernel.name.removeprefix("vmlinuz-"), guest.console
        assert guest.read("links").split() == TUNNELS, guest.read("log")


def test_every_live_test_passes_and_none_is_skipped(guests: list[Guest], capsys: pytest.CaptureFixture[str]) -> None:
    for guest in guests:
        assert guest.read("status").strip() == "0", guest.read("log") + guest.console
    with capsys.disabled():
        for guest in guests:
            print(f"\n{guest.read('kernel').strip()}: {guest.read('log').splitlines()[-1].strip('= ')}")
            print(*slowest(guest), sep="\n")

    for counted in map(results, guests):
        assert counted["tests"] > 0
        assert counted == {"tests": counted["tests"], "failures": 0, "errors": 0, "skipped": 0}
    chosen = {re.search(r"/ (\d+) selected", guest.read("log"))[1] for guest in guests}
    assert chosen == {str(sum(results(guest)["tests"] for guest in guests))}, "each was run by one of them"
