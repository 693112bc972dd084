"""`netc import host` over a stand-in for ssh, on a host of the lab."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from live.compiled import compiled
from live.delivered import deliver, install
from live.keys import private_key
from live.lab import ENVIRONMENT, Host, Lab
from live.needs import require
from live.sshd import serving
from live.state import difference

pytestmark = pytest.mark.live

SSH = """#!/bin/sh
while [ "$1" != -- ]; do shift; done
echo "$2" >>"{folder}/dialled"
exec {trace} setpriv --bounding-set=-sys_time \\
  nsenter --target={pid} --mount --net --uts --pid -- env -i PATH="$PATH" HOME=/root sh -c "$3"
"""


def imported(host: Host, folder: Path, *options: str, trace: str = "") -> subprocess.CompletedProcess[str]:
    ssh = folder / "ssh"
    ssh.write_text(SSH.format(pid=host.pid, folder=folder, trace=trace))
    ssh.chmod(0o755)
    words = [sys.executable, "-c", "from netc.cli import main; main()", "import", "host", "edge", "--ssh", str(ssh)]
    return subprocess.run(
        [*words, *options], capture_output=True, text=True, check=False, cwd=folder, env=ENVIRONMENT | {"PATH": PATH}
    )


PATH = f"{ENVIRONMENT['PATH']}"


def cloud(lab: Lab) -> Host:
    """As a provider makes it: one uplink with a small MTU, a router, Docker's bridge, a tunnel of somebody."""
    edge, world = lab.host("edge"), lab.host("world")
    lab.wire(edge, "ens4", world, "edge", a_addresses=["198.51.100.10/24", "2001:db8:1::10/64"])
    edge.run(["ip", "link", "set", "dev", "ens4", "mtu", "1460"])
    edge.run(
        ["ip", "-4", "route", "add", "default", "via", "198.51.100.1", "dev", "ens4", "proto", "dhcp", "metric", "100"]
    )
    edge.run(["ip", "-6", "route", "add", "default", "via", "fe80::1", "dev", "ens4", "metric", "7"])
    edge.run(["ip", "link", "add", "dev", "docker0", "type", "bridge"])
    edge.run(["ip", "address", "add", "172.17.0.1/16", "dev", "docker0"])
    edge.run(["wireguard-go", "wg0"])
    edge.run(["ip", "link", "set", "dev", "wg0", "up"])
    edge.run(["ip", "-4", "route", "add", "default", "dev", "wg0", "metric", "1"])
    return edge


def test_the_imported_host_takes_the_tree_of_the_topology(lab: Lab, tmp_path: Path) -> None:
    edge = cloud(lab)
    edge.start(serving(edge, ["true"], port=2222)).wait_for("listening")
    edge.start(serving(edge, ["true"], "127.0.0.1")).wait_for("listening")
    before = edge.state()
    said = imported(edge, tmp_path, "--at", "root@192.0.2.5")
    assert said.returncode == 0, said.stderr
    assert difference(before, edge.state()) == ""
    assert edge.run(["bash", "-c", "ls /var/tmp | grep netc || :"]).stdout == ""
    assert (tmp_path / "dialled").read_text() == "root@192.0.2.5\n"
    text = (tmp_path / "topo.toml").read_text()
    assert tomllib.loads(text)["hosts"]["edge"] == {
        "id": 1,
        "wan": "ens4",
        "mtu": 1460,
        "addresses": ["198.51.100.10/24", "2001:db8:1::10/64"],
        "ssh": 2222,
    }
    assert "# The router of ens4 is 198.51.100.1, by DHCP." in text
    assert "# The router of ens4 is fe80::1, set by hand." in text
    assert "interface docker0 bridge 172.17.0.1/16" in said.stderr
    assert "interface wg0 tun" in said.stderr
    assert "sshd 22 at 127.0.0.1" in said.stderr

    # What was read off the host does not differ from it, except that the tunnel has the default route.
    deliver(lab, edge, compiled(text, tmp_path / "tree")["edge"])
    rows = [line for line in install(edge, "--dry-run").stderr.splitlines() if ": write" in line or "odd: " in line]
    assert [row.split("  ")[1] for row in rows] == ["default route, IPv4"]


