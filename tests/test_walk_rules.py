"""Rules that decide although other software set a mark or has DNAT of its own, and addresses of whole subnets: what the
walk makes of them is what kernels do (live/test_slim_edge.py, live/test_split_escapes.py, live/test_firewall.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from netaddr import IPAddress

from examples import ROOT
from netc.language.names import GroupName, HostName
from netc.pipeline import plan, understand
from netc.plan.chains import Priority
from netc.plan.facts import Route, Router
from netc.plan.host_plan import HostPlan
from netc.walk.bird import Bird, world
from netc.walk.journey import Journey, Process, journey
from netc.walk.met import Met
from netc.walk.netfilter import filtered
from netc.walk.packet import ICMP, TCP, UDP, Connection, Owner, Packet, turned
from netc.walk.stack import Stack
from netc.walk.world import World
from topologies import key

GRE = 47
VISIT = (TCP, int(IPAddress("203.0.113.9")), int(IPAddress("10.77.1.1")), 40000, 443)


def understood(text: str, name: str = "topo.toml") -> World:
    return world(planned(text, name))


def planned(text: str, name: str = "topo.toml") -> list[HostPlan]:
    folder = ROOT / "examples"
    network = understand(text, name, lambda file: (folder / file).read_text()).network
    return [plan(host, network) for host in network.topology.hosts]


def example(name: str) -> World:
    return understood((ROOT / "examples" / f"{name}.toml").read_text())


def met(stack: Stack, *, mark: int, is_reply: bool, **words: Any) -> Met:
    """A packet of a connection that has a mark; other software took that of the packet itself."""
    flow = turned(VISIT) if is_reply else VISIT
    connection = Connection(4, VISIT, turned(VISIT), mark, dnat=words.pop("dnat", False))
    return Met(stack, Packet(4, *flow), connection, is_reply, "established" if is_reply else "new", **words)


@pytest.mark.parametrize(
    ("leaving", "is_reply", "ends"),
    [("eth0", True, "dropped"), ("wg-edge1", True, "accepted"), ("lo", True, "accepted"), ("eth0", False, "accepted")],
)
def test_replies_to_what_came_in_by_a_forward_leave_by_it_or_are_dropped(
    leaving: str, is_reply: bool, ends: str
) -> None:
    stack = example("slim-edge").stacks["node", None]
    assert stack.ruleset is not None
    one = met(stack, mark=stack.ruleset.marks[0].mark, is_reply=is_reply, leaving=leaving)
    verdict = filtered(one, "postrouting", (Priority.MANGLE,))

    assert verdict.ends == ends
    assert verdict.origin == (("links", "one") if ends == "dropped" else ())


@pytest.mark.parametrize(
    ("arriving", "leaving", "is_reply", "ends"),
    [
        (None, "wifi", False, "dropped"),
        (None, "wg-escape", False, "accepted"),
        (None, "lo", False, "accepted"),
        (None, "wifi", True, "accepted"),
        ("wg-escape", "wifi", False, "accepted"),
    ],
)
@pytest.mark.parametrize("name", ["laptop", "laptop-iptables"])
def test_a_chosen_connection_leaves_by_the_tunnel_whatever_mark_its_packets_have(
    name: str, arriving: str | None, leaving: str, is_reply: bool, ends: str
) -> None:
    stack = example(name).stacks["laptop", None]
    assert stack.ruleset is not None
    split = stack.ruleset.splits[0]
    named = {"wg-escape": split.device, "wifi": "wlan0"}
    one = met(
        stack,
        mark=split.mark,
        is_reply=is_reply,
        arriving=named.get(str(arriving), arriving),
        leaving=named.get(leaving, leaving),
    )
    assert filtered(one, "postrouting", (Priority.MANGLE,)).ends == ends


DOCKER = """
version = 1
network.name = "lab"

[hosts.edge]
id = 1
wan = "eth0"
addresses = ["198.51.100.10/24", "2001:db8:10::10/64"]
docker = true
firewall = { PASS }

