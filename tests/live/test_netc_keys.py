"""`netc keys`: hosts make their keys, and the topology is told the public halves; over a stand-in for ssh."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from live.lab import ENVIRONMENT, Host, Lab

pytestmark = pytest.mark.live

TOPOLOGY = """version = 1
network.name = "lab"

[hosts.edge] # the first
id = 1
addresses = "198.51.100.10/24"

[hosts.node]
id = 2
addresses = "198.51.100.20/24"

[links.one]
kind = "wireguard"
between = ["edge", "node"]

[links.two]
kind = "wireguard"
between = ["edge", "node"]
ends.edge = { port = 7, interface = "wg-two", public_key = "gGmJqDPVOaQhd7qGKjrMxvvjTLMkDHAmlq0kuvQWJwM=" }
ends.node = { port = 7, interface = "wg-two" }
"""
SSH = """#!/bin/bash
set -o pipefail
while [[ $1 != -- ]]; do shift; done
[[ -e ${0%/*}/$2.pid ]] || { echo "ssh: connect to host $2 port 22: Connection refused" >&2; exit 255; }
read -r pid <"${0%/*}/$2.pid"
tee "${0%/*}/$2.sent" | setpriv --bounding-set=-sys_time \\
  nsenter --target="$pid" --mount --net --uts --pid -- bash -c "$3" | tee "${0%/*}/$2.said"
"""


def keys(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", "from netc.cli import main; main()", "keys", str(folder / "topo.toml")]
    path = {"PATH": f"{os.environ['PATH']}:{ENVIRONMENT['PATH']}"}
    words += ["--ssh", str(folder / "ssh"), *options]
    return subprocess.run(words, capture_output=True, text=True, check=False, env=os.environ | path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "topo.toml").write_text(TOPOLOGY)
    (tmp_path / "ssh").write_text(SSH)
    (tmp_path / "ssh").chmod(0o755)
    return tmp_path


def said(folder: Path) -> dict[str, str]:
    hosts = tomllib.loads((folder / "topo.toml").read_text())["hosts"]
    return {name: host["public_key"] for name, host in hosts.items() if "public_key" in host}


def public(host: Host, key: str = "host") -> str:
    return host.run(["bash", "-c", f"wg pubkey </etc/netc/keys/{key}.key"]).stdout.strip()


def test_hosts_make_keys_and_the_topology_gets_the_public_halves(lab: Lab, folder: Path) -> None:
    hosts = {name: lab.host(name) for name in ("edge", "node")}
    (folder / "edge.pid").write_text(f"{hosts['edge'].pid}\n")
    one = keys(folder)
    assert one.returncode == 1
    assert "put the printed line" not in one.stdout + one.stderr  # netc writes it
    assert "node: some keys are missing: ssh: connect to host node port 22: Connection refused" in one.stderr
    assert said(folder) == {"edge": public(hosts["edge"])}

    (folder / "node.pid").write_text(f"{hosts['node'].pid}\n")
    assert keys(folder).returncode == 0
    assert said(folder) == {name: public(host) for name, host in hosts.items()}
    text = (folder / "topo.toml").read_text()
    two = public(hosts["edge"], "two")
    assert f'public_key = "{two}"' in text  # a key of the link's own, which was another one's before
    written = [line for line in text.splitlines() if "public_key" not in line]
    assert written == [line for line in TOPOLOGY.splitlines() if "public_key" not in line]

    before = text
    assert "no public key is missing" in keys(folder).stdout
    assert (folder / "topo.toml").read_text() == before
    private = [
        host.read(f"/etc/netc/keys/{key}.key").strip()
        for host, key in ((hosts["edge"], "two"), (hosts["node"], "host"))
    ]
    for path in folder.iterdir():
        assert not any(key in path.read_text(errors="replace") for key in private), path
    assert hosts["node"].run(["bash", "-c", "ls /var/tmp"]).stdout == ""


def test_keys_can_be_made_locally_and_copied_by_hand(folder: Path) -> None:
    refused = keys(folder, "--local", str(folder / "made"))
    assert refused.returncode == 2
    assert "already has links.two.ends.edge.public_key. --local would replace" in refused.stderr
    assert "`--host node` makes the keys of node alone, `--rotate edge` replaces a key" in refused.stderr
    assert not (folder / "made").exists()
    assert (folder / "topo.toml").read_text() == TOPOLOGY
    ran = keys(folder, "--local", str(folder / "made"), "--replace")
    assert ran.returncode == 0
    assert "Until then peers have the old links.two.ends.edge.public_key, and their tunnels are" in ran.stdout
    assert f"{folder}/made/edge/two.key belongs in /etc/netc/keys/two.key on edge, mode 0600" in ran.stdout
    files = sorted(path for path in (folder / "made").rglob("*.key"))
    assert [str(path.relative_to(folder / "made")) for path in files] == [
        "edge/host.key",
        "edge/two.key",
        "node/host.key",
    ]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    for path in files:
        known = subprocess.run(["wg", "pubkey"], input=path.read_text(), capture_output=True, text=True, check=True)
        assert known.stdout.strip() in (folder / "topo.toml").read_text()


def test_keys_made_locally_replace_no_key_unasked(folder: Path) -> None:
    """Of a topology with keys: those in DIR stay. A next key goes with the key that it was to follow."""
    assert keys(folder, "--local", str(folder / "made"), "--replace").returncode == 0
    before = (folder / "topo.toml").read_text()
    again = keys(folder, "--local", str(folder / "made"))
    assert again.returncode == 0
    assert "no public key is missing" in again.stdout

    following = "gGmJqDPVOaQhd7qGKjrMxvvjTLMkDHAmlq0kuvQWJwM="
    rotated = before.replace("id = 1\n", f'id = 1\nnext_public_key = "{following}"\n')
    (folder / "topo.toml").write_text(rotated)
    for options in ((), ("--host", "edge")):
        other = keys(folder, "--local", str(folder / "other"), *options)
        assert other.returncode == 2
        assert "hosts.edge.public_key" in other.stderr
        assert (folder / "topo.toml").read_text() == rotated
        assert not (folder / "other").exists()
    assert keys(folder, "--replace").returncode == 2
    assert keys(folder, "--local", str(folder / "other"), "--replace").returncode == 0
    assert following not in (folder / "topo.toml").read_text()
    assert said(folder) != {name: host["public_key"] for name, host in tomllib.loads(before)["hosts"].items()}
