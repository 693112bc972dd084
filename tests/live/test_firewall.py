"""The firewall of a host: ssh for everyone, what compiled parts need, what the author allows; silence for the rest."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from live.compiled import compiled, down, filter_up, give_key, install, met, script, up
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.state import FORWARDING, difference, without
from live.traffic import SILENCE, Capture, Proto, client, echo

pytestmark = [pytest.mark.live, pytest.mark.netfilters]

EDGE = ("198.51.100.10", "2001:db8:10::10")
NODE = ("198.51.101.20", "2001:db8:20::20")
STRANGER = ("192.0.2.9", "2001:db8:113::9")
OFFICE = ("198.18.0.9", "2001:db8:1ce::9")
DENIED = ("203.0.113.66", "2001:db8:bad::66")
EVERYBODY = (STRANGER, OFFICE, DENIED)
FAR = ("192.0.2.200", "2001:db8:300::2")
"""Behind a narrow line of the world's."""

TOPOLOGY = """
version = 1
network.name = "lab"

[hosts.edge]
id = 1
wan = "eth0"
addresses = ["198.51.100.10/24", "2001:db8:10::10/64"]
public_key = "{edge}"

[hosts.edge.firewall]
allow = [{{ ports = ["9100/tcp", "9100/udp", "9200-9210/tcp"], from = ["198.18.0.0/24", "office"] }}]
deny = ["bad", "203.0.113.0/24"]
{extra}

[hosts.edge.tunnels.out]
kind = "wireguard"
address = "10.9.9.2/32"

[hosts.edge.tunnels.out.peer]
public_key = "q+dCgbgLdNvA//cWS/5+uwsRtykg0avzh+RnTSX9pwk="
endpoint = "192.0.2.77:51820"
allowed_ips = "0.0.0.0/0"

[hosts.edge.namespaces.box]
tunnel = "out"
dns = "10.9.9.1"
access = ["10.200.0.0/31", "fd00:200::/127"]
publish = [{{ port = "8000/tcp", to = 80, on = ["198.51.100.10", "2001:db8:10::10"] }}]

[hosts.node]
id = 2
wan = "eth0"
addresses = ["198.51.101.20/24", "2001:db8:20::20/64"]
public_key = "{node}"
firewall = {{ }}

[links.wg]
kind = "wireguard"
between = ["edge", "node"]
ends.edge.address = ["10.77.1.0/31", "fd77:1::/127"]
ends.node.address = ["10.77.1.1/31", "fd77:1::1/127"]

[links.vx]
kind = "vxlan"
between = ["edge", "node"]
family = "ipv4"
ends.edge.address = ["10.77.4.0/31", "fd77:4::/127"]
ends.node.address = ["10.77.4.1/31", "fd77:4::1/127"]

{links}

[forwards.web]
at = "edge"
ports = "80/tcp"
to = "node:8080"
via = "wg"

[forwards.voice]
at = "edge"
ports = "5000-5009/udp"
to = "node"
via = "wg"
bound = true

[sets.office]
prefixes = ["2001:db8:1ce::/48", "198.18.0.128/25"]

[sets.bad]
prefixes = "2001:db8:bad::/48"
"""


@dataclass
class Scene:
    world: Host
    edge: Host
    node: Host
    inside: Host
    """A machine behind the edge, which nothing compiled knows of."""


PLAIN = """
[links.four]
kind = "gre"
between = ["edge", "node"]

[links.six]
kind = "ip6gre"
between = ["edge", "node"]

[links.ipip]
kind = "ipip"
between = ["edge", "node"]
ends.edge.address = "10.77.5.0/31"
ends.node.address = "10.77.5.1/31"

[links.sit]
kind = "sit"
between = ["edge", "node"]
"""


def trees(folder: Path, extra: str = "", links: str = "") -> dict[str, Path]:
    keys = {name: public_key(private_key(name)) for name in ("edge", "node")}
    return compiled(TOPOLOGY.format(**keys, extra=extra, links=links), folder)


