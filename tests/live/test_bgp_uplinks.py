"""A router with two uplinks, and a provider with `multihop` behind the gateway of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from live.compiled import compiled, install
from live.routers import Neighbour, begin, faults, forwarder, neighbour, path, reached
from netc.lab.waiting import wait

if TYPE_CHECKING:
    from pathlib import Path

    from live.lab import Host, Lab

pytestmark = pytest.mark.live

NETWORK = """
version = 1
network.name = "lab"

[bgp]
asn = 213000
prefixes = ["45.10.0.0/23", "2a10:10::/32"]
profile = "internet"

[hosts.a]
id = 1
wan = "eth0"
addresses = ["46.0.0.1/24", "2a46::1/64"]
loopback = ["45.10.0.1/32", "2a10:10::1/128"]
firewall = {}

[hosts.a.uplinks.two]
interface = "eth1"
prefixes = ["49.0.0.1/ONE", "2a49::1/64"]
gateway = ["49.0.0.254", "2a49::fe"]

[hosts.a.bgp]
table = "TABLE"

[hosts.a.bgp.peers.customer4]
asn = 3340
role = "downstream"
interface = "ext0"
address = "45.98.0.2"
local = "45.98.0.1/24"
prefixes = "45.64.0.0/22"

[hosts.a.bgp.peers.customer6]
asn = 3340
role = "downstream"
interface = "ext0"
address = "2a98::2"
local = "2a98::1/64"
prefixes = "2a64::/32"
"""
PEER = """
[hosts.a.bgp.peers.{name}{family}]
asn = {asn}
role = "upstream"
address = "{far}"
local = "{near}"
multihop = 2
"""
NEAR = {4: ("46.0.0", "49.0.0"), 6: ("2a46::", "2a49::")}
FAR = {4: ("47.0.0", "48.0.0"), 6: ("2a47::", "2a48::")}
NETS = {4: ("45.20.0.0/24", "45.21.0.0/24"), 6: ("2a20::/48", "2a21::/48")}
CUSTOMER = {4: "45.64.0.0/22", 6: "2a64::/32"}
OURS = {4: "45.10.0.0/23", 6: "2a10:10::/32"}


def _at(base: str, last: str) -> str:
    return f"{base}{last}" if ":" in base else f"{base}.{int(last, 16)}"


def provider(lab: Lab, a: Host, number: int, device: str, four: int, six: int = 64) -> Neighbour:
    """Behind a gateway of its own, which has routes to the customer and us by its uplink alone."""
    gateway = forwarder(lab, f"gateway{number}")
    far = neighbour(lab, f"provider{number}", 64514 + number, NETS[4][number], NETS[6][number])
    far.routes_nothing()
    near = [f"{_at(NEAR[4][number], '1')}/{four}", f"{NEAR[6][number]}1/{six}"]
    there = [f"{_at(NEAR[4][number], 'fe')}/24", f"{NEAR[6][number]}fe/64"]
    lab.wire(a, device, gateway, "eth0", a_addresses=near, b_addresses=there)
    ends = {end: [f"{_at(FAR[4][number], end)}/24", f"{FAR[6][number]}{end}/64"] for end in "12"}
    lab.wire(far.host, "eth0", gateway, "eth1", a_addresses=ends["2"], b_addresses=ends["1"])
    for family in (4, 6):
        ip = ["ip", f"-{family}", "route", "add"]
        gateway.run([*ip, NETS[family][number], "via", _at(FAR[family][number], "2")])
        for net in (CUSTOMER[family], OURS[family]):
            gateway.run([*ip, net, "via", _at(NEAR[family][number], "1")])
        far.host.run([*ip, "default", "via", _at(FAR[family][number], "1")])
        ours = _at(NEAR[family][number], "1")
        far.session("", _at(FAR[family][number], "2"), ours, 213000, more="multihop 2;", families=(family,))
    return far


@pytest.mark.parametrize(("table", "length"), [("own", 24), ("main", 24), ("own", 32)])
def test_routes_of_a_provider_lead_to_its_own_uplink(lab: Lab, tmp_path: Path, table: str, length: int) -> None:
    """With /32, the gateway is in no subnet: the uplink's default route is `onlink`."""
    text = NETWORK.replace("TABLE", table).replace("ONE", str(length))
    for number, name in enumerate(("one", "two")):
        for family in (4, 6):
            far, near = _at(FAR[family][number], "2"), _at(NEAR[family][number], "1")
            text += PEER.format(name=name, family=family, asn=64514 + number, far=far, near=near)
    a = install(lab, "a", compiled(text, tmp_path))
    providers = [provider(lab, a, 0, "eth0", 24), provider(lab, a, 1, "eth1", length)]
    a.run(["ip", "route", "add", "default", "via", "46.0.0.254"])
    a.run(["ip", "-6", "route", "add", "default", "via", "2a46::fe"])
    customer = neighbour(lab, "customer", 3340, CUSTOMER[4], CUSTOMER[6])
    ends = ["45.98.0.1/24", "2a98::1/64"], ["45.98.0.2/24", "2a98::2/64"]
    lab.wire(a, "ext0", customer.host, "eth0", a_addresses=ends[0], b_addresses=ends[1])
    for family, own, other in ((4, "45.98.0.2", "45.98.0.1"), (6, "2a98::2", "2a98::1")):
        customer.session("eth0", own, other, 213000, families=(family,))
    log = begin(a)["a"]
    for far in (*providers, customer):
        far.start()
    number = "14000" if table == "own" else "main"
    for family in (4, 6):
        for each, device in enumerate(("eth0", "eth1")):
            net, via = NETS[family][each], _at(NEAR[family][each], "fe")
            wait(lambda net=net, said=f"via {via} dev {device} ": said in kernel(a, net, number))  # type: ignore[misc]
            wait(lambda net=net: customer.path(net))  # type: ignore[misc]
        wait(lambda family=family: path(a, CUSTOMER[family]) is not None)  # type: ignore[misc]
    # Packets of the customer and of ours get there and back by that uplink alone, from both ends.
    for far in providers:
        for one, other in ((far.four, customer.four), (far.six, customer.six)):
            wait(lambda far=far, one=one, other=other: reached(far.host, one, other))  # type: ignore[misc]
            assert reached(customer.host, other, one)
        for ours, there in (("45.10.0.1", far.four), ("2a10:10::1", far.six)):
            assert reached(a, ours, there)
    assert faults(log.said()) == []
    # Without the uplink there are no routes by another.
    a.run(["ip", "link", "set", "eth1", "down"])
    for family in (4, 6):
        wait(lambda net=NETS[family][1]: not kernel(a, net, number))  # type: ignore[misc]
    assert kernel(a, NETS[4][0], number)


