"""What the topology says of interfaces that the image configures is compared before anything is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from live.compiled import compiled
from live.delivered import as_if_run, at_rest, deliver, install, netc_host
from live.lab import Host, Lab
from live.state import difference

pytestmark = pytest.mark.live

TOPOLOGY = """
version = 1
network.name = "asked"

[hosts.edge]
id = 1
wan = "eth0"
addresses = ["198.51.100.10/24", "2001:db8:1::10/64"]
bridges.br0 = { addresses = "10.0.3.1/24", masquerade = true }

[hosts.edge.uplinks.second]
interface = "eth1"
prefixes = ["203.0.113.5/28", "2001:db8:2::5/64"]
gateway = ["203.0.113.1", "fe80::1"]
"""
RIGHT = {
    "eth0": ["198.51.100.10/24", "2001:db8:1::10/64", "2001:db8:1::11/64"],
    "eth1": ["203.0.113.5/28", "2001:db8:2::5/64"],
}
GATEWAYS = ["-4 default via 203.0.113.1 dev eth1 metric 9", "-6 default via fe80::1 dev eth1 metric 9"]

OTHERS = ["-4 default via 203.0.113.2 dev eth1", "-6 default via fe80::2 dev eth1"]


def image(lab: Lab, folder: Path, nets: dict[str, list[str]], gateways: list[str]) -> Host:
    edge, world = lab.host("edge"), lab.host("world")
    for device, addresses in nets.items():
        lab.wire(edge, device, world, device, a_addresses=addresses)
    for line in gateways:
        family, *words = line.split()
        edge.run(["ip", family, "route", "add", *words])
    deliver(lab, edge, compiled(TOPOLOGY, folder)["edge"])
    return edge


@pytest.mark.parametrize(
    ("device", "addresses", "gateways", "said"),
    [
        ("eth0", ["198.51.100.11/24"], GATEWAYS, "address 198.51.100.11, and the topology says 198.51.100.10"),
        ("eth0", ["2001:db8:1::9/64"], GATEWAYS, "address 2001:db8:1::9, and the topology says 2001:db8:1::10"),
        ("eth1", ["203.0.113.6/28"], [], "address 203.0.113.6, and the topology says 203.0.113.5"),
        ("eth1", RIGHT["eth1"], [OTHERS[0]], "gateway 203.0.113.2, and the topology says 203.0.113.1"),
        ("eth1", RIGHT["eth1"], [OTHERS[1]], "gateway fe80::2, and the topology says fe80::1"),
    ],
)
def test_an_image_that_is_not_as_written_is_refused_before_anything_is_touched(
    lab: Lab, tmp_path: Path, device: str, addresses: list[str], gateways: list[str], said: str
) -> None:
    edge = image(lab, tmp_path, RIGHT | {device: addresses}, gateways)
    before = at_rest(edge, r"^$")
    refused = install(edge, "--commit", check=False)

    assert refused.returncode == 1
    assert f"interface {device} has {said}\n" in refused.stderr
    assert "nothing was changed" in refused.stderr
    after = at_rest(edge, r"^$")
    assert difference(before[0], after[0]) == ""
    assert before[1] == after[1]


@pytest.mark.parametrize(
    ("nets", "gateways"),
    [
        (RIGHT, GATEWAYS),
        ({"eth0": [], "eth1": RIGHT["eth1"]}, []),
        (RIGHT, ["-6 default via 2001:db8:2::ff dev eth1", "-4 default via 198.51.100.1 dev eth0"]),
    ],
    ids=["as written", "no address yet", "another address of the router, and another interface's"],
)
def test_an_image_as_written_or_not_configured_yet_is_accepted(
    lab: Lab, tmp_path: Path, nets: dict[str, list[str]], gateways: list[str]
) -> None:
    edge = image(lab, tmp_path, nets, gateways)
    as_if_run(edge)
    install(edge, "--commit")
    assert netc_host(edge, "check").stdout == ""

    edge.run(["ip", "address", "flush", "dev", "eth1", "scope", "global"])
    edge.run(["ip", "address", "add", "203.0.113.7/28", "dev", "eth1"])
    found = netc_host(edge, "check", check=False).stdout.splitlines()
    assert "interface eth1 has address 203.0.113.7, and the topology says 203.0.113.5" in found
