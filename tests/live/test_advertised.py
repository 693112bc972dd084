"""Interfaces that live by router advertisements keep doing so when netc turns forwarding on."""

from __future__ import annotations

from pathlib import Path

import pytest

from live.compiled import compiled, down, script, up
from live.lab import Host, Lab
from netc.lab.waiting import wait

pytestmark = pytest.mark.live

ADVERTISE = Path(__file__).with_name("advertise.py").read_text()
HEAD = """
version = 1
network.name = "lab"

[hosts.lin]
id = 1
wan = "eth0"
addresses = "198.51.100.7/24"
uplinks.second = { interface = "eth1", prefixes = "2001:db8:3::3/64", gateway = "fe80::1" }
"""
FEATURES = {
    "bridge": 'bridges.br0 = { addresses = ["10.0.3.1/24", "fd00:3::1/64"], masquerade = true }\n',
    "pass": 'firewall.pass = [{ from = "lan", to = "eth0" }]\n',
    "namespace": """
tunnels.t = { kind = "vxlan", vni = 7, remote = "192.0.2.9", address = ["10.2.0.0/31", "fd02::/127"] }
namespaces.n = { tunnel = "t", access = "fd03::/127", publish = [{ port = "80/tcp" }] }
""",
}
DEVICES = ("eth0", "eth1", "eth2")
"""`wan`, the interface of another uplink, and one that the topology does not name."""


def advertised(world: Host, lin: Host, number: int) -> None:
    """Each router says what it advertises, and the host has it."""
    for device in DEVICES:
        wait(lambda device=device: heard(world, lin, device, f"2001:db8:{number}{device[-1]}::"))


def heard(world: Host, lin: Host, device: str, prefix: str) -> bool:
    world.run(["python3", "-c", ADVERTISE, device, f"{prefix}/64"])
    return prefix[:-1] in lin.run(["ip", "-6", "address", "show", "dev", device]).stdout


def routes(lin: Host) -> set[str]:
    found = lin.run(["ip", "-6", "route", "show", "default", "proto", "ra"]).stdout.splitlines()
    return {line.split(" dev ")[1].split()[0] for line in found}


@pytest.mark.netfilters
@pytest.mark.parametrize("feature", FEATURES)
def test_router_advertisements_go_on_when_forwarding_is_turned_on(lab: Lab, tmp_path: Path, feature: str) -> None:
    trees = compiled(HEAD + FEATURES[feature], tmp_path)
    lin, world = lab.host("lin", trees["lin"]), lab.host("world")
    for device in DEVICES:
        lab.wire(lin, device, world, device)
    lin.run(["ip", "address", "add", "198.51.100.7/24", "dev", "eth0"])
    advertised(world, lin, 1)
    assert routes(lin) == set(DEVICES)

    up(lin)
    assert lin.read("/proc/sys/net/ipv6/conf/all/forwarding") == "1\n"
    assert routes(lin) == set(DEVICES)
    advertised(world, lin, 2)
    assert lin.run(script("forwarding", "check")).stdout == ""

    # After a boot systemd-sysctl and udev apply both files, and `check` sees what they say.
    said = lin.read("/etc/sysctl.d/60-netc.conf") + lin.read("/etc/sysctl.d/61-netc-ra.conf")
    assert [f"net/ipv6/conf/{device}/accept_ra = 2" in said for device in DEVICES] == [True] * 3
    lin.run(["bash", "-c", "echo 1 >/proc/sys/net/ipv6/conf/eth2/accept_ra"])
    differs = lin.run(script("forwarding", "check"), check=False)
    assert differs.stdout == "forwarding: sysctl net.ipv6.conf.eth2.accept_ra is 1, not 2\n"
    lin.run(script("forwarding", "down"))
    lin.run(script("forwarding", "up"))
    assert lin.run(script("forwarding", "check")).stdout == ""


def test_an_interface_without_advertisements_is_left_alone(lab: Lab, tmp_path: Path) -> None:
    lin = lab.host("lin", compiled(HEAD + FEATURES["bridge"], tmp_path)["lin"])
    lab.wire(lin, "eth0", lab.host("world"), "eth0", a_addresses=["198.51.100.7/24"])
    lab.wire(lin, "eth2", lab.host("lan"), "eth2", a_addresses=["fd77::1/64"])
    up(lin)

    assert lin.read("/proc/sys/net/ipv6/conf/eth2/accept_ra") == "1\n"
    assert lin.run(["test", "-e", "/etc/sysctl.d/61-netc-ra.conf"], check=False).returncode == 1
    down(lin)
