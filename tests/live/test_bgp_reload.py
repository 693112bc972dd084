"""A change that is taken back, and a host that is drained, are no reason to leave those who ask without an answer."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from live.compiled import compiled, install, parts, script
from live.lab import Host, Lab
from live.process import Process
from live.routers import attributes, birdc, faults, neighbour, path, protocols, settled, start_bird, wait
from live.test_anycast import ASN, HOST, INSIDE4, INSIDE6, PORT, SPACE, TOPOLOGY, WORLD4, monitor, state
from live.test_bgp import leaves_by
from live.traffic import echo

pytestmark = pytest.mark.live

INTERVAL = 20
"""Seconds between two checks: long enough to see what happens in between."""


def text(hosts: str, drained: str = "") -> str:
    """As in test_anycast, with the service at `hosts`."""
    said = TOPOLOGY.replace('hosts = ["a", "b"]', f"hosts = [{hosts}]").replace(
        'interval = "400ms"', f'interval = "{INTERVAL}s", rise = 1'
    )
    said = re.sub(r"(?m)^unicast.*\n", "", said)
    return said + "".join(
        HOST.format(name=name, id=id) + ("drain = true\n" if name == drained else "")
        for id, name in enumerate("abc", 1)
    )


class Net:
    """Routers a and b behind c, a neighbour e of c's, and the service at c (and b)."""

    def __init__(self, lab: Lab, folder: Path, hosts: str) -> None:
        trees = compiled(text(hosts), folder)
        world = lab.switch("world")
        self.e = neighbour(lab, "e", 4242420002, "172.20.9.0/24", "fd42:9::/48")
        made = []
        for id, name in enumerate("abc", 1):
            host = install(lab, name, trees)
            world.plug(host, "eth0", f"198.51.100.{id}/24")
            made.append(host)
        self.a, self.b, self.c = made
        lab.wire(self.c, "ext0", self.e.host, "ext0", a_addresses=["fe80::c/64"], b_addresses=["fe80::1/64"])
        self.e.session("ext0", "fe80::1", "fe80::c", ASN)
        for host in made:
            for part in parts(host):
                if part != "bird":
                    host.run(script(part, "up"))
        self.logs = [start_bird(host) for host in made]
        self.e.start()
        settled(*made, self.e.host)

    def served(self, host: Host) -> Process:
        """The service answers, and is told of; when it was, there is a long time until the next check."""
        echo(host, PORT, "0.0.0.0", "::", namespace=SPACE)
        checker = host.start(["bash", f"/etc/netc/parts/{SPACE}/check"])
        wait(lambda: state(host) == "up", 10)
        return checker


def test_what_is_told_stays_told_of_when_a_change_is_taken_back(lab: Lab, tmp_path: Path) -> None:
    net = Net(lab, tmp_path, '"c"')
    a, c = net.a, net.c
    net.served(c)
    wait(lambda: leaves_by(a, INSIDE4) == "vx-c" and leaves_by(a, INSIDE6) == "vx-c")
    wait(lambda: path(net.e.host, WORLD4) == str(ASN))
    began = time.monotonic()
    heard = [monitor(a), monitor(c)]

    conf = c.read("/etc/netc/bird.conf")
    c.write("/etc/netc/bird.conf", conf.replace("as 4225470002;", "as 4225470077;"))
    said = c.run(script("bird", "reload"), check=False, env={"NETC_PATIENCE": "2"})
    assert "did not come back: int-vx-b" in said.stderr
    wait(lambda: protocols(c)["int-vx-b"] == "Established")
    time.sleep(2)
    assert time.monotonic() - began < INTERVAL, "a check came between"
    assert state(c) == "up"
    for monitored in heard:
        assert "Deleted 172.20.0.30" not in monitored.said()
        assert "Deleted fd42:1::53" not in monitored.said()
    assert path(net.e.host, WORLD4) == str(ASN)

    # What is turned off stays so, too.
    c.run(["bash", "-c", "cd /run/netc/bird.switches; for s in any-dns*; do echo 'disabled;' >$s; done"])
    for family in "46":
        birdc(c, f"disable 'any-dns{family}'")
    wait(lambda: leaves_by(a, INSIDE4) is None)
    c.run(script("bird", "reload"), check=False, env={"NETC_PATIENCE": "2"})
    time.sleep(2)
    assert leaves_by(a, INSIDE4) is None
    assert [fault for log in net.logs for fault in faults(log.said())] == []


def test_a_host_that_is_drained_is_asked_last(lab: Lab, tmp_path: Path) -> None:
    net = Net(lab, tmp_path, '"a", "b"')
    a, b, c = net.a, net.b, net.c
    for host in (a, b):
        net.served(host)
    for prefix in (INSIDE4, INSIDE6, WORLD4):
        wait(lambda prefix=prefix: leaves_by(c, prefix) == "vx-a", 10)  # type: ignore[misc]
    heard = monitor(c)

    # Nobody is left without an answer.
    a.lay(compiled(text('"a", "b"', drained="a"), tmp_path / "drained")["a"])
    a.run(script("bird", "reload"))
    for prefix in (INSIDE4, INSIDE6, WORLD4):
        wait(lambda prefix=prefix: leaves_by(c, prefix) == "vx-b", 10)  # type: ignore[misc]
    assert "Deleted 172.20.0.30" not in heard.said()
    assert leaves_by(a, INSIDE4) == "ac-dns", "what comes to it all the same is served"

    # It is the last one, and serves when the other is gone.
    b.run(script("bird", "down"))
    for prefix in (INSIDE4, INSIDE6, WORLD4):
        wait(lambda prefix=prefix: leaves_by(c, prefix) == "vx-a", 10)  # type: ignore[misc]
    assert attributes(c, INSIDE4)["local_pref"] == "0"
    wait(lambda: path(net.e.host, WORLD4) == str(ASN))
