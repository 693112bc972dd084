"""Promises: what holds is proved for every packet, and what a plan breaks is found. Classes are exact."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from examples import ROOT
from netc.checks import expect
from netc.checks.expect import judge
from netc.checks.expected import boxes, dialled, senders
from netc.diagnostic import InvalidTopology
from netc.network.interface import Network
from netc.pipeline import plan, understand
from netc.plan.facts import Forwarding, Route, Rule, Ruleset
from netc.plan.host_plan import HostPlan
from netc.walk.bird import world
from netc.walk.journey import Journey, journey
from netc.walk.packet import Packet
from netc.walk.space import AXES, Box, classes

EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.toml"))
PROMISING = [name for name in EXAMPLES if "[[expect]]" in (ROOT / f"examples/{name}.toml").read_text()]


def understood(name: str) -> tuple[list[HostPlan], Network]:
    path = ROOT / "examples" / f"{name}.toml"
    network = understand(path.read_text(), str(path), lambda file: (path.parent / file).read_text()).network
    return [plan(host, network) for host in sorted(network.topology.hosts)], network


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_has_promises(name: str) -> None:
    assert name in PROMISING


# ---- classes are exact ---------------------------------------------------------------------------------------


def fate(found: Journey) -> tuple[object, ...]:
    return found.there.kind, found.there.place, found.answered, found.left, found.returned


def member(box: Box, chance: random.Random) -> Packet:
    values = []
    for axis in AXES:
        ranges = getattr(box, axis)
        first, last = chance.choice(ranges) if ranges else (0, 0)
        values.append(chance.choice((first, last, chance.randint(first, last))))
    return Packet(box.family, box.protocol, *values)


@pytest.mark.parametrize("name", PROMISING)
def test_each_packet_of_a_class_goes_the_way_of_all(name: str) -> None:
    plans, network = understood(name)
    made, chance = world(plans), random.Random(name)
    for one_of in network.topology.expect:
        for sender in senders(one_of.from_[0], made, network):
            to = dialled(one_of.to[0], sender, made, network)
            for box in boxes(sender, to, made):
                for one in list(classes(made, sender.start, box, 20_000))[:150]:
                    wanted = fate(one.found)
                    for _ in range(3):
                        assert fate(journey(made, sender.start, member(one.box, chance))) == wanted


def test_classes_are_all_packets_and_overlap_nowhere() -> None:
    plans, network = understood("slim-edge")
    made, chance = world(plans), random.Random("whole")
    sender = next(senders("internet", made, network))
    for box in boxes(sender, dialled("edge2", sender, made, network), made):
        found = list(classes(made, sender.start, box, 20_000))
        for _ in range(50):
            packet = member(box, chance)
            holding = [one for one in found if all(_holds(one.box, packet, axis) for axis in AXES)]
            assert len(holding) == 1


def _holds(box: Box, packet: Packet, axis: str) -> bool:
    number = getattr(packet, axis)
    return any(first <= number <= last for first, last in getattr(box, axis))


# ---- what a plan breaks is found -----------------------------------------------------------------------------

Change = Callable[[Any], Any]


def changed(plans: list[HostPlan], kind: type, change: Change) -> list[HostPlan]:
    """Every fact of a kind as `change` makes it; None takes it out."""
    found = []
    for one in plans:
        parts = []
        for part in one.parts:
            facts = [change(fact) if isinstance(fact, kind) else fact for fact in part.facts]
            parts.append(replace(part, facts=tuple(fact for fact in facts if fact is not None)))
        found.append(replace(one, parts=tuple(parts)))
    return found


def no_guard_of_the_pair(fact: Ruleset) -> Ruleset:
    return replace(fact, replies_only=())


def no_resolvers(fact: Ruleset) -> Ruleset:
    return replace(fact, queries=())


def default_by_the_pair(fact: Route) -> Route:
    """The namespace's default route is by the veth pair."""
    return replace(fact, device="access") if fact.namespace and fact.table is None and fact.device else fact


def no_mark_rule(fact: Rule) -> Rule | None:
    return None if fact.mark is not None else fact


def no_rule(fact: Rule) -> None:
    del fact


def wide(fact: Ruleset) -> Ruleset:
    """Whatever the host does not know it accepts."""
    return replace(fact, filter=replace(fact.filter, input="accept")) if fact.filter else fact


def no_denial(fact: Ruleset) -> Ruleset:
    return replace(fact, denials=())


def no_forwarding(fact: Forwarding) -> None:
    del fact


def masked(fact: Ruleset) -> Ruleset:
    """The serving host sees the edge in place of the visitor."""
    from netc.plan.ruleset import Masquerade

    new = tuple(Masquerade(one.origin, None, one.on, one.ports) for one in fact.forwards)
    return replace(fact, masquerades=new)