@pytest.mark.parametrize("systemd", [False, True])
def test_no_key_and_no_password_is_opened_or_told(lab: Lab, tmp_path: Path, systemd: bool) -> None:
    require("" if shutil.which("strace") else "could not run: apt-get install strace")
    edge = cloud(lab)
    key, shared = private_key("own"), private_key("shared")
    edge.write("/run/k", f"{key}\n", 0o600)
    edge.run(["wg", "set", "wg0", "private-key", "/run/k"])
    edge.run(["rm", "/run/k"])
    if systemd:
        edge.run(["mkdir", "-p", "/run/systemd/system"])
    secret = {
        "/etc/wireguard/wg0.conf": f"[Interface]\nPrivateKey = {key}\n[Peer]\nPresharedKey = {shared}\n",
        "/etc/systemd/network/wg.netdev": f"[WireGuard]\nPrivateKey={key}\n[WireGuardPeer]\nPresharedKey={shared}\n",
        "/etc/netc/keys/host.key": f"{key}\n",
        "/etc/bird/bird.conf": 'protocol bgp x { password "hunter22"; }\n',
        "/etc/netplan/01.yaml": "wifis: {w: {access-points: {x: {password: hunter22}}}}\n",
        "/etc/NetworkManager/system-connections/w.nmconnection": "psk=hunter22\n",
    }
    for path, text in secret.items():
        edge.write(path, text, 0o600)
    trace = tmp_path / "trace"
    said = imported(edge, tmp_path, trace=f"strace -f -qq -e trace=open,openat,execve -o {trace}")
    assert said.returncode == 0, said.stderr
    told = said.stdout + said.stderr + (tmp_path / "topo.toml").read_text()
    assert not any(word in told for word in (key, shared, "hunter22"))
    traced = trace.read_text(errors="replace")
    assert "asked.bash" in traced
    assert [path for path in secret if f'"{path}"' in traced] == []
    assert '"wg"' not in traced
    for path in ("/etc/wireguard/wg0.conf", "/etc/systemd/network/wg.netdev", "/etc/bird/bird.conf"):
        assert f"file {path}" in said.stderr  # its name


def test_a_host_without_a_default_route_is_told_what_is_missing(lab: Lab, tmp_path: Path) -> None:
    said = imported(lab.host("edge"), tmp_path)
    assert said.returncode == 0, said.stderr
    text = (tmp_path / "topo.toml").read_text()
    assert tomllib.loads(text)["hosts"]["edge"] == {"id": 1}
    assert "# The host has no default route by an interface of its own: set `wan` to its uplink." in text


def test_an_address_with_a_peer_is_written_alone(lab: Lab, tmp_path: Path) -> None:
    """As PPPoE and some providers give it: the kernel says no length of its own address."""
    edge, world = lab.host("edge"), lab.host("world")
    lab.wire(edge, "ens4", world, "edge")
    for family, address, router in (("-4", "88.198.1.2", "88.198.1.1"), ("-6", "2a01:4f8:1::2", "2a01:4f8:1::1")):
        edge.run(["ip", family, "address", "add", address, "peer", router, "dev", "ens4"])
        edge.run(["ip", family, "route", "add", "default", "via", router, "dev", "ens4"])
    said = imported(edge, tmp_path)
    assert said.returncode == 0, said.stderr
    text = (tmp_path / "topo.toml").read_text()
    assert tomllib.loads(text)["hosts"]["edge"]["addresses"] == ["88.198.1.2/32", "2a01:4f8:1::2/128"]
    assert "No address of the host is public" not in text
    deliver(lab, edge, compiled(text, tmp_path / "tree")["edge"])
    assert "differ" not in install(edge, "--dry-run").stderr
