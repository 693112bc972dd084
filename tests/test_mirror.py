"""What up builds, down takes back: for every step of every part of topologies that nobody wrote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import night
from examples import EXAMPLES
from fake_host import Host, Missing, NotLast, Refused, Thing
from netc.diagnostic import InvalidTopology
from netc.emit import emit
from netc.language.kinds import Kind
from netc.pipeline import plan, understand
from netc.plan.facts import Bridge, Namespace, PlainTunnel, Route, RoutingPolicy, Rule, Ruleset, Veth, Wireguard
from netc.plan.facts.device import Device
from netc.plan.host_plan import HostPlan, Part
from netc.plan.step import Implicit, Step
from netc.plan.steps import reload, steps
from topologies import Table, document, topologies

Gains = list[tuple[Step, list[Thing]]]


def no_imports(name: str) -> str:
    raise AssertionError(name)


@cache
def plans_of(text: str) -> tuple[HostPlan, ...]:
    network = understand(text, "topo.toml", no_imports).network
    return tuple(plan(host, network) for host in sorted(network.topology.hosts))


def drawn_plans(topology: Table) -> tuple[HostPlan, ...]:
    return plans_of(document(topology))


@st.composite
def plans_drawn(draw: st.DrawFn) -> tuple[HostPlan, ...]:
    try:
        return drawn_plans(draw(topologies()))
    except InvalidTopology:
        reject()


plans = plans_drawn()


def fresh(of: HostPlan) -> Host:
    """With a loopback device, an uplink and an administrator's rule, which are nobody's business."""
    host = Host({file.path.removeprefix("files"): file.text for file in emit(of)})
    host.things += [
        Thing("link", None, "lo", (), {"type": "loopback", "up": True}),
        Thing("link", None, "uplink0", (), {"type": "ether", "up": True}),
        Thing("rule", None, "-4 from all lookup main priority 32766", ()),
    ]
    return host


def up(host: Host, part: Part) -> Gains:
    return [(step, climb(host, step)) for step in steps(part)]


def climb(host: Host, step: Step) -> list[Thing]:
    gained = host.run(step.up)
    for thing in gained:
        thing.is_taken_back = not isinstance(step.down, Implicit)
    return gained


def down(host: Host, gains: Gains) -> None:
    """Checks on the way that what falls with its owner is gone when its owner was taken back."""
    falling: list[tuple[str, Thing]] = []
    for step, gained in reversed(gains):
        if isinstance(step.down, Implicit):
            falling += ((step.down.on, thing) for thing in gained)
            continue
        host.undo(step.down)
        owners = {thing.name for thing in gained}
        left = [str(thing) for on, thing in falling if on in owners and thing in host.things]
        assert left == [], f"{step.down} left what falls with it"
        falling = [(on, thing) for on, thing in falling if on not in owners]
    assert [f"{thing} never fell with {on}" for on, thing in falling] == []


@given(plans)
def test_down_is_the_mirror_of_up(hosts: tuple[HostPlan, ...]) -> None:
    """In the reverse order, each loss is of what was gained last, and nothing is left."""
    for of in hosts:
        host = fresh(of)
        before = host.look()
        host.is_strict = True
        gains = [up(host, part) for part in of.parts]
        for gained in reversed(gains):
            down(host, gained)

        assert host.look() == before


@settings(max_examples=night.number(200))
@given(plans)
def test_down_undoes_an_up_that_ended_early(hosts: tuple[HostPlan, ...]) -> None:
    for of in hosts:
        host = fresh(of)
        for part in of.parts:
            before = host.look()
            build = steps(part)
            for built in range(len(build)):
                for step in build[:built]:
                    host.run(step.up)
                for step in reversed(build):
                    if not isinstance(step.down, Implicit):
                        host.undo(step.down)

                assert host.look() == before, f"{part.name} after {built} steps"
            up(host, part)


@given(plans)
def test_a_part_goes_down_and_up_without_a_change_to_others(hosts: tuple[HostPlan, ...]) -> None:
    """Forty tunnels stay while the forty-first changes: a part and what needs it go; all others are as before."""
    for of in hosts:
        host = fresh(of)
        gains = {part.name: up(host, part) for part in of.parts}
        whole = Counter(host.look())
        for part in of.parts:
            going = [other for other in of.parts if other is part or part.name in other.after]
            own = {thing for other in going for _, gained in gains[other.name] for thing in gained}
            rest = Counter(str(thing) for thing in host.things if thing not in own)
            for other in reversed(going):
                down(host, gains[other.name])

            assert Counter(host.look()) == rest
            gains |= {other.name: up(host, other) for other in going}
            assert Counter(host.look()) == whole


@given(plans)
def test_dependents_of_a_part_start_after_it_and_stop_with_it(hosts: tuple[HostPlan, ...]) -> None:
    """A part that touches another one's namespace, or is a port of its bridge, is bound to it."""
    for of in hosts:
        home = {namespace.name: part.name for part in of.parts for namespace in part.every(Namespace)}
        bridges = {device.name: part.name for part in of.parts for device in part.every(Bridge)}
        seen: set[str] = set()
        for part in of.parts:
            wanted = {home[device.inside] for device in part.every(Device) if device.inside} - {part.name}
            wanted |= {bridges[device.bridge] for device in part.every(Veth) if device.bridge}

            assert set(part.after) <= seen
            assert set(part.bound) <= set(part.after)
            assert wanted <= set(part.bound)
            seen.add(part.name)