def open_to_all(fact: Ruleset) -> Ruleset:
    """A published port loses its list of clients."""
    return replace(fact, nats=tuple(replace(nat, sources=()) for nat in fact.nats))


MUTANTS: list[tuple[str, type, Change, str]] = [
    ("seedbox", Route, default_by_the_pair, "not one packet leaves"),
    ("slim-edge", Ruleset, wide, "internet touches"),
    ("slim-edge", Ruleset, no_denial, "who is bad"),
    ("slim-edge", Forwarding, no_forwarding, "sees each visitor"),
    ("slim-edge", Rule, no_rule, "sees each visitor"),
    ("slim-edge", Ruleset, masked, "sees each visitor"),
    ("laptop", Rule, no_mark_rule, "nothing of the group leaks"),
    ("uplinks", Rule, no_rule, "own uplink"),
    ("start", Ruleset, wide, "what the internet may touch"),
]


@pytest.mark.parametrize(("example", "kind", "change", "promise"), MUTANTS)
def test_a_plan_that_breaks_a_promise_is_found(example: str, kind: type, change: Change, promise: str) -> None:
    plans, network = understood(example)

    assert list(judge(plans, network)) == []
    broken = [found.what for found in judge(changed(plans, kind, change), network)]
    assert any(promise in what for what in broken)


def test_without_its_packet_filter_a_split_still_does_not_leak() -> None:
    """The guard, and the unreachable route of the table."""
    plans, network = understood("laptop-iptables")
    bare = changed(plans, Ruleset, lambda _: None)

    assert all("leaves by wlan0" not in found.what for found in judge(bare, network))


LEAK = """
version = 1
network.name = "n"

[hosts.laptop]
id = 1
wan = "wlan0"
addresses = "192.168.1.2/24"
endpoint = false

[hosts.laptop.tunnels.escape]
kind = "wireguard"
address = "10.66.0.2/24"
peer.public_key = "YS1wdWJsaWMta2V5LW9mLXRoZS1leGFtcGxlLWhvc3Q="
peer.endpoint = "192.0.2.1:5"
peer.allowed_ips = "0.0.0.0/0"

[hosts.laptop.splits.s]
tunnel = "escape"
group = "g"
ipv6 = "POLICY"

[[expect]]
from = { host = "laptop", group = "g" }
to = "internet"
never_by = "wlan0"
"""


def test_ipv6_that_only_a_router_advertisement_brings_is_seen() -> None:
    """The topology says of IPv4 alone that the uplink has it."""
    understand(LEAK.replace("POLICY", "block"), "t", str)
    with pytest.raises(InvalidTopology) as found:
        understand(LEAK.replace("POLICY", "direct"), "t", str)
    assert [(one.code, "both families" in one.what) for one in found.value.diagnostics] == [("NC3001", True)]


UNPROVED = [
    ('from = "internet"\nto = "192.0.2.7"\nnever_by = "wlan0"', "is a host of yours"),
    ('from = "laptop"\nto = "internet"\nnever_by = "eth7"', "no interface, link, tunnel or uplink `eth7`"),
    ('from = "laptop"\nto = "laptop/x"\narrives = "laptop"', "no namespace `x`"),
    ('from = "192.0.2.7"\nto = "[2600::1]:22/tcp"\narrives = false', "no address of a family"),
]


@pytest.mark.parametrize(("promise", "complaint"), UNPROVED)
def test_what_cannot_be_proved_is_refused(promise: str, complaint: str) -> None:
    text = LEAK.replace("POLICY", "block").partition("[[expect]]")[0] + f"[[expect]]\n{promise}\n"
    with pytest.raises(InvalidTopology) as found:
        understand(text, "t", str)
    assert any(complaint in one.what for one in found.value.diagnostics)


def test_a_range_of_ports_that_answers_in_part_is_found() -> None:
    text = LEAK.replace("POLICY", "block").partition("[[expect]]")[0]
    wall = '[hosts.laptop.firewall]\nallow = [{ ports = "5000-5010/udp" }]\n'
    promise = '[[expect]]\nfrom = "laptop:192.168.1.9"\nto = "192.168.1.2"\nonly = ["22/tcp", "PORTS/udp"]\n'
    understand(text + wall + promise.replace("PORTS", "5000-5010"), "t", str)
    with pytest.raises(InvalidTopology) as found:
        understand(text + wall + promise.replace("PORTS", "5000-5011"), "t", str)
    assert [one.what for one in found.value.diagnostics] == ["5000-5011/udp does not answer"]


