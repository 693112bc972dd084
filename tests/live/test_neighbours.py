"""Forwards on a host where Docker drops what is not its own, and where the kernel takes a shortcut past the filter."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from live.compiled import compiled, down, parts, script, up
from live.lab import Host, Lab
from live.state import FORWARDING, difference, without
from live.traffic import ANSWER, client, echo
from netc.lab.process import Process

pytestmark = pytest.mark.live

TOPOLOGY = """
version = 1
network.name = "lab"

[hosts.edge]
id = 1
wan = "eth0"
addresses = ["198.51.100.10/24", "2001:db8:10::10/64"]
offload = true
docker = true

[hosts.node]
id = 2
wan = "eth0"
addresses = ["203.0.113.20/24"]

[links.one]
kind = "{kind}"
between = ["edge", "node"]
ends.edge.address = ["10.77.1.0/31", "fd77:1::/127"]
ends.node.address = ["10.77.1.1/31", "fd77:1::1/127"]

[forwards.web]
at = "edge"
ports = "80/tcp"
to = "node:8080"
via = "one"
"""
AT = ("198.51.100.10", "2001:db8:10::10")
VISITOR = ("192.0.2.9", "2001:db8:113::9")
KNOWN = (FORWARDING, "/eth0/accept_ra = ")

DOCKER = """
for filter in iptables ip6tables; do
    $filter -N DOCKER-USER
    $filter -A DOCKER-USER -s 192.0.2.77 -j DROP 2>/dev/null || $filter -A DOCKER-USER -s 2001:db8::77 -j DROP
    $filter -A DOCKER-USER -j RETURN
    $filter -I FORWARD -j DOCKER-USER
    $filter -P FORWARD DROP
done
"""
"""As it leaves its own chains (docs.docker.com, packet filtering and firewalls), with a rule of the host's owner."""


@dataclass
class Scene:
    world: Host
    edge: Host
    node: Host

    def served(self, timeout: float = ANSWER) -> list[str | None]:
        """Whom the server sees, a visitor a family."""
        pairs = zip(AT, VISITOR, strict=True)
        return [client(self.world, "tcp", at, 80, source=visitor, timeout=timeout) for at, visitor in pairs]


def scene(lab: Lab, tmp_path: Path, kind: str = "vxlan", server: str = "") -> Scene:
    trees = compiled(TOPOLOGY.format(kind=kind), tmp_path)
    there = Scene(lab.host("world"), lab.host("edge", trees["edge"]), lab.host("node", trees["node"]))
    world, edge, node = there.world, there.edge, there.node
    world.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
    for address in VISITOR:
        world.run(["ip", "address", "add", address, "dev", "lo"])
    ends = (("198.51.100.10/24", "2001:db8:10::10/64"), ("198.51.100.1/24", "2001:db8:10::1/64"))
    lab.wire(edge, "eth0", world, "edge", a_addresses=ends[0], b_addresses=ends[1])
    lab.wire(node, "eth0", world, "node", a_addresses=["203.0.113.20/24"], b_addresses=["203.0.113.1/24"])
    edge.run(["ip", "-6", "route", "add", "default", "via", "2001:db8:10::1"])
    edge.run(["ip", "route", "add", "default", "via", "198.51.100.1"])
    node.run(["ip", "route", "add", "default", "via", "203.0.113.1"])
    up(node)
    if server:
        peer(node, server)
    else:
        echo(node, 8080)
    return there


def rules(host: Host) -> str:
    return "".join(host.run([f"{filter}-save", "-t", "filter"]).stdout for filter in ("iptables", "ip6tables"))


def filtered(host: Host) -> list[str]:
    """The rules, without what changes by itself."""
    return [line.partition(" [")[0] for line in rules(host).splitlines() if not line.startswith("#")]


def test_forwards_pass_docker_and_its_other_rules_stay(lab: Lab, tmp_path: Path) -> None:
    there = scene(lab, tmp_path)
    there.edge.run(["bash", "-ec", DOCKER])
    before, state = filtered(there.edge), without(there.edge.state(), *KNOWN)
    up(there.edge)
    there.edge.run(script("docker", "down"))
    assert filtered(there.edge) == before
    assert there.served(1) == [None, None]

    for verb in ("up", "up", "reload"):
        there.edge.run(script("docker", verb))
    own = [line for line in filtered(there.edge) if line not in before]
    assert len(own) == 2
    assert all("--comment netc" in line for line in own)
    assert there.served() == list(VISITOR)

    # A rule of netc's that no forward wants any more goes with the next reload.
    stale = ["-m", "conntrack", "--ctorigdst", "192.0.2.3", "-m", "comment", "--comment", "netc", "-j", "ACCEPT"]
    there.edge.run(["iptables", "-I", "DOCKER-USER", *stale])
    there.edge.run(script("docker", "reload"))
    assert [line for line in filtered(there.edge) if line not in before] == own

    # Nothing else passes: not what is routed without a forward of netc's.
    there.world.run(["ip", "route", "add", "10.77.1.0/31", "via", "198.51.100.10"])
    ping = ["ping", "-c", "1", "-W", "1", "10.77.1.1"]
    assert there.world.run(ping, check=False).returncode != 0
    there.edge.run(["iptables", "-P", "FORWARD", "ACCEPT"])
    assert there.world.run(ping, check=False).returncode == 0
    there.edge.run(["iptables", "-P", "FORWARD", "DROP"])

    down(there.edge)
    assert filtered(there.edge) == before
    assert difference(state, without(there.edge.state(), *KNOWN)) == ""


