"""System S1 on a machine that boots: units, drop-ins, timers, stop and reboot."""

from __future__ import annotations

from pathlib import Path

import pytest
from netaddr import IPAddress

from live.compiled import EXAMPLES, compiled, give_key
from live.lab import Host, Lab
from live.state import FORWARDING, difference, without
from live.traffic import ANSWER, client, dns
from machine.machine import Machine, machine
from netc.lab.waiting import within

pytestmark = pytest.mark.machine

SERVER = ("198.51.100.7", "2001:db8:7::7")
VISITOR = ("203.0.113.9", "2001:db8:113::9")

# Stand-ins for the two programs: each says whom it heard, where it is, who it runs as, and what it would ask for names.
SERVICE = """
[Service]
User=games
ExecStart=socat {listen},fork EXEC:/usr/local/bin/say
Restart=on-failure
SuccessExitStatus=143

[Install]
WantedBy=multi-user.target
"""
SAY = """#!/bin/bash
all="$SOCAT_PEERADDR $(readlink /proc/self/ns/net) $(id -un)"
all+=" $(grep ^nameserver /etc/resolv.conf) $(grep ^hosts /etc/nsswitch.conf)"
printf '%s\\n' "${all//$'\\n'/ }"
"""
SERVICES = {
    "transmission-daemon.service": SERVICE.format(listen="TCP6-LISTEN:9091,ipv6only=0"),
    "shadowsocks-libev@.service": SERVICE.format(listen="TCP6-LISTEN:8388,ipv6only=0"),
}
ASKED = "nameserver 91.231.153.2 nameserver 192.211.0.2 nameserver 2001:67c:15ec:1337::2 hosts: files dns"
PARTS = ["netc-namespace-vpn.service", "netc-tunnel-azire.service"]
NAMES = ["transmission-daemon.service", "shadowsocks-libev@vpn.service"]


def seedbox(lab: Lab, tmp_path: Path) -> tuple[Machine, Host]:
    """The machine with the compiled tree laid over /, and the world outside, which knows no names yet."""
    server, world = machine(lab, "seedbox"), lab.host("world")
    server.write("/usr/local/bin/say", SAY, 0o755)
    for unit, text in SERVICES.items():
        server.write(f"/etc/systemd/system/{unit}", text)
    server.lay(compiled(EXAMPLES / "seedbox.toml", tmp_path)["seedbox"])
    give_key(server, "azire", "seedbox")
    server.write("/etc/resolv.conf", "nameserver 198.51.100.1\noptions timeout:1 attempts:1\n")
    server.run(["systemctl", "daemon-reload"])
    server.run(["systemctl", "enable", *NAMES])
    plug(lab, server, world)
    for address in VISITOR:
        world.run(["ip", "address", "add", address, "dev", "lo"])
    return server, world


def plug(lab: Lab, server: Machine, world: Host) -> None:
    """The uplink, which an image configures, and netc never."""
    ends = ("198.51.100.7/24", "2001:db8:7::7/64"), ("198.51.100.1/24", "2001:db8:7::1/64")
    lab.wire(server, "eth0", world, "seedbox", a_addresses=ends[0], b_addresses=ends[1])
    server.run(["ip", "route", "replace", "default", "via", "198.51.100.1"])
    server.run(["ip", "-6", "route", "replace", "default", "via", "2001:db8:7::1"])


def said(world: Host, address: str, port: int, source: str, timeout: float = ANSWER) -> list[str]:
    answer = client(world, "tcp", address, port, source=source, timeout=timeout)
    return (answer or "").split()


def active(server: Machine, *units: str) -> list[str]:
    return server.run(["systemctl", "is-active", *units], check=False).stdout.split()


def inside(server: Machine) -> str:
    return server.run(["readlink", "/proc/self/ns/net"], namespace="vpn").stdout.strip()


def published(server: Machine, world: Host) -> None:
    """Both services answer at the server's own addresses, from inside, as themselves, and know who asks."""
    for port in (9091, 8388):
        for address, visitor in zip(SERVER, VISITOR, strict=True):
            heard, place, user, *names = said(world, address, port, visitor)
            assert address_of(heard) == visitor
            assert place == inside(server)
            assert user == "games"
            assert " ".join(names) == ASKED


def address_of(heard: str) -> str:
    """Of what a socket of both families says: `[0000:…:ffff:cb00:7109]`."""
    address = IPAddress(heard.strip("[]"))
    return str(address.ipv4() if address.is_ipv4_mapped() else address)


def test_a_seedbox_runs_stops_without_a_trace_and_survives_a_reboot(lab: Lab, tmp_path: Path) -> None:
    server, world = seedbox(lab, tmp_path)
    before = server.state()
    server.run(["systemctl", "enable", "netc.target"])
    server.run(["systemctl", "start", "netc.target", *NAMES])
    assert active(server, "netc.target", *PARTS, *NAMES) == ["active"] * 5
    published(server, world)

    # The provider's name is not to be had yet: links and routes are there all the same, and the timer goes on asking.
    endpoints = ["ip", "netns", "exec", "vpn", "wg", "show", "wg-azire", "endpoints"]
    assert server.run(endpoints).stdout.split()[1] == "(none)"
    dns(world, "192.0.2.77", "198.51.100.1")
    assert within(120, lambda: server.run(endpoints).stdout.split()[1] == "192.0.2.77:51820")

    # A tunnel that restarts does not take the services with it.
    mains = server.run(["systemctl", "show", "-p", "MainPID", *NAMES]).stdout
    server.run(["systemctl", "restart", "netc-tunnel-azire.service"])
    assert server.run(["systemctl", "show", "-p", "MainPID", *NAMES]).stdout == mains

    # Without the namespace there is no service, and after stop there is nothing.
    server.run(["systemctl", "stop", "netc.target"])
    assert within(60, lambda: set(active(server, *PARTS, "netc-firewall.service", *NAMES)) == {"inactive"})
    hidden = "^. /run/(nscd|avahi-daemon|dbus)$"  # empty folders, which a service had hidden from it
    known = (FORWARDING, "/eth0/accept_ra = ", "^. /run/systemd/", "^. /run/credentials", hidden)
    assert difference(without(before, *known), without(server.state(), *known)) == ""
    assert said(world, SERVER[0], 9091, VISITOR[0], 1) == []

    # Somebody starts the service by hand: its namespace comes up with it.
    server.run(["systemctl", "start", NAMES[0]])
    assert said(world, SERVER[0], 9091, VISITOR[0])[1] == inside(server)

    server.power_off()
    server.boot()
    plug(lab, server, world)
    assert active(server, "netc.target", *PARTS, *NAMES) == ["active"] * 5
    published(server, world)
    assert within(120, lambda: server.run(endpoints).stdout.split()[1] == "192.0.2.77:51820")

    server.power_cut()
    server.boot()
    plug(lab, server, world)
    published(server, world)
    assert within(60, lambda: server.run(["systemctl", "--failed", "--plain", "--no-legend"]).stdout == "")