def promised(example: str, promise: str) -> list[str]:
    """What is wrong with another promise of an example."""
    path = ROOT / "examples" / f"{example}.toml"
    text = path.read_text().partition("[[expect]]")[0]
    try:
        understand(f"{text}\n[[expect]]\n{promise}", str(path), lambda file: (path.parent / file).read_text())
    except InvalidTopology as found:
        return [f"{one.code} {one.what}" for one in found.diagnostics if one.severity == "error"]
    return []


TORRENTS = 'from = {{ host = "{}", service = "{}" }}\nto = "{}"\n'
BEYOND = 'from = "{}"\nto = "{}"\n'


@pytest.mark.parametrize(
    ("example", "promise", "wrong"),
    [
        ("seedbox", TORRENTS.format("seedbox", "transmission-daemon.service", "internet") + 'leaves_by = "azire"', ""),
        ("seedbox", TORRENTS.format("seedbox", "ssh.service", "internet") + 'leaves_by = "azire"', "leaves by eth0"),
        ("laptop", TORRENTS.format("laptop", "transmission-daemon.service", "9.9.9.9") + 'leaves_by = "escape"', ""),
        ("laptop", TORRENTS.format("laptop", "ssh.service", "9.9.9.9") + 'leaves_by = "escape"', "leaves by wlan0"),
        ("laptop", TORRENTS.format("lap", "ssh.service", "9.9.9.9") + "arrives = false", "no host is called `lap`"),
        ("seedbox", BEYOND.format("seedbox.tunnels.azire", "seedbox/vpn") + 'only = ["51413/tcp", "51413/udp"]', ""),
        ("seedbox", BEYOND.format("seedbox.tunnels.azire", "seedbox/vpn") + 'only = "51413/tcp"', "51413/udp"),
        ("slim-edge", BEYOND.format("edge2.links.two", "edge2:9100/tcp") + 'arrives = "edge2"', "wg-node"),
        ("slim-edge", BEYOND.format("edge1.links.two", "edge1:22/tcp") + 'arrives = "edge1"', "no link or tunnel"),
    ],
)
def test_services_and_other_ends_of_tunnels_send(example: str, promise: str, wrong: str) -> None:
    """A service in a namespace or in a split's slice; whoever is at the other end, whatever source he writes."""
    found = promised(example, promise)

    assert len(found) == bool(wrong)
    assert all(wrong in one for one in found)


# ---- what it costs -------------------------------------------------------------------------------------------


def edge_with(tmp_path: Path, prefixes: int) -> int:
    """How many classes there are of what the internet sends to a port of an edge that denies so many prefixes."""
    lines = "\n".join(f"{11 + n // 65536}.{n // 256 % 256}.{n % 256}.0/25" for n in range(prefixes))
    (tmp_path / "list.txt").write_text(lines)
    text = (
        (ROOT / "examples/slim-edge.toml")
        .read_text()
        .replace('[sets.bad]\nprefixes = ["192.0.2.128/25", "2001:db8:bad::/48"]', '[sets.bad]\nfiles = "list.txt"')
    )
    network = understand(text, "t", lambda file: (tmp_path / file).read_text(), promises=False).network
    made = world([plan(host, network) for host in sorted(network.topology.hosts)])
    sender = next(senders("internet", made, network))
    to = dialled("edge2:443/tcp", sender, made, network)
    four = [box for box in boxes(sender, to, made) if box.family == 4]
    return len([one for box in four for one in classes(made, sender.start, box, 100)])


def test_a_long_set_costs_two_classes(tmp_path: Path) -> None:
    """A set of 100,000 prefixes is one question: in it, or not."""
    assert edge_with(tmp_path, 1) == edge_with(tmp_path, 100_000) == 3


