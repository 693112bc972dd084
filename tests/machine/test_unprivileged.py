"""Containers that a provider sells as servers: root inside may not do all that root does."""

from __future__ import annotations

from pathlib import Path

import pytest

from live.compiled import compiled, give_key, netfilter
from live.delivered import deliver, install, netc_host, what_is_there
from live.lab import Host, Lab
from live.state import difference, without
from live.test_asked import rows_again
from machine.machine import UNPRIVILEGED, Machine, machine
from machine.test_boot import EDGE, INSIDE, TOPOLOGY, UPLINK, WORLD, plug
from machine.test_seedbox import active
from netc.lab.waiting import within

pytestmark = pytest.mark.machine

SERVES = INSIDE.replace("/bin/true", "hostname")
LONG_LIST = [f"10.{n >> 8}.{n & 255}.0/25" for n in range(7456)] + ["2001:db8:77::/48"]
"""As long as the list of a country."""
ALLOWED = 'ports = "7001/udp" }'
WITH_LIST = (
    TOPOLOGY.replace(ALLOWED, f'{ALLOWED}, {{ ports = "7003/tcp", from = "long" }}')
    + f"""
[sets.long]
prefixes = {LONG_LIST}
"""
)
PLAIN = f"""
version = 1
network.name = "lab"

[hosts.edge]
id = 1
wan = "eth0"
addresses = "{EDGE}/24"
firewall = {{ input = "drop", allow = [{{ ports = "8080/tcp" }}] }}
"""


def container(lab: Lab) -> tuple[Machine, Host]:
    edge, world = machine(lab, "edge", option=UNPRIVILEGED), lab.host("world")
    edge.write("/etc/systemd/system/inside.service", SERVES)
    edge.write("/etc/systemd/network/10-eth0.network", UPLINK)
    edge.run(["systemctl", "daemon-reload"])
    edge.run(["systemctl", "enable", "systemd-networkd", "inside.service"])
    edge.run(["mkdir", "-p", "/etc/netc"])  # which BIRD may enter
    give_key(edge, "abroad", "abroad")
    return edge, world


def rules(edge: Machine) -> dict[str, list[str]]:
    """Of routing and of packet filters. The uplink is networkd's after the boot, and another one."""
    other = ("link", "address", "route", "run", "sysctl")
    return {what: lines for what, lines in edge.state().items() if what not in other}


def said(edge: Machine) -> str:
    """By the service in the namespace, where the host publishes it."""
    return edge.run(["timeout", "5", "bash", "-c", "cat <>/dev/tcp/10.200.0.0/8080"], check=False).stdout


@pytest.mark.releases
@pytest.mark.parametrize("filter", ["nftables", "iptables"])
def test_an_unprivileged_container_runs_boots_and_is_left_as_it_was(lab: Lab, tmp_path: Path, filter: str) -> None:
    edge, world = container(lab)
    assert "4294967295" not in edge.read("/proc/self/uid_map"), "it is not privileged"
    before = what_is_there(edge)
    chosen = netfilter.set(filter)
    try:
        deliver(lab, edge, compiled(WITH_LIST, tmp_path)["edge"])
    finally:
        netfilter.reset(chosen)
    lab.wire(edge, "eth0", world, "edge", a_addresses=[f"{EDGE}/24"], b_addresses=[f"{WORLD}/24"])
    empty = rules(edge)
    install(edge, "--commit")
    assert netc_host(edge, "check").stdout == ""
    edge.run(["systemctl", "start", "inside.service"])
    assert within(60, lambda: said(edge) == "edge\n")

    world.run(["ip", "link", "delete", "edge"])
    edge.power_off()
    edge.boot(lambda: plug(edge, world))
    assert active(edge, "netc.target", "inside.service") == ["active"] * 2
    assert within(60, lambda: said(edge) == "edge\n")
    assert netc_host(edge, "check").stdout == ""

    netc_host(edge, "uninstall")
    assert rules(edge) == empty
    assert what_is_there(edge).replace("/run/netns d 755 root \n", "") == before  # ip(8) keeps it


def allow(edge: Machine, *, forwarding: bool) -> None:
    """What such a container may set from now on is nothing."""
    for key in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        edge.run(["tee", f"/proc/sys/net/{key}"], input=f"{int(forwarding)}\n")
    edge.run(["mount", "--bind", "/proc/sys", "/proc/sys"])
    edge.run(["mount", "-o", "remount,bind,ro", "/proc/sys"])


@pytest.mark.parametrize("forwarding", [False, True], ids=["forwarding is off", "forwarding is on"])
def test_a_container_that_sets_no_sysctls_is_refused_before_anything_changes(
    lab: Lab, tmp_path: Path, forwarding: bool
) -> None:
    edge, world = container(lab)
    lab.wire(edge, "eth0", world, "edge", a_addresses=[f"{EDGE}/24"], b_addresses=[f"{WORLD}/24"])
    allow(edge, forwarding=forwarding)
    before = what_is_there(edge), edge.state()
    deliver(lab, edge, compiled(TOPOLOGY, tmp_path / "a")["edge"])
    rows = {row[0]: row[2] for row in rows_again(edge, refused=True)}
    assert rows.pop("sysctls, net.*") == "read-only"
    rows.pop("clock", None)  # of this machine, which may not be synchronised
    assert set(rows) == (set() if forwarding else {"forwarding, IPv4", "forwarding, IPv6"})
    assert install(edge, "--commit", check=False).returncode == 1
    assert what_is_there(edge) == before[0]
    asked = " /run/systemd/"  # `install` asks timedated whether the clock is right, and systemd starts it
    assert difference(without(before[1], asked), without(edge.state(), asked)) == ""

    deliver(lab, edge, compiled(PLAIN, tmp_path / "b")["edge"])
    install(edge, "--commit")
    assert netc_host(edge, "check").stdout == ""
