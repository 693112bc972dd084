"""A change touches what it changes: 1,000 packets a second through everything beside it, and none is lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from live import delivered
from live.compiled import compiled, give_key, install, met, up
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.routers import NETWORK, attributes, established, leaves_by, meet, neighbour, path, peer, settled
from live.test_bgp_operation import FORM
from live.traffic import Probe, Probed, reflect
from netc.lab.waiting import wait

pytestmark = [pytest.mark.live, pytest.mark.alone]

TOPOLOGY = """
version = 1
network.name = "lab"

[hosts.edge.firewall]
allow = [{ ports = "9000/udp", from = "friends" }]

[links.one]
kind = "vxlan"
between = ["edge", "node"]
ends.edge.address = "10.77.1.0/31"
ends.node.address = "10.77.1.1/31"

[links.two]
kind = "vxlan"
between = ["edge", "other"]
ends.edge.address = "10.77.2.0/31"
ends.other.address = "10.77.2.1/31"
"""
HOSTS = ("edge", "node", "other", "late")
MESH = """
[meshes.lan]
hosts = [{hosts}]
interfaces = "shared"
subnet = "10.88.0.0/24"
"""
FORWARD = """
[forwards.{name}]
at = "edge"
ports = "{port}/udp"
to = "node"
via = "one"
bound = true
"""
SET = """
[sets.friends]
prefixes = [{prefixes}]
ipset = true
"""
A = {
    "": TOPOLOGY,
    "mesh": MESH.format(hosts='"edge", "node", "other"'),
    "forwards": FORWARD.format(name="game", port=5000),
    "set": SET.format(prefixes='"198.51.100.200/32"'),
}
PEER = A | {"mesh": MESH.format(hosts='"edge", "node", "other", "late"')}
PORT = PEER | {"forwards": PEER["forwards"] + FORWARD.format(name="voice", port=5001)}
PREFIX = PORT | {"set": SET.format(prefixes='"198.51.100.200/32", "203.0.113.0/24"')}
MTU = PREFIX | {"": TOPOLOGY.replace('between = ["edge", "other"]', 'between = ["edge", "other"]\nmtu = 1300')}


def text(topology: dict[str, str]) -> str:
    said = "".join(topology.values())
    for id, name in enumerate(HOSTS, 1):
        key = public_key(private_key(name))
        said += f'[hosts.{name}]\nid = {id}\nwan = "eth0"\naddresses = "198.51.100.{id}/24"\npublic_key = "{key}"\n'
    return said


def change(lab: Lab, host: Host, tree: Path, *probes: tuple[Host, str, int]) -> tuple[set[str], list[Probed]]:
    """Installs it while packets go where the probes say: what it said that it would do, and what became of them."""
    delivered.deliver(lab, host, tree)
    going = [Probe(*probe) for probe in probes]
    said = delivered.install(host, "--commit")
    ended = [probe.end() for probe in going]
    for (_, address, port), probed in zip(probes, ended, strict=True):
        print(f"{address}:{port}: {probed.sent} in {probed.seconds:.1f} s, {len(probed.lost)} lost")
        assert probed.sent > 500
    fates = re.findall(r"(?m)^((?:leave|restart|reload|start|unit) +\S+)$", said.stdout)
    return {" ".join(fate.split()) for fate in fates}, ended


@pytest.mark.netfilters
def test_traffic_beside_a_change_loses_no_packet(lab: Lab, tmp_path: Path, netfilter: str) -> None:
    trees = compiled(text(A), tmp_path / "a")
    world = lab.switch("world")
    visitor, edge = lab.host("visitor"), lab.host("edge")
    give_key(edge, "host", "edge")
    world.plug(visitor, "eth0", "198.51.100.200/24")
    world.plug(edge, "eth0", "198.51.100.1/24")
    for id, name in enumerate(("node", "other"), 2):
        host = install(lab, name, trees)
        world.plug(host, "eth0", f"198.51.100.{id}/24")
        up(host)
        reflect(host, 7000)
        if name == "node":
            reflect(host, 5000, "10.77.1.1")
    delivered.deliver(lab, edge, trees["edge"])
    delivered.install(edge, "--commit")
    reflect(edge, 9000, "198.51.100.1")
    edge.run(["bash", "-c", "ping -c 1 -W 5 10.88.0.2; ping -c 1 -W 5 10.88.0.3"])
    met(edge, "wg-lan")
    mesh, link = (edge, "10.88.0.2", 7000), (edge, "10.77.2.1", 7000)
    forward, allowed = (visitor, "198.51.100.1", 5000), (visitor, "198.51.100.1", 9000)

    def changed(name: str, topology: dict[str, str], *probes: tuple[Host, str, int]) -> tuple[set[str], list[int]]:
        fates, probed = change(lab, edge, compiled(text(topology), tmp_path / name)["edge"], *probes)
        return fates, [len(each.lost) for each in probed]

    # The other peers of the mesh too.
    assert changed("peer", PEER, mesh, forward) == ({"reload mesh-lan"}, [0, 0])
    assert "10.88.0.4" in edge.run(["wg", "show", "wg-lan", "allowed-ips"]).stdout
    assert changed("port", PORT, forward, allowed) == ({"reload firewall"}, [0, 0])
    assert re.search(r"\b5001\b", edge.run(["bash", "-c", "nft list ruleset; iptables-save"]).stdout)
    lists = {"reload set-friends"} | ({"reload firewall"} if netfilter == "nftables" else set())
    assert changed("prefix", PREFIX, allowed, link) == (lists, [0, 0])
    assert "203.0.113.0/24" in edge.run(["ipset", "list", "friends4"]).stdout

    # What restarts does lose some, and the probe sees it; what is beside that still does not.
    fates, (restarted, other) = changed("mtu", MTU, link, forward)
    assert fates == {"restart link-two", "reload firewall"}  # which makes TCP segments fit
    assert 0 < restarted < 60_000
    assert other == 0


def test_a_new_filter_for_one_neighbour_does_not_disturb_another(lab: Lab, tmp_path: Path) -> None:
    def trees(name: str, more: str = "") -> dict[str, Path]:
        said = NETWORK + FORM.format(system="", host="") + peer("a", "x", 4242420001, "peer", device="ext0")
        return compiled(said + peer("a", "y", 4242420002, "peer", more, device="ext1"), tmp_path / name)

    a = lab.host("a")
    give_key(a, "host", "fra")  # whose public half FORM has
    world = lab.switch("world")
    world.plug(a, "eth0", "198.51.100.1/24")
    x = neighbour(lab, "x", 4242420001, "172.20.8.0/24", "fd42:8::/48")
    y = neighbour(lab, "y", 4242420002, "172.20.9.0/24", "fd42:9::/48")
    for device, far in (("ext0", x), ("ext1", y)):
        meet(lab, a, far, device)
        far.start()
    delivered.deliver(lab, a, trees("before")["a"])
    delivered.install(a, "--commit")
    settled(x.host, y.host)
    wait(lambda: path(a, "172.20.9.0/24") and leaves_by(a, "172.20.8.0/24") == "ext0")
    reflect(x.host, 7000)
    before = established(a)
    assert before.keys() == {"peer_x", "peer_y"}

    fates, (probed,) = change(lab, a, trees("after", "local_pref = 77")["a"], (a, "172.20.8.1", 7000))
    assert fates == {"reload bird"}
    assert len(probed.lost) == 0
    wait(lambda: attributes(a, "172.20.9.0/24").get("local_pref") == "77")
    assert established(a) == before
