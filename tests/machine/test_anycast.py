"""System S4 on a machine that boots: what nobody looks after any more is not told of, and a planned end drains."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from live.compiled import compiled, install, parts, script
from live.lab import Lab
from live.routers import NETWORK, attributes, leaves_by, link, monitor, router, settled, start_bird
from live.service import ASK, DRAIN, INSIDE4, SPACE
from machine.machine import Machine, machine
from machine.test_seedbox import active
from netc.lab.waiting import within

pytestmark = pytest.mark.machine

FORM = f"""
internal = "fake-confederation"
members.base = 4225470000
over = "ac"

[anycast.dns]
addresses = ["{INSIDE4}", "fd42:1::53/128"]
hosts = "a"
services = "answers.service"
drain = "{DRAIN:g}s"
check = {{ command = ["/bin/bash", "-c", {ASK}], interval = "2s", timeout = "2s", rise = 1 }}
"""
SERVICE = """
[Service]
ExecStart=/usr/bin/socat TCP4-LISTEN:5300,fork,reuseaddr EXEC:/bin/cat
SuccessExitStatus=143
"""
CHECKER = f"netc-check-{SPACE}.service"
UNITS = ("netc-bird.service", f"netc-{SPACE}.service", CHECKER, "answers.service")


def test_a_prefix_is_withdrawn_if_its_checker_ends(lab: Lab, tmp_path: Path) -> None:
    ours = "".join(router(name, id) for id, name in enumerate("ac", 1))
    trees = compiled(NETWORK + FORM + ours + link("a", "c"), tmp_path)
    a, c, world = machine(lab, "a"), install(lab, "c", trees), lab.switch("world")
    for id, host in enumerate((a, c), 1):
        world.plug(host, "eth0", f"198.51.100.{id}/24")
    a.lay(trees["a"])
    a.write("/etc/systemd/system/answers.service", SERVICE)
    a.run(["systemctl", "daemon-reload"])
    for part in parts(c):
        if part != "bird":
            c.run(script(part, "up"))
    start_bird(c)
    heard = monitor(c)

    a.run(["systemctl", "start", "netc.target", "answers.service"])
    settled(c)
    assert within(60, lambda: leaves_by(c, INSIDE4) == "vx-a")
    assert active(a, *UNITS) == ["active"] * 4
    begun = began(a)

    # Killed, it is withdrawn at once, and told of again by its successor; so it is when it hangs.
    for signal in ("KILL", "STOP"):
        gone = heard.said().count(f"Deleted {INSIDE4.partition('/')[0]}")
        assert gone == 0 if signal == "KILL" else gone == 1
        a.run(["systemctl", "kill", f"--signal={signal}", "--kill-whom=main", CHECKER])
        assert within(60, lambda gone=gone: heard.said().count("Deleted 172.20.16.30") > gone)  # type: ignore[misc]
        assert within(60, lambda: leaves_by(c, INSIDE4) == "vx-a")

    # The service and BIRD start anew, and the namespace stays.
    a.run(["systemctl", "restart", "netc-bird.service"])
    assert within(60, lambda: leaves_by(c, INSIDE4) == "vx-a")
    assert began(a) == begun
    a.run(["systemctl", "kill", "--signal=KILL", "answers.service"])
    assert within(60, lambda: leaves_by(c, INSIDE4) is None)
    a.run(["systemctl", "restart", "answers.service"])
    assert within(60, lambda: leaves_by(c, INSIDE4) == "vx-a")
    assert began(a)[0] == begun[0]

    # A planned end: the last resort first, then gone, and the service stops after that.
    stopping = a.start(["systemctl", "stop", "netc.target"])
    assert within(60, lambda: attributes(c, INSIDE4).get("local_pref") == "0")
    assert active(a, "answers.service", "netc-bird.service") == ["active"] * 2
    time.sleep(DRAIN / 2)
    assert leaves_by(c, INSIDE4) == "vx-a"
    assert stopping.wait() == 0
    assert within(60, lambda: active(a, *UNITS) == ["inactive"] * 4)
    assert not re.search(r"anycast|bird", a.run(["ls", "/run/netc"], check=False).stdout)


def began(host: Machine) -> tuple[str, str]:
    """The namespace, and when the service in it started."""
    inode = host.run(["stat", "-c", "%i", f"/run/netns/{SPACE}"]).stdout
    return inode, host.run(["systemctl", "show", "--property=ExecMainPID", "answers.service"]).stdout
