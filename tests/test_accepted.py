"""Topologies that are right, and that a check could take for wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples import netc

PEER = """peer = { public_key = "Yi1wdWJsaWMta2V5LW9mLXRoZS1leGFtcGxlLWhvc3Q=", endpoint = "192.0.2.PEER:51820", \
allowed_ips = "0.0.0.0/0" }"""
HEAD = 'version = 1\nnetwork.name = "right"\n'

RIGHT = {
    "a provider gives all tunnels the same address": HEAD
    + '[hosts.a]\nid = 1\nwan = "eth0"\naddresses = "198.51.100.7/24"\n'
    + "".join(
        f'[hosts.a.tunnels.t{n}]\nkind = "wireguard"\naddress = "10.2.0.2/32"\n{PEER.replace("PEER", str(n))}\n'
        f'[hosts.a.namespaces.n{n}]\ntunnel = "t{n}"\ndns = "9.9.9.9"\n'
        for n in (1, 2)
    ),
    "a provider gives the tunnel of a namespace and that of the host the same addresses": HEAD
    + '[hosts.a]\nid = 1\nwan = "eth0"\naddresses = ["198.51.100.7/24", "2001:db8:7::2/64"]\n'
    + "".join(
        f'[hosts.a.tunnels.t{n}]\nkind = "wireguard"\naddress = ["10.2.0.2/32", "fd00:2::2/128"]\n{more}\n'
        + PEER.replace("PEER", str(n)).replace('"0.0.0.0/0"', '["0.0.0.0/0", "::/0"]')
        + "\n"
        for n, more in ((1, 'routes = ["10.77.0.0/16", "fd00:77::/48"]'), (2, ""))
    )
    + '[hosts.a.namespaces.n]\ntunnel = "t2"\ndns = "9.9.9.9"\n',
    "a routed /64 on the bridge, and one address of it on the uplink": HEAD
    + """
[hosts.a]
id = 1
wan = "eth0"
addresses = ["198.51.100.7/32", "2001:db8:7::2/128"]
bridges.br0 = { addresses = ["10.0.3.1/24", "2001:db8:7::1/64"], masquerade = true }

[hosts.a.uplinks.u]
interface = "eth0"
prefixes = ["198.51.100.7/32", "2001:db8:7::2/128"]
gateway = ["172.31.1.1", "fe80::1"]
""",
    "179/tcp is published where no BGP runs": HEAD
    + """
[hosts.a]
id = 1
wan = "eth0"
addresses = "198.51.100.7/24"
bridges.br0 = { addresses = "10.0.3.1/24", publish = { port = "179/tcp", to = "10.0.3.20" } }
""",
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_is_not_reported(name: str, tmp_path: Path) -> None:
    topology = tmp_path / "topo.toml"
    topology.write_text(RIGHT[name])
    ran = netc("build", topology, "-o", tmp_path / "out")

    assert (ran.code, ran.err) == (0, "")
