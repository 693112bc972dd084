"""The timer that writes the metrics of a host, on a machine that boots: with what the unit may do, and no more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from live.compiled import compiled
from live.delivered import deliver, install, netc_host
from live.lab import Lab
from live.needs import missing, require
from live.test_metrics_file import FILE, TOPOLOGY
from machine.conftest import MACHINE
from machine.machine import Machine, machine
from netc.lab.waiting import wait

pytestmark = pytest.mark.machine

WITHOUT = TOPOLOGY.replace(f', metrics = "{FILE}"', "")
TIMER = "netc-write-metrics.timer"


@pytest.fixture
def one(lab: Lab) -> Machine:
    require(missing(MACHINE))
    one, world = machine(lab, "one"), lab.host("world")
    lab.wire(one, "eth0", world, "eth0", a_addresses=["198.51.100.10/24"])
    one.run(["ip", "route", "add", "default", "via", "198.51.100.1"])
    return one


def bring(lab: Lab, one: Machine, text: str, folder: Path) -> None:
    deliver(lab, one, compiled(text, folder)["one"])
    install(one, "--commit")


def found(one: Machine) -> str:
    return one.run(["cat", FILE], check=False).stdout


def rows(text: str) -> set[str]:
    return {line for line in text.splitlines() if not line.startswith("#")}


def test_a_timer_writes_the_metrics_while_the_key_is_there(lab: Lab, one: Machine, tmp_path: Path) -> None:
    bring(lab, one, WITHOUT, tmp_path / "a")
    bring(lab, one, TOPOLOGY, tmp_path / "b")
    wait(lambda: found(one))  # as it was during the change
    one.run(["systemctl", "start", "netc-write-metrics.service"])
    assert rows(found(one)) == rows(netc_host(one, "status", "--metrics").stdout)
    assert 'netc_part_up{part="firewall"} 1' in found(one)
    assert netc_host(one, "check").stdout == ""

    one.run(["rm", FILE])
    one.run(["nft", "flush", "ruleset"])
    one.run(["systemctl", "start", "netc-write-metrics.service"])
    assert 'netc_part_up{part="firewall"} 0' in found(one)
    assert one.run(["stat", "-c", "%a", FILE]).stdout == "644\n"

    one.run(["systemctl", "stop", TIMER])
    said = netc_host(one, "check", check=False).stdout
    assert f"metrics: {TIMER} does not run\n" in said
    netc_host(one, "up")
    assert netc_host(one, "check").stdout == ""
    assert one.run(["systemctl", "is-active", TIMER]).stdout == "active\n"

    bring(lab, one, WITHOUT, tmp_path / "c")
    assert found(one) == ""
    assert one.run(["systemctl", "is-active", TIMER], check=False).stdout == "inactive\n"


def test_metrics_that_cannot_be_written_are_a_failed_unit(lab: Lab, one: Machine, tmp_path: Path) -> None:
    bring(lab, one, TOPOLOGY, tmp_path)
    wait(lambda: found(one))
    folder = FILE.rpartition("/")[0]
    one.run(["mount", "-t", "tmpfs", "-o", "ro", "none", folder])
    assert one.run(["systemctl", "start", "netc-write-metrics.service"], check=False).returncode
    said = netc_host(one, "status", check=False)
    assert said.returncode == 1
    assert re.search(r"(?m)^failed +netc-write-metrics.service$", said.stdout)
    one.run(["umount", folder])
    one.run(["systemctl", "start", "netc-write-metrics.service"])
    assert netc_host(one, "status").returncode == 0
