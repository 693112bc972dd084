"""`netc verify` and `netc diff` with a stand-in for ssh, and what netc concludes from its own connections.
`tests/live/test_netc_verify.py` asks hosts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from netaddr import IPAddress, IPNetwork

from examples import ROOT, netc
from netc.language.names import HostName
from netc.live import visitor
from netc.live.hosts import Hosts
from netc.live.loaded import State, as_loaded
from netc.live.promises import Result, _trials
from netc.live.question import FIRST, Question, line, read, sets
from netc.pipeline import plan, understand
from netc.walk.bird import world
from netc.walk.journey import Stranger, journey
from netc.walk.packet import TCP, Packet
from test_deploy import MESH, stand_in

EDGE = ROOT / "examples" / "slim-edge.toml"


def test_without_promises_there_is_nothing_to_ask(tmp_path: Path) -> None:
    topo = tmp_path / "topo.toml"
    topo.write_text('version = 1\nnetwork.name = "x"\nhosts.a = { id = 1, wan = "eth0" }\n')
    ssh, called = stand_in(tmp_path, "exit 255")
    assert netc("verify", EDGE, "--ssh", tmp_path / "none").code == 2
    for words in (("verify", topo), ("deploy", topo, "--verify")):
        ran = netc(*words, "--ssh", ssh)
        assert (ran.code, "[[expect]]" in ran.err) == (2, True), ran.err
    assert not called.exists() or "head -c" not in called.read_text()


@pytest.mark.parametrize(
    ("does", "why"),
    [
        ("echo 'no \033[2J way' >&2; exit 255", "no ?[2J way"),
        ("exit 0", "the questions ended with status 0"),
        ("echo '::error::x'; echo end", "its answer is not that of a host that netc asks"),
        ("echo 'space -'; echo 'held 1 x'; echo 'now x'; echo end", "its answer has another form than netc knows"),
        ("printf 'space -\\nunasked\\troutes\\ta copy differs\\nend\\n'", "routes: a copy differs"),
    ],
)
def test_what_no_host_answers_is_not_asked_and_never_holds(tmp_path: Path, does: str, why: str) -> None:
    ssh, _ = stand_in(tmp_path, f"cat >/dev/null; {does}")
    ran = netc("verify", EDGE, "--ssh", ssh, "--json", "--junit", tmp_path / "junit.xml")
    assert ran.code == 1
    found = json.loads(ran.out)
    assert {one["state"] for one in found} == {"not asked"}
    assert f"edge1: {why}" in found[0]["not_asked"]
    assert 'skipped="7"' in (tmp_path / "junit.xml").read_text()
    text = netc("verify", EDGE, "--ssh", ssh).out
    assert text.endswith("7 not asked; 0 packets\n")
    assert "\033" not in text
    assert not [said for said in text.splitlines() if said.lstrip().startswith("::")]


def test_deploy_does_not_confirm_what_it_could_not_ask(tmp_path: Path) -> None:
    ssh, called = stand_in(
        tmp_path,
        "case $* in *mktemp*) printf '/var/tmp/netc-deploy.abc\\nnone\\n' ;; "
        "*'netc-host install'*) echo netc-host confirm 0123456789abcdef ;; "
        "*'head -c'*) echo 'nft is not here' >&2; exit 1 ;; *confirm*) exit 0 ;; *revert*) ;; *) echo none ;; esac",
    )
    ran = netc("deploy", EDGE, "--ssh", ssh, "--verify", "--host", "edge1")
    assert (ran.code, "rolled back" in ran.out, "not asked: nft is not here" in ran.out) == (1, True, True), ran.out
    assert "confirm -" not in called.read_text()
    assert "revert" in called.read_text()
    ran = netc("deploy", EDGE, "--ssh", ssh, "--host", "edge1")
    assert ran.code == 0, ran.err


def test_diff_asks_hosts_only_with_live(tmp_path: Path) -> None:
    says = "cat >/dev/null; echo 'netc: ams: none -> 0123456789abcdef'; echo 'start x'; echo end"
    ssh, called = stand_in(tmp_path, says)
    ran = netc("diff", MESH, "--ssh", ssh)
    assert (ran.code, called.exists()) == (2, False)
    ran = netc("diff", MESH, "--live", "--ssh", ssh, "--host", "ams")
    assert (ran.code, ran.out) == (1, "ams: would change, none -> 0123456789abcdef\n  start x\n")
    ssh, _ = stand_in(tmp_path, f"cat >/dev/null; echo 'netc: ams: {'0' * 16} -> {'0' * 16}'; echo end")
    ran = netc("diff", MESH, "--live", "--ssh", ssh, "--host", "ams")
    assert (ran.code, ran.out) == (0, f"ams: unchanged, {'0' * 16} -> {'0' * 16}\n")
    ssh, _ = stand_in(tmp_path, "cat >/dev/null; echo 'netc: no room'; exit 1")
    ran = netc("diff", MESH, "--live", "--ssh", ssh, "--host", "ams")
    assert (ran.code, ran.out) == (1, "ams: would refuse\n  netc: no room\n")
    ssh, _ = stand_in(tmp_path, "echo 'no route' >&2; exit 255")
    ran = netc("diff", MESH, "--live", "--ssh", ssh, "--host", "ams")
    assert (ran.code, ran.out) == (1, "ams: not reached\n  no route\n")


# ---- the words of the questions --------------------------------------------------------------------------------

SAID = """
phase 1
set came
\t\telements = { 61000 . 443 . "eth0" }
set begun
table inet netc_walk {
\tset begun4 {
\t\ttype inet_service . inet_service . ipv4_addr
\t\telements = { 61001 . 53 . 198.51.100.10 }
set ends
\t\telements = { 61000 . 443 . 192.0.2.9 . 10.77.1.1,
\t\t\t     61001 . 53 . 198.51.100.10 . 1.1.1.1 }
set way
\t\telements = { 61000 . 443 . "wg-x" . 0x00000051 . 10.77.1.1,
\t\t\t     61001 . 53 . "eth0" . 0x00000000 . 198.51.100.1 }
phase 2
set came
\t\telements = { 443 . 61000 . "wg-x" }
set ends
\t\telements = { 443 . 61000 . 198.51.100.10 . 192.0.2.9 }
set got
\t\telements = { 443 . 61000 . "lo" }
"""


def test_answers_are_read_from_the_sets_of_the_copy() -> None:
    ip = {name: int(IPAddress(name)) for name in ("192.0.2.9", "198.51.100.10", "10.77.1.1", "1.1.1.1", "198.18.0.0")}
    edge = (HostName("edge"), None)
    asked = Question(edge, "in", "eth0", Packet(4, TCP, ip["192.0.2.9"], ip["198.18.0.0"], FIRST, 443))
    back = Question(edge, "in", "wg-x", Packet(4, TCP, ip["10.77.1.1"], ip["192.0.2.9"], 443, FIRST), asked)
    own = Question(edge, "out", "0:0", Packet(4, TCP, 0, ip["1.1.1.1"], FIRST, 53))
    real = {(4, ip["198.18.0.0"]): ip["198.51.100.10"]}
    paper = {(4, ip["198.51.100.10"]): ip["198.18.0.0"]}
    assert line(0, back, real) == (  # type: ignore[arg-type]
        "0 - in eth0 4 tcp 192.0.2.9 198.51.100.10 - 443 in wg-x 10.77.1.1 192.0.2.9 443"
    )
    assert line(7, own, real) == "7 - out 0:0 4 tcp - 1.1.1.1 - 53"  # type: ignore[arg-type]

    known = sets(SAID.splitlines())
    answer = read(0, asked, known, paper)  # type: ignore[arg-type]
    assert (answer.kind, answer.device, answer.packet.to, answer.packet.mark) == ("left", "wg-x", ip["10.77.1.1"], 0x51)
    assert answer.is_answered_by(back.packet)
    answer = read(0, back, known, paper)  # type: ignore[arg-type]
    assert (answer.kind, answer.device, answer.packet.source) == ("got", "lo", ip["198.18.0.0"])
    answer = read(1, own, known, paper)  # type: ignore[arg-type]
    assert (answer.kind, answer.began) == ("left", ip["198.18.0.0"])
    assert read(2, own, known, {}).kind == "lost"
    assert read(2, asked, known, {}).kind == "unasked"


# ---- tunnels as they are loaded --------------------------------------------------------------------------------

EVERYWHERE = (IPNetwork("0.0.0.0/0"), IPNetwork("::/0"))


@pytest.mark.parametrize(
    ("nets", "age", "why"),
    [
        (EVERYWHERE, 10, ""),
        (EVERYWHERE, 500, "wg-node of edge1 has had no handshake for 500 s with node"),
        (EVERYWHERE, None, "wg-node of edge1 has had no handshake yet with node"),
        (EVERYWHERE[1:], 10, "no peer of wg-node has 10.77.1.1 in `allowed_ips`"),
        (None, 10, "no peer of wg-node has 10.77.1.1 in `allowed_ips`"),
    ],
)
def test_a_tunnel_carries_what_its_loaded_peers_and_handshakes_allow(
    nets: tuple[IPNetwork, ...] | None, age: int | None, why: str
) -> None:
    network = understand(EDGE.read_text(), "x", lambda name: (EDGE.parent / name).read_text()).network
    made = world([plan(host, network) for host in sorted(network.topology.hosts)])
    at = ("wg-node", str(network.topology.hosts[HostName("node")].public_key))
    state = State("", {}, {at: nets} if nets else {}, {at: age} if age is not None else {}, frozenset())
    as_loaded(made, {HostName("edge1"): state}, handshakes=True)
    packet = Packet(4, TCP, int(IPAddress("1.2.3.4")), int(IPAddress("198.51.100.10")), FIRST, 443)
    found = journey(made, Stranger(), packet)
    assert (found.answered, found.there.verdict.why if found.there.verdict else "") == (not why, why)


# ---- this machine as a visitor ---------------------------------------------------------------------------------


class Direct:
    """A carrier that reaches hosts without a jump host."""

    def jump(self, _: str) -> str | None:
        return None


def visited(monkeypatch: pytest.MonkeyPatch, answers: dict[int, str], seen_from: str) -> list[Result]:
    """`answers` by port; each other port is silent."""
    network = understand(EDGE.read_text(), "x", lambda name: (EDGE.parent / name).read_text()).network
    paper = world([plan(host, network) for host in sorted(network.topology.hosts)])
    results, trials = [], []
    for expect in network.topology.expect[2:4]:
        results.append(Result(str(expect.name)))
        trials += _trials(expect, results[-1], network, paper, ())
    for trial in trials:
        trial.live = trial.paper.found
    monkeypatch.setattr(visitor, "_tried", lambda at: answers.get(at[1], "silent"))
    state = State(seen_from, {}, {}, {}, frozenset())
    carrier = Direct()
    hosts = Hosts(carrier, [HostName("edge2")])  # type: ignore[arg-type]
    visitor.visit(trials, {HostName("edge2"): state}, hosts, carrier)  # type: ignore[arg-type]
    return results


def test_a_port_that_opens_and_one_that_is_silent_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    fine = {22: "open", 80: "refused", 443: "open", 30000: "refused"}
    only, bad = visited(monkeypatch, fine, "192.0.2.9")
    assert (only.faults, bad.faults) == ([], [])
    assert bad.untried["from this machine: other sources than its own"] == 1

    only, _ = visited(monkeypatch, fine | {1: "open"}, "192.0.2.9")
    assert {fault.here for fault in only.faults} == {"a connection from this machine opens"}
    only, _ = visited(monkeypatch, {22: "open", 443: "open"}, "192.0.2.9")
    assert {fault.key for fault in only.faults} == {"only"}
    assert {fault.here for fault in only.faults} == {"nothing answers this machine"}


def test_silence_of_a_whole_host_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    only, _ = visited(monkeypatch, {}, "192.0.2.9")
    assert only.faults == []
    assert only.untried["from this machine: 203.0.113.20 does not answer here at all"] == 1
    only, _ = visited(monkeypatch, {22: "open"}, "10.0.0.5")
    assert (only.faults, only.untried["from this machine: other sources than its own"]) == ([], 1)


