"""Packets walked through plans: what each kind of fact does to them, and the ways of the examples, as `netc trace` says
them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from examples import ROOT
from netc.cli import app
from netc.plan import chains
from netc.plan.facts import FACTS

WALK = ROOT / "compiler" / "netc" / "walk"

WALKED = {
    "Address": "stack: a local address, its subnet, and a source",
    "Bridge": "wires: containers and namespaces behind it",
    "Carrier": "stack: the MTU",
    "Docker": "netfilter: what Docker would drop",
    "Foreign": "wires: somebody else's end",
    "Forwarding": "kernel: whether the host passes packets on",
    "KeptRoute": "routing",
    "LinkSetting": "routing: reverse path filtering, and 127.0.0.0/8 by a tunnel",
    "Loopback": "stack: a local address",
    "Loose": "routing: reverse path filtering",
    "Namespace": "stack: one of its own",
    "PlainTunnel": "wires: encapsulation, and the way of the outer packet",
    "Route": "routing",
    "Router": "bird: the routes that BIRD puts into the kernel, and those that no plan has",
    "RoutingPolicy": "routing",
    "Rule": "routing",
    "Ruleset": "netfilter, nat and splits, by plan.chains",
    "SplitGuard": "splits",
    "Veth": "wires",
    "Wireguard": "wires: cryptokey routing, and the way of the outer packet",
}
CARRIES_NO_PACKET = {
    "AddressSet": "the rules that name a set have it in their Ruleset",
    "Checker": "it starts and ends protocols of BIRD; a walk supposes that every service is healthy",
    "Congestion": "how fast, not where",
    "MetricsFile": "a file",
    "Filtered": "it says what comes up first, and a walk supposes that all is up",
    "Flowtable": "only flows that the filter has accepted in both directions skip it",
    "HeldSlice": "where a process runs: `netc trace --slice` says it",
    "Launcher": "which group a process has: `netc trace --group` says it",
    "MovedSource": "it forgets connections whose uplink is gone; a walk begins with none",
    "NamedEndpoint": "it resolves a name: a walk has a stand-in for its address",
    "Successor": "the same peer with its next key",
}


def test_every_fact_is_walked_or_carries_no_packet() -> None:
    """With the stage that walks it, or why it carries no packet."""
    decided = [*WALKED, *CARRIES_NO_PACKET]

    assert sorted(decided) == sorted(fact.__name__ for fact in FACTS)


@pytest.mark.parametrize("name", WALKED)
def test_what_is_walked_is_read(name: str) -> None:
    assert any(re.search(rf"\b{name}\b", module.read_text()) for module in WALK.glob("*.py"))


@pytest.mark.parametrize("rule", [one.__name__ for one in get_args(chains.Rule)])
def test_every_rule_of_a_chain_is_walked(rule: str) -> None:
    assert any(re.search(rf"\b{rule}\b", (WALK / f"{name}.py").read_text()) for name in ("netfilter", "nat"))


@pytest.mark.parametrize("stage", [one.name for one in chains.Stage])
def test_every_stage_of_a_split_is_walked(stage: str) -> None:
    assert any(f"Stage.{stage}" in (WALK / f"{name}.py").read_text() for name in ("netfilter", "nat", "splits"))


def traced(capsys: pytest.CaptureFixture[str], example: str, *words: str) -> str:
    app(["trace", str(ROOT / "examples" / f"{example}.toml"), *words], standalone_mode=False)
    return capsys.readouterr().out.replace(f"{ROOT}/", "")


VISITOR_OF_AN_EDGE = """\
192.0.2.9 dials 198.51.100.10:443/tcp
  edge1  in by eth0, from 192.0.2.9                       hosts.edge1.wan  examples/slim-edge.toml:10
         destination NAT: to 10.77.1.1:443/tcp            forwards.web1    examples/slim-edge.toml:46
         out by wg-node, 1440 bytes at most               links.one        examples/slim-edge.toml:34
  node   in by wg-edge1, from 192.0.2.9                   links.one        examples/slim-edge.toml:34
         reaches its own 443/tcp
and back
  node   out by table 7001, wg-edge1, 1440 bytes at most  links.one        examples/slim-edge.toml:34
  edge1  in by wg-node, from 10.77.1.1                    links.one        examples/slim-edge.toml:34
         out by eth0                                      hosts.edge1.wan  examples/slim-edge.toml:10
