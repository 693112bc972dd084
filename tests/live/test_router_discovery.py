"""No tunnel to strangers has a router: what its far end advertises is not taken, whatever firewall the host has."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from live import test_splits
from live.compiled import up
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.test_provider_tunnels import OPEN_INPUT, SHUT_FORWARDING, TUNNELS
from live.test_seedbox import Scene, dial, scene

__all__ = ["scene"]

pytestmark = [pytest.mark.live, pytest.mark.netfilters]

ADVERTISED = "2001:db8:77::/64"
ADVERTISES = """
import socket, struct, sys
device, to = sys.argv[1:]
sending = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
sending.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
sending.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 255)
sending.bind(("fe80::1", 0, 0, socket.if_nametoindex(device)))
router = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 86400, 14400, 0) + socket.inet_pton(socket.AF_INET6, "2001:db8:77::")
sending.sendto(router + prefix, (to, 0))
"""


def advertise(far: Host, device: str, to: str) -> None:
    far.run(["ip", "address", "add", "fe80::1/64", "dev", device, "nodad"], check=False)
    far.run(["python3", "-c", ADVERTISES, device, to])
    time.sleep(1)


def learned(host: Host, *inside: str) -> str:
    """Routes and addresses that the kernel made of an advertisement."""
    routes = host.run([*inside, "ip", "-6", "route", "show", "proto", "ra"]).stdout
    routes += host.run([*inside, "ip", "-6", "route", "show", ADVERTISED]).stdout
    return routes + host.run([*inside, "ip", "-6", "address", "show", "to", ADVERTISED]).stdout


def counted(host: Host, device: str) -> int:
    """Router advertisements that the kernel got by a device and its filter did not drop."""
    found = host.read(f"/proc/net/dev_snmp6/{device}").split("\n")
    return next(int(line.split()[1]) for line in found if line.startswith("Icmp6InRouterAdvertisements"))


@pytest.mark.parametrize("tunnel", TUNNELS)
@pytest.mark.parametrize("firewall", ["", SHUT_FORWARDING, OPEN_INPUT], ids=["none", "firewall", "accept"])
def test_a_stranger_is_no_router(lab: Lab, tmp_path: Path, firewall: str, tunnel: str) -> None:
    there = test_splits.scene(lab, tmp_path, TUNNELS[tunnel]("") + firewall)
    test_splits.start(there)
    laptop, far = there.laptop, there.exit
    laptop.run(["ping", "-c1", "-W3", "10.66.0.1"], check=False)
    allowed = ["allowed-ips", "0.0.0.0/0,::/0"]
    far.run(["wg", "set", "wg0", "peer", public_key(private_key("laptop")), *allowed])
    advertise(far, "wg0", "fd66::2")
    assert learned(laptop) == ""
    assert laptop.read("/proc/sys/net/ipv6/conf/wg-escape/accept_ra") == "0\n"

    laptop.run(["bash", "-c", "echo 1 >/proc/sys/net/ipv6/conf/wg-escape/accept_ra"])
    advertise(far, "wg0", "fd66::2")
    assert counted(laptop, "wg-escape") == 0, "the filter drops it too"
    assert learned(laptop) == ""


@pytest.mark.stock
def test_the_kernel_takes_no_advertisement_inside_a_namespace(scene: Scene) -> None:
    up(scene.seedbox)
    dial(scene.seedbox)
    inside = ["ip", "netns", "exec", "vpn"]
    devices = scene.seedbox.run([*inside, "ls", "/proc/sys/net/ipv6/conf"]).stdout.split()
    for device in set(devices) - {"all", "default", "lo"}:
        path = f"/proc/sys/net/ipv6/conf/{device}/accept_ra"
        assert scene.seedbox.run([*inside, "cat", path]).stdout == "0\n", device
