"""Anycast: whoever answers is told of, whoever does not is not, and nobody who asks notices a planned end."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import pytest

from bench.processes import STRACE, TRACE, made
from live.birds import EVERYBODY, OWN, with_birds
from live.compiled import compiled, install, script
from live.lab import Host, Lab
from live.needs import require
from live.routers import (
    ASN,
    NETWORK,
    attributes,
    begin,
    faults,
    leaves_by,
    link,
    meet,
    monitor,
    neighbour,
    path,
    peer,
    reached,
    router,
    settled,
    start_bird,
)
from live.service import (
    ASKED,
    DRAIN,
    FALL,
    INSIDE4,
    INSIDE6,
    PORT,
    RISE,
    SPACE,
    WORLD4,
    asked,
    knows,
    look_after,
    serve,
    service,
    state,
)
from live.state import difference
from live.traffic import Probe, reflect
from netc.lab.process import Process
from netc.lab.waiting import wait

pytestmark = pytest.mark.live

FORM = """
internal = "confederation"
next_hop = "med"
members.base = 4225470000
over = ["ac", "bc"]
"""
UNICAST = """
unicast.a = ["172.20.16.28/32", "fd42:1::28/128"]
unicast.b = ["172.20.16.29/32", "fd42:1::29/128"]
"""


def trees_of(folder: Path) -> dict[str, Path]:
    text = NETWORK + FORM + service("a", "b", more=UNICAST)
    text += peer("c", "e", 4242420002, "peer") + link("a", "c", "cost = 5") + link("b", "c", "cost = 9")
    return compiled(text + "".join(router(name, id) for id, name in enumerate("abc", 1)), folder)


class Net:
    """A client's router c, a neighbour e behind it, and a service at a, which is nearer, and at b."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        trees = trees_of(folder)
        world = lab.switch("world")
        self.e = neighbour(lab, "e", 4242420002, "172.20.9.0/24", "fd42:9::/48")
        hosts = []
        for id, name in enumerate("abc", 1):
            host = install(lab, name, trees)
            world.plug(host, "eth0", f"198.51.100.{id}/24")
            hosts.append(host)
        self.a, self.b, self.c = hosts
        meet(lab, self.c, self.e)
        self.logs = [*begin(*hosts).values()]
        self.e.start()
        settled(*hosts, self.e.host)

    def way(self, prefix: str = INSIDE4) -> str | None:
        """By which the client's router sends what is for the service; None: it is told of nothing."""
        return leaves_by(self.c, prefix)


def asks(host: Host, address: str) -> bool:
    return host.run(["ping", "-c", "1", "-W", "1", address], namespace=SPACE, check=False).returncode == 0


def end(host: Host, checker: Process, signal: str) -> None:
    """As systemd ends it: the first process alone."""
    host.run(["kill", f"-{signal}", checker.texts()[0].strip()])


def test_down_removes_everything_that_up_added(lab: Lab, tmp_path: Path) -> None:
    host = install(lab, "a", trees_of(tmp_path))
    before = host.state()
    host.run(script(SPACE, "up"))
    once = host.state()
    host.run(script(SPACE, "up"))
    assert difference(once, host.state()) == ""
    assert difference(before, once) != ""
    host.run(script(SPACE, "down"))
    assert difference(before, host.state()) == ""


def test_a_check_makes_four_processes_beside_those_of_its_command(lab: Lab, tmp_path: Path) -> None:
    """Two that limit a time, `birdc`, and what tells systemd. The command makes two: bash and cat. A BIRD of another
    release would be started by more."""
    require("" if shutil.which("strace") else "could not run: apt-get install strace")
    with with_birds({EVERYBODY: OWN}):
        host = install(lab, "a", trees_of(tmp_path))
    lab.wire(host, "eth0", lab.host("world"), "a", a_addresses=["198.51.100.1/24"])
    begin(host)
    serve(host)
    host.write(ASKED, "", 0o666)
    host.start(["env", "NOTIFY_SOCKET=/run/none", "strace", *STRACE, f"/etc/netc/parts/{SPACE}/health"])
    wait(lambda: state(host) == "up")

    checks, processes = len(asked(host)), made(host.read(TRACE).splitlines())
    wait(lambda: len(asked(host)) >= checks + 20)
    all_made = made(host.read(TRACE).splitlines())
    most = len(asked(host)) - checks  # read after the trace, as it was read before it: checks between only add
    assert all_made - processes <= (4 + 2) * (most + 1)  # one check was under way when the count began