def test_docker_may_start_later(lab: Lab, tmp_path: Path) -> None:
    there = scene(lab, tmp_path)
    up(there.edge)
    assert "iptables has no chain DOCKER-USER" in there.edge.run(script("docker", "reload")).stderr
    there.edge.run(["bash", "-ec", DOCKER])
    assert there.served(1) == [None, None]
    there.edge.run(script("docker", "reload"))

    assert there.served() == list(VISITOR)
    there.edge.run(["bash", "-ec", "for f in iptables ip6tables; do $f -F; $f -X; done"])
    there.edge.run(script("docker", "down"))


def test_forwards_work_on_a_kernel_without_flowtables(lab: Lab, tmp_path: Path) -> None:
    there = scene(lab, tmp_path)
    for part in parts(there.edge):
        said = there.edge.run(script(part, "up")).stderr
        assert part != "offload" or ("packets pass the packet filter" in said) == (not has_flowtable(there.edge))
    assert missed(there.edge) == []
    assert there.served() == list(VISITOR)
    there.edge.run(["bash", "-c", "mkdir /run/no && ln -s /bin/false /run/no/unshare"])
    unasked = there.edge.run(["bash", "-c", f"PATH=/run/no:$PATH {script('offload', 'check')[-1]}"], check=False)
    assert "cannot be checked" in unasked.stdout

    there.edge.run(script("link-one", "down"))
    assert "vx-node does not exist" in there.edge.run(script("offload", "reload")).stderr
    there.edge.run(script("offload", "down"))
    assert not has_flowtable(there.edge)


def missed(host: Host) -> list[str]:
    """What differs from the shortcut that was installed."""
    return host.run(script("offload", "check"), check=False).stdout.splitlines()


def has_flowtable(host: Host) -> bool:
    return "flowtable" in host.run(["nft", "list", "ruleset"]).stdout


MIRROR = """
import socket
with socket.create_server(("::", 8080), family=socket.AF_INET6, dualstack_ipv6=True) as server:
    print("ready", flush=True)
    while True:
        visitor, _ = server.accept()
        while heard := visitor.recv(100):
            visitor.sendall(heard)
"""
STAYS = """
import socket, sys, time
with socket.create_connection((sys.argv[1], 80), 30, (sys.argv[2], 0)) as mine:
    for _ in range(20):
        mine.sendall(b"?")
        assert mine.recv(1) == b"?"
    print("ready", flush=True)
    time.sleep(60)
"""
"""A connection in which something was said, both ways, and which stays."""


def peer(host: Host, program: str, *arguments: str) -> Process:
    process = host.start([sys.executable, "-I", "-S", "-c", program, *arguments])
    process.wait_for("ready")
    return process


def offloaded(there: Scene, family: int) -> bool:
    """Whether the kernel takes a visitor's connection, while it stays, by the shortcut."""
    talk = peer(there.world, STAYS, AT[family], VISITOR[family])
    listed = there.edge.run(["conntrack", "-L", "-p", "tcp", "-f", ("ipv4", "ipv6")[family]]).stdout
    talk.stop()
    return any("[OFFLOAD]" in line and f"src={VISITOR[family]} " in line for line in listed.splitlines())


@pytest.mark.stock
@pytest.mark.stock_kernel
@pytest.mark.parametrize("kind", ["gre", "vxlan"])
def test_established_flows_are_offloaded(lab: Lab, tmp_path: Path, kind: str) -> None:
    there = scene(lab, tmp_path, kind, MIRROR)
    up(there.edge)
    assert has_flowtable(there.edge)
    assert missed(there.edge) == []
    assert [offloaded(there, family) for family in (0, 1)] == [True, True]

    # What answers by a mark is looked up for each packet.
    there.edge.run(["nft", "-f", "-"], input=MARKED)
    assert not offloaded(there, 0)
    there.edge.run(["nft", "delete", "table", "inet", "marked"])

    # The tunnel comes back as another device of the same name.
    for verb in ("down", "up"):
        there.edge.run(script("link-one", verb))
    assert any("devices = { eth0" in line for line in missed(there.edge))
    there.edge.run(script("offload", "reload"))
    assert missed(there.edge) == []
    assert offloaded(there, 0)

    there.edge.run(["nft", "delete", "table", "inet", "netc_offload"])
    assert missed(there.edge) == ["offload: table inet netc_offload is not there"]
    there.edge.run(script("offload", "reload"))
    down(there.edge)
    assert not has_flowtable(there.edge)


MARKED = """
table inet marked {
	chain prerouting {
		type filter hook prerouting priority mangle;
		iifname "eth0" ct state new ct mark set 0x02000000
	}
}
"""
