"""What others can open on a host, by port and key: `netc exposure`."""

from __future__ import annotations

import json

import pytest
from netaddr import IPAddress

from examples import ROOT
from netc.checks.exposed import exposures
from netc.cli import app
from netc.language.names import HostName
from netc.network.ranges import holds_number
from netc.pipeline import plan, understand
from netc.walk.bird import world
from netc.walk.journey import Stranger, journey
from netc.walk.packet import TCP, Packet

VISITOR = int(IPAddress("9.9.9.9"))


def shown(capsys: pytest.CaptureFixture[str], example: str, *words: str) -> str:
    app(["exposure", str(ROOT / "examples" / f"{example}.toml"), *words], standalone_mode=False)
    return capsys.readouterr().out.replace(f"{ROOT}/", "")


def rows(text: str) -> list[list[str]]:
    """Cells of a table, whose columns are two blanks apart."""
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()[1:]]


def test_what_the_internet_and_a_tunnel_open_on_an_edge(capsys: pytest.CaptureFixture[str]) -> None:
    """Ports with the key that opened them. A denied source is named."""
    found = rows(shown(capsys, "slim-edge", "edge2"))

    assert found[0] == ["edge2", "the internet", "22/tcp", "edge2", "hosts.edge2.ssh", "examples/slim-edge.toml:14"]
    assert ["80, 443/tcp, IPv4, not from 192.0.2.128/25", "node", "forwards.web2"] in [row[:3] for row in found]
    assert ["51823/udp, IPv6, not from 2001:db8:bad::/48", "edge2", "links.two"] in [row[:3] for row in found]
    assert next(row for row in found if "9100/tcp" in " ".join(row))[:3] == [
        *("edge2", "the other end of wg-node of node", "9100/tcp, IPv4, from 10.77.2.1/32")
    ]


def test_the_page_shows_the_first_lines(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs/how-to/prove-promises.md").read_text()
    first = shown(capsys, "slim-edge", "edge2").replace("examples/slim-edge.toml", "topo.toml").splitlines()[:4]

    assert "\n".join(first) in page


def test_what_a_namespace_and_listed_visitors_open(capsys: pytest.CaptureFixture[str]) -> None:
    found = [row[:3] for row in rows(shown(capsys, "seedbox"))]

    assert ["9091/tcp, IPv4, from 203.0.113.0/24", "seedbox/vpn", "hosts.seedbox.namespaces.vpn"] in found
    assert any(row[1] == "seedbox/vpn" for row in found)


def test_a_host_without_a_packet_filter_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert ["mesh"] not in rows(shown(capsys, "mesh", "fra"))
    assert rows(shown(capsys, "mesh", "fra"))[0] == ["fra", "the internet", "all tcp", "fra", "no packet filter"]


def test_json_has_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(shown(capsys, "slim-edge", "edge2", "--json"))

    ssh = [one for one in found if one["key"] == "hosts.edge2.ssh" and one["from"] == "the internet"]
    assert [(one["family"], one["ports"]) for one in ssh] == [(4, [[22, 22]]), (6, [[22, 22]])]


def test_a_host_that_is_not_there_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert app(["exposure", str(ROOT / "examples/start.toml"), "servr"], standalone_mode=False) == 2
    assert "no host is called `servr`" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["slim-edge", "seedbox", "start"])
def test_a_port_is_exposed_just_if_a_packet_to_it_arrives(name: str) -> None:
    """Each port at an edge of a range, walked by itself."""
    path = ROOT / "examples" / f"{name}.toml"
    network = understand(path.read_text(), str(path), lambda file: (path.parent / file).read_text()).network
    made = world([plan(host, network) for host in sorted(network.topology.hosts)])
    for host in network.topology.hosts:
        own = [net for net in network.topology.hosts[host].addresses if net.version == 4]
        found = [
            one
            for one in exposures(made, HostName(host))
            if (one.sender, one.family, one.protocol) == ("the internet", 4, "tcp")
            and (not one.sources or holds_number(one.sources, VISITOR))
        ]
        spans = [span for one in found for span in one.ports]
        edges = {port for first, last in spans for port in (first - 1, first, last, last + 1) if 0 < port < 65536}
        for port in sorted({*edges, 22, 9999}) if own else ():
            walked = journey(made, Stranger(), Packet(4, TCP, VISITOR, int(own[0].ip), 50000, port))
            is_open = any(first <= port <= last for first, last in spans)
            assert is_open == (walked.there.kind != "lost"), (host, port)