ALONE = """
version = 1
network.name = "lab"

[bgp]
asn = 213000
prefixes = ["45.10.0.0/23", "2a10:10::/32"]
profile = "internet"

[hosts.a]
id = 1
wan = "eth0"
addresses = ["46.0.0.1/32", "2a46::1/128"]
loopback = ["45.10.0.1/32", "2a10:10::1/128"]
firewall = {}

[hosts.a.uplinks.main]
interface = "eth0"
prefixes = ["46.0.0.1/32", "2a46::1/128"]
gateway = ["46.0.0.254", "2a46::fe"]

[hosts.a.bgp]
table = "own"
"""


def test_a_gateway_in_no_subnet_that_the_topology_names(lab: Lab, tmp_path: Path) -> None:
    """The image has a route to the gateway alone, and its default route is not `onlink`: BIRD does not take that."""
    text = ALONE
    for family in (4, 6):
        far, near = _at(FAR[family][0], "2"), _at(NEAR[family][0], "1")
        text += PEER.format(name="one", family=family, asn=64514, far=far, near=near)
    a = install(lab, "a", compiled(text, tmp_path))
    far = provider(lab, a, 0, "eth0", 32, 128)
    for family in (4, 6):
        router = _at(NEAR[family][0], "fe")
        a.run(["ip", f"-{family}", "route", "add", router, "dev", "eth0"])
        a.run(["ip", f"-{family}", "route", "add", "default", "via", router])
    log = begin(a)["a"]
    far.start()
    for family in (4, 6):
        said = f"via {_at(NEAR[family][0], 'fe')} dev eth0 "
        wait(lambda net=NETS[family][0], said=said: said in kernel(a, net, "14000"))  # type: ignore[misc]
    for ours, there in (("45.10.0.1", far.four), ("2a10:10::1", far.six)):
        wait(lambda ours=ours, there=there: reached(a, ours, there))  # type: ignore[misc]
    assert {line.rpartition("> ")[2] for line in faults(log.said())} <= {
        "KRT: Received route 0.0.0.0/0 with strange next-hop 46.0.0.254",
        "KRT: Received route ::/0 with strange next-hop 2a46::fe",
    }


def kernel(host: Host, net: str, table: str) -> str:
    return host.run(["ip", "-6" if ":" in net else "-4", "route", "show", net, "table", table], check=False).stdout
