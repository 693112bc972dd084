"""System S3 on a machine that boots: an uplink that goes and comes back answers again, and nobody has to see to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from live.compiled import compiled
from live.lab import Host, Lab
from live.state import FORWARDING, difference, without
from live.traffic import SILENCE, client
from machine.machine import Machine, machine
from machine.test_seedbox import active
from netc.lab.waiting import within

pytestmark = pytest.mark.machine

VISITOR = "192.0.2.9"
TOPOLOGY = """
version = 1
network.name = "wires"

[hosts.lin]
id = 1
wan = "eth0"
addresses = "198.51.100.7/24"
uplinks.native = { interface = "eth0", prefixes = "198.51.100.7/24", gateway = "198.51.100.1" }
uplinks.second = { interface = "eth1", prefixes = "203.0.113.5/28", gateway = "203.0.113.1" }
"""
PARTS = ("netc-uplink-native.service", "netc-uplink-second.service")
WATCHERS = ("netc-watch-uplink-native.service", "netc-watch-uplink-second.service")


def plug(lab: Lab, server: Machine, world: Host, device: str, ours: str, router: str) -> None:
    lab.wire(server, device, world, device, a_addresses=[ours], b_addresses=[router])
    drop = f"add table inet bcp38\nadd chain inet bcp38 {device} {{ type filter hook prerouting priority raw; }}\n"
    drop += f'add rule inet bcp38 {device} iifname "{device}" ip saddr != {router} drop\n'
    world.run(["nft", "-f", "-"], input=drop)


def answered(world: Host) -> list[str]:
    """The uplinks by which sshd greets a visitor."""
    ways = ("198.51.100.7", "203.0.113.5")
    return [ip for ip in ways if client(world, "tcp", ip, 22, source=VISITOR, timeout=SILENCE)]


def test_routes_return_with_an_uplink_and_are_removed_with_netc(lab: Lab, tmp_path: Path) -> None:
    server, world = machine(lab, "lin"), lab.host("world")
    world.run(["ip", "address", "add", VISITOR, "dev", "lo"])
    server.lay(compiled(TOPOLOGY, tmp_path)["lin"])
    server.run(["systemctl", "daemon-reload"])
    server.run(["systemctl", "start", "ssh.service"])
    plug(lab, server, world, "eth0", "198.51.100.7/24", "198.51.100.1/24")
    server.run(["ip", "route", "replace", "default", "via", "198.51.100.1"])
    before = without(server.state(), FORWARDING)

    # eth1 is not there yet: netc comes up, and waits for it.
    server.run(["systemctl", "start", "netc.target"])
    assert active(server, *PARTS, *WATCHERS) == ["active"] * 4
    assert answered(world) == ["198.51.100.7"]
    plug(lab, server, world, "eth1", "203.0.113.5/28", "203.0.113.1/28")
    assert within(60, lambda: len(answered(world)) == 2)
    for _ in range(2):
        server.run(["ip", "link", "set", "dev", "eth1", "down"])
        assert answered(world) == ["198.51.100.7"]
        server.run(["ip", "link", "set", "dev", "eth1", "up"])
        assert within(60, lambda: len(answered(world)) == 2)

    # Somebody flushes the uplink's table, and kills the watcher: both are put right.
    routes = server.run(["ip", "route", "show", "table", "all", "proto", "77"]).stdout
    assert "unreachable default" in routes
    server.run(["ip", "route", "flush", "table", "all", "proto", "77"])
    assert within(60, lambda: server.run(["ip", "route", "show", "table", "all", "proto", "77"]).stdout == routes)
    server.run(["systemctl", "kill", "--signal=KILL", WATCHERS[1]])
    server.run(["ip", "route", "flush", "table", "all", "proto", "77"])
    assert within(60, lambda: len(answered(world)) == 2)
    assert active(server, *WATCHERS) == ["active"] * 2

    server.run(["systemctl", "stop", "netc.target"])
    assert within(60, lambda: active(server, *PARTS, *WATCHERS) == ["inactive"] * 4)
    server.run(["ip", "link", "delete", "dev", "eth1"])
    assert difference(before, without(server.state(), FORWARDING)) == ""
