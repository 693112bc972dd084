"""bird.conf as somebody reads it who knows BIRD: names that need no quotes, descriptions, and few lines."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from examples import EXAMPLES
from netc.emit.file import File
from netc.language.targets import can
from netc.pipeline import compile_hosts, understand
from netc.verify import Outcome, bird, process

ROOT = Path(__file__).parents[1]
KEYWORDS = (Path(__file__).parent / "bird_keywords.txt").read_text().split()
"""Of BIRD 2.0.12 to 3.3.2: CF_KEYWORDS in its grammars."""

CONFIGS = sorted((ROOT / "out").rglob("bird.conf"))
WAYS = ("exports", "imports")
LINES = 264
"""60 % of what it was with a filter for each neighbour."""

NAMED = re.compile(r"(?m)^(?:(?:protocol|template) \w+(?: v[23])?|function|filter|\w+ table|define) ([^\s({;]+)")

TOPOLOGY = """
version = 1
network.name = "names"
[bgp]
asn = 4242422547
prefixes = ["172.20.16.0/27", "fd42:1::/48"]
profile = "dn42"
[hosts.a]
id = 1
wan = "eth0"
addresses = "198.51.100.1/24"
loopback = ["172.20.16.1/32", "fd42:1::1/128"]
firewall = {}
[hosts.a.bgp]
"""
PEER = """
[hosts.a.bgp.peers.{name}]
asn = {asn}
interface = "ext{number}"
local = "fe80::ff"
address = "fe80::1:{number:x}"
"""
LABEL = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")
HOSTILE = sorted(
    {
        *filter(LABEL.fullmatch, (word.replace("_", "-") for word in KEYWORDS)),
        *("x", "x-y", "x--y", "x-y-2", "x-y2", "own4", "kernel4", "int-x", "peer-x", "peer", "any-dns4", "device1"),
        *("dead" * 8, "fe80", "a" * 32, "master4", "refuse", "import-external", "peer-session", "roas4"),
    }
)


def hostile() -> str:
    """Names of neighbours that are words of BIRD's or of netc's, or differ in `-` alone."""
    peers = (PEER.format(name=f'"{name}"', number=n, asn=4242420000 + n) for n, name in enumerate(HOSTILE, 1))
    return TOPOLOGY + "".join(peers)


def config(text: str) -> File:
    found = [file for _, files in compile_hosts(understand(text, "names.toml", str).network) for file in files]
    return next(file for file in found if file.path.endswith("/bird.conf"))


def test_names_of_neighbours_need_no_quotes_in_bird_whatever_they_are() -> None:
    file = config(hostile())
    names = re.findall(r"(?m)^protocol bgp (\S+)", file.text)

    assert len(names) == len(set(names)) == len(HOSTILE) > 500
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)
    assert set(names) & set(KEYWORDS) == set()
    if process.find("bird"):
        assert [said for said in bird.judge([file]) if said.outcome != Outcome.PASSED] == []


def test_interfaces_that_bird_would_call_the_same_have_names_of_their_own() -> None:
    links = "".join(
        f'\n[links.{name}]\nkind = "vxlan"\nbetween = ["a", "b"]\n'
        f'ends.a.interface = "{device}"\nends.b.interface = "{device}"\nvni = {n}\n'
        for n, (name, device) in enumerate((("one", "vx.1"), ("two", "vx_1"), ("three", "vx-1")), 1)
    )
    other = """
