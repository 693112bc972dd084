"""netc beside what a server runs already: systemd-networkd, which removes what it does not know, and Debian's
nftables.service, which flushes every table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from live.compiled import compiled
from live.lab import Lab
from machine.machine import Machine, machine
from netc.lab.waiting import within

pytestmark = pytest.mark.machine

TOPOLOGY = """
version = 1
network.name = "lab"

[hosts.edge]
id = 1
wan = "eth0"
addresses = "198.51.100.10/24"

[hosts.node]
id = 2
wan = "eth0"
addresses = "198.51.100.20/24"

[links.one]
kind = "vxlan"
between = ["edge", "node"]
ends.edge.address = ["10.77.1.0/31", "fd77:1::/127"]
ends.node.address = ["10.77.1.1/31", "fd77:1::1/127"]

[forwards.web]
at = "edge"
ports = "80/tcp"
to = "node:10.0.3.20"
via = "one"
"""
"""A tunnel of the kernel: wireguard-go may die of the many messages that networkd causes (netlink(7), ENOBUFS)."""

IMAGE = """
[Match]
Name=*

[Network]
IPv6AcceptRA=no
"""
"""What an image may bring: one file for whatever interface there is."""


def node(lab: Lab, tmp_path: Path, text: str = TOPOLOGY, name: str = "node") -> Machine:
    """A booted host that has an interface, rules, routes in a table of its own, and a packet filter."""
    server, world = machine(lab, name), lab.host("world")
    server.lay(compiled(text, tmp_path)[name])
    server.run(["systemctl", "daemon-reload"])
    lab.wire(server, "eth0", world, "node", a_addresses=["198.51.100.20/24"], b_addresses=["198.51.100.10/24"])
    return server


def addresses_rules_and_routes(server: Machine) -> str:
    """netc's addresses, rules and routes."""
    looks = ("-4 rule show protocol 77", "-6 rule show protocol 77", "-o address show dev vx-edge scope global")
    looks += ("-4 route show table all protocol 77", "-6 route show table all protocol 77")
    return "".join(server.run(["ip", *look.split()]).stdout for look in looks)


def test_networkd_keeps_addresses_rules_and_routes(lab: Lab, tmp_path: Path) -> None:
    server = node(lab, tmp_path)
    server.write("/etc/systemd/network/90-image.network", IMAGE)
    server.run(["systemctl", "start", "systemd-networkd"])
    server.run(["systemctl", "start", "netc.target"])
    before = addresses_rules_and_routes(server)
    for what in ("from all fwmark", "10.77.1.1/31", "dev vx-edge table netc-replies-edge", "unreachable default"):
        assert what in before
    restart_networkd(server)
    assert addresses_rules_and_routes(server) == before

    # Without what netc wrote for it, it would not have.
    server.run(["rm", "/etc/systemd/networkd.conf.d/50-netc.conf", "/etc/systemd/network/10-netc.network"])
    restart_networkd(server)
    assert within(
        60,
        lambda: (
            "from all fwmark" not in addresses_rules_and_routes(server)
            and "10.77.1.1/31" not in addresses_rules_and_routes(server)
        ),
    )


def restart_networkd(server: Machine) -> None:
    """In a container networkd takes up links before it has heard of rules, so they are taken up once more."""
    server.run(["systemctl", "restart", "systemd-networkd"])
    for device in ("eth0", "vx-edge"):
        server.run(["networkctl", "reconfigure", device])
    assert within(60, lambda: re.search(r"eth0 +ether +\S+ +configured", server.run(["networkctl", "list"]).stdout))


def table(server: Machine) -> bool:
    return server.run(["nft", "list", "table", "inet", "netc"], check=False).returncode == 0


def active(server: Machine, unit: str) -> bool:
    return server.run(["systemctl", "is-active", unit], check=False).stdout.strip() == "active"


