"""Containers of Docker and podman, as Debian has them, on a host of netc: forwards and published ports reach them with
the visitor's own address, they keep their own ways, and one in a tunnel's namespace has no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from live.compiled import compiled, give_key, parts, script
from live.compiled import install as installed
from live.delivered import deliver, install, netc_host
from live.lab import Host, Lab
from machine.machine import CONTAINERS, Machine, machine
from machine.root import DEFAULT, FIREWALLS, FIREWALLS_13
from netc.lab.waiting import within

pytestmark = pytest.mark.machine

IS_13 = DEFAULT == "debian-13"

TOPOLOGY = """
version = 1
network.name = "lab"

[hosts.edge]
id = 1
wan = "eth0"
addresses = "198.51.100.10/24"

[hosts.node]
id = 2
wan = "eth0"
addresses = "198.51.100.20/24"
docker = true
firewall = {}
bridges.br0 = { addresses = "10.0.3.1/24", masquerade = true, publish = [{ port = "8090/tcp", to = "10.0.3.5:80" }] }

[links.one]
kind = "vxlan"
between = ["edge", "node"]
ends.edge.address = "10.77.1.0/31"
ends.node.address = "10.77.1.1/31"

[forwards.container]
at = "edge"
ports = "80/tcp"
to = "node:172.17.0.2"
via = "one"

[forwards.published]
at = "edge"
ports = "8081/tcp"
to = "node"
via = "one"
"""
"""A container by its own address, one by the port that Docker publishes, and one on a bridge of netc."""

VISITOR = "203.0.113.9"

BOX = """
mkdir -p /tmp/box/bin /etc/docker /etc/containers
cp /bin/busybox /tmp/box/bin/
for program in sh nc ip sleep netstat grep wget; do ln -sf busybox /tmp/box/bin/$program; done
printf '#!/bin/sh\\nnetstat -tn | grep ESTABLISHED\\n' >/tmp/box/bin/peer
printf '#!/bin/sh\\ntrap exit TERM\\nsleep 1000 &\\nwait\\n' >/tmp/box/bin/stay
chmod 755 /tmp/box/bin/peer /tmp/box/bin/stay
# The root is an overlay, on which no other overlay can be. The control groups of this machine may have no controllers.
echo '{"storage-driver": "vfs"}' >/etc/docker/daemon.json
cat >/etc/containers/storage.conf <<end
[storage]
driver = "vfs"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"
end
printf '[containers]\\npids_limit = 0\\n[engine]\\nruntime = "runc"\\n' >/etc/containers/containers.conf
"""
SERVE = "/bin/nc -ll -p 80 -e /bin/peer"
"""Tells each visitor who he is."""


def image(host: Machine, program: str) -> None:
    """The image `box`, from busybox alone."""
    host.run(["bash", "-c", f"set -o pipefail; tar -C /tmp/box -c . | {program} import - box"])


def visit(world: Host, address: str, port: int) -> str:
    """What a server says to a visitor from the internet."""
    command = f"exec 3<>/dev/tcp/{address}/{port}; cat <&3"
    return world.run(["timeout", "5", "bash", "-c", command], check=False).stdout


def network(lab: Lab, trees: dict[str, Path]) -> tuple[Host, Host, Machine]:
    """A visitor's world, the edge, and the machine `node` with the means to run containers."""
    world, node = lab.host("world"), machine(lab, "node", FIREWALLS_13 if IS_13 else FIREWALLS, CONTAINERS)
    edge = installed(lab, "edge", trees)
    world.run(["ip", "address", "add", VISITOR, "dev", "lo"])
    world.run(["ip", "link", "add", "lan", "type", "bridge"])
    world.run(["ip", "address", "add", "198.51.100.1/24", "dev", "lan"])
    world.run(["ip", "link", "set", "lan", "up"])
    for host, address in ((edge, "198.51.100.10/24"), (node, "198.51.100.20/24")):
        lab.wire(host, "eth0", world, host.name, a_addresses=[address])
        world.run(["ip", "link", "set", host.name, "master", "lan"])
        host.run(["ip", "route", "add", "default", "via", "198.51.100.1"])
    world.run(["ip", "route", "replace", "198.51.100.0/24", "dev", "lan", "src", VISITOR])
    node.run(["bash", "-ec", BOX])
    return world, edge, node


