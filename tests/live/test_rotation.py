"""`netc keys --rotate`: a key is replaced while the tunnel carries packets, and preshared keys get to both ends."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from live.compiled import compiled
from live.delivered import as_if_run, deliver, install, netc_host
from live.lab import Host, Lab
from live.test_netc_keys import SSH, keys, public
from live.traffic import Probe, reflect

pytestmark = pytest.mark.live

TOPOLOGY = """version = 1
network.name = "lab"

[hosts.edge] # the first
id = 1
wan = "eth0"
addresses = "198.51.100.10/24"

[hosts.node]
id = 2
wan = "eth0"
addresses = "198.51.100.20/24"

[links.one]
kind = "wireguard"
between = ["edge", "node"]
ends.edge = { address = "10.9.0.0/31", preshared_key.file = "/etc/netc/keys/one.psk" }
ends.node = { address = "10.9.0.1/31", preshared_key.file = "/etc/netc/keys/one.psk" }

[links.two]
kind = "wireguard"
between = ["edge", "node"]
ends.edge = { port = 7, interface = "wg-two", public_key = "gGmJqDPVOaQhd7qGKjrMxvvjTLMkDHAmlq0kuvQWJwM=" }
ends.node = { port = 7, interface = "wg-two" }
"""
FOLLOW = "while :; do for part in /etc/netc/parts/*/endpoints; do bash $part; done; sleep 2; done"
"""As the timers do it."""


class Fleet:
    """Two hosts with a wire between them, the topology, and a stand-in for ssh."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder, self.built = lab, folder, 0
        self.topo = folder / "topo.toml"
        self.topo.write_text(TOPOLOGY)
        (folder / "ssh").write_text(SSH)
        (folder / "ssh").chmod(0o755)
        self.edge, self.node = lab.host("edge"), lab.host("node")
        to = {"a_addresses": ["198.51.100.10/24"], "b_addresses": ["198.51.100.20/24"]}
        lab.wire(self.edge, "eth0", self.node, "eth0", **to)
        for host in (self.edge, self.node):
            (folder / f"{host.name}.pid").write_text(f"{host.pid}\n")
            as_if_run(host)

    def deploy(self, *hosts: Host) -> None:
        self.built += 1
        trees = compiled(self.topo.read_text(), self.folder / str(self.built))
        for host in hosts:
            deliver(self.lab, host, trees[host.name])
            install(host, "--commit")

    def said(self) -> str:
        """What the topology says of keys, by name, without the values."""
        return " ".join(re.findall(r"(?:next_)?public_key", self.topo.read_text()))


@pytest.fixture
def fleet(lab: Lab, tmp_path: Path) -> Fleet:
    fleet = Fleet(lab, tmp_path)
    assert keys(tmp_path).returncode == 0
    fleet.deploy(fleet.edge, fleet.node)
    return fleet


def allowed(host: Host, device: str) -> dict[str, str]:
    lines = host.run(["wg", "show", device, "allowed-ips"]).stdout.splitlines()
    return {key: nets for key, _, nets in (line.partition("\t") for line in lines) if nets != "(none)"}