arrives at node, source kept, answered
"""


def test_a_visitor_at_a_slim_edge(capsys: pytest.CaptureFixture[str]) -> None:
    assert traced(capsys, "slim-edge", "internet", "edge1:443/tcp") == VISITOR_OF_AN_EDGE


@pytest.mark.parametrize("page", ["README.md", "docs/how-to/prove-promises.md"])
def test_pages_show_what_netc_says_of_that_visitor(page: str) -> None:
    assert VISITOR_OF_AN_EDGE.replace("examples/slim-edge.toml", "topo.toml") in (ROOT / page).read_text()


@pytest.mark.parametrize(
    "command", re.findall(r"(?m)^netc trace topo.toml (.*)$", (ROOT / "docs/how-to/prove-promises.md").read_text())
)
def test_commands_of_the_page_work(capsys: pytest.CaptureFixture[str], command: str) -> None:
    said = traced(capsys, "slim-edge", *command.partition("#")[0].split())

    assert "arrives" in said


OUTCOMES = [
    ("slim-edge", ("internet", "edge2:30001/udp", "--family", "6"), "node:fd00:3::20, source kept, answered"),
    ("slim-edge", ("192.0.2.129", "edge2:443/tcp"), "dropped at edge2, its source is denied"),
    ("slim-edge", ("internet", "edge2:9100/tcp"), "dropped at edge2, no rule lets it in"),
    ("slim-edge", ("node", "10.77.2.0:9100/tcp"), "arrives at edge2, source kept, answered"),
    ("slim-edge", ("internet", "edge2:22/tcp"), "arrives at edge2, source kept, answered"),
    ("seedbox", ("seedbox/vpn", "internet"), "the other end of wg-azire of seedbox/vpn, source"),
    ("seedbox", ("seedbox/vpn", "9.9.9.9:53/udp"), "the other end of wg-azire of seedbox/vpn, source"),
    ("seedbox", ("203.0.113.9", "198.51.100.7:9091/tcp"), "arrives at seedbox/vpn, source kept, answered"),
    ("seedbox", ("192.0.2.9", "198.51.100.7:9091/tcp"), "arrives at seedbox, source kept, answered"),
    ("laptop", ("laptop", "internet", "--group", "cavorite"), "the other end of wg-escape of laptop"),
    ("laptop", ("laptop", "internet"), "arrives at internet, source the router before laptop, answered"),
    ("laptop", ("laptop", "internet", "--slice", "netc_torrents.slice"), "the other end of wg-escape of laptop"),
    ("laptop", ("laptop", "internet", "--service", "transmission-daemon.service"), "the other end of wg-escape of"),
    ("laptop", ("laptop", "internet", "--service", "cups.service"), "arrives at internet, source the router before"),
    ("seedbox", ("seedbox", "internet", "--service", "transmission-daemon.service"), "the other end of wg-azire of"),
    ("uplinks", ("internet", "203.0.113.5:22/tcp"), "arrives at lin, source kept, answered"),
    ("uplinks", ("internet", "lin:80/tcp"), "arrives at lin:10.0.3.20, source kept, answered"),
    ("uplinks", ("lin:10.0.3.21", "198.51.100.7:80/tcp"), "arrives at lin:10.0.3.20, source 10.0.3.1, answered"),
    ("uplinks", ("lin:10.0.3.20", "internet"), "arrives at internet, source 198.51.100.7, answered"),
    ("mesh", ("fra", "sfo:22/tcp"), "arrives at sfo, source kept, answered"),
    ("mesh", ("fra", "10.89.0.1:22/tcp"), "arrives at ams, source kept, answered"),
]


@pytest.mark.parametrize(("example", "words", "outcome"), OUTCOMES)
def test_ways_of_the_examples(
    capsys: pytest.CaptureFixture[str], example: str, words: tuple[str, ...], outcome: str
) -> None:
    said = traced(capsys, example, *words)

    assert outcome in said.splitlines()[-1]


def test_replies_leave_by_the_uplink_that_the_packet_came_in_by(capsys: pytest.CaptureFixture[str]) -> None:
    second = traced(capsys, "uplinks", "internet", "203.0.113.5:22/tcp").partition("and back")[2]
    tunnel = traced(capsys, "uplinks", "internet", "[2001:db8:f04::2]:22/tcp").partition("and back")[2]

    assert "eth1" in second
    assert "he6" in tunnel


def test_json_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    said = json.loads(traced(capsys, "slim-edge", "internet", "edge1:443/tcp", "--json"))

    assert (said["arrives"], said["source"], said["answered"], said["mtu"]) == ("node", "192.0.2.9", True, 1440)
    assert said["leaves_by"] == ["edge1 wg-node"]
    assert [event["key"] for event in said["there"]][1] == "forwards.web1"


WRONG = [
    (("internet", "edge1", "--service", "a.service"), "looks for where it runs: write the host alone in place"),
    (("internet", "egde1:443/tcp"), "no host is called `egde1`: the hosts are edge1, edge2, node"),
    (("internet", "edge1:70000/tcp"), "70000 is not a port"),
    (("internet", "edge1", "--port", "https"), "`https` is not a port: write `443/tcp`"),
    (("10.1.1.1", "edge1:443/tcp"), "nobody on the internet has 10.1.1.1"),
    (("node/vpn", "internet"), "node has no namespace `vpn`"),
]


@pytest.mark.parametrize(("words", "complaint"), WRONG)
def test_a_place_that_is_not_there(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], complaint: str) -> None:
    """Exit 2, wrong use."""
    assert app(["trace", str(ROOT / "examples/slim-edge.toml"), *words], standalone_mode=False) == 2
    assert complaint in capsys.readouterr().err


def test_a_broken_promise_hides_no_path(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Its hint leads to `netc trace`, which works while the promise does not hold."""
    text = (ROOT / "examples/start.toml").read_text().replace('arrives = "home"', 'arrives = "server"')
    (tmp_path / "topo.toml").write_text(text)

    assert app(["check", str(tmp_path / "topo.toml")], standalone_mode=False) == 1
    assert "`netc trace` shows the path" in capsys.readouterr().err
    assert app(["trace", str(tmp_path / "topo.toml"), "internet", "server:80/tcp"], standalone_mode=False) in (0, None)