@pytest.fixture
def there(lab: Lab, tmp_path: Path) -> Scene:
    """Wired, and not up."""
    laid = trees(tmp_path)
    world, inside, far = lab.host("world"), lab.host("inside"), lab.host("far")
    routing(world)
    for address in (*STRANGER, *OFFICE, *DENIED):
        world.run(["ip", "address", "add", address, "dev", "lo"])
    hosts = []
    for name, (four, six) in {"edge": EDGE, "node": NODE}.items():
        host = install(lab, name, laid)
        gateways = four.rpartition(".")[0] + ".1", six.rpartition("::")[0] + "::1"
        ends = (f"{four}/24", f"{six}/64"), (f"{gateways[0]}/24", f"{gateways[1]}/64")
        lab.wire(host, "eth0", world, name, a_addresses=ends[0], b_addresses=ends[1])
        routed(host, *gateways)
        hosts.append(host)
    edge, node = hosts
    give_key(edge, "out", "out")
    ends = ("192.0.2.201/30", "2001:db8:300::1/64"), ("192.0.2.202/30", f"{FAR[1]}/64")
    lab.wire(world, "far", far, "eth0", a_addresses=ends[0], b_addresses=ends[1], mtu=1300)
    routed(far, "192.0.2.201", "2001:db8:300::1")
    ends = ("10.0.3.1/24", "fd00:3::1/64"), ("10.0.3.20/24", "fd00:3::20/64")
    lab.wire(edge, "lan", inside, "eth0", a_addresses=ends[0], b_addresses=ends[1])
    routed(inside, "10.0.3.1", "fd00:3::1")
    world.run(["ip", "-4", "route", "add", "10.0.3.0/24", "via", EDGE[0]])
    world.run(["ip", "-6", "route", "add", "fd00:3::/64", "via", EDGE[1]])
    return Scene(world, edge, node, inside)