@given(plans)
def test_a_reload_of_an_unchanged_part_changes_nothing(hosts: tuple[HostPlan, ...]) -> None:
    for of in hosts:
        host = fresh(of)
        for part in of.parts:
            up(host, part)
        before = host.look()
        for part in of.parts:
            for command in reload(part):
                host.run(command)

        assert host.look() == before


def owned(part: Part) -> Iterator[tuple[object, ...]]:
    """What a part has for itself alone. VXLAN devices share a socket, and so a port."""
    for namespace in part.every(Namespace):
        yield "namespace", namespace.name
    for device in part.every(Device):
        yield "device", device.name
        if isinstance(device, Wireguard) and device.port:
            yield "UDP port", device.port
        if isinstance(device, PlainTunnel) and device.port and device.kind != Kind.VXLAN:
            yield "UDP port", device.port
    for route in part.every(Route):
        if route.table:
            yield "table", route.namespace, route.table, route.to.version
    for rule in (*part.every(Rule), *(rule for policy in part.every(RoutingPolicy) for rule in policy.rules)):
        yield "priority", rule.namespace, rule.priority, rule.family
    for ruleset in part.every(Ruleset):
        yield "ruleset", ruleset.namespace


@given(plans)
def test_parts_share_no_device_port_table_or_priority(hosts: tuple[HostPlan, ...]) -> None:
    for of in hosts:
        names = [part.name for part in of.parts]
        shared = [
            (one.name, other.name, *both)
            for one, other in combinations(of.parts, 2)
            if (both := set(owned(one)) & set(owned(other)))
        ]

        assert len(set(names)) == len(names)
        assert shared == []


def test_most_generated_topologies_are_accepted() -> None:
    """The claims above are about something."""
    refused: list[list[str]] = []
    total = 0

    @settings(max_examples=100)
    @given(topologies())
    def count(topology: Table) -> None:
        nonlocal total
        total += 1
        try:
            understand(document(topology), "topo.toml", no_imports)
        except InvalidTopology as mistakes:
            refused.append([f"{diagnostic.code}: {diagnostic.what}" for diagnostic in mistakes.diagnostics])

    count()

    assert total >= 50
    assert len(refused) <= total / 10, refused


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_go_down_as_they_came_up(example: Path) -> None:
    network = understand(example.read_text(), "t", lambda name: (example.parent / name).read_text()).network
    for name in network.topology.hosts:
        of = plan(name, network)
        host = fresh(of)
        before = host.look()
        host.is_strict = True
        gains = [up(host, part) for part in of.parts]
        for gained in reversed(gains):
            down(host, gained)

        assert host.look() == before


# ---- the fake host itself ------------------------------------------------------------------------------------

FILES = {"/etc/netc/nftables.nft": "", "/etc/netc/wireguard/w.conf": "[Peer]\nPublicKey = P\n", "/s": "a = 1\n"}
GRE = "type gre local 192.0.2.1 remote 192.0.2.2 ttl 64"


