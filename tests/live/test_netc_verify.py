"""`netc verify` over the stand-in for ssh of test_deploy.py: what hosts would do with packets, as they are now."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest

from examples import ROOT
from live.compiled import give_key
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.needs import has_gre
from live.test_agreement import without_gre
from live.test_deploy import SSH, Fleet
from mixed import with_pairs, with_pairs_in
from netc.deploy.carrier import Said
from netc.lab import machine
from netc.lab.up import bring_up, prepare
from netc.live.verify import lines
from netc.live.verify import verified as ask
from netc.network.interface import Network
from netc.pipeline import understand

pytestmark = pytest.mark.live

VISITORS, ONLY, BAD, OWN, BACK = "visitors", "only that is open", "bad", "the node's own", "the tunnel"
TOPOLOGY = f"""
version = 1
network.name = "lab"

[hosts.edge]
id = 1
wan = "eth0"
addresses = ["198.51.100.10/24", "2001:db8:10::10/64"]
public_key = "{public_key(private_key("edge"))}"
firewall = {{ deny = "bad" }}

[hosts.node]
id = 2
wan = "eth0"
addresses = ["198.51.100.20/24", "2001:db8:10::20/64"]
public_key = "{public_key(private_key("node"))}"
firewall = {{ }}

[sets.bad]
prefixes = ["192.0.2.128/25", "2001:db8:bad::/48"]

[links.one]
kind = "wireguard"
between = ["edge", "node"]
ends.edge.address = ["10.77.1.0/31", "fd77:1::/127"]
ends.node.address = ["10.77.1.1/31", "fd77:1::1/127"]

[forwards.web]
at = "edge"
ports = "443/tcp"
to = "node"
via = "one"

[[expect]]
name = "{VISITORS}"
from = ["203.0.113.0/24", "2001:db8:5::/48"]
to = "edge:443/tcp"
arrives = "node"
source = "kept"

[[expect]]
name = "{ONLY}"
from = "internet"
to = "edge"
only = ["22/tcp", "443/tcp", "51822/udp"]

[[expect]]
name = "{BAD}"
from = "bad"
to = "edge:443/tcp"
arrives = false

[[expect]]
name = "{OWN}"
from = "node"
to = "203.0.113.128/25"
leaves_by = "eth0"

