"""A packet filter of iptables' on a machine that boots, beside the service that loads what an admin saved."""

from __future__ import annotations

from pathlib import Path

import pytest

from live.compiled import compiled
from live.lab import Host, Lab
from live.traffic import SILENCE, client
from machine.machine import Machine, machine
from machine.test_seedbox import active
from machine.test_splits import began
from netc.lab.waiting import within

pytestmark = pytest.mark.machine

EDGE, OFFICE, STRANGER = "198.51.100.10", "192.0.2.7", "198.51.100.9"
TOPOLOGY = """
version = 1
network.name = "lab"
sets.office.prefixes = "192.0.2.0/28"

[hosts.edge]
id = 1
wan = "eth0"
addresses = "198.51.100.10/24"
netfilter = "iptables"

[hosts.edge.firewall]
allow = [{ ports = "9100/tcp", from = "office" }]
"""
UNITS = ("netc.target", "netc-set-office.service", "netc-firewall.service", "netfilter-persistent.service")
PERSISTENT = "/etc/iptables/rules.v4"
OWN = "-A INPUT -p udp -m udp --dport 7 -j DROP"
SAVED = f"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{OWN}\nCOMMIT\n"
ANSWER = 'socat -T1 "TCP4-LISTEN:9100,fork,reuseaddr" EXEC:"printenv SOCAT_PEERADDR" &'


def heard(server: Machine, world: Host) -> list[str | None]:
    listening = "(: </dev/tcp/127.0.0.1/9100) 2>/dev/null"
    server.run(["bash", "-c", f"{listening} || setsid {ANSWER}\nuntil {listening}; do sleep 0.05; done"])
    return [client(world, "tcp", EDGE, 9100, source=source, timeout=SILENCE) for source in (OFFICE, STRANGER)]


def test_the_filter_loads_after_saved_rules_and_before_the_network(lab: Lab, tmp_path: Path) -> None:
    server, world = machine(lab, "edge"), lab.host("world")

    def plug() -> None:
        world.run(["ip", "link", "delete", "dev", "edge"], check=False)  # of a machine that was switched off
        lab.wire(server, "eth0", world, "edge", a_addresses=[f"{EDGE}/24"], b_addresses=[f"{STRANGER}/24"])
        server.run(["ip", "route", "replace", "default", "via", STRANGER])

    world.run(["ip", "address", "add", OFFICE, "dev", "lo"])
    plug()
    server.write(PERSISTENT, SAVED)
    server.lay(compiled(TOPOLOGY, tmp_path)["edge"])
    server.run(["systemctl", "daemon-reload"])
    server.run(["systemctl", "enable", "--now", "netfilter-persistent", "netc.target"])
    assert within(60, lambda: active(server, *UNITS) == ["active"] * 4)
    assert heard(server, world) == [OFFICE, None]

    server.power_off()
    server.boot(plug)
    assert within(60, lambda: active(server, *UNITS) == ["active"] * 4)
    assert began(server, "netc-firewall.service") < began(server, "network-pre.target")
    assert OWN in server.run(["iptables-save"]).stdout
    assert heard(server, world) == [OFFICE, None]

    # What netfilter-persistent flushes comes back, and what it saved of netc's is not there twice.
    server.run(["systemctl", "restart", "netfilter-persistent"])
    assert within(60, lambda: "netc-INPUT" in server.run(["iptables-save"]).stdout)
    server.run(["bash", "-c", f"iptables-save >{PERSISTENT}"])
    server.power_cut()
    server.boot(plug)
    assert server.run(["iptables-save"]).stdout.count("-A INPUT -j netc-INPUT") == 1
    assert heard(server, world) == [OFFICE, None]

    server.run(["systemctl", "stop", "netc.target"])
    assert within(60, lambda: set(active(server, *UNITS[:3])) == {"inactive"})
    assert "netc" not in server.run(["iptables-save"]).stdout + server.run(["ip6tables-save"]).stdout
    assert server.run(["ipset", "list", "-name"]).stdout == ""
    assert OWN in server.run(["iptables-save"]).stdout
