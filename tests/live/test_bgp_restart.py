"""BIRD dies, is replaced, or is stopped: what neighbours and the kernel make of it, and for how long."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from live.compiled import script
from live.frr import FarEnd, far_ends
from live.lab import Host, Lab
from live.routers import SOCKET, birdc, leaves_by, missing, monitor, neighbour, protocols
from live.state import difference
from live.test_bgp_operation import X4, Pair
from netc.lab.process import Process
from netc.lab.waiting import wait

pytestmark = pytest.mark.live

OURS = "172.20.16.0/27"
STEADY = 1
"""Seconds after which a BIRD that dies is followed by another: a minute on a host."""


def up(pair: Pair) -> Process:
    for part in ("edge-ext0", "loopback"):
        pair.a.run(script(part, "up"))
    process = pair.a.start(script("bird", "up"), env={"NETC_STEADY": str(STEADY)})
    assert process.wait() == 0, process.said()
    pair.x.start()
    pair.x.settled()
    wait(lambda: leaves_by(pair.a, X4) and leaves_by(pair.x.host, OURS))
    return process


def number(host: Host) -> str:
    return host.run(["cat", "/run/netc/bird.pid"]).stdout.strip()


def again(host: Host, before: str) -> None:
    """Another BIRD runs, and has heard from its neighbour."""
    wait(lambda: number(host) != before)
    wait(lambda: protocols(host).get("peer_x") == "Established" and "recovery" not in birdc(host, "show status"))


@far_ends
@pytest.mark.parametrize("how", [["kill", "-9"], ["birdc", "-s", SOCKET, "graceful", "restart"]])
def test_a_bird_that_dies_is_replaced_without_loss_of_routes(
    lab: Lab, tmp_path: Path, how: list[str], far_end: FarEnd
) -> None:
    """FRR says before its routes are sent that all were, on a busy machine also if it does not collect them for a
    second: BIRD then takes them out of the kernel, and in again. Of FRR they are asked for at the end alone."""
    pair = Pair(lab, tmp_path, far="graceful restart aware;", far_end=far_end)
    a, x = pair.a, pair.x
    up(pair)
    time.sleep(STEADY)
    heard = [monitor(a), monitor(x.host)]
    asking = x.host.start(["ping", "-i", "0.05", "-I", x.four, "172.20.16.1"])
    asking.wait_for("bytes from")

    before = number(a)
    a.run([*how, *([before] if how[0] == "kill" else [])])
    again(a, before)
    if far_end is neighbour:
        assert missing(asking) == 0, asking.said()
        for monitored, prefix in zip(heard, (X4, OURS), strict=True):
            assert f"Deleted {prefix}" not in monitored.said()
    wait(lambda: leaves_by(a, X4) == "ext0" and x.path(OURS) == "4242422547")

    # A route that went while nobody looked is gone when all is known again.
    time.sleep(STEADY)
    before = number(a)
    a.run(["kill", "-STOP", before])
    x.withdraw(X4)
    a.run(["kill", "-9", before])
    again(a, before)
    wait(lambda: leaves_by(a, X4) is None)


@far_ends
def test_a_bird_that_dies_at_once_is_not_replaced_and_its_routes_expire(
    lab: Lab, tmp_path: Path, far_end: FarEnd
) -> None:
    pair = Pair(lab, tmp_path, far_end=far_end)
    a, x = pair.a, pair.x
    before = a.state()
    conf = a.read("/etc/netc/bird.conf")
    assert "graceful restart time 90;" in conf
    a.write("/etc/netc/bird.conf", conf.replace("graceful restart time 90;", "graceful restart time 20;"))
    up(pair)
    a.run(["bash", "-c", "kill -9 $(</run/netc/bird-keeper.pid) $(</run/netc/bird.pid)"])
    time.sleep(2)
    assert x.path(OURS) == "4242422547"
    assert leaves_by(a, X4) == "ext0"
    wait(lambda: x.path(OURS) is None)

    # What systemd does then takes away what it left, and what it does when somebody stops it takes effect at once.
    for part in ("bird", "loopback", "edge-ext0"):
        a.run(script(part, "down"))
    assert difference(before, a.state()) == ""
    x.stop()
    up(pair)
    a.run(script("bird", "down"))
    wait(lambda: x.path(OURS) is None, 4)
    assert leaves_by(a, X4) is None

    # One that cannot even start fails as a whole.
    a.write("/etc/netc/bird.conf", "dirct;")
    said = a.run(script("bird", "up"), check=False)
    assert said.returncode != 0
    assert "BIRD did not start" in said.stderr
    assert "bird" not in a.run(["bash", "-c", "cat /proc/[0-9]*/comm"]).stdout.split()


# ---- without systemd, `up` of the part is what repairs


def check(host: Host, zone: str = "UTC") -> list[str]:
    said = host.run(script("bird", "check"), check=False, env={"TZ": zone})
    assert said.returncode == bool(said.stdout)
    assert said.stderr == ""
    return said.stdout.splitlines()


def repair(host: Host) -> str:
    """What `up` said, which left nothing to say."""
    said = host.run(script("bird", "up"), env={"NETC_STEADY": str(STEADY)}).stderr
    assert check(host) == []
    return said


def keeper(host: Host) -> str:
    return host.run(["cat", "/run/netc/bird-keeper.pid"]).stdout.strip()


@pytest.mark.parametrize("also", [False, True], ids=["bird", "keeper-too"])
def test_a_bird_that_hangs_is_killed_and_replaced(lab: Lab, tmp_path: Path, also: bool) -> None:
    pair = Pair(lab, tmp_path)
    up(pair)
    before = number(pair.a)
    pair.a.run(["kill", "-STOP", before, *([keeper(pair.a)] if also else [])])
    assert check(pair.a) == ["bird: BIRD does not answer"]
    assert "BIRD does not end by SIGTERM" in repair(pair.a)
    assert pair.a.run(["kill", "-0", before], check=False).returncode != 0
    again(pair.a, before)


@pytest.mark.parametrize("how", ["kill -9 {}", "rm /run/netc/bird-keeper.pid; kill -9 {}"])
def test_check_reports_a_dead_keeper_and_up_replaces_it(lab: Lab, tmp_path: Path, how: str) -> None:
    pair = Pair(lab, tmp_path)
    up(pair)
    before = number(pair.a)
    pair.a.run(["bash", "-c", how.format(keeper(pair.a))])
    assert check(pair.a) == ["bird: bird-keeper.bash does not run: if BIRD ends, nothing starts it again"]
    repair(pair.a)
    time.sleep(STEADY + 1)
    before = number(pair.a)
    pair.a.run(["kill", "-9", before])
    again(pair.a, before)


def test_bird_does_not_hold_the_output_of_up_open(lab: Lab, tmp_path: Path) -> None:
    """And nothing that outlives `up` dies of having nobody who listens."""
    pair = Pair(lab, tmp_path)
    up(pair)
    pair.a.run(script("bird", "down"))
    piped = f"set -o pipefail; NETC_STEADY={STEADY} timeout 30 /etc/netc/parts/bird/up 2>&1 | cat"
    pair.a.run(["bash", "-c", piped], timeout=40)
    opened = "readlink /proc/$(cat /run/netc/bird-keeper.pid)/fd/* /proc/$(cat /run/netc/bird.pid)/fd/[012]"
    at = set(pair.a.run(["bash", "-c", opened], check=False).stdout.split())
    assert {each for each in at if each.startswith("/") and "/bird-keeper.bash" not in each} == {
        "/dev/null",
        "/run/netc/bird.log",
    }
    time.sleep(STEADY + 1)
    before = number(pair.a)
    pair.a.run(["kill", "-9", before])
    again(pair.a, before)
    assert "and is started again" in pair.a.read("/run/netc/bird.log")


def test_check_finds_unread_configuration_whatever_the_clock_says(lab: Lab, tmp_path: Path) -> None:
    pair = Pair(lab, tmp_path)
    up(pair)
    assert check(pair.a, "Asia/Tokyo") == check(pair.a, "America/Los_Angeles") == []
    for age in ("+1 hour", "-1 hour"):
        pair.a.run(["touch", "-d", age, "/etc/netc/bird.conf"])
        assert check(pair.a) == []
    pair.a.run(["bash", "-c", "echo '# x' >>/etc/netc/bird.conf; touch -d '-1 hour' /etc/netc/bird.conf"])
    unread = ["bird: BIRD has not read the present /etc/netc/bird.conf"]
    assert check(pair.a) == unread
    before = number(pair.a)
    pair.a.run(script("bird", "reload"))
    assert check(pair.a) == []
    assert number(pair.a) == before
    pair.a.run(["bash", "-c", "echo dirct >>/etc/netc/bird.conf"])
    assert pair.a.run(script("bird", "reload"), check=False).returncode != 0
    assert check(pair.a) == unread