[hosts.b]
id = 2
wan = "eth0"
addresses = "198.51.100.2/24"
loopback = ["172.20.16.2/32", "fd42:1::2/128"]
bgp = {}
"""
    over = 'over = ["one", "two", "three"]\n'
    text = TOPOLOGY.replace('profile = "dn42"\n', f'profile = "dn42"\n{over}') + other + links

    assert re.findall(r"(?m)^protocol bgp (\S+)", config(text).text) == ["int_vx_1", "int_vx_1_2", "int_vx_1_3"]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: "/".join(path.parts[-6:-4]))
def test_an_example_has_only_names_that_bird_takes_without_quotes(path: Path) -> None:
    text = path.read_text()
    names = NAMED.findall(text)

    assert len(names) > 10
    assert [name for name in names if not re.fullmatch(r"[A-Za-z]\w*", name) or name in KEYWORDS] == []
    assert "'" not in re.sub(r"(?m)#.*|\".*?\"", "", text)
    protocols = re.findall(r"(?m)^protocol (?!device).*\n(.*)", text)
    assert [line for line in protocols if not re.fullmatch(r'\tdescription ".+";', line)] == []
    assert len(re.findall(r"timeformat (?:base|log|protocol|route) iso long;", text)) == 4
    functions = re.findall(r"(?m)^(.*)\nfunction ", text)
    assert [line for line in functions if not line.startswith("# ")] == []


def test_the_configuration_of_an_edge_router_is_short() -> None:
    """Three sessions, OSPF, two anycast prefixes and ROAs."""
    lines = {path: path.read_text().count("\n") for path in CONFIGS}

    assert lines[ROOT / "out/dn42/hkg/files/etc/netc/bird.conf"] <= LINES
    assert {path.stem for path in EXAMPLES} >= {"dn42", "dn42-fake", "first-peer"}


def test_a_second_neighbour_of_a_kind_adds_its_own_lines_alone() -> None:
    def peers(number: int) -> str:
        return TOPOLOGY + "".join(PEER.format(name=f"n{n}", number=n, asn=4242420000 + n) for n in range(1, number + 1))

    two, three = (config(peers(number)).text.splitlines() for number in (2, 3))

    assert set(two) <= set(three)
    assert len(three) - len(two) <= 10
    session = "\n".join(three[three.index("protocol bgp peer_n3 from mutual_transit_session {") :])
    assert "filter" not in session


def test_reasons_of_rejected_routes_are_logged_only_for_a_neighbour_that_asks_for_it() -> None:
    quiet = TOPOLOGY + PEER.format(name="x", number=1, asn=4242420001)
    loud = quiet + "log_rejects = true\n" + PEER.format(name="y", number=2, asn=4242420002)

    assert "print" not in re.sub(r"(?m)#.*", "", config(quiet).text)
    said = re.findall(r"(?m)^\t.*print.*$", config(loud).text)
    assert len(said) == 1
    assert said[0].startswith('\tif proto = "peer_x" then print ')


def test_keywords_are_those_of_this_bird() -> None:
    """Each word that this BIRD takes for a keyword is in the list: so the list is of the right form."""
    if not process.find("bird"):
        pytest.skip("bird is missing. To enable: apt-get install bird2")
    assert {"peer", "babel", "ibgp", "latency", "class", "only"} <= set(KEYWORDS)
    ran = subprocess.run(
        ["bird", "-p", "-c", "/dev/stdin"],
        input="router id 1.2.3.4; protocol static only { ipv4; }\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode != 0


def test_the_policy_says_of_each_neighbour_what_is_exported_and_imported_with_communities() -> None:
    text = (ROOT / "out/dn42/hkg/POLICY.md").read_text()
    section = text[text.index("## peer_east: mutual transit, AS4242422601") : text.index("## Communities")]
    exports, imports = (next(row for row in section.splitlines() if row.startswith(f"| {way}")) for way in WAYS)

    for said in ("(4242422547, 1, *)", "(65535, 666) BLACKHOLE", "(64511, 52)", "(64511, 3)", "(4242422547, *, *)"):
        assert said in exports
    for said in ("(4242422547, 1, 4) FROM_MUTUAL_TRANSIT", "local pref 200", "(65535, 0)", "9000 IPv6", "ROA valid"):
        assert said in imports


def test_bird_3_0_lacks_what_came_with_2_17() -> None:
    assert [can(bird, "authentication") for bird in ((2, 16), (2, 17), (3,), (3, 0, 1), (3, 1))] == [
        *(False, True, False, False, True)
    ]
    assert can((3, 0), "send-hold")


@pytest.mark.parametrize("said", ['address = "49.0.0.254"', 'address = "48.0.0.2"\nlocal = "49.0.0.1"\nmultihop = 2'])
def test_packets_that_come_in_by_the_uplink_of_a_neighbour_use_the_router_s_table(said: str) -> None:
    uplink = '[hosts.a.uplinks.two]\ninterface = "eth1"\nprefixes = "49.0.0.1/24"\ngateway = "49.0.0.254"\n'
    text = TOPOLOGY.replace("[hosts.a.bgp]", f'{uplink}[hosts.a.bgp]\ntable = "own"')
    text += f'[hosts.a.bgp.peers.up]\nasn = 4242420001\nrole = "upstream"\n{said}\n'
    hosts = compile_hosts(understand(text, "names.toml", str).network)
    files = {file.path: file.text for _, found in hosts for file in found}

    assert "from all iif eth1 lookup 14000" in files["files/etc/netc/parts/bird-table/up"]
    assert "eth1" in files["files/etc/netc/nftables.nft"]
    assert "from all iif eth0" not in files["files/etc/netc/parts/bird-table/up"]
