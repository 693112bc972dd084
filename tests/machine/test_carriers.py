"""`netc deploy` over real sshds, by the system's ssh and through pyinfra, as root and as somebody who has sudo."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from live.lab import Host, Lab
from live.needs import missing, require
from live.test_deploy import outcomes
from machine.conftest import MACHINE
from machine.machine import Machine, machine

pytestmark = pytest.mark.machine

ROOT = Path(__file__).parents[2]
ADDRESSES = {"one": "198.51.100.10", "two": "203.0.113.20"}
TOPOLOGY = """
version = 1
network.name = "lab"
hosts.one = { id = 1, wan = "eth0", addresses = "198.51.100.10/24" }
hosts.two = { id = 2, wan = "eth0", addresses = "203.0.113.20/24" }
links.a = { kind = "vxlan", between = ["one", "two"] }
"""
MORE = (
    TOPOLOGY
    + """
links.b = { kind = "vxlan", between = ["one", "two"], vni = 9, ends.one.interface = "b", ends.two.interface = "b" }
"""
)
CLOSED = MORE.replace("one = {", 'one = { ssh = 2222, firewall.input = "drop",')
"""On a host whose sshd listens at 22."""

ADMIN = """
useradd --create-home --shell /bin/bash admin
chpasswd <<<'admin:open sesame'
for home in /root /home/admin; do
    mkdir -p "$home/.ssh"
    echo "$1" >"$home/.ssh/authorized_keys"
    chown -R --reference="$home" "$home/.ssh"
done
"""
SUDO = 'echo "admin ALL=(ALL:ALL) $1 ALL" >/etc/sudoers.d/admin; chmod 440 /etc/sudoers.d/admin'
GONE = "[[ ! -e /usr/local/sbin/netc-host ]] || /usr/local/sbin/netc-host uninstall; rm -rf /etc/netc"
# The way there breaks as soon as the change is up, and is mended when that has gone back.
CUT = """
until [[ $(cat /var/lib/netc/pending/phase 2>/dev/null) == complete ]]; do sleep 0.02; done
nft -f - <<<'table inet cut { chain input { type filter hook input priority 50; tcp dport 22 drop; }; }'
until [[ ! -e /var/lib/netc/pending ]]; do sleep 0.1; done
nft delete table inet cut
"""
INVENTORY = """
edges = ["198.51.100.10"], {"netc_host": "one"}
others = [("second", {"netc_host": "two", "ssh_hostname": "203.0.113.20"})]
all = ["198.51.100.10", "second"], {
    "ssh_user": "%s", "ssh_key": "/etc/lab/key", "ssh_known_hosts_file": "/tmp/known", %s
}
"""


@dataclass
class Fleet:
    desk: Host
    hosts: dict[str, Machine]
    words: tuple[str, ...] = ()

    def come_as(self, way: str) -> None:
        """From now on, to hosts without netc."""
        user = "admin" if "sudo" in way else "root"
        config = "".join(f"Host {name}\n  HostName {address}\n" for name, address in ADDRESSES.items())
        config += f"Host *\n  User {user}\n  IdentityFile /etc/lab/key\n"
        config += "  UserKnownHostsFile /tmp/known\n  StrictHostKeyChecking accept-new\n"
        self.desk.write("/tmp/.ssh/config", config)
        by_password = '"_sudo": True, "_sudo_password": "open sesame"' if "sudo" in way else ""
        self.desk.write("/tmp/inventory.py", INVENTORY % (user, by_password))
        for host in self.hosts.values():
            host.run(["bash", "-ec", SUDO, "sudo", "" if "inventory" in way else "NOPASSWD:"])
            host.run(["bash", "-ec", GONE])
        self.words = WAYS[way]

    def deploy(self, topology: str, *options: str) -> subprocess.CompletedProcess[str]:
        self.desk.write("/tmp/topo.toml", topology)
        script = "from netc.cli import main; main()"
        words = [sys.executable, "-c", script, "deploy", "/tmp/topo.toml", *self.words, *options]
        env = {"PYTHONPATH": str(ROOT / "compiler"), "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"}
        return self.desk.run(words, env=env, check=False)

    def links(self) -> dict[str, int]:
        show = ["ip", "-o", "link", "show", "type", "vxlan"]
        return {name: len(host.run(show).stdout.splitlines()) for name, host in self.hosts.items()}

    def left(self) -> str:
        """What should have been cleaned up there."""
        find = ["bash", "-c", "find /var/tmp -name 'netc-*'; find /tmp -name '*askpass*'; ls -d /var/lib/netc/pending"]
        return "".join(host.run(find, check=False).stdout for host in self.hosts.values())


WAYS = {
    "ssh-sudo": ("--ssh", "ssh -F /tmp/.ssh/config", "--sudo"),
    "pyinfra": ("--through", "pyinfra"),
    "pyinfra-inventory-sudo": ("--through", "pyinfra", "--inventory", "/tmp/inventory.py"),
}


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    require(missing(MACHINE) or ("" if find_spec("pyinfra") else "could not run: pip install 'netc[deploy]'"))
    with Lab() as lab:
        desk = lab.host("desk")
        desk.run(["bash", "-c", "mkdir /etc/lab; ssh-keygen -q -t ed25519 -N '' -f /etc/lab/key; mkdir /tmp/.ssh"])
        hosts = {}
        for name, address in ADDRESSES.items():
            host = hosts[name] = machine(lab, name)
            gateway = f"{address.rpartition('.')[0]}.1/24"
            lab.wire(host, "eth0", desk, name, a_addresses=[f"{address}/24"], b_addresses=[gateway])
            host.run(["bash", "-ec", ADMIN, "admin", desk.read("/etc/lab/key.pub")])
        yield Fleet(desk, hosts)


@pytest.mark.parametrize("way", WAYS)
def test_hosts_are_reached_changed_and_confirmed(fleet: Fleet, way: str) -> None:
    fleet.come_as(way)
    said = fleet.deploy(TOPOLOGY, "--limit", "2")
    assert (said.returncode, outcomes(said)) == (0, dict.fromkeys(ADDRESSES, "confirmed")), said.stderr
    assert fleet.links() == dict.fromkeys(ADDRESSES, 1)

    # The host knows by which port somebody came, also when that one is root by sudo.
    said = fleet.deploy(CLOSED, "--within", "20")
    assert outcomes(said) == {"one": "refused", "two": "not begun"}, said.stderr
    assert fleet.links() == dict.fromkeys(ADDRESSES, 1)
    assert fleet.left() == ""


def test_a_host_that_is_cut_off_rolls_back(fleet: Fleet) -> None:
    fleet.come_as("pyinfra-inventory-sudo")
    one = fleet.hosts["one"]
    assert fleet.deploy(TOPOLOGY, "--host", "one").returncode == 0
    one.start(["bash", "-c", CUT])
    said = fleet.deploy(MORE, "--within", "10")
    assert outcomes(said) == {"one": "rolled back", "two": "not begun"}, said.stderr
    assert fleet.links() == {"one": 1, "two": 0}
    assert fleet.left() == ""