def test_a_prefix_is_announced_while_its_service_answers(lab: Lab, tmp_path: Path) -> None:
    net = Net(lab, tmp_path)
    a, c, e = net.a, net.c, net.e

    # It starts withdrawn, and stays so without a service.
    checker = look_after(a)
    wait(lambda: state(a) == "down")
    wait(lambda: len(asked(a)) > RISE)
    assert net.way() is None
    assert "No route to host" in c.run(["ip", "route", "get", "172.20.16.30"], check=False).stderr
    before = len(asked(a))
    service = serve(a)
    wait(lambda: net.way() == "vx-a")
    assert asked(a)[before:].count("rising") == RISE - 1
    for prefix in (INSIDE6, WORLD4):
        wait(lambda prefix=prefix: net.way(prefix) == "vx-a")  # type: ignore[misc]

    # Packets go there from the client and from outside; the world is told of what it takes, and of no more.
    wait(lambda: path(e.host, WORLD4) == str(ASN))
    assert knows(e.host, "fd42:1::/48")
    assert not knows(e.host, INSIDE6)
    for address in ("172.20.16.30", "172.22.0.53"):
        wait(lambda address=address: reached(e.host, e.four, address))  # type: ignore[misc]
    wait(lambda: reached(e.host, e.six, "fd42:1::53"))
    assert reached(c, "172.20.16.3", "172.20.16.30")

    # Dead, it is gone in time, also outside; what passes is not swallowed; and it is back after it recovers.
    service.stop()
    before = len(asked(a))
    wait(lambda: net.way() is None)
    assert asked(a)[before:].count("falling") == FALL - 1
    wait(lambda: path(e.host, WORLD4) is None and net.way(INSIDE6) is None)
    before = len(asked(a))
    service = serve(a)
    wait(lambda: net.way() == "vx-a")
    assert asked(a)[before:].count("rising") == RISE - 1

    # BIRD that starts anew is told again, one that is given a new configuration never forgets, and the namespace
    # outlives both.
    inode = a.run(["stat", "-c", "%i", f"/run/netns/{SPACE}"]).stdout
    heard = monitor(c)
    a.run(script("bird", "reload"))
    before = len(asked(a))
    wait(lambda: len(asked(a)) > before + 2)
    assert "Deleted 172.20.16.30" not in heard.said()
    a.run(script("bird", "down"))
    wait(lambda: net.way() is None)
    net.logs.append(start_bird(a))
    wait(lambda: net.way() == "vx-a")
    assert "Deleted 172.20.16.30" in heard.said()
    assert a.run(["stat", "-c", "%i", f"/run/netns/{SPACE}"]).stdout == inode
    assert service.alive

    # A checker that was killed is as good as dead: what systemd runs then withdraws at once.
    unit = a.read("/etc/systemd/system/netc-check-anycast-dns.service")
    after = re.search(r"(?m)^ExecStopPost=(.*)$", unit)
    assert after
    assert "WatchdogSignal=SIGKILL" in unit
    end(a, checker, "KILL")
    assert net.way() == "vx-a"
    a.run([after[1]])
    wait(lambda: net.way() is None)
    assert state(a) == ""

    # With the namespace its routes go, whoever looks after it.
    checker = look_after(a)
    wait(lambda: net.way() == "vx-a")
    a.run(script(SPACE, "down"))
    wait(lambda: net.way() is None)
    assert [fault for log in net.logs for fault in faults(log.said())] == []


def test_clients_lose_nothing_when_a_host_drains(lab: Lab, tmp_path: Path) -> None:
    net = Net(lab, tmp_path)
    a, b, c, e = net.a, net.b, net.c, net.e
    for host in (a, b):
        serve(host)
        reflect(host, PORT + 1, "172.20.16.30", namespace=SPACE)
    checkers = {host.name: look_after(host) for host in (a, b)}
    wait(lambda: state(a) == state(b) == "up")
    wait(lambda: net.way() == "vx-a")  # nearer

    # What each asks of others by itself is answered to it, and not to the nearest.
    for host in (a, b):
        for address in (e.four, e.six):
            wait(lambda h=host, there=address: asks(h, there))  # type: ignore[misc]
    assert reached(e.host, e.six, "fd42:1::29")

    # What comes from the one that is farther away is passed on as well, though its address is reached by another way.
    b.run(["ping", "-c", "1", "-W", "1", "-I", "172.20.16.30", e.four], namespace=SPACE, check=False)
    dropped = c.run(["nstat", "-asz", "TcpExtIPReversePathFilter"]).stdout
    assert re.search(r"TcpExtIPReversePathFilter +0 ", dropped), dropped

    # Switched off: first everybody else is preferred, then it is gone; nothing is lost, and it serves until the end.
    asking = Probe(e.host, "172.20.16.30", PORT + 1, e.four)
    heard = monitor(c)
    a.write("/etc/netc/anycast/dns.disabled", "")
    moved = time.monotonic()
    wait(lambda: net.way() == "vx-b" and net.way(INSIDE6) == "vx-b")
    assert state(a) == "draining"
    wait(lambda: state(a) == "disabled")
    assert time.monotonic() - moved > DRAIN
    assert "Deleted 172.20.16.30" not in heard.said()
    wait(lambda: leaves_by(a, INSIDE4) == "vx-c")  # what passes goes to the other

    # Switched on again, and ended by the unit: it drains as well.
    a.run(["rm", "/etc/netc/anycast/dns.disabled"])
    wait(lambda: net.way() == "vx-a")
    end(a, checkers["a"], "TERM")
    wait(lambda: net.way() == "vx-b")
    assert checkers["a"].alive
    checkers["a"].wait()
    probed = asking.end()
    assert probed.sent > 3000
    assert probed.lost == []

    # Where nobody else is, it serves to the end of its drain, and says outside that it is about to go.
    began = time.monotonic()
    end(b, checkers["b"], "TERM")
    wait(lambda: "(65535,0)" in attributes(e.host, WORLD4).get("community", ""))
    assert attributes(c, WORLD4)["local_pref"] == "0"
    assert net.way() == "vx-b"
    checkers["b"].wait()
    assert time.monotonic() - began > DRAIN
    wait(lambda: net.way() is None and not knows(e.host, WORLD4))
    assert [fault for log in net.logs for fault in faults(log.said())] == []