def test_docker(lab: Lab, tmp_path: Path) -> None:
    trees = compiled(TOPOLOGY, tmp_path)
    world, edge, node = network(lab, trees)
    node.run(["systemctl", "start", "docker"])
    image(node, "docker")
    run = ["docker", "run", "-d", "--restart", "always"]
    node.run([*run, "--name", "plain", "box", *SERVE.split()])
    assert "172.17.0.2/" in node.run(["docker", "exec", "plain", "ip", "address"]).stdout
    node.run([*run, "--name", "published", "-p", "8081:80", "box", *SERVE.split()])

    # What Docker drops without `docker = true` is said first. With it nothing is dropped.
    deliver(lab, node, compiled(TOPOLOGY.replace("docker = true", ""), tmp_path / "without")["node"])
    said = install(node, "--dry-run").stderr
    assert "of table ip filter, which is not netc's, drops tcp 8090 of 198.51.100.20 (hosts.node.bridges.br0)" in said
    assert "this firewall closes" in said
    deliver(lab, node, trees["node"])
    said = install(node, "--commit").stderr
    assert "not netc's" not in said
    assert "not asked" not in said
    mine = ["docker", "network", "create", "-o", "com.docker.network.bridge.name=br0"]
    node.run([*mine, "--subnet", "10.0.3.0/24", "--gateway", "10.0.3.1", "mine"])
    node.run([*run, "--name", "bridged", "--network", "mine", "--ip", "10.0.3.5", "box", *SERVE.split()])
    for part in parts(edge):
        edge.run(script(part, "up"))

    def all_is_served() -> bool:
        places = (("198.51.100.10", 80), ("198.51.100.10", 8081), ("198.51.100.20", 8081), ("198.51.100.20", 8090))
        return all(VISITOR in visit(world, *place) for place in places)

    assert within(30, all_is_served)
    assert leaves(node, world, "plain")
    assert leaves(node, world, "bridged")
    assert "dropped" not in netc_host(node, "status").stdout

    # A port that nobody publishes stays closed, and so does the host for its containers.
    node.run([*run, "--name", "closed", "box", *SERVE.split()])
    world.run(["ip", "route", "add", "172.17.0.0/16", "via", "198.51.100.20"])
    assert visit(world, "172.17.0.4", 80) == ""

    node.run(["systemctl", "restart", "docker"])
    assert within(60, all_is_served)
    assert netc_host(node, "check").stdout == ""


def leaves(node: Machine, world: Host, container: str) -> bool:
    """Whether the container's own connections get out."""
    server = world.start(["bash", "-c", "echo hello | timeout 20 socat - TCP-LISTEN:7000,reuseaddr"])
    dial = ["docker", "exec", container, "nc", "-w", "2", "198.51.100.1", "7000"]
    found = within(10, lambda: "hello" in node.run(dial, check=False).stdout)
    server.stop()
    return bool(found)


INSIDE = """
version = 1
network.name = "lab"

[hosts.edge]
id = 1
wan = "eth0"
addresses = "198.51.100.10/24"

[hosts.node]
id = 2
wan = "eth0"
addresses = "198.51.100.20/24"

[hosts.node.tunnels.out]
kind = "wireguard"
address = "10.64.0.2/32"

[hosts.node.tunnels.out.peer]
public_key = "xdlVcSM9GSN0rtWwAI/y4gF/PsOdNwJ6vwxko0jmyiY="
endpoint = "203.0.113.9:51820"
allowed_ips = "0.0.0.0/0"

[hosts.node.namespaces.vpn]
tunnel = "out"
services = ["hosted.service", "quad.service"]

[links.one]
kind = "vxlan"
between = ["edge", "node"]
ends.edge.address = "10.77.1.0/31"
ends.node.address = "10.77.1.1/31"

[forwards.published]
at = "edge"
ports = "8081/tcp"
to = "node"
via = "one"
"""
UNIT = """
[Service]
ExecStart=podman run --rm --replace --name hosted --network host box /bin/stay
"""
QUADLET = """
[Container]
ContainerName=quad
Image=localhost/box
Exec=/bin/stay
Network=host
"""


def test_podman(lab: Lab, tmp_path: Path) -> None:
    trees = compiled(INSIDE, tmp_path)
    world, edge, node = network(lab, trees)
    give_key(node, "out", "out")
    image(node, "podman")
    node.write("/etc/systemd/system/hosted.service", UNIT)
    units = ["hosted.service"]
    if IS_13:  # podman of Debian 12 has no Quadlet
        node.write("/etc/containers/systemd/quad.container", QUADLET)
        units.append("quad.service")
    node.run(["systemctl", "daemon-reload"])
    deliver(lab, node, trees["node"])
    install(node, "--commit")
    for part in parts(edge):
        edge.run(script(part, "up"))

    node.run(["podman", "run", "-d", "--name", "published", "-p", "8081:80", "box", *SERVE.split()])
    assert within(30, lambda: VISITOR in visit(world, "198.51.100.10", 8081))
    assert "not netc's" not in install(node, "--dry-run").stderr

    # In a namespace: by name, by a unit that netc confines, by Quadlet. The tunnel is there, and the uplink is not.
    joined = ["podman", "run", "-d", "--network", "ns:/run/netns/vpn", "--name", "joined", "box", "/bin/stay"]
    node.run(joined)
    node.run(["systemctl", "start", *units])
    names = ["joined", *(unit.removesuffix(".service") for unit in units)]
    for name in names:
        assert within(30, lambda name=name: interfaces(node, name) == {"lo", "wg-out"}), name

    # Made again, the namespace has what systemd starts. What joined it by hand stays in the old one, without a way out.
    node.run(["systemctl", "restart", "netc-namespace-vpn"])
    assert interfaces(node, "joined") == {"lo"}
    node.run(["systemctl", "start", "netc-tunnel-out", *units])
    for name in names[1:]:
        assert within(30, lambda name=name: interfaces(node, name) == {"lo", "wg-out"}), name


def interfaces(node: Machine, container: str) -> set[str]:
    """Those of its first process. With `--network host`, `podman exec` runs its program in the caller's network."""
    script = 'nsenter --net --target "$(podman inspect --format "{{.State.Pid}}" "$1")" ip -o link'
    said = node.run(["bash", "-c", script, "interfaces", container], check=False).stdout
    return {line.split(": ")[1].split("@")[0] for line in said.splitlines()}
