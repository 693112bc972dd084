"""Whether the admin can still come in: which connection leads to `install` and `confirm`, and where sshd listens."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from live.compiled import compiled
from live.delivered import INSTALL, TREE, deliver, forge, netc_host, token, what_is_there
from live.lab import Host, Lab
from live.sshd import ADDRESS, connected, dial, over_ssh, serving

pytestmark = pytest.mark.live

HOST = """
version = 1
network.name = "lab"

[hosts.edge]
id = 1
wan = "eth0"
addresses = ["198.51.100.10/24", "2001:db8:1::10/64"]
"""
FIREWALL = {
    "nftables": HOST + 'firewall.input = "drop"\n',
    "iptables": HOST + 'firewall.input = "drop"\nnetfilter = "iptables"\n',
}
RULES = {
    "nftables": ["files/etc/netc/nftables.nft"],
    "iptables": ["files/etc/netc/iptables.rules", "files/etc/netc/ip6tables.rules"],
}
DETACHED = ["env", "-i", "PATH=/usr/sbin:/usr/bin", "bash", INSTALL, "--detach"]
"""As under sudo, which removes SSH_CONNECTION."""
CONFIRM = ["env", "-i", "PATH=/usr/sbin:/usr/bin", "bash", "/usr/local/sbin/netc-host", "confirm"]
CLIENT = "198.51.100.1"
FORGED = f"SSH_CONNECTION={CLIENT} 40000 {ADDRESS} 22"

# As in tmux or screen: its ancestor is init, whatever its environment says. The first line is the exit status.
ORPHAN = """
setsid -f bash -c '"$@" >/tmp/said 2>/tmp/err; echo "$?" >/tmp/ended' orphan "$@"
until [[ -s /tmp/ended ]]; do sleep 0.05; done
cat /tmp/said
cat /tmp/err >&2
read -r status </tmp/ended
rm /tmp/ended
exit "$status"
"""

# Without SSH_CONNECTION, as under sudo, and with a forged one.
SAME_SESSION = f"""
said=$("$@")
echo "$said"
unset SSH_CONNECTION
bash /usr/local/sbin/netc-host confirm "${{said##* }}" && echo taken
export '{FORGED}'
bash /usr/local/sbin/netc-host confirm "${{said##* }}"
"""

# sshd accepts, waits for a password, and makes a process for the session, which has the same connection open.
LATE = """
import os, socket, subprocess, sys, time
address, port = sys.argv[1:3]
connection, _ = socket.create_server((address, int(port))).accept()
print("accepted", file=sys.stderr, flush=True)
while not os.path.exists("/tmp/password"):
    time.sleep(0.05)
if not os.fork():
    print("logged in", file=sys.stderr, flush=True)
    time.sleep(1000)
os.wait()
"""
OUTGOING = """
import socket, sys, time
connection = socket.create_connection((sys.argv[1], 7000))
print("connected", file=sys.stderr, flush=True)
time.sleep(1000)
"""
OF_NOBODY = """
import os, socket, sys, time
listening = socket.create_server((sys.argv[1], 22))
os.setuid(65534)
connection, _ = listening.accept()
print("connected", file=sys.stderr, flush=True)
time.sleep(1000)
"""
SCRIPT = f"""#!/bin/bash
exec 3<>/dev/tcp/{CLIENT}/7000
echo connected >&2
read -r <&3
"""
ACCEPTING = f"""
import socket
listening = socket.create_server(("{CLIENT}", 7000))
print("listening", flush=True)
connections = []
while True:
    connections.append(listening.accept())