def test_a_host_replaces_its_key_in_two_phases(fleet: Fleet) -> None:
    edge, node, folder = fleet.edge, fleet.node, fleet.folder
    old, before = public(edge), fleet.said()
    reflect(edge, 7000, "10.9.0.0")

    began = keys(folder, "--rotate", "edge")
    assert began.returncode == 0, began.stderr
    assert fleet.said() == before.replace("public_key", "public_key next_public_key", 1)
    new = edge.run(["bash", "-c", "wg pubkey </etc/netc/keys/host.key.next"]).stdout.strip()
    assert f'next_public_key = "{new}"' in fleet.topo.read_text()
    assert public(edge) == old

    # A peer that does not know the new key would be cut off.
    fleet.deploy(edge)
    early = keys(folder, "--rotate", "edge")
    assert (early.returncode, public(edge)) == (1, old)
    assert f"node: it does not know {new}" in early.stderr
    assert "nothing was changed" in early.stderr

    fleet.deploy(node)
    follow = node.start(["bash", "-c", FOLLOW])
    probe = Probe(node, "10.9.0.0", 7000)
    ended = keys(folder, "--rotate", "edge")
    assert ended.returncode == 0, ended.stderr
    follow.wait_for(f"uses the key {new} now")
    probed = probe.end()
    gap = len(probed.lost) / 1000
    print(f"the gap of a rotation: {gap:.1f} s of {probed.seconds:.1f} s")
    assert 0 < len(probed.lost) < probed.sent
    assert public(edge) == new
    assert fleet.said() == before
    assert f'public_key = "{new}"' in fleet.topo.read_text()
    assert old not in fleet.topo.read_text()
    assert allowed(node, "wg-edge") == {new: "10.9.0.0/32"}
    assert netc_host(edge, "check").stdout == netc_host(node, "check").stdout == ""

    # To run it again after it was interrupted does no harm.
    again = netc_host(edge, "keys", "--switch", "/etc/netc/keys/host.key")
    assert (again.returncode, public(edge)) == (0, new)

    fleet.deploy(edge, node)
    probe = Probe(node, "10.9.0.0", 7000)
    probe.end()
    assert allowed(node, "wg-edge") == {new: "10.9.0.0/32"}
    assert new in node.run(["wg", "show", "wg-edge", "peers"]).stdout.split()
    assert old not in node.run(["wg", "show", "wg-edge", "peers"]).stdout
    assert netc_host(edge, "check").stdout == netc_host(node, "check").stdout == ""


def test_peers_follow_a_host_that_goes_back_to_its_old_key(fleet: Fleet) -> None:
    edge, node, folder = fleet.edge, fleet.node, fleet.folder
    old = public(edge)
    reflect(edge, 7000, "10.9.0.0")
    assert keys(folder, "--rotate", "edge").returncode == 0
    fleet.deploy(edge, node)
    follow = node.start(["bash", "-c", FOLLOW])
    probe = Probe(node, "10.9.0.0", 7000)
    assert keys(folder, "--rotate", "edge").returncode == 0
    follow.wait_for(f"uses the key {public(edge)} now")

    edge.run(["bash", "-c", "cd /etc/netc/keys && mv host.key host.key.next && cp -p host.key.old host.key"])
    netc_host(edge, "up")
    follow.wait_for(f"uses the key {old} now")
    probe.end()
    assert allowed(node, "wg-edge") == {old: "10.9.0.0/32"}


def test_the_end_of_a_link_replaces_its_own_key(fleet: Fleet) -> None:
    edge, node, folder = fleet.edge, fleet.node, fleet.folder
    old, identity = public(edge, "two"), public(edge)
    assert keys(folder, "--rotate", "two").returncode == 0
    fleet.deploy(edge, node)
    ended = keys(folder, "--rotate", "two")
    assert ended.returncode == 0, ended.stderr
    assert public(edge) == identity
    assert old not in fleet.topo.read_text()
    assert f'public_key = "{public(edge, "two")}"' in fleet.topo.read_text()
    refused = keys(folder, "--rotate", "one")
    assert refused.returncode == 2
    assert "no end of link one has a key of its own: it uses the keys of edge and node" in refused.stderr


def test_preshared_keys_are_made_for_both_ends(fleet: Fleet) -> None:
    edge, node, folder = fleet.edge, fleet.node, fleet.folder
    path = "/etc/netc/keys/one.psk"
    made = edge.read(path)
    assert made == node.read(path)
    assert re.fullmatch(r"[A-Za-z0-9+/]{43}=\n", made)
    for host in (edge, node):
        assert host.run(["stat", "-c", "%a %u %h", path]).stdout == "600 0 1\n"
        assert host.run(["bash", "-c", "ls -A /etc/netc/keys | grep -v key$"]).stdout == "one.psk\n"
    # It is on standard input alone, which the stand-in for ssh keeps in `sent`.
    for place in folder.rglob("*"):
        if place.is_file() and place.suffix != ".sent":
            assert made.strip() not in place.read_text(errors="replace"), place

    assert keys(folder).returncode == 0
    assert edge.read(path) == made
    node.run(["rm", path])
    lone = keys(folder)
    assert lone.returncode == 1
    assert f"only {path} of edge is there" in lone.stderr
    assert made.strip() not in lone.stdout + lone.stderr
    edge.run(["rm", path])
    assert keys(folder).returncode == 0
    assert edge.read(path) == node.read(path) != made
