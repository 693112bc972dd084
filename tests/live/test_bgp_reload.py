"""A change that is taken back, and a host that is drained, are no reason to leave those who ask without an answer."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from live.compiled import compiled, install, script
from live.lab import Host, Lab
from live.routers import (
    ASN,
    NETWORK,
    attributes,
    begin,
    birdc,
    faults,
    leaves_by,
    link,
    meet,
    monitor,
    neighbour,
    path,
    peer,
    protocols,
    router,
    settled,
)
from live.service import INSIDE4, INSIDE6, WORLD4, asked, look_after, serve, service, state
from live.test_anycast import FORM
from netc.lab.process import Process
from netc.lab.waiting import wait

pytestmark = pytest.mark.live

INTERVAL = 600
"""Seconds between two checks: long enough to see what happens in between."""
DELETED4, DELETED6 = (f"Deleted {prefix.partition('/')[0]}" for prefix in (INSIDE4, INSIDE6))


def text(*hosts: str, drained: str = "") -> str:
    """As in test_anycast, with the service at `hosts`."""
    said = service(*hosts).replace('interval = "2s"', f'interval = "{INTERVAL}s", rise = 1')
    said += peer("c", "e", 4242420002, "peer") + link("a", "c", "cost = 5") + link("b", "c", "cost = 9")
    for id, name in enumerate("abc", 1):
        said += router(name, id, *(["drain = true"] if name == drained else []))
    return NETWORK + FORM + said


class Net:
    """Routers a and b on both sides of c, a neighbour e of c's, and the service at some."""

    def __init__(self, lab: Lab, folder: Path, *hosts: str) -> None:
        trees = compiled(text(*hosts), folder)
        world = lab.switch("world")
        self.e = neighbour(lab, "e", 4242420002, "172.20.9.0/24", "fd42:9::/48")
        made = []
        for id, name in enumerate("abc", 1):
            host = install(lab, name, trees)
            world.plug(host, "eth0", f"198.51.100.{id}/24")
            made.append(host)
        self.a, self.b, self.c = made
        meet(lab, self.c, self.e)
        self.logs = [*begin(*made).values()]
        self.e.start()
        settled(*made, self.e.host)

    def served(self, host: Host) -> Process:
        """The service answers, and is told of; when it was, there is a long time until the next check."""
        serve(host)
        checker = look_after(host)
        wait(lambda: state(host) == "up")
        return checker


def test_routes_stay_announced_during_a_rollback(lab: Lab, tmp_path: Path) -> None:
    net = Net(lab, tmp_path, "c")
    a, c = net.a, net.c
    net.served(c)
    wait(lambda: leaves_by(a, INSIDE4) == "vx-c" and leaves_by(a, INSIDE6) == "vx-c")
    wait(lambda: path(net.e.host, WORLD4) == str(ASN))
    checks = len(asked(c))
    heard = [monitor(a), monitor(c)]

    conf = c.read("/etc/netc/bird.conf")
    c.write("/etc/netc/bird.conf", conf.replace("as 4225470002;", "as 4225470077;"))
    said = c.run(script("bird", "reload"), check=False, env={"NETC_PATIENCE": "2"})
    assert "did not come back: int_vx_b" in said.stderr
    wait(lambda: protocols(c)["int_vx_b"] == "Established")
    time.sleep(2)
    assert len(asked(c)) == checks, "a check came between"
    assert state(c) == "up"
    for monitored in heard:
        assert DELETED4 not in monitored.said()
        assert DELETED6 not in monitored.said()
    assert path(net.e.host, WORLD4) == str(ASN)

    # What is turned off stays so, too.
    c.run(["bash", "-c", "cd /run/netc/bird.switches; for s in any_dns*; do echo 'disabled;' >$s; done"])
    for family in "46":
        birdc(c, f"disable any_dns{family}")
    wait(lambda: leaves_by(a, INSIDE4) is None)
    c.run(script("bird", "reload"), check=False, env={"NETC_PATIENCE": "2"})
    time.sleep(2)
    assert leaves_by(a, INSIDE4) is None
    assert [fault for log in net.logs for fault in faults(log.said())] == []


def test_a_drained_host_is_the_last_resort(lab: Lab, tmp_path: Path) -> None:
    net = Net(lab, tmp_path, "a", "b")
    a, b, c = net.a, net.b, net.c
    for host in (a, b):
        net.served(host)
    for prefix in (INSIDE4, INSIDE6, WORLD4):
        wait(lambda prefix=prefix: leaves_by(c, prefix) == "vx-a")  # type: ignore[misc]
    heard = monitor(c)

    # Nobody is left without an answer.
    a.lay(compiled(text("a", "b", drained="a"), tmp_path / "drained")["a"])
    a.run(script("bird", "reload"))
    for prefix in (INSIDE4, INSIDE6, WORLD4):
        wait(lambda prefix=prefix: leaves_by(c, prefix) == "vx-b")  # type: ignore[misc]
    assert DELETED4 not in heard.said()
    assert leaves_by(a, INSIDE4) == "ac-dns", "what comes to it all the same is served"

    # It is the last one, and serves when the other is gone.
    b.run(script("bird", "down"))
    for prefix in (INSIDE4, INSIDE6, WORLD4):
        wait(lambda prefix=prefix: leaves_by(c, prefix) == "vx-a")  # type: ignore[misc]
    assert attributes(c, INSIDE4)["local_pref"] == "0"
    wait(lambda: path(net.e.host, WORLD4) == str(ASN))