def routing(host: Host) -> None:
    host.run(["bash", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"])


def routed(host: Host, four: str, six: str) -> None:
    host.run(["ip", "-4", "route", "add", "default", "via", four])
    host.run(["ip", "-6", "route", "add", "default", "via", six])


def start(there: Scene) -> None:
    for host in (there.edge, there.node):
        up(host)
    ping(there.edge, "10.77.1.1")  # nobody keeps it alive, so nobody shakes hands before there is something to say
    met(there.edge, "wg-node")


def answered(there: Scene, protocol: Proto, port: int, visitors: tuple[str, str], at: tuple[str, str] = EDGE) -> bool:
    """In both families alike. What is not answered is not refused either."""
    outside = Capture(there.world, "edge")
    with ThreadPoolExecutor() as pool:
        asks = [
            pool.submit(client, there.world, protocol, to, port, source=visitor, timeout=SILENCE)
            for to, visitor in zip(at, visitors, strict=True)
        ]
        heard = {asked.result() == visitor for asked, visitor in zip(asks, visitors, strict=True)}
    assert len(heard) == 1
    if heard == {False}:
        assert outside.packets(f"dst host {visitors[0]} or dst host {visitors[1]}") == []
    outside.stop()
    return heard == {True}


def ping(host: Host, address: str, source: str = "") -> bool:
    bound = ["-I", source] if source else []
    return host.run(["ping", "-c", "1", "-W", "2", *bound, address], check=False).returncode == 0


def test_ssh_is_open_to_everyone_and_an_allowed_port_to_its_sources(there: Scene) -> None:
    start(there)
    for port in (22, 9100, 9101, 9205):
        echo(there.edge, port)

    for visitors in EVERYBODY:
        assert answered(there, "tcp", 22, visitors)
        assert answered(there, "tcp", 9100, visitors) == (visitors == OFFICE)
        assert answered(there, "udp", 9100, visitors) == (visitors == OFFICE)
    assert answered(there, "tcp", 9205, OFFICE)
    assert not answered(there, "udp", 9205, OFFICE)
    assert not answered(there, "tcp", 9101, OFFICE)
    assert not answered(there, "udp", 22, OFFICE)


def test_icmp_errors_and_neighbour_discovery_pass_and_denied_sources_do_not(there: Scene) -> None:
    start(there)

    for at, visitor, denied in zip(EDGE, STRANGER, DENIED, strict=True):
        there.edge.run(["ip", "neigh", "flush", "dev", "eth0"])
        there.world.run(["ip", "neigh", "flush", "dev", "edge"])
        assert ping(there.world, at, visitor)
        assert not ping(there.world, at, denied)
    for family, far in (("-4", "192.0.2.202"), ("-6", FAR[1])):
        big = ["ping", "-c", "2", "-i", "0.3", "-W", "1", "-M", "do", "-s", "1400", far]
        there.edge.run(big, check=False)
        assert "mtu 1300" in there.edge.run(["ip", family, "route", "get", far]).stdout
        there.edge.run(["ip", "neigh", "flush", "dev", "eth0"])
        assert ping(there.edge, far)


@pytest.mark.stock
def test_compiled_tunnels_and_forwards_work_with_a_firewall_at_both_ends(there: Scene) -> None:
    start(there)
    echo(there.node, 8080)
    echo(there.node, 5003, "10.77.1.1", "fd77:1::1")
    echo(there.edge, 80, namespace="box")

    for address in ("10.77.1.1", "fd77:1::1", "10.77.4.1", "fd77:4::1"):
        assert ping(there.edge, address)
    for visitors in (STRANGER, OFFICE):
        assert answered(there, "tcp", 80, visitors)
        assert answered(there, "udp", 5003, visitors)
        assert answered(there, "tcp", 8000, visitors)
    assert not answered(there, "tcp", 80, DENIED)
    assert not answered(there, "tcp", 8000, DENIED)
    # What serves visitors of the link serves nobody else.
    assert client(there.world, "tcp", NODE[0], 8080, source=STRANGER[0], timeout=1) is None


def test_only_compiled_and_allowed_traffic_is_forwarded(there: Scene, tmp_path: Path) -> None:
    start(there)
    echo(there.inside, 7000)
    echo(there.world, 7001)
    inner = ("10.0.3.20", "fd00:3::20")
    outer = STRANGER

    for to in inner:
        assert client(there.world, "tcp", to, 7000, timeout=1) is None
    for to in outer:
        assert client(there.inside, "tcp", to, 7001, timeout=1) is None

    there.edge.lay(trees(tmp_path / "passing", 'pass = [{ from = "lan", to = "eth0" }]')["edge"])
    there.edge.run(script("firewall", "reload"))
    for to, source in zip(outer, inner, strict=True):
        assert client(there.inside, "tcp", to, 7001, timeout=1) == source
    for to in inner:
        assert client(there.world, "tcp", to, 7000, timeout=1) is None


BRIDGE = """
[hosts.edge.bridges.br0]
addresses = ["10.0.9.1/24", "fd00:9::1/64"]
masquerade = true
publish = [{ port = "8081/tcp", to = ["10.0.9.20:80", "[fd00:9::20]:80"] }]

[hosts.edge.namespaces.web]
bridge = "br0"
address = ["10.0.9.20/24", "fd00:9::20/64"]
services = "web.service"
dns = "192.0.2.53"
"""


def test_a_bridge_reaches_the_internet_and_is_reached_at_published_ports(there: Scene, tmp_path: Path) -> None:
    there.edge.lay(trees(tmp_path / "bridged", links=BRIDGE)["edge"])
    up(there.edge)
    echo(there.edge, 80, namespace="web")
    echo(there.world, 7001)

    for family, at in enumerate(EDGE):
        assert client(there.edge, "tcp", STRANGER[family], 7001, namespace="web") == at
        assert client(there.world, "tcp", at, 8081, source=STRANGER[family]) == STRANGER[family]
        assert client(there.world, "tcp", at, 8081, source=DENIED[family], timeout=1) is None
    there.world.run(["ip", "route", "add", "10.0.9.0/24", "via", EDGE[0]])
    assert client(there.world, "tcp", "10.0.9.20", 80, timeout=1) is None


def test_a_foreign_dnat_opens_nothing(there: Scene, netfilter: str) -> None:
    """Docker publishes by DNATs of its own, and its containers are reached where the author passes them."""
    start(there)
    echo(there.inside, 7000)
    dnat = "type nat hook prerouting priority dstnat - 1; tcp dport 7700 dnat ip to 10.0.3.20:7000;"
    there.edge.run(["nft", "-f", "-"], input=f"table ip docker {{ chain p {{ {dnat} }}; }}")

    assert client(there.world, "tcp", EDGE[0], 7700, source=STRANGER[0], timeout=1) is None
    nft, iptables = ["nft", "delete", "table", "inet", "netc"], ["iptables", "-t", "mangle", "-F", "netc-FORWARD"]
    there.edge.run(nft if netfilter == "nftables" else iptables)
    assert client(there.world, "tcp", EDGE[0], 7700, source=STRANGER[0], timeout=1) == STRANGER[0]


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
PUBLISHED = "type nat hook prerouting priority dstnat - 1; tcp dport 7700 dnat ip to 172.17.0.2:7000;"


def test_strangers_do_not_reach_what_docker_publishes(lab: Lab, tmp_path: Path) -> None:
    """By the uplink everybody does. A cable stands in for the tunnel: to the filter it is an interface of its name."""
    edge, box = lab.host("edge"), lab.host("box")
    outside = {"eth0": ("198.51.100.10/24", "198.51.100.1"), "wg-out": ("10.9.9.2/24", "10.9.9.1")}
    worlds = {device: lab.host(f"world{at}") for at, device in enumerate(outside)}
    for device, (own, peer) in outside.items():
        lab.wire(edge, device, worlds[device], "edge", a_addresses=[own], b_addresses=[f"{peer}/24"])
    lab.wire(edge, "docker0", box, "eth0", a_addresses=["172.17.0.1/16"], b_addresses=["172.17.0.2/16"])
    box.run(["ip", "route", "add", "default", "via", "172.17.0.1"])
    edge.run(["bash", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"])
    edge.run(["nft", "-f", "-"], input=f"table ip docker {{ chain p {{ {PUBLISHED} }}; }}")
    echo(box, 7000)

    def visited(device: str) -> bool:
        own, peer = outside[device]
        return client(worlds[device], "tcp", own.partition("/")[0], 7700, timeout=1) == peer

    edge.lay(compiled(DOCKER.replace("PASS", ""), tmp_path / "a")["edge"])
    filter_up(edge)
    assert {device: visited(device) for device in outside} == {"eth0": True, "wg-out": False}

    passing = DOCKER.replace("PASS", 'pass = { from = "wg-out", to = "docker0" }')
    edge.lay(compiled(passing, tmp_path / "b")["edge"])
    edge.run(script("firewall", "reload"))
    assert visited("wg-out")


SEND = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.socket(family, socket.SOCK_RAW, int(sys.argv[2])) as raw:
    raw.bind((sys.argv[3], 0))
    raw.sendto(bytes(20), (sys.argv[1], 0))
"""


def is_let_in(sender: Host, source: str, to: str, protocol: int) -> bool:
    """Whether the host says that the protocol is unreachable: only what it let in is asked for one."""
    back = Capture(sender, "any")
    sender.run(["python3", "-c", SEND, to, str(protocol), source])
    answers = back.packets("icmp[0:2] == 0x0302 or icmp6[0:2] == 0x0401")
    back.stop()
    return answers != []


@pytest.mark.bare_kernel
def test_outer_packets_are_accepted_from_the_peer_only(there: Scene, tmp_path: Path) -> None:
    """A kernel without such tunnels says of what was let in that it knows no such protocol."""
    pairs = [(0, 47), (0, 4), (0, 41), (1, 47)]
    there.edge.lay(trees(tmp_path / "plain", "log = false", PLAIN)["edge"])
    filter_up(there.edge)

    for family, protocol in pairs:
        assert is_let_in(there.node, NODE[family], EDGE[family], protocol)
        assert not is_let_in(there.world, STRANGER[family], EDGE[family], protocol)
    assert not is_let_in(there.node, NODE[0], EDGE[0], 99)


LIMITED = {"rate": 5, "burst": 20, "per": "second"}


def test_dropped_packets_are_logged_with_a_rate_limit(there: Scene, netfilter: str) -> None:
    """What the kernel logs is not seen from a namespace, so the rules are asked."""
    filter_up(there.edge)
    for chain in ("input", "forward"):
        if netfilter == "iptables":
            rules = there.edge.run(["iptables", "-t", "mangle", "-S", f"netc-{chain.upper()}"]).stdout
            *_, log, drop = rules.splitlines()
            assert "--limit 5/sec --limit-burst 20" in log
            assert f'-j LOG --log-prefix "netc {chain}: "' in log
            assert drop.endswith("-j DROP")
            continue
        listed = json.loads(there.edge.run(["nft", "-j", "list", "table", "inet", "netc"]).stdout)["nftables"]
        rules = [entry["rule"] for entry in listed if "rule" in entry]
        *_, last = [rule["expr"] for rule in rules if rule["chain"] == chain]
        limit, log = last
        assert limit["limit"] == LIMITED
        assert log["log"]["prefix"] == f"netc {chain}: "


LINES = """
import socket, sys, time
server = socket.create_server(("0.0.0.0", 9100))
print("ready", flush=True)
conversation, _ = server.accept()
while said := conversation.recv(100):
    conversation.sendall(said)
"""
TALK = """
import socket, sys, time
with socket.create_connection(("198.51.100.10", 9100), 5, (sys.argv[1], 0)) as talk:
    while True:
        talk.sendall(b"?")
        assert talk.recv(1)
        print("heard", flush=True)
        time.sleep(0.1)
"""


def test_a_reload_changes_the_rules_and_keeps_connections(there: Scene, tmp_path: Path) -> None:
    filter_up(there.edge)
    there.edge.start(["python3", "-c", LINES]).wait_for("ready")
    talk = there.world.start(["python3", "-c", TALK, OFFICE[0]])
    talk.wait_for("heard")
    echo(there.edge, 9205)
    assert client(there.world, "tcp", EDGE[0], 9205, source=OFFICE[0]) == OFFICE[0]

    shut = trees(tmp_path / "shut")["edge"]
    for rules in (path for path in (shut / "etc/netc").iterdir() if path.suffix in (".nft", ".rules")):
        text = re.sub("9100, ?9200[-:]9210", "9300", rules.read_text())
        rules.write_text(re.sub(r"(udp (?:--)?dport) 9100", r"\1 9300", text))
    there.edge.lay(shut)
    there.edge.run(script("firewall", "reload"))
    before = talk.said().count("heard")

    assert client(there.world, "tcp", EDGE[0], 9205, source=OFFICE[0], timeout=1) is None
    assert talk.alive
    assert talk.said().count("heard") > before
    talk.stop()


def test_down_leaves_a_host_as_it_was(there: Scene) -> None:
    known = (FORWARDING, "/eth0/accept_ra = ")
    hosts = (there.edge, there.node)
    before = [without(host.state(), *known) for host in hosts]
    for _ in range(2):
        for host in hosts:
            up(host)
    for host in hosts:
        down(host)

    for host, state in zip(hosts, before, strict=True):
        assert difference(state, without(host.state(), *known)) == ""


@pytest.mark.stock
@pytest.mark.stock_kernel
def test_plain_tunnels_carry_packets_with_a_firewall_at_both_ends(there: Scene, tmp_path: Path) -> None:
    laid = trees(tmp_path / "plain", links=PLAIN)
    for host in (there.edge, there.node):
        host.lay(laid[host.name])
    start(there)

    for address in ("10.77.5.1", "fe80::2%gre-node", "fe80::2%gre6-node", "fe80::2%sit-node"):
        assert ping(there.edge, address)


PASSING = """
version = 1
network.name = "passing"

[hosts.edge]
id = 1
wan = "eth0"
addresses = ["198.51.100.7/24", "2001:db8:7::7/64"]

[hosts.edge.firewall]
pass = [{ from = "lan", to = "eth0" }]
"""


def test_pass_turns_forwarding_on(lab: Lab, tmp_path: Path) -> None:
    edge, world, inside = install(lab, "edge", compiled(PASSING, tmp_path)), lab.host("world"), lab.host("inside")
    ends = ("198.51.100.7/24", "2001:db8:7::7/64"), ("198.51.100.1/24", "2001:db8:7::1/64")
    lab.wire(edge, "eth0", world, "edge", a_addresses=ends[0], b_addresses=ends[1])
    ends = ("10.0.3.1/24", "fd00:3::1/64"), ("10.0.3.20/24", "fd00:3::20/64")
    lab.wire(edge, "lan", inside, "eth0", a_addresses=ends[0], b_addresses=ends[1])
    routed(inside, "10.0.3.1", "fd00:3::1")
    routed(world, "198.51.100.7", "2001:db8:7::7")
    echo(world, 7001)
    echo(inside, 7001)
    up(edge)

    for address, source in (("198.51.100.1", "10.0.3.20"), ("2001:db8:7::1", "fd00:3::20")):
        assert client(inside, "tcp", address, 7001) == source
        assert client(world, "tcp", source, 7001, timeout=SILENCE) is None, "the other direction is not passed"