@pytest.mark.parametrize(
    ("story", "reason"),
    [
        ("reboot", "unexpected command"),
        ("ip link add dev g type bridge", "unexpected command"),
        (f"ip link add dev g {GRE}", "unexpected command"),  # without the group
        (f"ip link add dev g group 77 {GRE} tos 1", "unexpected options"),
        (f"ip link add dev g group 77 {GRE}; ip link add dev g group 77 {GRE} key 1", "already"),
        (f"ip link add dev g group 77 {GRE}; ip link add dev h group 77 {GRE}", "told from"),
        ("ip link set dev g up", "no link g"),
        (f"ip link add dev g group 77 {GRE}; ip link set dev g up; ip link set dev g up", "is up"),
        (f"ip link add dev g group 77 {GRE}; ip link set dev g netns n", "no namespace n"),
        ("ip -4 address add 10.0.0.1/31 dev g", "no link g"),
        (f"ip link add dev g group 77 {GRE}; ip -6 address add 10.0.0.1/31 dev g", "by way of -6"),
        (f"ip link add dev g group 77 {GRE}; ip -4 route add 10.0.0.0/8 dev g protocol 77", "is down"),
        ("ip netns add n; ip netns add n", "already"),
        ("ip -n n link set dev lo up", "no namespace n"),
        ("ip netns exec n nft -f /etc/netc/nftables.nft", "no namespace n"),
        ("nft -f /etc/netc/other.nft", "not among the files"),
        ("wg addconf w /etc/netc/wireguard/w.conf", "no link w"),
        ("wireguard w; wireguard w", "already"),
        ("wireguard w; wg set w peer Q preshared-key /k", "no peer Q"),
        ("ip -4 rule add priority 5 lookup 5 protocol 77", "too few words"),
        ("ip -4 rule delete priority 5 from all lookup 5 protocol 77", "no rule"),
        ("ip netns add n; wireguard w; ip link set dev w netns n; ip netns delete n", "removed first"),
        ("ip netns add n; wireguard w; ip link set dev w up; ip link set dev w netns n", "on the way"),
        ("sysctls /t", "not among the files"),
        ("foreign t 0 /p", "unexpected command"),
        ("foreign t 9 /p; foreign t 9 /p", "already"),
        ("end_foreign t -", "no link t"),
        ("instead -4 10.0.0.0/8 dev g protocol 77", "no link g"),
        ("congestion_before bbr fq", "no congestion"),
        ("remove_metrics /x/netc.prom", "no metrics"),
        ("setting net/ipv6/conf/g/accept_dad 0", "no link g"),
        ("setting net/ipv6/conf/g/rp_filter 2", "no such setting"),
        ("ip -4 rule add priority 5 from all fwmark 0x02000000/0x01000000 lookup 5 protocol 77", "no packet"),
        ("ip -4 route add unreachable default metric 9 protocol 77", "more than is meant"),
        ("ip -4 route delete default metric 9 table 5 protocol 77", "no route"),
    ],
)
def test_a_fake_host_refuses_what_a_real_host_refuses(story: str, reason: str) -> None:
    host = Host(FILES)
    *fine, wrong = (tuple(command.split()) for command in story.split("; "))
    for command in fine:
        host.run(command)

    with pytest.raises(Refused, match=reason):
        host.run(wrong)


def test_undo_on_a_fake_host_ignores_only_missing_devices() -> None:
    host = Host(FILES)
    host.undo(("remove_link", "g"))

    with pytest.raises(Missing):
        host.run(("remove_link", "g"))
    with pytest.raises(Refused):
        host.undo(("ip", "link", "delete", "g"))


RICH = {
    "version": 1,
    "network": {"name": "rich"},
    "hosts": {
        "a": {
            "id": 1,
            "addresses": ["198.51.100.1/24"],
            "tunnels": {
                "t": {"kind": "gre", "remote": "192.0.2.1", "address": "10.1.0.1/31"},
                "u": {
                    "kind": "gre",
                    "remote": "192.0.2.2",
                    "address": "10.2.0.1/31",
                    "routes": "10.9.0.0/16",
                    "table": 9,
                },
            },
            "namespaces": {"n": {"tunnel": "t", "access": "10.3.0.0/31", "publish": {"port": "80/tcp"}}},
        },
        "b": {"id": 2, "wan": "eth0", "addresses": ["198.51.101.1/24"]},
    },
    "links": {
        "l": {
            "kind": "gre",
            "between": ["a", "b"],
            "ends": {"a": {"address": "10.4.0.0/31"}, "b": {"address": "10.4.0.1/31"}},
        }
    },
    "forwards": {
        "far": {"at": "b", "ports": "80/tcp", "to": "a:10.5.0.9", "via": "l"},
        "near": {"at": "b", "ports": "81/tcp", "to": "a", "via": "l"},
    },
}


def test_a_step_without_its_down_is_noticed() -> None:
    """Each command of each down is taken out in turn."""
    of, _ = drawn_plans(RICH)
    parts = [steps(part) for part in of.parts]
    nothing = ("keep_sysctls", "/etc/sysctl.d/60-netc.conf")
    unnoticed = [
        step.down
        for step in (step for part in parts for step in part if not isinstance(step.down, Implicit))
        if mirrored(of, [[replace(s, down=nothing) if s is step else s for s in part] for part in parts])
    ]

    assert unnoticed == [
        nothing,
        ("remove_link", "gre-t"),  # for an up that ended before the device was moved
    ]


def mirrored(of: HostPlan, parts: Sequence[Sequence[Step]]) -> bool:
    host = fresh(of)
    host.is_strict = True
    before = host.look()
    gains = [[(step, climb(host, step)) for step in part] for part in parts]
    try:
        for gained in reversed(gains):
            down(host, gained)
    except (AssertionError, Refused, NotLast):
        return False
    return host.look() == before