[hosts.edge.tunnels.out]
kind = "wireguard"
address = "10.9.9.2/24"
peer.public_key = "q+dCgbgLdNvA//cWS/5+uwsRtykg0avzh+RnTSX9pwk="
peer.endpoint = "192.0.2.77:51820"
peer.allowed_ips = "0.0.0.0/0"
"""
PASSING = 'pass = { from = "wg-out", to = "docker0" }'


@pytest.mark.parametrize(
    ("arriving", "passing", "ends"),
    [("eth0", "", "accepted"), ("wg-out", "", "dropped"), ("wg-out", PASSING, "accepted")],
)
@pytest.mark.parametrize("netfilter", ["nftables", "iptables"])
def test_strangers_do_not_reach_what_docker_publishes(netfilter: str, arriving: str, passing: str, ends: str) -> None:
    text = DOCKER.replace("PASS", passing).replace("docker = true", f'docker = true\nnetfilter = "{netfilter}"')
    stack = understood(text).stacks["edge", None]
    verdict = filtered(
        met(stack, mark=0, is_reply=False, dnat=True, arriving=arriving, leaving="docker0"),
        "forward",
        (Priority.FILTER,),
    )

    assert verdict.ends == ends
    if ends == "dropped":
        assert (verdict.origin, verdict.why) == (("hosts", "edge", "tunnels", "out"), "wg-out leads to strangers")


OFFICE = """
version = 1
network.name = "m"

[hosts.a]
id = 1
wan = "eth0"
addresses = "198.51.100.7/24"

[hosts.a.firewall]
allow = [
  { ports = "80/tcp" },
  { ports = ["81/tcp", "22/tcp"], from = "203.0.113.0/24" },
  { ports = ["82/tcp", "22/tcp"], from = "203.0.113.0/24", interface = "wg-two" },
]

[hosts.a.tunnels.one]
kind = "wireguard"
address = "10.9.1.2/32"
routes = "192.0.2.0/24"
open = "83/tcp"
peer.public_key = "q+dCgbgLdNvA//cWS/5+uwsRtykg0avzh+RnTSX9pwk="
peer.endpoint = "198.51.100.77:51820"
peer.allowed_ips = "0.0.0.0/0"

[hosts.a.tunnels.two]
kind = "wireguard"
address = "10.9.2.2/32"
peer.public_key = "v1c41BkMxDQDVwzbVmKgRHcTZHuyS3VqEtNHaFSAj0I="
peer.endpoint = "198.51.100.78:51820"
peer.allowed_ips = "0.0.0.0/0"

[hosts.a.tunnels.inner]
kind = "gre"
remote = "192.0.2.55"
address = "10.9.3.2/24"
"""
BESIDE_A_PROGRAM = """
version = 1
network.name = "m"

[hosts.a]
id = 1
wan = "eth0"
addresses = ["198.51.100.7/24", "2001:db8:7::7/64"]

[hosts.a.tunnels.outer]
kind = "wireguard"
address = ["10.64.0.2/10", "fd64::2/64"]
peer.public_key = "q+dCgbgLdNvA//cWS/5+uwsRtykg0avzh+RnTSX9pwk="
peer.endpoint = "198.51.100.77:51820"
peer.allowed_ips = ["10.64.0.0/10", "fd64::/64"]

