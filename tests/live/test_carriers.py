"""`netc deploy` over real sshds, by the system's ssh and through pyinfra, as root and as somebody who has sudo."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from live.lab import Host, Lab
from live.needs import LIVE, missing, require
from live.test_deploy import outcomes

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
NEEDED = LIVE | {"ssh": "openssh-client", "sshd": "openssh-server", "sudo": "sudo"}
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

SSHD = """
Port 22
HostKey /etc/lab/hostkey
AuthorizedKeysFile /etc/lab/key.pub
PermitRootLogin prohibit-password
UsePAM no
PidFile none
"""
SET_UP = """
ssh-keygen -q -t ed25519 -N '' -f /etc/lab/hostkey
mkdir -p /run/sshd
grep -q ^sshd: /etc/passwd || echo 'sshd:x:990:65534::/run/sshd:/usr/sbin/nologin' >>/etc/passwd
echo 'admin:x:1500:1500::/tmp:/bin/bash' >>/etc/passwd
echo 'admin:x:1500:' >>/etc/group
echo 'admin:*:19000:0:99999:7:::' >>/etc/shadow
rm -f /etc/sudoers.d/*
echo "admin ALL=(ALL:ALL) $1 ALL" >/etc/sudoers.d/admin
chmod 440 /etc/sudoers.d/admin
chpasswd <<<'admin:open sesame'
"""
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
    hosts: dict[str, Host]
    way: tuple[str, ...]

    def deploy(self, topology: str, *options: str) -> subprocess.CompletedProcess[str]:
        self.desk.write("/tmp/topo.toml", topology)
        script = "from netc.cli import main; main()"
        words = [sys.executable, "-c", script, "deploy", "/tmp/topo.toml", *self.way, *options]
        env = {"PYTHONPATH": str(ROOT / "compiler"), "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"}
        return self.desk.run(words, env=env, check=False, timeout=240)

    def links(self) -> dict[str, int]:
        show = ["ip", "-o", "link", "show", "type", "vxlan"]
        return {name: len(host.run(show).stdout.splitlines()) for name, host in self.hosts.items()}

    def left(self) -> str:
        """What should have been cleaned up there."""
        find = ["bash", "-c", "find /var/tmp -name 'netc-*'; find /tmp -name '*askpass*'; ls -d /var/lib/netc/pending"]
        return "".join(host.run(find, check=False).stdout for host in self.hosts.values())


WAYS = ("ssh-sudo", "pyinfra", "pyinfra-inventory-sudo")


@pytest.fixture
def fleet(lab: Lab, request: pytest.FixtureRequest) -> Fleet:
    way = request.param
    require(missing(NEEDED))
    if "pyinfra" in way:
        require("" if find_spec("pyinfra") else "could not run: pip install 'netc[deploy]'")
    desk = lab.host("desk")
    desk.run(["bash", "-c", "mkdir /etc/lab; ssh-keygen -q -t ed25519 -N '' -f /etc/lab/key; mkdir /tmp/.ssh"])
    user = "admin" if "sudo" in way else "root"
    config = "".join(f"Host {name}\n  HostName {address}\n" for name, address in ADDRESSES.items())
    config += f"Host *\n  User {user}\n  IdentityFile /etc/lab/key\n"
    config += "  UserKnownHostsFile /tmp/known\n  StrictHostKeyChecking accept-new\n"
    desk.write("/tmp/.ssh/config", config)
    desk.write(
        "/tmp/inventory.py",
        INVENTORY % (user, '"_sudo": True, "_sudo_password": "open sesame"' if "sudo" in way else ""),
    )
    hosts = {}
    for name, address in ADDRESSES.items():
        host = lab.host(name)
        lab.wire(
            *(host, "eth0", desk, name),
            a_addresses=[f"{address}/24"],
            b_addresses=[f"{address.rpartition('.')[0]}.1/24"],
        )
        host.write("/etc/lab/sshd_config", SSHD)
        host.write("/etc/lab/key.pub", desk.read("/etc/lab/key.pub"))
        host.run(["bash", "-ec", SET_UP, "set-up", "" if "inventory" in way else "NOPASSWD:"])
        host.start(["/usr/sbin/sshd", "-D", "-e", "-f", "/etc/lab/sshd_config"]).wait_for("Server listening on 0.0.0.0")
        hosts[name] = host
    words = {
        "ssh-sudo": ("--ssh", "ssh -F /tmp/.ssh/config", "--sudo"),
        "pyinfra": ("--through", "pyinfra"),
        "pyinfra-inventory-sudo": ("--through", "pyinfra", "--inventory", "/tmp/inventory.py"),
    }
    return Fleet(desk, hosts, words[way])


@pytest.mark.parametrize("fleet", WAYS, indirect=True)
def test_hosts_are_reached_changed_and_confirmed(fleet: Fleet) -> None:
    said = fleet.deploy(TOPOLOGY, "--limit", "2")
    assert (said.returncode, outcomes(said)) == (0, dict.fromkeys(ADDRESSES, "confirmed")), said.stderr
    assert fleet.links() == dict.fromkeys(ADDRESSES, 1)

    # The host knows by which port somebody came, also when that one is root by sudo.
    said = fleet.deploy(CLOSED, "--within", "20")
    assert outcomes(said) == {"one": "refused", "two": "not begun"}, said.stderr
    assert fleet.links() == dict.fromkeys(ADDRESSES, 1)
    assert fleet.left() == ""


@pytest.mark.parametrize("fleet", ["pyinfra-inventory-sudo"], indirect=True)
def test_a_host_that_is_cut_off_goes_back(fleet: Fleet) -> None:
    one = fleet.hosts["one"]
    assert fleet.deploy(TOPOLOGY, "--host", "one").returncode == 0
    one.start(["bash", "-c", CUT])
    said = fleet.deploy(MORE, "--within", "10")
    assert outcomes(said) == {"one": "went back", "two": "not begun"}, said.stderr
    assert fleet.links() == {"one": 1, "two": 0}
    assert fleet.left() == ""
