"""`install` and `netc-host` on a host without systemd: what they change, and how they come back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from live.compiled import compiled
from live.delivered import INSTALL, TREE, deliver, install, netc_host, token
from live.lab import Host, Lab
from live.state import difference

pytestmark = pytest.mark.live

TOPOLOGY = """
version = 1
network.name = "lab"

[hosts.edge]
id = 1
wan = "eth0"
addresses = "198.51.100.10/24"
firewall.input = "drop"

[hosts.node]
id = 2
wan = "eth0"
addresses = "198.51.100.20/24"

[links.one]
kind = "vxlan"
between = ["edge", "node"]
ends.edge.address = "10.77.1.0/31"
ends.node.address = "10.77.1.1/31"
"""
MORE = (
    TOPOLOGY
    + """
[links.two]
kind = "vxlan"
between = ["edge", "node"]
ends.edge = { address = "10.77.2.0/31", interface = "vx-two" }
ends.node = { address = "10.77.2.1/31", interface = "vx-two" }
vni = 7
"""
)


@pytest.fixture
def edge(lab: Lab) -> Host:
    edge, world = lab.host("edge"), lab.host("world")
    lab.wire(edge, "eth0", world, "edge", a_addresses=["198.51.100.10/24"], b_addresses=["198.51.100.1/24"])
    return edge


def bring(lab: Lab, host: Host, text: str, folder: Path) -> None:
    deliver(lab, host, compiled(text, folder)[host.name])


def links(host: Host) -> set[str]:
    return set(re.findall(r"\d+: (vx-[a-z]+)", host.run(["ip", "-o", "link"]).stdout))


def test_a_tree_is_installed_changed_and_taken_away(lab: Lab, edge: Host, tmp_path: Path) -> None:
    before = edge.state()
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    said = install(edge, "--commit")
    assert "start    link-one" in said.stdout
    assert links(edge) == {"vx-node"}

    bring(lab, edge, MORE, tmp_path / "b")
    said = install(edge, "--detach")
    assert re.findall(r"(?m)^(\w+) +(\S+)$", said.stdout)
    assert links(edge) == {"vx-node", "vx-two"}
    netc_host(edge, "confirm", token(said))

    netc_host(edge, "uninstall")
    assert difference(before, edge.state()) == ""


SSH = {"SSH_CONNECTION": "198.51.100.1 40000 198.51.100.10 22"}


def test_rules_that_would_close_ssh_are_refused(lab: Lab, edge: Host, tmp_path: Path) -> None:
    """Tried by a packet: whatever the compiler thought, and whoever changed the file since."""
    bring(lab, edge, TOPOLOGY, tmp_path / "a")
    said = edge.run(["bash", INSTALL, "--dry-run"], env=SSH)
    assert "start    firewall" in said.stdout
    closed = edge.read(f"{TREE}/files/etc/netc/nftables.nft").replace("22", "2222")
    forge(edge, "files/etc/netc/nftables.nft", closed)
    said = edge.run(["bash", INSTALL, "--dry-run"], env=SSH, check=False)
    assert said.returncode == 1
    assert "port 22 would be closed to 198.51.100.1" in said.stderr
    assert edge.run(["bash", INSTALL, "--dry-run"]).returncode == 0


def forge(host: Host, path: str, text: str) -> None:
    """Changes a file of the tree, and MANIFEST with it."""
    host.write(f"{TREE}/{path}", text)
    script = 'sum=$(sha256sum <"$1"); sed -i -E "s,^[0-9a-f]{64}(  [0-7]{4}  $1( .*)?)$,${sum%% *}\\1," MANIFEST'
    host.run(["bash", "-c", f"cd {TREE} && {script}", "forge", path])