[[expect]]
name = "{BACK}"
from = "edge"
to = "node:10.77.1.1"
leaves_by = "one"
"""


@pytest.fixture
def pair(lab: Lab, tmp_path: Path) -> Fleet:
    edge, node = lab.host("edge"), lab.host("node")
    ours = {edge: ("198.51.100.10/24", "2001:db8:10::10/64"), node: ("198.51.100.20/24", "2001:db8:10::20/64")}
    lab.wire(edge, "eth0", node, "eth0", a_addresses=ours[edge], b_addresses=ours[node])
    for host, other in ((edge, node), (node, edge)):
        for address in ours[other]:
            host.run(["ip", "route", "add", "default", "via", address.partition("/")[0]])
        give_key(host, "host", host.name)
        (tmp_path / f"{host.name}.pid").write_text(f"{host.pid}\n")
    (tmp_path / "ssh").write_text(SSH)
    (tmp_path / "ssh").chmod(0o755)
    fleet = Fleet({"edge": edge, "node": node}, tmp_path)
    said = fleet.deploy(TOPOLOGY)
    assert said.returncode == 0, said.stderr
    return fleet


def verified(fleet: Fleet, *options: str) -> tuple[int, dict[str, dict[str, object]]]:
    said = fleet.netc("verify", TOPOLOGY, "--json", *options)
    assert said.stdout, said.stderr
    return said.returncode, {one["name"]: one for one in json.loads(said.stdout)}


def broken(found: dict[str, dict[str, object]]) -> set[str]:
    return {name for name, one in found.items() if one["state"] == "does not hold"}


def test_all_holds_and_nothing_is_left(pair: Fleet, tmp_path: Path) -> None:
    before = {name: (host.state(), files(host)) for name, host in pair.hosts.items()}
    said = pair.netc("verify", TOPOLOGY, "--junit", str(tmp_path / "junit.xml"))
    assert said.returncode == 0, said.stdout + said.stderr
    lines = [line for line in said.stdout.splitlines() if not line.startswith(" ")]
    assert [line.split("  ")[0] for line in lines[:-1]] == ["holds"] * 5, said.stdout
    assert re.fullmatch(r"5 hold; \d+ packets", lines[-1])
    assert "not asked: neither TCP nor UDP" in said.stdout
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("5", "0", "0")
    assert before == {name: (host.state(), files(host)) for name, host in pair.hosts.items()}
    assert pair.clean()


def files(host: Host) -> list[str]:
    return sorted(host.run(["find", "/etc", "/var/tmp", "/var/lib/netc", "/run"]).stdout.splitlines())


CHANGES: list[tuple[str, str, str, set[str], str]] = [
    ("edge", "a port is opened", "nft insert rule inet netc input tcp dport 9 accept", {ONLY}, "edge keeps it"),
    (
        "edge",
        "a port is closed",
        "nft insert rule inet netc forward tcp dport 443 drop",
        {VISITORS, ONLY},
        "edge drops it: inet netc forward rule tcp dport 443 drop",
    ),
    (
        "edge",
        "who was denied is let in",
        "nft flush set inet netc set4_bad",
        {BAD},
        "edge sends it by wg-node",
    ),
    (
        "node",
        "answers go another way",
        "ip route replace default dev lo table $(ip -N rule | sed -n 's/.*lookup \\(7[0-9]*\\).*/\\1/p' | head -n 1)",
        {VISITORS, ONLY},
        "node",
    ),
    ("node", "a route leads into the tunnel", "ip route add 203.0.113.192/26 dev wg-edge", {OWN}, "it by wg-edge"),
    (
        "node",
        "a peer may send less",
        "wg set wg-edge peer $(wg show wg-edge peers) allowed-ips 10.77.1.0/32,fd77:1::/128",
        {VISITORS, ONLY},
        "the other end of wg-node may not send from",
    ),
    ("node", "an interface is down", "ip link set wg-edge down", {VISITORS, ONLY}, "node: wg-edge is down"),
    (
        "edge",
        "a policy rule catches more by its mask",
        "ip rule add priority 5 fwmark 0/0xff lookup 99; ip route add default dev eth0 table 99",
        {BACK, VISITORS, ONLY},
        "edge sends it by eth0: default dev eth0",
    ),
]


@pytest.mark.parametrize(("at", "what", "change", "promises", "told"), CHANGES, ids=[change[1] for change in CHANGES])
def test_a_change_by_hand_is_found(pair: Fleet, at: str, what: str, change: str, promises: set[str], told: str) -> None:
    pair.hosts[at].run(["bash", "-ec", change])
    code, found = verified(pair)
    assert (code, broken(found)) == (1, promises), (what, found)
    faults = [fault for name in promises for fault in found[name]["faults"]]  # type: ignore[attr-defined]
    assert any(told in fault["here"] for fault in faults), faults


def test_a_host_that_is_not_reached_and_one_that_is_left_out_are_not_asked(pair: Fleet) -> None:
    pair.fail("node verify")
    code, found = verified(pair)
    assert (code, broken(found)) == (0, set())  # the edge alone says who is denied
    assert found[OWN]["state"] == found[VISITORS]["state"] == "not asked"
    assert found[OWN]["not_asked"]["node: ssh: connect to host node port 22: Connection refused"] > 0  # type: ignore[index]

    pair.fail()
    pair.hosts["node"].run(["nft", "insert", "rule", "inet", "netc", "input", "tcp", "dport", "443", "drop"])
    code, found = verified(pair, "--host", "edge")
    assert (code, broken(found)) == (0, set())
    assert found[VISITORS]["not_asked"]["node, which counts as on paper"] > 0  # type: ignore[index]


OTHERS = "add table inet others; add chain inet others f { type filter hook forward priority 5; }; "
MORE = TOPOLOGY.replace('ports = "443/tcp"', 'ports = ["443/tcp", "80/tcp"]')
MORE = MORE.replace('only = ["22/tcp"', 'only = ["22/tcp", "80/tcp"')


def test_deploy_confirms_only_a_host_whose_promises_hold(pair: Fleet) -> None:
    edge = pair.hosts["edge"]
    edge.run(["nft", OTHERS + "add rule inet others f tcp dport 443 drop"])
    before = pair.netc("diff", TOPOLOGY, "--live")
    assert before.returncode == 0, before.stdout

    said = pair.deploy(MORE, "--verify", "--host", "edge", within=300)
    assert (said.returncode, pair.log("confirm")) == (1, []), said.stderr
    assert re.search(r"(?m)^edge +rolled back .* “visitors” does not hold: .* rule tcp dport 443 drop", said.stdout)
    assert pair.netc("diff", TOPOLOGY, "--live").stdout == before.stdout

    edge.run(["nft", "delete table inet others"])
    said = pair.deploy(MORE, "--verify")
    assert said.returncode == 0, said.stdout + said.stderr
    assert pair.clean()


def test_diff_live_says_what_a_deploy_would_do_and_leaves_nothing(pair: Fleet) -> None:
    before = {name: (host.state(), files(host)) for name, host in pair.hosts.items()}
    said = pair.netc("diff", MORE, "--live")
    assert said.returncode == 1, said.stderr
    assert re.search(r"(?m)^edge: would change, [0-9a-f]{16} -> [0-9a-f]{16}$", said.stdout)
    assert re.search(r"(?m)^  reload +firewall$", said.stdout)
    assert before == {name: (host.state(), files(host)) for name, host in pair.hosts.items()}

    pair.fail("node copy")
    pair.hosts["edge"].run(["bash", "-c", "echo >>/etc/netc/nftables.nft"])
    said = pair.netc("diff", MORE, "--live")
    assert said.returncode == 1
    assert re.search(r"(?m)^edge: would refuse\n(  .*\n)*  .*changed by hand since the install", said.stdout)
    assert "node: not reached\n  ssh: connect to host node port 22: Connection refused\n" in said.stdout
    assert pair.clean()


# ---- hosts of the examples --------------------------------------------------------------------------------------


class InLab:
    """A carrier to hosts of a lab."""

    def __init__(self, hosts: Mapping[str, machine.Host]) -> None:
        self.hosts = hosts

    def run(self, host: str, script: str, words: tuple[str, ...] = (), given: bytes = b"", **_: object) -> Said:
        said = self.hosts[host].run(["bash", "-c", script, "netc", *words], input=given.decode(), check=False)
        return Said(said.returncode, said.stdout, said.stderr.strip().rpartition("\n")[2])

    def jump(self, _: str) -> str | None:
        return "elsewhere"


def promising(name: str) -> Network:
    """An example with keys that somebody has."""
    folder = ROOT / "examples"
    text = (folder / f"{name}.toml").read_text()
    text, private = with_pairs(text if has_gre() else without_gre(text))
    files = {path.name: with_pairs_in(path.read_text(), private) for path in folder.glob("*.[ct]*")}
    return understand(text, name, files.__getitem__).network


@pytest.mark.parametrize(
    "name", ["slim-edge", "seedbox", "laptop", "laptop-iptables", "dn42"] + (["uplinks"] if has_gre() else [])
)
def test_promises_of_examples_hold_on_hosts_that_are_as_compiled(lab: Lab, name: str, tmp_path: Path) -> None:
    prepared = prepare(promising(name))
    scene = bring_up(prepared, lab, tmp_path)
    plans = list(prepared.paper.plans.values())
    results, why_not = ask(InLab(scene.hosts), prepared.network, plans, [plan.host for plan in plans])  # type: ignore[arg-type]
    text = "\n".join(lines(results))
    print(text)
    assert why_not == {}
    assert "does not hold" not in [result.state for result in results], text
    assert sum(result.state == "holds" for result in results) > 1, text


LEAK = """
ip -n vpn route add 9.0.0.0/8 via 10.200.0.0 dev access
ip netns exec vpn nft insert rule inet netc replies ip daddr 9.0.0.0/8 accept
nft 'insert rule inet netc forward ip daddr 9.0.0.0/8 accept'
nft 'add table ip leak; add chain ip leak p { type nat hook postrouting priority 99; }'
nft 'add rule ip leak p oifname eth0 masquerade'
"""


def test_a_leak_of_a_namespace_is_found(lab: Lab, tmp_path: Path) -> None:
    """Through a prefix that no plan names."""
    prepared = prepare(promising("seedbox"))
    scene = bring_up(prepared, lab, tmp_path)
    plans = list(prepared.paper.plans.values())
    scene.hosts["seedbox"].run(["bash", "-ec", LEAK])
    results, _ = ask(InLab(scene.hosts), prepared.network, plans, [plan.host for plan in plans])  # type: ignore[arg-type]
    text = "\n".join(lines(results))
    states = [result.state for result in results]
    assert states == ["does not hold", "does not hold", "holds", "holds", "holds"], text
    assert "breaks `leaves_by`" in text
    assert "leaves seedbox/vpn by access, leaves seedbox by eth0; seedbox/vpn sends it by access: 9.0.0.0/8 via" in text