"""


@pytest.fixture
def world(lab: Lab) -> Host:
    return lab.host("world")


@pytest.fixture
def edge(lab: Lab, world: Host) -> Host:
    edge = lab.host("edge")
    lab.wire(
        edge,
        "eth0",
        world,
        "edge",
        a_addresses=[f"{ADDRESS}/24", "2001:db8:1::10/64"],
        b_addresses=[f"{CLIENT}/24", "2001:db8:1::1/64"],
    )
    return edge


def orphan(host: Host, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return host.run(["bash", "-c", ORPHAN, "orphan", *argv], check=check)


def bring(lab: Lab, host: Host, text: str, folder: Path) -> None:
    deliver(lab, host, compiled(text, folder)[host.name])


def close_ssh(host: Host, paths: Sequence[str]) -> None:
    """The compiler does not do that."""
    for path in paths:
        forge(host, path, host.read(f"{TREE}/{path}").replace("22", "2222"))


def pending(host: Host) -> bool:
    return host.run(["test", "-e", "/var/lib/netc/pending"], check=False).returncode == 0


@pytest.mark.parametrize("netfilter", FIREWALL)
@pytest.mark.parametrize(("address", "client"), [(ADDRESS, CLIENT), ("2001:db8:1::10", "2001:db8:1::1")])
def test_rules_that_close_ssh_are_refused_without_ssh_connection(
    lab: Lab, world: Host, edge: Host, tmp_path: Path, netfilter: str, address: str, client: str
) -> None:
    bring(lab, edge, FIREWALL[netfilter], tmp_path / "a")
    assert "start    firewall" in over_ssh(world, edge, [*DETACHED, "--dry-run"], address).stdout
    close_ssh(edge, RULES[netfilter])
    before = what_is_there(edge)
    said = over_ssh(world, edge, DETACHED, address, check=False)
    assert said.returncode == 1
    assert f"port 22 would be closed to {client}" in said.stderr
    assert not re.search(r"/etc/netc[ /]", what_is_there(edge).replace(before, ""))
    # In tmux the address must be said, and is tried likewise.
    said = orphan(edge, *DETACHED, check=False)
    assert said.returncode == 1
    assert "no ssh connection leads to this process" in said.stderr
    assert "--from ADDRESS" in said.stderr
    assert not pending(edge)
    said = orphan(edge, *DETACHED, "--from", client, check=False)
    assert said.returncode == 1
    assert f"port 22 would be closed to {client}" in said.stderr
    assert not pending(edge)


def test_only_a_connection_that_is_newer_than_the_change_confirms(
    lab: Lab, world: Host, edge: Host, tmp_path: Path
) -> None:
    bring(lab, edge, FIREWALL["nftables"], tmp_path / "a")
    same = ["bash", "-c", SAME_SESSION, "session", *DETACHED]
    with connected(world, edge, port=2022):  # another window of the same admin, from before
        said = over_ssh(world, edge, same, check=False)
        assert said.returncode == 1
        assert said.stderr.count("older than the change and proves nothing") == 2
        confirm = [*CONFIRM, token(said)]
        assert "taken" not in said.stdout
        # Neither a process that no sshd is an ancestor of, nor the older connection.
        refused = orphan(edge, "env", FORGED, *CONFIRM, token(said), check=False)
        assert refused.returncode == 1
        assert "add --from ADDRESS" in refused.stderr
        assert edge.run(confirm, check=False).returncode == 1
        refused = orphan(edge, *confirm, "--from", CLIENT, check=False)
        assert "no connection from 198.51.100.1 that is newer" in refused.stderr
    assert pending(edge)
    over_ssh(world, edge, confirm)
    assert not pending(edge)


def test_a_newer_connection_elsewhere_confirms_with_its_address(
    lab: Lab, world: Host, edge: Host, tmp_path: Path
) -> None:
    bring(lab, edge, FIREWALL["nftables"], tmp_path / "a")
    said = orphan(edge, *DETACHED, "--from", CLIENT)
    with connected(world, edge):
        assert orphan(edge, *CONFIRM, token(said), "--from", "198.51.100.2", check=False).returncode == 1
        orphan(edge, *CONFIRM, token(said), "--from", CLIENT)
    assert not pending(edge)


def test_a_console_needs_no_ssh(lab: Lab, edge: Host, tmp_path: Path) -> None:
    bring(lab, edge, FIREWALL["nftables"], tmp_path / "a")
    said = edge.run(DETACHED)  # as by `docker exec`
    assert "the ssh port is not tested" in said.stderr
    edge.run([*CONFIRM, token(said)])
    netc_host(edge, "uninstall")
    said = orphan(edge, *DETACHED, "--from", "console")
    orphan(edge, *CONFIRM, token(said))
    assert not pending(edge)
    for wrong in ("", "nobody", "192.0.2.1;id"):
        assert edge.run([*DETACHED, "--from", wrong], check=False).returncode == 2


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_an_sshd_at_another_port_is_refused_before_anything_changes(
    lab: Lab, edge: Host, tmp_path: Path, address: str
) -> None:
    bring(lab, edge, FIREWALL["nftables"].replace("[hosts.edge]", "[hosts.edge]\nssh = 2222"), tmp_path / "a")
    listening = edge.start(serving(edge, ["true"], address))
    listening.wait_for("listening")
    before = what_is_there(edge)
    for words in ((), ("--commit",), ("--from", "console"), ("--dry-run",)):
        said = edge.run(["bash", INSTALL, *words], check=False)
        assert said.returncode == 1
        assert "refused: the packet filter opens 2222/tcp: write hosts.edge.ssh = 22" in said.stderr
    assert [line for line in what_is_there(edge).splitlines() if "/var/lib/netc" not in line] == before.splitlines()
    # It listens at both, or no firewall of netc's closes anything.
    both = edge.start(serving(edge, ["true"], address, port=2222))
    both.wait_for("listening")
    edge.run(["bash", INSTALL, "--dry-run"])
    both.stop()
    bring(lab, edge, HOST.replace("[hosts.edge]", "[hosts.edge]\nssh = 2222"), tmp_path / "b")
    edge.run(["bash", INSTALL, "--dry-run"])


@pytest.mark.parametrize("address", ["127.0.0.1", ADDRESS, "::1", "2001:db8:1::10"])
def test_ssh_from_the_host_itself_proves_nothing(lab: Lab, edge: Host, tmp_path: Path, address: str) -> None:
    bring(lab, edge, FIREWALL["nftables"], tmp_path / "a")
    for said in (
        over_ssh(edge, edge, DETACHED, address, check=False),
        orphan(edge, *DETACHED, "--from", address, check=False),
    ):
        assert said.returncode == 1
        assert f"{address} is an address of this host" in said.stderr
        assert "/etc/netc/" not in what_is_there(edge)
    said = orphan(edge, *DETACHED, "--from", "console")
    confirm = [*CONFIRM, token(said)]
    refused = over_ssh(edge, edge, confirm, address, check=False)
    assert refused.returncode == 1
    assert f"{address} is an address of this host" in refused.stderr
    with connected(edge, edge, address):
        refused = orphan(edge, *confirm, "--from", address, check=False)
        assert refused.returncode == 1
        assert f"{address} is an address of this host" in refused.stderr
    assert pending(edge)


def test_a_login_after_the_change_over_an_older_connection_proves_nothing(
    lab: Lab, world: Host, edge: Host, tmp_path: Path
) -> None:
    bring(lab, edge, FIREWALL["nftables"], tmp_path / "a")
    session = edge.start(serving(edge, [], program=LATE))
    dial(world)
    session.wait_for("accepted")
    said = orphan(edge, *DETACHED, "--from", CLIENT)
    edge.run(["touch", "/tmp/password"])
    session.wait_for("logged in")
    refused = orphan(edge, *CONFIRM, token(said), "--from", CLIENT, check=False)
    assert refused.returncode == 1
    assert "no connection from 198.51.100.1 that is newer" in refused.stderr
    assert pending(edge)


def test_only_what_an_sshd_of_root_accepted_counts(lab: Lab, world: Host, edge: Host, tmp_path: Path) -> None:
    bring(lab, edge, FIREWALL["nftables"], tmp_path / "a")
    said = orphan(edge, *DETACHED, "--from", CLIENT)
    confirm = [*CONFIRM, token(said), "--from", CLIENT]
    world.start(["python3", "-c", ACCEPTING]).wait_for("listening")
    listening = edge.start(serving(edge, ["true"], "127.0.0.1"))
    listening.wait_for("listening")
    edge.write("/tmp/sshd", SCRIPT, 0o755)
    dial(world)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    outgoing = serving(edge, [], CLIENT, program=OUTGOING)
    for argv in (
        [*nobody, "/tmp/sshd"],
        ["/tmp/sshd"],  # its program is bash
        serving(edge, [], program=OF_NOBODY),  # at the port where sshd listens
        outgoing,  # at a port where sshd does not listen
    ):
        forged = edge.start(argv)
        forged.wait_for("connected")
        refused = orphan(edge, *confirm, check=False)
        assert refused.returncode == 1, argv
        assert "no connection from 198.51.100.1 that is newer" in refused.stderr
        forged.stop(signal.SIGKILL)
    assert pending(edge)


@pytest.mark.parametrize("spelling", ["2001:db8:1:0::1", "2001:0DB8:1::1", "2001:db8:1::1"])
def test_an_address_counts_however_it_is_written(
    lab: Lab, world: Host, edge: Host, tmp_path: Path, spelling: str
) -> None:
    bring(lab, edge, FIREWALL["nftables"], tmp_path / "a")
    said = orphan(edge, *DETACHED, "--from", spelling)
    with connected(world, edge, "2001:db8:1::10"):
        orphan(edge, *CONFIRM, token(said), "--from", spelling)
    assert not pending(edge)


def test_a_link_local_address_has_its_interface(lab: Lab, world: Host, edge: Host, tmp_path: Path) -> None:
    for host, device, address in ((edge, "eth0", "fe80::a"), (world, "edge", "fe80::b")):
        host.run(["ip", "address", "flush", "dev", device, "scope", "link"])
        host.run(["ip", "address", "add", f"{address}/64", "dev", device, "nodad"])
    bring(lab, edge, FIREWALL["nftables"], tmp_path / "a")
    said = orphan(edge, *DETACHED, "--from", "fe80::b%eth0")
    session = edge.start(serving(edge, ["bash", "-c", "echo here >&2; sleep infinity"], "::"))
    session.wait_for("listening")
    dial(world, "fe80::a%edge")
    session.wait_for("here")
    orphan(edge, *CONFIRM, token(said), "--from", "fe80::0b%eth0")
    assert not pending(edge)
