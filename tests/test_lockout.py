"""The promise that every network has: who would be kept from ssh is found by it alone, without other checks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from netaddr import IPAddress

from examples import netc
from netc.checks import lockout
from netc.diagnostic import Diagnostic, InvalidTopology
from netc.language.read import read
from netc.network.interface import Network
from netc.network.resolve import resolve
from netc.pipeline import understand
from netc.plan import chains, filtering
from netc.plan.facts import Ruleset
from netc.plan.filtering import InputRule
from netc.plan.ruleset import Denial
from netc.walk.door import Entrance, door, kept_out
from netc.walk.packet import TCP, Packet
from netc.walk.space import Box, parts
from test_mirror import no_imports
from topologies import FULL, Table, document, key, topologies

HEAD = f"""
version = 1
network.name = "t"

[hosts.a]
id = 1
wan = "eth0"
addresses = ["198.51.100.1/24", "2001:db8::1/64"]
public_key = "{key("a")}"
ssh = 2222
firewall = {{ deny = ["203.0.113.0/24", "bad"], allow = {{ from = "192.0.2.0/24" }} }}
tunnels.t = {{ kind = "gre", remote = "192.0.2.1", address = "10.1.0.1/31" }}

[hosts.b]
id = 2
wan = "eth0"
addresses = ["198.51.101.1/24"]
public_key = "{key("b")}"

[links.ab]
kind = "wireguard"
between = ["a", "b"]
ends.a.address = "10.77.0.0/31"
ends.b.address = "10.77.0.1/31"

[sets.bad]
prefixes = ["2001:db8:bad::/48", "0.0.0.0/8"]
"""


def walked(text: str) -> list[Diagnostic]:
    """By the walk and no other check."""
    reading = read(text, "topo.toml", no_imports)
    assert reading.topology is not None
    assert reading.diagnostics == ()
    network, underived = resolve(reading.topology)
    assert underived == ()
    return looked_at(network)


def looked_at(network: Network) -> list[Diagnostic]:
    hosts = sorted(network.topology.hosts)
    return [found for host in hosts for found in lockout.check_plan(lockout.filtering(host, network), network)]


SPACE = '[hosts.a.namespaces.n]\ntunnel = "t"\naccess = ["10.200.0.0/31", "fd20::/127"]\n'


@pytest.mark.parametrize(
    ("stolen", "thief"),
    [
        ('publish = { port = "2222/tcp", on = "198.51.100.1" }', ("hosts", "a", "namespaces", "n")),
        ('publish = { port = "2222/tcp", on = "2001:db8::1", to = 80 }', ("hosts", "a", "namespaces", "n")),
        # For some, and at an address that only they reach.
        (
            'publish = { port = "2222/tcp", on = "10.77.0.0", allow = "192.0.2.64/32" }',
            ("hosts", "a", "namespaces", "n"),
        ),
        ('publish = { port = "2222/tcp" }', ("hosts", "a", "namespaces", "n")),
        ('[forwards.f]\nat = "a"\nports = "2000-3000/tcp"\nto = "b"\nvia = "ab"', ("forwards", "f")),
        ('[forwards.f]\nat = "a"\nports = "2222/tcp"\nto = "b:22"\nvia = "ab"', ("forwards", "f")),
        ('[forwards.f]\nat = "b"\nports = "2222/tcp"\nto = "a/n"\nvia = "ab"', ("forwards", "f")),
        ('[forwards.f]\nat = "b"\nports = "2222/tcp"\nto = "a:10.9.9.9"\nvia = "ab"', ("forwards", "f")),
    ],
)
def test_a_dnat_that_takes_ssh_is_found(stolen: str, thief: tuple[str, ...]) -> None:
    assert [(diagnostic.code, diagnostic.where) for diagnostic in walked(HEAD + SPACE + stolen)] == [("NC1401", thief)]


@pytest.mark.parametrize(
    "harmless",
    [
        'publish = { port = "22/tcp", on = "198.51.100.1" }',
        'publish = { port = "2222/udp", on = "198.51.100.1" }',
        '[forwards.f]\nat = "a"\nports = ["2221/tcp", "2222/udp"]\nto = "b"\nvia = "ab"',
        '[forwards.f]\nat = "b"\nports = "2222/tcp"\nto = "a"\nvia = "ab"',
    ],
)
def test_a_dnat_of_another_port_is_not_reported(harmless: str) -> None:
    assert walked(HEAD + SPACE + harmless) == []


def no_ssh(ruleset: Ruleset) -> Iterator[InputRule]:
    return (rule for rule in filtering.input_rules(ruleset) if "ssh" not in getattr(rule, "origin", ()))


def test_the_firewall_that_would_lock_out_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order is written once; were it another one, this is what would be said of it."""

    def denial_first(ruleset: Ruleset) -> Iterator[InputRule]:
        return iter(sorted(filtering.input_rules(ruleset), key=lambda rule: not isinstance(rule, Denial)))

    for order, thief in ((denial_first, ("hosts", "a", "firewall", "deny")), (no_ssh, ("hosts", "a", "firewall"))):
        monkeypatch.setattr(chains, "input_rules", order)

        assert thief in [diagnostic.where for diagnostic in walked(HEAD)]


