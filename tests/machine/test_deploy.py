"""System S2 as its operator lives with it: three machines that boot, each with its own systemd and sshd, made and
changed by `netc keys` and `netc deploy`; and whatever breaks, a host is at the new generation or wholly at the old."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from live.compiled import EXAMPLES, compiled
from live.delivered import INSTALL, TREE, deliver, forge, netc_host
from live.lab import Lab
from live.needs import missing, require
from live.state import FORWARDING, difference, without
from machine.conftest import MACHINE
from machine.fleet import KEYLESS, OUTER, Fleet, at_rest, fleet, installed
from machine.machine import Machine
from netc.lab.waiting import within

pytestmark = pytest.mark.machine

MORE = KEYLESS.replace('"80/tcp", "443/tcp"', '"80/tcp", "443/tcp", "8080/tcp"', 1)
"""One more port at edge1."""
CLOSED = KEYLESS.replace("[hosts.edge2]", "[hosts.edge2]\nssh = 2222")
"""It says that sshd listens where it does not."""
ASTRAY = KEYLESS.replace("[links.two]", 'ends.edge1.endpoint = "198.51.100.77"\nends.node.port = 51999\n\n[links.two]')
"""The tunnel `one` leads to nobody, and nobody knows any more where the node is."""
ROUTER = '[hosts.{name}]\nloopback = "10.77.8.{id}/32"\nbgp = {{}}'
ROUTED = (
    MORE
    + """