def test_more_classes_than_the_budget_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not sampled: a promise of which a part is proved is not proved."""
    monkeypatch.setattr(expect, "BUDGET", 3)
    with pytest.raises(InvalidTopology) as found:
        understood("slim-edge")

    assert {one.code for one in found.value.diagnostics} == {"NC3003"}
    assert "has more than 3 classes of packets: netc proves none of them" in found.value.diagnostics[0].what


# ---- what survives -------------------------------------------------------------------------------------------

SURVIVES = [
    ("edge1:443/tcp", "edge2", ""),
    ("edge1:443/tcp", "any host", ""),
    ("edge1:443/tcp", "two", ""),
    ("edge1:443/tcp", "one", "while wg-edge1 of node and wg-node of edge1 is down"),
    ("edge1:443/tcp", "any link", "while wg-edge1 of node and wg-node of edge1 is down"),
    ("edge1:443/tcp", "node", "while node is gone"),
    ("edge1:443/tcp", "three", "no host and no link is called `three`"),
]


@pytest.mark.parametrize(("to", "gone", "complaint"), SURVIVES)
def test_what_a_promise_survives(to: str, gone: str, complaint: str) -> None:
    """A promise about one edge does not hang on the other."""
    text = (ROOT / "examples/slim-edge.toml").read_text().partition("[[expect]]")[0]
    text += f'[[expect]]\nfrom = "internet"\nto = "{to}"\narrives = "node"\nsurvives = "{gone}"\n'
    if not complaint:
        understand(text, "t", str)
        return
    with pytest.raises(InvalidTopology) as found:
        understand(text, "t", str)
    assert [complaint in one.what for one in found.value.diagnostics] == [True]


# ---- routers -------------------------------------------------------------------------------------------------


def dn42(promise: str, changed: dict[str, str] | None = None) -> list[str]:
    """What is wrong with the example, with another promise and other texts."""
    path = ROOT / "examples/dn42.toml"
    text = path.read_text().partition("[[expect]]")[0]
    for old, new in (changed or {}).items():
        assert old in text
        text = text.replace(old, new)
    try:
        understand(f"{text}[[expect]]\n{promise}\n", str(path), str)
    except InvalidTopology as found:
        return [f"{one.code} {one.what}" for one in found.diagnostics if one.severity == "error"]
    return []


FRANKFURT = 'from = "fra"\nto = "anycast.dns:53/udp"\narrives = ["hkg", "lax"]\nsurvives = "any host"'


def test_anycast_is_reached_at_the_nearest_host() -> None:
    nearest = 'from = "fra"\nto = "anycast.dns:53/udp"\narrives = "{}"'

    assert dn42(nearest.format("lax")) == []
    assert "arrives at lax/anycast-dns" in dn42(nearest.format("hkg"))[0]
    # By a cheaper link to Singapore, Hong Kong is nearer.
    assert dn42(nearest.format("hkg"), {"cost = 90": "cost = 9"}) == []
    assert dn42(FRANKFURT) == []


def test_who_may_announce_what_is_not_supposed() -> None:
    """Another AS may announce any prefix that its filter lets in: a promise about one is refused."""
    [said] = dn42('from = "nyc"\nto = "172.20.0.53:53/udp"\nleaves_by = "wg-fra"')

    assert said.startswith("NC3003")
    assert "BIRD of nyc may learn a route to it" in said
    assert dn42('from = "nyc"\nto = "172.22.76.189:22/tcp"\nleaves_by = "nyc-fra"') == []


def test_two_paths_of_one_cost_are_not_chosen_from() -> None:
    """From hkg to nyc, both ways round cost the same."""
    same = dn42('from = "hkg"\nto = "172.22.76.188:22/tcp"\narrives = "nyc"', {"cost = 75": "cost = 118"})

    assert ["two paths cost the same" in said for said in same] == [True]


def test_a_neighbour_of_the_as_is_a_place() -> None:
    assert dn42('from = "hkg.peers.east"\nto = "hkg"\nonly = ["22/tcp", "22601/udp", "51822/udp", "51823/udp"]') == []
    assert "NC3002" in dn42('from = "hkg.peers.west"\nto = "hkg"\nonly = "22/tcp"')[0]
    assert "NC3002" in dn42('from = "hkg"\nto = "anycast.dsn:53/udp"\narrives = "lax"')[0]


def test_what_a_host_may_learn_of_others_is_not_supposed() -> None:
    """`learn`: programs of a host may make routes that the other routers hear of."""
    learning = {"[hosts.fra.bgp]\n": '[hosts.fra.bgp]\nlearn = "fdbc:f9dc:67ad:77::/64"\n'}
    [said] = dn42('from = "nyc"\nto = "fdbc:f9dc:67ad:77::1"\narrives = false', learning)

    assert said.startswith("NC3003")
    assert dn42('from = "nyc"\nto = "fdbc:f9dc:67ad:78::1"\narrives = false', learning) == []


@pytest.mark.parametrize("sender", ["internet", "198.51.100.1", "nobody"])
def test_without_hosts_nobody_is_asked(sender: str) -> None:
    """Found by fuzzing: a traceback."""
    empty = f'version = 1\nnetwork.name = "x"\nhosts = {{}}\n[[expect]]\nfrom = "{sender}"\nto = "10.0.0.1"\n'
    with pytest.raises(InvalidTopology) as raised:
        understand(empty, "topo.toml", str)
    assert [(one.code, one.what) for one in raised.value.diagnostics] == [("NC3002", "the network has no hosts")]
