"""What the containers of an exported lab run, on hosts of this lab in their place: the same files and commands."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from examples import netc
from live.lab import Host, Lab
from live.test_netc_lab import PAIR
from netc.lab.process import Process
from netc.lab.waiting import wait

pytestmark = pytest.mark.live

PLACE = "/var/tmp/lab"
ENVIRONMENT = {"NETC_LAB": PLACE}
PROVIDER = """
[hosts.home.tunnels.provider]
kind = "wireguard"
address = "10.10.18.201/32"
peer.public_key = "Qoe1VYOdIm3fPkBAuZ6f2zXUasEDMuCsOHeIDIpsCkA="
peer.endpoint = "203.0.113.66:51820"
peer.allowed_ips = "0.0.0.0/0"

[hosts.home.namespaces.vpn]
tunnel = "provider"

[[expect]]
name = "who is in the namespace leaves by the provider"
from = "home/vpn"
to = "192.0.2.9:443/tcp"
leaves_by = "provider"
"""


@pytest.fixture
def nodes(lab: Lab, tmp_path: Path) -> dict[str, tuple[Host, Process]]:
    """As containerlab starts them: all at once, and the cables come late."""
    (tmp_path / "pair.toml").write_text(PAIR + PROVIDER)
    assert netc("lab", tmp_path / "pair.toml", "--export", "containerlab", tmp_path / "lab").code == 0
    topology = yaml.safe_load((tmp_path / "lab" / "topology.clab.yml").read_text())["topology"]
    started = {}
    for name, node in topology["nodes"].items():
        host = lab.host(name)
        host.deliver(tmp_path / "lab", PLACE)
        started[name] = host, host.start([f"{PLACE}/netc-lab", *node["cmd"].split()], env=ENVIRONMENT)
    for link in topology["links"]:
        (a, a_interface), (b, b_interface) = (end.split(":") for end in link["endpoints"])
        plug(started[a][0], a_interface, started[b][0], b_interface)
    return started


def plug(a: Host, a_interface: str, b: Host, b_interface: str) -> None:
    """As containerlab does: the interfaces appear in both places, down and without addresses."""
    here = ["nsenter", f"--net=/proc/{a.pid}/ns/net", "--", "ip", "link", "add", "dev", a_interface]
    subprocess.run([*here, "type", "veth", "peer", "name", b_interface, "netns", str(b.pid)], check=True)


def visit(node: Host, *words: str) -> tuple[int, str]:
    done = node.run([f"{PLACE}/netc-lab", "visit", *words], check=False, env=ENVIRONMENT)
    return done.returncode, done.stdout.strip()


def test_containers_bring_the_lab_up_and_answer(nodes: dict[str, tuple[Host, Process]]) -> None:
    for host, held in nodes.values():
        done = host.run([f"{PLACE}/netc-lab", "is-up"], check=False, env=ENVIRONMENT)
        assert done.returncode == 0, held.said()
    internet, (home, home_said) = nodes["internet"][0], nodes["home"]

    wait(lambda: visit(internet, "203.0.113.9", "198.51.100.10", "443/tcp") == (0, "answered"), 30)
    assert re.search(r'"got": \d+, "source": "203.0.113.9", "to": "10.77.1.1"', home_said.said())
    assert visit(internet, "2001:db8:9::9", "2001:db8:1::10", "443/tcp") == (0, "answered")
    assert visit(internet, "203.0.113.7", "198.51.100.10", "9100/tcp") == (0, "answered")
    assert visit(internet, "192.0.2.7", "198.51.100.10", "9100/tcp") == (1, "no answer")

    inside = ["ip", "netns", "exec", "vpn", f"{PLACE}/netc-lab", "visit", "-", "192.0.2.9", "443/tcp"]
    assert home.run(inside, env=ENVIRONMENT).stdout == "answered\n"
    assert re.search(r"wg-provider .* handshake \d+ s ago", home.run(["netc-host", "status"]).stdout)


def test_a_container_that_is_stopped_takes_its_host_down(nodes: dict[str, tuple[Host, Process]]) -> None:
    edge, held = nodes["edge"]
    assert edge.run([f"{PLACE}/netc-lab", "is-up"], env=ENVIRONMENT).stdout == "edge is up\n"
    held.stop()

    assert held.wait(60) == 0, held.said()
    assert "wg-home" not in edge.run(["ip", "link"]).stdout