@pytest.mark.parametrize(
    "words", [["build", "-o"], ["build", "--strict", "-o"], ["build", "--check", "-o"], ["bundle", "-o"]]
)
def test_a_topology_that_locks_hosts_out_is_not_written(
    words: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each host that would shut its ssh is told of, and nothing is written."""
    topo = tmp_path / "topo.toml"
    more = '[hosts.c{0}]\nid = 1{0}\naddresses = "198.51.102.{0}/24"\n[hosts.c{0}.firewall]'
    topo.write_text("\n".join((HEAD, more.format(1), more.format(2))))
    monkeypatch.setattr(chains, "input_rules", no_ssh)
    ran = netc(words[0], topo, *words[1:], tmp_path / "out")

    assert ran.code == 1
    assert ran.err.count("error[NC1401]") == 4, "two of them are of one host"
    assert not (tmp_path / "out").exists()


def test_the_walk_sends_a_packet_from_every_part_of_the_address_space() -> None:
    reading = read(HEAD, "topo.toml", no_imports)
    assert reading.topology is not None
    network, _ = resolve(reading.topology)
    host = next(iter(network.topology.hosts))
    [ruleset] = lockout.rulesets(lockout.filtering(host, network))

    stack = door(host, ruleset)

    def told_apart(to: str, port: int) -> set[tuple[str, ...]]:
        """Sources of each class: where their ranges begin."""
        ip = IPAddress(to)
        family = 4 if ip.version == 4 else 6
        everyone = lockout.EVERYONE[family]
        box = Box(family, TCP, everyone, ((int(ip), int(ip)),), ((1024, 65535),), ((port, port),))
        found = parts(box, lambda packet: kept_out(stack, "eth0", packet), 100)
        return {tuple(str(IPAddress(first, family)) for first, _ in part.source) for part, _ in found}

    four = {"192.0.2.0", "203.0.113.0", "203.0.114.0"}
    assert four <= {first for source in told_apart("198.51.100.1", 7) for first in source}
    assert ("2001:db8:bad::",) in told_apart("2001:db8:1::1", 7)
    assert told_apart("2001:db8:1::1", 2222) == {("::",)}, "nobody is told from another after the rule for ssh"


def test_a_guarded_namespace_does_not_reach_ssh() -> None:
    """It is kept in on purpose, and the walk knows what keeps it."""
    reading = read(document(FULL), "topo.toml", no_imports)
    assert reading.topology is not None
    network, _ = resolve(reading.topology)
    host = next(iter(network.topology.hosts))
    ruleset, *_ = lockout.rulesets(lockout.filtering(host, network))
    [ip] = [net.ip for net in network.topology.hosts[host].addresses if net.version == 4]

    stack, own = door(host, ruleset), int(ip)
    syn = Packet(4, TCP, int(IPAddress("9.9.9.9")), own, 50000, 22)
    assert kept_out(stack, "ve-n", syn) == ("hosts", "a", "namespaces", "n")
    assert kept_out(stack, "eth0", syn) is None


def test_a_device_that_no_rule_names_stands_for_others() -> None:
    """And one that a rule names does not: what is walked by it is walked apart."""
    reading = read(HEAD + SPACE, "topo.toml", no_imports)
    assert reading.topology is not None
    network, _ = resolve(reading.topology)
    [ruleset] = lockout.rulesets(lockout.filtering(next(iter(network.topology.hosts)), network))
    stack, another = door(next(iter(network.topology.hosts)), ruleset), Entrance("another")
    another.asked = set()

    assert kept_out(stack, another, Packet(4, TCP, 1, 2, 50000, 2222)) is None
    assert "ve-n" in another.asked
    assert "wg-b" not in another.asked


@given(topologies())
def test_an_accepted_topology_locks_nobody_out(topology: Table) -> None:
    try:
        network = understand(document(topology), "topo.toml", no_imports).network
    except InvalidTopology as mistakes:
        found = [diagnostic for diagnostic in mistakes.diagnostics if diagnostic.code == "NC1401"]
    else:
        found = looked_at(network)
    assert found == []
