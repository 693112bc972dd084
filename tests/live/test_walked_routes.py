"""Routes that a walk supposes in kernels are there: in each form of BGP inside an AS, by OSPF and by Babel."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from netaddr import IPAddress, IPNetwork

from live.compiled import compiled, install
from live.lab import Host, Lab
from live.routers import NETWORK, begin, link, router, settled
from live.waiting import wait
from netc.pipeline import plan, understand
from netc.walk.bird import world
from netc.walk.packet import TCP, Packet
from netc.walk.routing import lookup
from netc.walk.stack import LO
from netc.walk.world import World

pytestmark = pytest.mark.live

LINKS = {"a b": 10, "b c": 10, "c d": 10, "d e": 35, "e a": 10, "b e": 25}
"""A ring with a chord. No two paths between two routers cost the same."""
NAMES = "abcde"
OVER = str([pair.replace(" ", "") for pair in LINKS])
OSPF = f'[igp]\nkind = "ospf"\nover = {OVER}\n'
BABEL = f'[igp]\nkind = "babel"\nover = {OVER}\n'
MEMBERS = "members = { base = 4225470000 }\n"
SIX = "confederation, links without IPv4"
OWN = "mesh, own tables"
FORMS = {
    "confederation": f'internal = "confederation"\nnext_hop = "recursive"\n{MEMBERS}{OSPF}',
    "confederation by MED": f'internal = "confederation"\nnext_hop = "med"\n{MEMBERS}over = {OVER}\n',
    "confederation by Babel": f'internal = "confederation"\nnext_hop = "recursive"\n{MEMBERS}{BABEL}',
    "fake": f'internal = "fake-confederation"\n{MEMBERS}over = {OVER}\n',
    "mesh": f'internal = "mesh"\n{OSPF}',
    "reflectors": f'internal = "reflectors"\nreflectors = ["a", "c"]\n{OSPF}',
    OWN: f'internal = "mesh"\n{OSPF}',
    SIX: f'internal = "confederation"\nnext_hop = "recursive"\n{MEMBERS}{OSPF}',
}
"""The six forms, a routing table of BIRD's own, and IPv4 over links that have none."""


def topology(form: str) -> str:
    text = NETWORK + FORMS[form]
    text += "".join(router(name, id, f'prefixes = "fd42:1:0:{id}::/64"') for id, name in enumerate(NAMES, 1))
    for n, (pair, cost) in enumerate(LINKS.items()):
        four = "" if form == SIX else f'"10.99.{n}.{{}}/31", '
        ends = [
            f'ends.{name}.address = [{four.format(i)}"fe80::{n}:{i + 1}/64"]' for i, name in enumerate(pair.split())
        ]
        text += link(*pair.split(), f"cost = {cost}", *ends)
    return text


def paper(text: str) -> World:
    network = understand(text, "t", str).network
    return world([plan(host, network) for host in sorted(network.topology.hosts)])


def asked() -> list[IPAddress]:
    """Loopbacks, and a part of the network at each router."""
    found = [IPAddress(f"172.20.16.{id}") for id in range(1, 6)]
    found += [IPAddress(f"fd42:1::{id}") for id in range(1, 6)]
    return found + [IPNetwork(f"fd42:1:0:{id}::/64")[9] for id in range(1, 6)]


def supposed(made: World, name: str, ip: IPAddress) -> str | None:
    """The interface by which paper sends it. None: nowhere, or to the host itself."""
    stack = next(stack for place, stack in made.stacks.items() if place == (name, None))
    found = lookup(stack, Packet(4 if ip.version == 4 else 6, TCP, 0, int(ip), 50000, 80), LO, source=None)
    assert not found.unsure
    return None if found.local else found.device


def real(host: Host, ip: IPAddress) -> str | None:
    said = host.run(["ip", "-json", "route", "get", str(ip)], check=False)
    found = json.loads(said.stdout or "[{}]")[0]
    return None if said.returncode or found.get("type", "unicast") != "unicast" else found.get("dev")


@pytest.mark.parametrize("form", FORMS)
def test_routes_of_bird_are_those_of_the_walk(lab: Lab, tmp_path: Path, form: str) -> None:
    text = topology(form)
    made = paper(text)
    trees = compiled(text, tmp_path)
    switch = lab.switch("world")
    hosts: dict[str, Host] = {}
    for id, name in enumerate(NAMES, 1):
        hosts[name] = install(lab, name, trees)
        switch.plug(hosts[name], "eth0", f"198.51.100.{id}/24")
    begin(*hosts.values())
    settled(*hosts.values())
    wanted = {(name, str(ip)): supposed(made, name, ip) for name in NAMES for ip in asked()}

    def seen() -> dict[tuple[str, str], str | None]:
        found = {(name, str(ip)): real(hosts[name], ip) for name in NAMES for ip in asked()}
        return {key: device if device != "lo" else None for key, device in found.items()}

    wait(lambda: seen() == wanted, 60)
    assert seen() == wanted
    assert sum(device is not None for device in wanted.values()) > 50
