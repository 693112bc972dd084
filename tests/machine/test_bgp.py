"""System S4 on a machine that boots: a router is reloaded, started anew, killed and booted by systemd itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from live.compiled import compiled
from live.lab import Host, Lab, Switch
from live.routers import (
    ASN,
    HERE,
    NETWORK,
    THERE,
    Neighbour,
    attributes,
    faults,
    kernel_route,
    neighbour,
    path,
    peer,
    protocol_rows,
    protocols,
    reached,
    router,
)
from machine.machine import Machine, machine
from machine.test_seedbox import active
from netc.lab.waiting import wait

pytestmark = pytest.mark.machine

FORM = """
internal = "mesh"
over = "none"

[links.none]
kind = "vxlan"
between = ["border", "away"]
"""
X4, X6 = "172.20.8.0/24", "fd42:8::/48"
BIRD = "netc-bird.service"
CONFIG = "/etc/netc/bird.conf"


def trees(folder: Path, local_pref: int = 200) -> Path:
    text = NETWORK + FORM + router("border", 1) + router("away", 2)
    text += peer("border", "x", 4242420001, "peer", f"local_pref = {local_pref}")
    return compiled(text, folder / str(local_pref))["border"]


def plug(lab: Lab, server: Machine, x: Neighbour, world: Switch) -> None:
    world.plug(server, "eth0", "198.51.100.1/24")
    lab.wire(server, "ext0", x.host, "ext0", a_addresses=[f"{HERE}/64"], b_addresses=[f"{THERE}/64"])


def begun(host: Host, session: str) -> str:
    """When the session began, to a tenth of a second: BIRD works it out anew each time."""
    row = next(row for row in protocol_rows(host) if row[:1] == [session])
    assert row[5] == "Established"
    return row[4][:-2]


def daemon(server: Machine) -> str:
    return server.run(["systemctl", "show", "--value", "--property=MainPID", BIRD]).stdout.strip()


def carries(server: Machine, x: Neighbour) -> None:
    """Routes and packets of both families."""
    for prefix, own, there in ((X4, "172.20.16.1", x.four), (X6, "fd42:1::1", x.six)):
        wait(lambda prefix=prefix, own=own: kernel_route(server, prefix).get("prefsrc") == own)  # type: ignore[misc]
        wait(lambda own=own, there=there: reached(x.host, there, own))  # type: ignore[misc]
    assert path(x.host, "172.20.16.0/27") == str(ASN)


def test_systemd_reloads_stops_and_boots_a_router(lab: Lab, tmp_path: Path) -> None:
    server, world = machine(lab, "border"), lab.switch("world")
    x = neighbour(lab, "x", 4242420001, X4, X6)
    plug(lab, server, x, world)
    x.session("ext0", THERE, HERE, ASN)
    x.start()
    server.lay(trees(tmp_path))
    server.run(["systemctl", "daemon-reload"])
    server.run(["systemctl", "enable", "netc.target"])
    server.run(["systemctl", "start", "netc.target"])
    carries(server, x)
    since = begun(server, "peer_x"), begun(x.host, "s1"), daemon(server)

    # A change of policy keeps the session; a mistake is said aloud and changes nothing.
    server.lay(trees(tmp_path, 77))
    server.run(["systemctl", "reload", BIRD])
    wait(lambda: attributes(server, X4).get("local_pref") == "77")
    good = server.read(CONFIG)
    server.write(CONFIG, good.replace("router id", "rooter id", 1))
    refused = server.run(["systemctl", "reload", BIRD], check=False)
    assert refused.returncode != 0
    assert re.search(r"bird\.conf:\d+:\d+ syntax error", journal(server))
    assert active(server, BIRD) == ["active"]
    assert attributes(server, X4)["local_pref"] == "77"
    assert (begun(server, "peer_x"), begun(x.host, "s1"), daemon(server)) == since

    # Nor does it when netc is told to come up once more; and corrected, it is taken.
    server.write(CONFIG, good)
    server.run(["systemctl", "reload", BIRD])
    server.run(["systemctl", "start", "netc.target"])
    assert (begun(server, "peer_x"), begun(x.host, "s1"), daemon(server)) == since

    # Started anew, and killed: another daemon, the same routes.
    server.run(["systemctl", "restart", BIRD])
    carries(server, x)
    restarted = daemon(server)
    assert restarted != since[2]
    server.run(["systemctl", "kill", "--signal=KILL", "--kill-whom=main", BIRD])
    wait(lambda: daemon(server) not in ("0", restarted))
    carries(server, x)
    assert active(server, BIRD) == ["active"]

    # At boot its own addresses are there before it, whatever comes late.
    server.power_off()
    wait(lambda: path(x.host, "172.20.16.0/27") is None)
    server.boot(lambda: plug(lab, server, x, world))
    carries(server, x)
    assert protocols(server)["peer_x"] == "Established"
    assert at(server, "netc-loopback.service", "ActiveEnter") <= at(server, BIRD, "InactiveExit")
    said = journal(server, "--boot")
    assert "<INFO> Started" in said
    assert faults(said) == []

    # And with it go its routes.
    server.run(["systemctl", "stop", "netc.target"])
    wait(lambda: active(server, BIRD) == ["inactive"], 30)
    assert kernel_route(server, X4) == kernel_route(server, X6) == {}


def journal(server: Machine, *more: str) -> str:
    return server.run(["journalctl", "--no-pager", "--output=cat", f"--unit={BIRD}", *more]).stdout


def at(server: Machine, unit: str, event: str) -> int:
    """When it was up, or began to be, in microseconds of the machine's clock."""
    return int(server.run(["systemctl", "show", "--value", f"--property={event}TimestampMonotonic", unit]).stdout)
