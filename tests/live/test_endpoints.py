"""Endpoint names: a link is up without DNS, its peer is found when DNS is, and left alone while it is heard of."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.processes import counted
from live.compiled import compiled, down, install, script, up
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.needs import require
from live.traffic import Capture

pytestmark = pytest.mark.live

TEXT = """
version = 1
network.name = "lab"

[hosts.near]
id = 1
addresses = ["198.51.100.1/24", "2001:db8::1/64"]
endpoint = false
public_key = "{near}"

[hosts.far]
id = 2
addresses = ["198.51.100.2/24", "2001:db8::2/64"]
endpoint = "far.example.net"
public_key = "{far}"

[links.x]
kind = "wireguard"
between = ["near", "far"]
ends.near = {{ address = "10.77.0.0/31" }}
ends.far = {{ address = "10.77.0.1/31" }}
"""
PORT = 51821


LATER = """
wg() { # the clock cannot be moved; the script is told of a handshake that is older than it is
  if [[ $3 == latest-handshakes ]]; then command wg "$@" | sed 's/[0-9]*$/1000/'; else command wg "$@"; fi
}
"""


@dataclass
class Scene:
    near: Host
    far: Host

    def knows(self, *addresses: str) -> None:
        """What the name stands for now."""
        self.near.write("/etc/hosts", "".join(f"{address} far.example.net\n" for address in addresses))

    def look(self) -> int:
        """What the timer does."""
        return self.near.run(script("link-x", "endpoints"), check=False).returncode

    def endpoint(self) -> str:
        return self.near.run(["wg", "show", "wg-far", "endpoints"]).stdout.split()[1]

    def reaches(self) -> bool:
        ask = ["ping", "-c", "1", "-W", "3", "10.77.0.1"]
        return any(self.near.run(ask, check=False).returncode == 0 for _ in range(6))


@pytest.fixture
def scene(lab: Lab, tmp_path: Path) -> Scene:
    keys = {name: public_key(private_key(name)) for name in ("near", "far")}
    trees = compiled(TEXT.format(**keys), tmp_path)
    near, far = install(lab, "near", trees), install(lab, "far", trees)
    ends = ("198.51.100.1/24", "2001:db8::1/64"), ("198.51.100.2/24", "198.51.100.3/24", "2001:db8::2/64")
    lab.wire(near, "eth0", far, "eth0", a_addresses=ends[0], b_addresses=ends[1])
    up(far)
    return Scene(near, far)


def test_a_link_comes_up_without_dns_queries(scene: Scene) -> None:
    scene.near.write("/etc/resolv.conf", "nameserver 198.51.100.2\n")
    asked = Capture(scene.near, "eth0")
    up(scene.near)

    assert scene.endpoint() == "(none)"
    assert asked.packets("port 53") == []


@pytest.mark.stock
def test_an_unknown_name_fails_the_lookup_and_not_the_link(scene: Scene) -> None:
    up(scene.near)
    scene.knows()
    assert scene.look() != 0
    scene.knows("198.51.100.2")

    assert scene.look() == 0
    assert scene.endpoint() == f"198.51.100.2:{PORT}"
    assert scene.reaches()


def test_a_peer_with_a_recent_handshake_is_not_looked_up_again(scene: Scene) -> None:
    up(scene.near)
    scene.knows("198.51.100.2")
    scene.look()
    assert scene.reaches()
    scene.knows("198.51.100.3")

    assert scene.look() == 0
    assert scene.endpoint() == f"198.51.100.2:{PORT}"


def test_after_135_s_without_handshake_a_peer_is_looked_up_in_the_same_family(scene: Scene) -> None:
    up(scene.near)
    scene.knows("198.51.100.2")
    scene.look()
    assert scene.reaches()
    scene.knows("2001:db8::2", "198.51.100.3")
    later = "/run/later"
    scene.near.write(later, LATER)

    assert scene.near.run(script("link-x", "endpoints"), env={"BASH_ENV": later}).returncode == 0
    assert scene.endpoint() == f"198.51.100.3:{PORT}"


def test_a_look_at_a_peer_that_is_heard_of_makes_two_processes(scene: Scene) -> None:
    """The script itself, and what asks for the last handshakes: of all peers of its device."""
    require("" if shutil.which("strace") else "could not run: apt-get install strace")
    up(scene.near)
    scene.knows("198.51.100.2")
    scene.look()
    assert scene.reaches()
    assert counted(scene.near, script("link-x", "endpoints")) <= 2


def test_a_peer_that_never_answered_is_tried_at_its_next_address(scene: Scene) -> None:
    down(scene.far)
    up(scene.near)
    scene.knows("198.51.100.77", "2001:db8::77", "198.51.100.2")
    tried = []
    for _ in range(4):
        scene.look()
        tried.append(scene.endpoint())

    assert sorted(tried[:3]) == sorted([f"198.51.100.77:{PORT}", f"[2001:db8::77]:{PORT}", f"198.51.100.2:{PORT}"])
    assert tried[3] == tried[0]
