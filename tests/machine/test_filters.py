"""Packet filters of Debian: what they drop is named before and after an installation, and docs/how-to/
beside-other-firewalls.md has the commands after which they drop nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from live.compiled import compiled
from live.delivered import deliver, install, netc_host
from live.keys import private_key, public_key
from live.lab import Lab
from machine.machine import Machine, machine
from machine.root import DEFAULT, FIREWALLS, FIREWALLS_13
from netc.lab.waiting import within

pytestmark = pytest.mark.machine

TOPOLOGY = f"""
version = 1
network.name = "lab"

[hosts.edge]
id = 1
wan = "eth0"
addresses = "198.51.100.10/24"
public_key = "{public_key(private_key("edge"))}"

[hosts.node]
id = 2
wan = "eth0"
addresses = "198.51.100.20/24"
public_key = "{public_key(private_key("node"))}"

[links.one]
kind = "wireguard"
between = ["edge", "node"]
ends.edge.address = "10.77.1.0/31"
ends.node.address = "10.77.1.1/31"

[forwards.web]
at = "edge"
ports = "80/tcp"
to = "node"
via = "one"
"""


def dropped(edge: Machine) -> dict[str, str]:
    """By table of the topology: what drops its packets, as `status` has it."""
    lines = [line.split(maxsplit=2) for line in netc_host(edge, "status").stdout.splitlines()]
    assert "unasked" not in [line[0] for line in lines]
    return {line[1]: line[2].partition(": ")[2] for line in lines if line[0] == "dropped"}


def test_what_others_drop_is_named_until_they_let_it_pass(lab: Lab, tmp_path: Path) -> None:
    edge, world = machine(lab, "edge", FIREWALLS_13 if DEFAULT == "debian-13" else FIREWALLS), lab.host("world")
    lab.wire(edge, "eth0", world, "edge", a_addresses=["198.51.100.10/24"], b_addresses=["198.51.100.1/24"])
    edge.run(["ip", "route", "add", "default", "via", "198.51.100.1"])
    edge.write("/etc/netc/keys/host.key", private_key("edge") + "\n", 0o600)
    deliver(lab, edge, compiled(TOPOLOGY, tmp_path)["edge"])
    edge.run(["ufw", "--force", "enable"])
    said = install(edge, "--commit").stderr
    assert "chain FORWARD of table ip filter, which is not netc's, drops tcp 80 of 198.51.100.10 (forwards.web)" in said
    assert "which is not netc's, drops udp 51822 of 198.51.100.10 (links.one)" in said

    assert dropped(edge).keys() == {"forwards.web", "links.one"}
    edge.run(["ufw", "allow", "51822/udp"])
    edge.run(["ufw", "route", "allow", "in", "on", "eth0", "out", "on", "wg-node"])
    assert dropped(edge) == {}
    edge.run(["ufw", "--force", "disable"])

    edge.run(["systemctl", "start", "firewalld"])
    assert within(60, lambda: dropped(edge).keys() == {"links.one"})
    assert dropped(edge)["links.one"].endswith("of table inet firewalld")
    edge.run(["firewall-cmd", "--add-port=51822/udp"])
    assert dropped(edge) == {}
    edge.run(["systemctl", "stop", "firewalld"])

    edge.write("/etc/fail2ban/jail.d/web.conf", JAIL)
    edge.write("/var/log/web.log", "")
    edge.run(["systemctl", "restart", "fail2ban"])
    edge.run(["bash", "-c", "for n in {1..60}; do fail2ban-client ping && exit; sleep 0.5; done; exit 1"])
    edge.run(["fail2ban-client", "set", "web", "banip", "9.9.9.9"])
    assert within(60, lambda: dropped(edge) == {"links.one": "chain f2b-web of table ip filter"})
    edge.run(["fail2ban-client", "set", "web", "unbanip", "9.9.9.9"])
    assert within(60, lambda: dropped(edge) == {})


JAIL = """
[sshd]
enabled = false

[web]
enabled = true
backend = polling
filter = sshd
logpath = /var/log/web.log
port = 1:65535
protocol = all
banaction = iptables-allports
"""