[bgp]
asn = 64512
prefixes = "10.77.8.0/24"
internal = "mesh"
over = "one"
profile = "private"
"""
)
for id, name in enumerate(("edge1", "node"), 1):
    ROUTED = ROUTED.replace(f"[hosts.{name}]", ROUTER.format(name=name, id=id))


PROMISING = re.sub(r"(?m)^public_key = .*\n", "", (EXAMPLES / "slim-edge.toml").read_text())
CONTAINERS = """
ip link add lxcbr0 type bridge && ip link set lxcbr0 up
ip address add 10.0.3.1/24 dev lxcbr0 && ip address add fd00:3::1/64 dev lxcbr0 nodad
ip netns add game && ip link add ve-game master lxcbr0 type veth peer name eth0 netns game && ip link set ve-game up
ip -n game link set eth0 up && ip -n game address add 10.0.3.20/24 dev eth0
ip -n game address add fd00:3::20/64 dev eth0 nodad
ip -n game route add default via 10.0.3.1 && ip -n game route add default via fd00:3::1
"""
OPENED = "nft insert rule inet netc input tcp dport 4444 accept"


@pytest.fixture(scope="module")
def slim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    require(missing(MACHINE))
    with Lab() as lab:
        made = fleet(lab, tmp_path_factory.mktemp("fleet"))
        made.make_keys()
        made.serve("node", 80)
        made.serve("node", 8080)
        yield made


@pytest.fixture
def old(slim: Fleet) -> Fleet:
    """Each test begins with the same."""
    said = slim.deploy(KEYLESS, "--limit", "3")
    assert said.keys() == OUTER.keys(), slim.said()
    assert set(said.values()) <= {"confirmed", "unchanged"}, slim.said()
    return slim


def edge_of(slim: Fleet) -> tuple[Machine, tuple[object, str]]:
    return slim.machines["edge1"], at_rest(slim.machines["edge1"])


def test_an_edge_is_deployed_visited_changed_and_uninstalled(old: Fleet) -> None:
    assert old.served("edge1", 80)
    assert old.served("edge2", 80)
    assert old.visit("edge1", 8080) == [None, None]

    was = {name: installed(server) for name, server in old.machines.items()}
    assert old.deploy(MORE, "--canary", "edge1") == {"edge1": "confirmed", "node": "confirmed", "edge2": "unchanged"}
    assert "reload   firewall" in old.said()
    assert old.served("edge1", 8080)
    assert set(old.deploy(MORE).values()) == {"unchanged"}
    for name in old.machines:
        assert old.there(name, "netc-host", "check").stdout == ""

    for name in ("edge1", "node"):
        assert old.there(name, "netc-host", "back", "--commit").returncode == 0
    assert {name: installed(server) for name, server in old.machines.items()} == was

    for name, server in old.machines.items():
        old.there(name, "netc-host", "uninstall")
        state, places = at_rest(server)
        stays = (FORWARDING, "eth0/accept_ra ")
        assert difference(without(old.before[name][0], *stays), without(state, *stays)) == "", name
        assert places == old.before[name][1], name


def test_rules_that_would_close_ssh_are_refused_by_the_host(old: Fleet) -> None:
    server = old.machines["edge2"]
    before = at_rest(server)
    assert old.deploy(CLOSED, "--host", "edge2") == {"edge2": "refused"}
    assert "refused: the packet filter opens " in old.said()
    assert at_rest(server) == before


def test_a_wrong_endpoint_that_cuts_the_connection_is_rolled_back(old: Fleet) -> None:
    """The node is reached through the tunnel that the change spoils: nobody can confirm."""
    node = old.machines["node"]
    before = at_rest(node)
    assert old.served("edge1", 80)
    assert old.deploy(ASTRAY, "--host", "node", "--within", "8", ssh="through") == {"node": "rolled back"}
    assert at_rest(node) == before
    assert old.served("edge1", 80)


def test_a_syntax_error_added_after_the_build_is_refused(old: Fleet, tmp_path: Path) -> None:
    server, before = edge_of(old)
    old.write(ROUTED)
    tree = compiled(old.topo, tmp_path)["edge1"]
    deliver(old.lab, server, tree)
    forge(server, "files/etc/netc/bird.conf", (tree / "etc/netc/bird.conf").read_text() + "protocol bgb x {}\n")
    said = old.there("edge1", "bash", INSTALL, "--detach", check=False)
    assert said.returncode == 1
    assert "BIRD refuses bird.conf" in said.stderr
    assert at_rest(server) == before

    # And whoever changes a file of the tree, and says so nowhere, does not come that far.
    deliver(old.lab, server, tree)
    server.run(["bash", "-c", f"echo '# by hand' >>{TREE}/files/etc/netc/bird.conf"])
    said = old.there("edge1", "bash", INSTALL, "--detach", check=False)
    assert "is not as it was compiled" in said.stderr
    assert at_rest(server) == before


@pytest.mark.parametrize("place", ["/var/tmp", "/var/lib/netc"])
def test_a_full_disk_changes_nothing(old: Fleet, place: str) -> None:
    server, before = edge_of(old)
    small = 'cp -a "$1" /run/kept; mount -n -t tmpfs -o size=2m,mode=1777 none "$1"; cp -a /run/kept/. "$1"'
    server.run(["bash", "-ec", f"{small}; rm -r /run/kept", "small", place])
    server.run(["bash", "-c", 'cat /dev/zero >"$1/full"; true', "fill", place])
    outcome = old.deploy(MORE, "--host", "edge1")["edge1"]
    server.run(["umount", "-n", place])
    assert outcome in ("refused", "not reached"), old.said()
    assert re.search("no room|No space|0 KiB free", old.said())
    assert at_rest(server) == before
    assert old.deploy(MORE, "--host", "edge1") == {"edge1": "confirmed"}


def test_a_deploy_killed_before_the_confirmation_is_rolled_back(old: Fleet) -> None:
    server, before = edge_of(old)
    old.write(MORE)
    words = ("--ssh", old.ssh("near"), "--host", "edge1", "--within", "6")
    process = old.netc("deploy", str(old.topo), *words, wait=False)
    assert within(60, lambda: "install: " in old.said())
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert within(60, lambda: "back from" in server.read("/var/lib/netc/history").splitlines()[-1])
    assert at_rest(server) == before


def test_a_reboot_before_the_confirmation_rolls_back(old: Fleet) -> None:
    server = old.machines["edge1"]
    was = installed(server)
    old.write(MORE)
    deliver(old.lab, server, compiled(old.topo, old.folder / "more")["edge1"])
    assert "netc-host confirm" in old.there("edge1", "bash", INSTALL, "--detach").stdout
    server.power_off()
    server.boot(lambda: old.plug("edge1"))
    assert within(60, lambda: installed(server) == was)
    assert within(60, lambda: old.there("edge1", "netc-host", "check", check=False).returncode == 0)
    assert old.served("edge1", 80)
    assert old.visit("edge1", 8080) == [None, None]


def test_one_of_two_deploys_at_once_is_refused(old: Fleet, tmp_path: Path) -> None:
    """One of them is told so at once, and the other is not disturbed."""
    server = old.machines["edge1"]
    deploying, trees = [], []
    for name, text in (("a", MORE), ("b", MORE.replace("8080", "8081"))):
        old.write(text)
        topo = old.topo.rename(tmp_path / f"{name}.toml")
        trees.append(compiled(topo, tmp_path / name)["edge1"] / "etc/netc/nftables.nft")
        deploying.append(old.netc("deploy", str(topo), "--ssh", old.ssh("near"), "--host", "edge1", wait=False))
    assert within(90, lambda: all(process.poll() is not None for process in deploying)), old.said()
    ends = [process.returncode for process in deploying]
    assert sorted(ends) == [0, 1]
    assert server.read("/etc/netc/nftables.nft") == trees[ends.index(0)].read_text()
    assert netc_host(server, "check").stdout == ""


def test_a_file_that_was_changed_by_hand_is_not_overwritten(old: Fleet) -> None:
    server = old.machines["edge1"]
    path = "/etc/netc/nftables.nft"
    as_installed = server.read(path)
    server.write(path, as_installed + "# by hand\n")
    before = at_rest(server)
    assert old.there("edge1", "netc-host", "check", check=False).stdout == f"file {path} is not as it was installed\n"
    assert old.deploy(MORE, "--host", "edge1") == {"edge1": "refused"}
    assert path in old.said()
    assert at_rest(server) == before
    server.write(path, as_installed)
    assert old.deploy(MORE, "--host", "edge1") == {"edge1": "confirmed"}


def test_verify_asks_hosts_over_ssh_and_opens_connections_from_here(old: Fleet) -> None:
    assert old.served("edge1", 80)
    assert old.served("edge2", 80)
    old.machines["node"].run(["bash", "-ec", CONTAINERS])
    was = {name: at_rest(server) for name, server in old.machines.items()}
    old.write(PROMISING)
    words = ("verify", str(old.topo), "--ssh", old.ssh("near"))
    said = old.netc(*words)
    text = (old.folder / "out").read_text()
    assert said.returncode == 0, text + old.said()
    assert [line.split("  ")[0] for line in text.splitlines()[:-1] if not line.startswith(" ")] == ["holds"] * 7
    assert "from this machine: 198.51.100.10 does not answer" not in text
    for name, server in old.machines.items():
        assert difference(was[name][0], at_rest(server)[0]) == "", name
        assert was[name][1] == at_rest(server)[1], name

    old.serve("edge2", 4444)
    old.machines["edge2"].run(["bash", "-c", OPENED])
    assert old.netc(*words).returncode == 1
    text = (old.folder / "out").read_text()
    assert re.search(r"(?m)^does not hold  the internet touches what the second edge forwards", text)
    assert re.search(r"203.0.113.20:4444/tcp breaks `only`\n +here: +arrives at edge2, .*; edge2 keeps it", text)
    old.machines["edge2"].run(["/etc/netc/parts/firewall/reload"])
    old.machines["node"].run(["bash", "-ec", "ip netns delete game && ip link delete lxcbr0"])
