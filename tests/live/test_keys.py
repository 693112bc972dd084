"""`netc-host keys`: makes what only this host can make, and says what others have to know or to bring."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from live.compiled import compiled
from live.delivered import TREE, deliver
from live.keys import private_key, public_key
from live.lab import Host, Lab

pytestmark = pytest.mark.live

TOPOLOGY = f"""
version = 1
network.name = "lab"

[hosts.edge]
id = 1
addresses = "198.51.100.10/24"
public_key = "{public_key(private_key("edge"))}"

[hosts.node]
id = 2
addresses = "198.51.100.20/24"
public_key = "{public_key(private_key("node"))}"

[links.one]
kind = "wireguard"
between = ["edge", "node"]

[links.two]
kind = "wireguard"
between = ["edge", "node"]
[links.two.ends.edge]
interface = "wg-two"
port = 7
public_key = "{public_key(private_key("two"))}"
preshared_key.file = "/etc/netc/keys/two.psk"
[links.two.ends.node]
interface = "wg-two"
port = 7
preshared_key.file = "/etc/netc/keys/two.psk"

[hosts.edge.tunnels.abroad]
kind = "wireguard"
address = "10.10.18.201/32"
peer = {{ public_key = "{public_key(private_key("far"))}", endpoint = "203.0.113.66:5", allowed_ips = "10.0.0.0/8" }}
"""
NETC_HOST = f"{TREE}/files/usr/local/sbin/netc-host"
KEYS = "/etc/netc/keys"


@pytest.fixture
def edge(lab: Lab, tmp_path: Path) -> Host:
    """A tree was brought, and nothing installed yet."""
    edge = lab.host("edge")
    deliver(lab, edge, compiled(TOPOLOGY, tmp_path)["edge"])
    return edge


def test_missing_keys_are_made_once_and_keys_of_others_are_listed(edge: Host) -> None:
    said = edge.run(["bash", NETC_HOST, "keys"], check=False)
    assert said.returncode == 1
    made = dict(re.findall(r'(?m)^(\S+) = "(.{44})"$', said.stdout))
    assert list(made) == ["hosts.edge.public_key", "links.two.ends.edge.public_key"]
    for file, public in zip(("host", "two"), made.values(), strict=True):
        secret = edge.read(f"{KEYS}/{file}.key").strip()
        assert public_key(secret) == public
        assert secret not in said.stdout + said.stderr
        assert edge.run(["stat", "-c", "%a %u %g %h", f"{KEYS}/{file}.key"]).stdout == "600 0 0 1\n"
    assert edge.run(["stat", "-c", "%a", "/etc/netc", KEYS]).stdout == "755\n700\n"
    assert edge.run(["ls", "-A", KEYS]).stdout.split() == ["host.key", "two.key"]
    assert f"{KEYS}/abroad.key is missing: it must hold the private key of hosts.edge.tunnels.abroad" in said.stderr
    assert f"{KEYS}/two.psk is missing: it must hold the preshared key of links.two" in said.stderr
    assert said.stderr.count("is not the key that the topology has") == 2

    before = edge.run(["bash", "-c", f"sha256sum {KEYS}/*"]).stdout
    edge.write(f"{KEYS}/two.psk", private_key("psk") + "\n", 0o600)
    said = edge.run(["bash", NETC_HOST, "keys", "--make", f"{KEYS}/abroad.key"])
    assert "made /etc/netc/keys/abroad.key\n" in said.stderr
    public = public_key(edge.read(f"{KEYS}/abroad.key").strip())
    assert f"# hosts.edge.tunnels.abroad, public key for the peer: {public}\n" in said.stdout
    assert edge.run(["bash", "-c", f"sha256sum {KEYS}/host.key {KEYS}/two.key"]).stdout == before


def test_an_existing_key_is_not_changed(edge: Host) -> None:
    edge.write(f"{KEYS}/host.key", private_key("edge") + "\n", 0o600)
    edge.write(f"{KEYS}/two.key", private_key("two") + "\n", 0o640)
    edge.write(f"{KEYS}/abroad.key", "", 0o600)
    edge.write(f"{KEYS}/two.psk", private_key("psk") + "\n", 0o600)
    said = edge.run(["bash", NETC_HOST, "keys", "--make", f"{KEYS}/abroad.key"], check=False)
    assert said.returncode == 1
    assert said.stdout == f'hosts.edge.public_key = "{public_key(private_key("edge"))}"\n'
    assert re.findall(r"(?m)^netc: (\S+ \S+ \S+)", said.stderr) == [
        f"{KEYS}/two.key must be",
        f"{KEYS}/abroad.key is missing:",
    ]
    assert edge.read(f"{KEYS}/abroad.key") == ""
    edge.write(f"{KEYS}/host.key", "nonsense\n", 0o600)
    said = edge.run(["bash", NETC_HOST, "keys"], check=False)
    assert "host.key is not a WireGuard key" in said.stderr
    assert "nonsense" not in said.stdout + said.stderr