[hosts.a.tunnels.inner]
kind = "tunsafe"
interface = "tun0"
config = "/etc/tunsafe/x.conf"
address = "10.8.1.2/24"
routes = "10.5.0.0/16"
"""


def test_the_peer_of_a_program_that_is_in_the_subnet_of_another_tunnel_is_not_reached_by_the_uplink() -> None:
    (host,) = planned(BESIDE_A_PROGRAM)
    nested = next(part for part in host.parts if part.name == "nested")

    assert {str(route.to) for route in nested.every(Route)} == {"10.64.0.0/10", "fd64::/64"}


ALL = {"eth0", "wg-one", "wg-two"}


@pytest.mark.parametrize(
    ("source", "protocol", "port", "by"),
    [
        ("203.0.113.9", TCP, 80, ALL),
        ("203.0.113.9", TCP, 81, {"eth0"}),
        ("203.0.113.9", TCP, 82, {"wg-two"}),
        ("203.0.114.9", TCP, 82, set()),
        ("203.0.113.9", TCP, 83, {"wg-one"}),
        ("203.0.113.9", TCP, 22, {"eth0", "wg-two"}),
        ("203.0.114.9", TCP, 22, {"eth0"}),
        ("192.0.2.55", GRE, 0, {"eth0", "wg-one"}),
        ("192.0.2.56", GRE, 0, set()),
    ],
)
def test_a_rule_for_some_sources_is_for_strangers_if_it_names_their_interface(
    source: str, protocol: int, port: int, by: set[str]
) -> None:
    stack = understood(OFFICE).stacks["a", None]
    flow = (protocol, int(IPAddress(source)), int(IPAddress("198.51.100.7")), 40000 if port else 0, port)

    def verdict(arriving: str) -> str:
        packet = Packet(4, *flow)
        new = Met(stack, packet, Connection(4, flow, turned(flow), 0), False, "new", arriving=arriving)
        return filtered(new, "input", (Priority.FILTER,)).ends

    assert {device for device in ALL if verdict(device) == "accepted"} == by


@pytest.mark.parametrize(("group", "kind"), [("cavorite", "lost"), (None, "internet")])
def test_a_chosen_program_that_sets_a_mark_sends_nothing(group: str | None, kind: str) -> None:
    owner = Owner(GroupName(group) if group else None)
    packet = Packet(4, UDP, 0, int(IPAddress("203.0.113.9")), 40000, 9)
    found = journey(example("laptop"), Process(("laptop", None), owner, 0x01000000), packet)

    assert found.there.kind == kind


# ---- addresses of whole subnets ------------------------------------------------------------------------------


def asked(to: str, protocol: int) -> Journey:
    """By a program of the node, which reaches everything by an edge."""
    family = 4 if "." in to else 6
    source = "10.77.1.1" if family == 4 else "fd77:1::1"
    packet = Packet(
        family, protocol, int(IPAddress(source)), int(IPAddress(to)), *((40000, 9) if protocol != ICMP else ())
    )
    return journey(example("slim-edge"), Process(("node", None)), packet)


def test_the_anycast_address_of_routers_is_that_of_a_host_that_forwards() -> None:
    """RFC 4291 section 2.6.1. Nobody opens a TCP connection to it."""
    found = asked("2001:db8:10::", UDP)

    assert (found.there.kind, found.there.place, found.answered) == ("host", ("edge1", None), True)
    assert asked("2001:db8:10::", TCP).there.kind == "lost"
    assert asked("2001:db8:10::5", UDP).there.kind == "lost"


def test_who_forwards_to_a_broadcast_address_of_its_own_gets_the_packet() -> None:
    found = asked("198.51.100.255", UDP)

    assert (found.there.kind, found.there.place, found.answered) == ("host", ("edge1", None), False)
    assert asked("198.51.100.255", TCP).there.kind == "lost"
    assert asked("198.51.100.255", ICMP).there.kind == "lost"


def test_a_broadcast_leaves_by_the_interface_of_its_subnet() -> None:
    packet = Packet(4, UDP, 0, int(IPAddress("198.51.100.255")), 40000, 9)
    found = journey(example("slim-edge"), Process(("edge1", None)), packet)

    assert found.left == ((("edge1", None), "eth0"),)


# ---- routers that do not hear each other ---------------------------------------------------------------------

ROUTERS = """
version = 1
network.name = "lab"

