"""Routes that a walk supposes in kernels are there: in each form of BGP inside an AS, by OSPF and by Babel."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from netaddr import IPAddress, IPNetwork

import night
from live.compiled import compiled, install
from live.lab import Host, Lab
from live.routers import NETWORK, begin, birdc, link, router, settled
from netc.emit import emit
from netc.lab.waiting import wait, within
from netc.pipeline import plan, understand
from netc.plan.facts import Router
from netc.plan.host_plan import HostPlan
from netc.walk.bird import world
from netc.walk.packet import TCP, Packet
from netc.walk.routing import lookup
from netc.walk.stack import LO
from netc.walk.world import World
from plan_mutants import mutants

pytestmark = pytest.mark.live

Routes = dict[tuple[str, str], str | None]
"""Interfaces, by router and address."""
UNSURE = "unsure"
EACH = 12 if night.is_night() else 4
"""Mutants of a form."""

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


def planned(text: str) -> list[HostPlan]:
    network = understand(text, "t", str).network
    return [plan(host, network) for host in sorted(network.topology.hosts)]


def asked() -> list[IPAddress]:
    """Loopbacks, and a part of the network at each router."""
    found = [IPAddress(f"172.20.16.{id}") for id in range(1, 6)]
    found += [IPAddress(f"fd42:1::{id}") for id in range(1, 6)]
    return found + [IPNetwork(f"fd42:1:0:{id}::/64")[9] for id in range(1, 6)]


def supposed(made: World) -> Routes:
    """The interface by which paper sends to each address. None: nowhere, or to the host itself. UNSURE: by one of
    several."""
    found: Routes = {}
    for name in NAMES:
        stack = next(stack for place, stack in made.stacks.items() if place == (name, None))
        for ip in asked():
            packet = Packet(4 if ip.version == 4 else 6, TCP, 0, int(ip), 50000, 80)
            way = lookup(stack, packet, LO, source=None)
            found[name, str(ip)] = UNSURE if way.unsure else None if way.local else way.device
    return found


def real(host: Host, ip: IPAddress) -> str | None:
    said = host.run(["ip", "-json", "route", "get", str(ip)], check=False)
    found = json.loads(said.stdout or "[{}]")[0]
    return None if said.returncode or found.get("type", "unicast") != "unicast" else found.get("dev")


def seen(hosts: dict[str, Host]) -> Routes:
    found = {(name, str(ip)): real(hosts[name], ip) for name in NAMES for ip in asked()}
    return {key: device if device != "lo" else None for key, device in found.items()}


def running(lab: Lab, folder: Path, text: str) -> dict[str, Host]:
    trees = compiled(text, folder)
    switch = lab.switch("world")
    hosts: dict[str, Host] = {}
    for id, name in enumerate(NAMES, 1):
        hosts[name] = install(lab, name, trees)
        switch.plug(hosts[name], "eth0", f"198.51.100.{id}/24")
    begin(*hosts.values())
    settled(*hosts.values())
    return hosts


@pytest.mark.parametrize("form", FORMS)
def test_routes_of_bird_are_those_of_the_walk(lab: Lab, tmp_path: Path, form: str) -> None:
    text = topology(form)
    hosts = running(lab, tmp_path, text)
    wanted = supposed(world(planned(text)))

    wait(lambda: seen(hosts) == wanted, 60)
    assert seen(hosts) == wanted
    assert sum(device is not None for device in wanted.values()) > 50


@pytest.mark.parametrize("form", night.some(tuple(FORMS), least=2))
def test_routers_that_are_not_as_netc_makes_them_have_other_routes_on_paper_and_in_kernels(
    lab: Lab, tmp_path: Path, form: str
) -> None:
    """A session or a link of the IGP less, a dear link, a network that is not announced: on one router of five."""
    text = topology(form)
    plans = planned(text)
    hosts, wanted = running(lab, tmp_path, text), supposed(world(plans))
    wait(lambda: seen(hosts) == wanted, 60)
    told, same, wrong = [], [], []
    for mutant in mutants(plans, random.Random(f"{night.seed()} {form}"), Router):
        other = supposed(world(mutant.plans))
        if UNSURE in other.values():
            continue
        if other == wanted:
            same.append(mutant.what)
            continue
        load(hosts, mutant.plans)
        if not within(60, lambda other=other: seen(hosts) == other):
            found = seen(hosts)
            differing = [f"{key}: paper {other[key]}, kernel {found[key]}" for key in other if other[key] != found[key]]
            wrong.append(f"{mutant.what}: {differing}")
        told.append(mutant.what)
        load(hosts, plans)
        if len(told) == EACH:
            break
    print(f"{form}: {len(told)} mutants told apart, {len(same)} change no route: {same}")

    assert wrong == []
    assert told


def load(hosts: dict[str, Host], plans: list[HostPlan]) -> None:
    """BIRD's configuration, on hosts where it is another."""
    for one in plans:
        (text,) = (file.text for file in emit(one) if file.path == "files/etc/netc/bird.conf")
        if text != hosts[one.host].read("/etc/netc/bird.conf"):
            hosts[one.host].write("/etc/netc/bird.conf", text)
            assert "Reconfig" in birdc(hosts[one.host], "configure")
