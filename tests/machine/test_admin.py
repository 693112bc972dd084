"""By which connection the admin is there: a real sshd, sudo, shared connections, and systemd that listens for sshd."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from live.compiled import compiled
from live.delivered import INSTALL, deliver, forge, netc_host, what_is_there
from live.lab import Host, Lab
from live.needs import missing, require
from machine.conftest import MACHINE
from machine.machine import Machine, machine
from machine.test_carriers import ADMIN, SUDO
from netc.lab.waiting import within

pytestmark = pytest.mark.machine

TOPOLOGY = """
version = 1
network.name = "lab"
hosts.one = { id = 1, wan = "eth0", addresses = "198.51.100.10/24", firewall.input = "drop" }
"""
AT_2222 = TOPOLOGY.replace("id = 1", "id = 1, ssh = 2222")
NETC_HOST = ("sudo", "/usr/local/sbin/netc-host")


@dataclass
class There:
    lab: Lab
    desk: Host
    one: Machine

    def ssh(self, *words: str, shared: bool = False, check: bool = True) -> subprocess.CompletedProcess[str]:
        """As a user who has sudo, over a connection of its own or over the shared one."""
        path = "/tmp/shared" if shared else "none"
        options = [
            "-i",
            "/etc/lab/key",
            "-oStrictHostKeyChecking=no",
            "-oUserKnownHostsFile=/dev/null",
            "-oLogLevel=ERROR",
        ]
        return self.desk.run(["ssh", *options, "-S", path, "admin@198.51.100.10", *words], check=check)


@pytest.fixture
def there(lab: Lab) -> There:
    require(missing(MACHINE))
    desk, one = lab.host("desk"), machine(lab, "one")
    lab.wire(one, "eth0", desk, "one", a_addresses=["198.51.100.10/24"], b_addresses=["198.51.100.1/24"])
    desk.run(["bash", "-c", "mkdir /etc/lab; ssh-keygen -q -t ed25519 -N '' -f /etc/lab/key"])
    one.run(["bash", "-ec", ADMIN, "admin", desk.read("/etc/lab/key.pub")])
    one.run(["bash", "-ec", SUDO, "sudo", "NOPASSWD:"])
    return There(lab, desk, one)


def bring(there: There, text: str, folder: Path) -> None:
    deliver(there.lab, there.one, compiled(text, folder)["one"])


def test_sudo_shared_connections_and_tmux(there: There, tmp_path: Path) -> None:
    bring(there, TOPOLOGY, tmp_path / "a")
    shared = ["ssh", "-i", "/etc/lab/key", "-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null"]
    there.desk.start([*shared, "-M", "-S", "/tmp/shared", "-N", "admin@198.51.100.10"])
    assert within(60, lambda: there.ssh("true", shared=True, check=False).returncode == 0)
    said = there.ssh("sudo", "bash", INSTALL, "--detach", shared=True)
    token = said.stdout.split()[-1]
    refused = there.ssh(*NETC_HOST, "confirm", token, shared=True, check=False)
    assert "older than the change and proves nothing" in refused.stderr
    # As in tmux: its ancestor is init.
    orphan = f"setsid -f sudo netc-host confirm {token} </dev/null >/tmp/said 2>&1"
    orphan += "; until [ -s /tmp/said ]; do sleep 0.1; done"
    there.ssh(
        f"PATH=/usr/sbin:/usr/bin:/usr/local/sbin; export SSH_CONNECTION='198.51.100.1 4 198.51.100.10 22'; {orphan}"
    )
    assert "no ssh connection leads to this process" in there.one.read("/tmp/said")
    there.ssh(*NETC_HOST, "confirm", token)
    assert "confirmed" in there.one.read("/var/lib/netc/history")

    # And the packet of the trial comes from there, under sudo too.
    forge(there.one, "files/etc/netc/nftables.nft", there.one.read("/etc/netc/nftables.nft").replace("22", "2222"))
    refused = there.ssh("sudo", "bash", INSTALL, "--detach", "--host", check=False)
    assert "port 22 would be closed to 198.51.100.1" in refused.stderr


@pytest.mark.parametrize("accept", ["yes", "no"])
def test_systemd_may_listen_for_sshd(there: There, tmp_path: Path, accept: str) -> None:
    """A process for each connection as on Debian 12, or one sshd that takes the socket over as on Ubuntu."""
    one = there.one
    if accept == "no":
        one.write("/etc/systemd/system/ssh.socket", "[Socket]\nListenStream=22\nAccept=no\n")
    one.run(["systemctl", "disable", "ssh"], check=False)
    one.run(
        ["bash", "-ec", "systemctl stop ssh; systemctl daemon-reload; mkdir -p /run/sshd; systemctl start ssh.socket"]
    )
    before = what_is_there(one)
    bring(there, AT_2222, tmp_path / "a")
    refused = one.run(["bash", INSTALL, "--commit"], check=False)
    assert "refused: the packet filter opens 2222/tcp: write " in refused.stderr
    assert [line for line in what_is_there(one).splitlines() if "/var/lib/netc" not in line] == before.splitlines()
    bring(there, TOPOLOGY, tmp_path / "b")
    said = there.ssh("sudo", "bash", INSTALL, "--detach")
    assert "not tested" not in said.stderr
    there.ssh(*NETC_HOST, "confirm", said.stdout.split()[-1])
    assert netc_host(one, "check").stdout == ""