[bgp]
asn = 4242422547
prefixes = ["172.20.16.0/27", "fd42:1::/48"]
profile = "dn42"
internal = "mesh"
[igp]
kind = "KIND"
over = ["ab"]
"""
ROUTER = """
[hosts.{name}]
id = {id}
wan = "eth0"
addresses = "198.51.100.{id}/24"
loopback = ["172.20.16.{id}/32", "fd42:1::{id}/128"]
firewall = {{ DENY }}
[hosts.{name}.bgp]
"""
LINK = """
[links.ab]
kind = "vxlan"
between = ["a", "b"]
ends.a.address = ["10.99.0.0/31", "fe80::a/64"]
ends.b.address = ["10.99.0.1/31", "fe80::b/64"]
"""


@pytest.mark.parametrize(
    ("kind", "denied", "heard"),
    [
        ("ospf", "", {4, 6}),
        ("ospf", "fe80::/10", {4}),
        ("ospf", "10.99.0.0/24", {6}),
        ("babel", "", {4, 6}),
        ("babel", "fe80::/10", set()),
    ],
)
def test_what_a_denied_prefix_drops_makes_no_routes(kind: str, denied: str, heard: set[int]) -> None:
    deny = f'deny = ["{denied}"]' if denied else ""
    text = ROUTERS.replace("KIND", kind) + "".join(ROUTER.format(name=name, id=id) for id, name in enumerate("ab", 1))
    made = understood(text.replace("DENY", deny, 1).replace("DENY", "") + LINK)
    found = set()
    for family, loopback in ((4, "172.20.16.2"), (6, "fd42:1::2")):
        one = journey(made, Process(("a", None)), Packet(family, TCP, 0, int(IPAddress(loopback)), 40000, 22))
        found |= {family} if one.there.place == ("b", None) and one.there.kind == "host" else set()

    assert found == heard


def otherwise_at_b(kind: str, change: Callable[[Router], Router]) -> Bird:
    """BIRD's routes of a, when b is not what netc makes of it."""
    text = ROUTERS.replace("KIND", kind) + "".join(ROUTER.format(name=name, id=id) for id, name in enumerate("ab", 1))
    text = f'{text.replace("DENY", "")}prefixes = "fd42:1:0:2::/64"\n{LINK}'
    plans = {one.host: one for one in planned(text)}
    b = plans[HostName("b")]
    parts = [
        replace(part, facts=tuple(change(fact) if isinstance(fact, Router) else fact for fact in part.facts))
        for part in b.parts
    ]
    bird = world([plans[HostName("a")], replace(b, parts=tuple(parts))]).stacks[HostName("a"), None].bird
    assert bird is not None
    return bird


@pytest.mark.parametrize("has_session", [True, False])
def test_a_session_comes_up_if_both_ends_have_it(has_session: bool) -> None:
    bird = otherwise_at_b("ospf", lambda fact: fact if has_session else replace(fact, sessions=()))
    way = bird.way(6, int(IPAddress("fd42:1:0:2::9")))

    assert way is not None
    assert (way.device is not None) == has_session  # it is unreachable, as all of our own


@pytest.mark.parametrize(("kind", "cost"), [("ospf", 10), ("babel", 777)])
def test_babel_counts_the_cost_that_the_receiver_says(kind: str, cost: int) -> None:
    """And OSPF that of the sender."""
    bird = otherwise_at_b(kind, lambda fact: replace(fact, igp=tuple(replace(one, cost=777) for one in fact.igp)))
    (found,) = bird.routers.near(6)[HostName("a")]

    assert found[2] == (cost,)


# ---- tunnels whose ends let no stranger in -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("denying", "kind", "is_unsure"),
    [("", "host", False), ("a", "host", False), ("b", "host", False), ("ab", "lost", True)],
)
def test_a_tunnel_works_if_one_end_lets_the_other_in(denying: str, kind: str, is_unsure: bool) -> None:
    """If neither does, each takes what comes for answers, once both have sent something: nobody can be sure of that.
    Kernels do it (live/test_agreement.py, day-agree-16)."""
    text = 'version = 1\nnetwork.name = "n"\n'
    for id, name in enumerate("ab", 1):
        deny = 'deny = "64.0.0.0/8"' if name in denying else ""
        address, public = f"64.51.100.{id}", key(name)
        text += f'[hosts.{name}]\nid = {id}\nwan = "eth0"\naddresses = "{address}/24"\npublic_key = "{public}"\n'
        text += f"firewall = {{ {deny} }}\n"
    text += '[links.ab]\nkind = "wireguard"\nbetween = ["a", "b"]\n'
    text += 'ends.a.address = "10.77.0.0/31"\nends.b.address = "10.77.0.1/31"\n'
    packet = Packet(4, ICMP, 0, int(IPAddress("10.77.0.1")), 0, 0)
    found = journey(understood(text), Process(("a", None)), packet)

    assert found.there.kind == kind
    assert bool(found.unsure) == is_unsure