def test_the_packet_filter_returns_whatever_nftables_service_does(lab: Lab, tmp_path: Path) -> None:
    server = node(lab, tmp_path)
    server.run(["systemctl", "enable", "nftables"])
    server.run(["systemctl", "enable", "--now", "netc.target"])
    own = server.run(["nft", "list", "table", "inet", "netc"]).stdout
    theirs = server.run(["nft", "list", "ruleset"]).stdout.removesuffix(own)
    assert theirs == ""

    server.run(["systemctl", "start", "nftables"])
    assert within(60, lambda: table(server))
    whole = server.run(["nft", "list", "ruleset"]).stdout
    assert own in whole
    assert "table inet filter" in whole
    for verb in ("restart", "reload", "reload-or-restart", "stop", "start"):
        server.run(["systemctl", verb, "nftables"])
        if verb != "stop":
            assert within(60, lambda: server.run(["nft", "list", "ruleset"]).stdout == whole), verb
        assert within(60, lambda: active(server, "netc-firewall") == table(server)), verb
        assert active(server, "netc-link-one"), verb

    # Whoever took netc down finds it down.
    server.run(["systemctl", "disable", "--now", "netc.target"])
    assert within(60, lambda: not active(server, "netc-firewall"))  # its parts stop after it
    server.run(["systemctl", "restart", "nftables"])
    assert not table(server)


def test_the_packet_filter_loads_without_nftables_service(lab: Lab, tmp_path: Path) -> None:
    server = node(lab, tmp_path)
    server.run(["systemctl", "mask", "nftables"])
    server.run(["systemctl", "enable", "--now", "netc.target"])
    assert active(server, "netc-firewall")
    assert table(server)
    server.power_off()
    server.boot()
    assert active(server, "netc-firewall")
    assert table(server)


def test_the_flowtable_starts_and_stops_with_the_links(lab: Lab, tmp_path: Path) -> None:
    """Whatever the kernel makes of it: `up` runs when its devices are there."""
    server = node(lab, tmp_path, TOPOLOGY.replace("[hosts.edge]", "[hosts.edge]\noffload = true"), "edge")
    server.run(["systemctl", "enable", "--now", "netc.target"])
    assert active(server, "netc-offload")
    for verb in ("restart", "stop", "start"):
        server.run(["systemctl", verb, "netc-link-one"])
        assert within(60, lambda: active(server, "netc-offload") == active(server, "netc-link-one")), verb
    assert within(60, lambda: loaded(server).count("Finished netc-offload") == 3)
    assert "is not there" not in loaded(server)


def loaded(server: Machine) -> str:
    return server.run(["journalctl", "-b", "-u", "netc-offload"]).stdout


IPTABLES = """#!/bin/bash
chain=/run/docker-user rule="${*:4}"
case $2 in
  -n) [[ -e $chain ]] ;;
  -C) grep -qxF -e "$rule" "$chain" ;;
  -I) printf '%s\\n' "$rule" >>"$chain" ;;
  -D) grep -qxF -e "$rule" "$chain" || exit 1
      grep -vxF -e "$rule" "$chain" >"$chain.new"
      mv "$chain.new" "$chain" ;;
esac
"""
"""Stands in for the chain DOCKER-USER of both families: a line a rule."""

DOCKER = """
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/bash -c 'sleep 0.5; : >/run/docker-user'

[Install]
WantedBy=multi-user.target
"""


def test_rules_for_docker_are_added_after_each_of_its_starts(lab: Lab, tmp_path: Path) -> None:
    text = TOPOLOGY.replace("[hosts.node]", "[hosts.node]\ndocker = true")
    server = node(lab, tmp_path, text)
    for name in ("iptables", "ip6tables"):
        server.write(f"/usr/local/sbin/{name}", IPTABLES, 0o755)
    server.write("/etc/systemd/system/docker.service", DOCKER)
    server.run(["systemctl", "daemon-reload"])
    server.run(["systemctl", "enable", "--now", "netc.target"])
    assert active(server, "netc-docker")
    assert not active(server, "docker")

    # What Docker drops it drops after it has stopped, too.
    for verb in ("start", "restart", "stop", "start"):
        server.run(["systemctl", verb, "docker"])
        assert within(60, lambda: has_docker_rules(server)), verb
    server.run(["systemctl", "stop", "netc.target"])
    assert within(60, lambda: not has_docker_rules(server))
    server.run(["systemctl", "restart", "docker"])
    assert not active(server, "netc-docker")
    assert not has_docker_rules(server)

    server.run(["systemctl", "enable", "docker"])
    server.power_off()
    server.boot()
    assert within(60, lambda: has_docker_rules(server))


def has_docker_rules(server: Machine) -> bool:
    return "--ctreplsrc 10.0.3.20" in server.run(["cat", "/run/docker-user"], check=False).stdout
