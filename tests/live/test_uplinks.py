"""System S3: what comes to an address is answered by the uplink that brings it, also after it was away for a while."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from live.compiled import EXAMPLES, compiled, down, give_key, install, met, parts, script, up
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.state import FORWARDING, difference, without
from live.traffic import SILENCE, Capture, Proto, client, echo
from netc.lab.process import Process
from netc.lab.waiting import wait, within

pytestmark = [pytest.mark.live, pytest.mark.netfilters]

VISITOR = {4: "192.0.2.9", 6: "2001:db8:113::9"}
UPLINKS = {
    "eth0": (("198.51.100.7/24", "2001:db8:1::7/64"), ("198.51.100.1/24", "2001:db8:1::1/64")),
    "eth1": (("203.0.113.5/28",), ("203.0.113.1/28",)),
    "eth2": (("2001:db8:3::3/64",), ("2001:db8:3::1/64",)),
}
"""What the image of the server configures, and its routers' ends."""

WIRES = """
version = 1
network.name = "wires"

[hosts.lin]
id = 1
wan = "eth0"
addresses = ["198.51.100.7/24", "2001:db8:1::7/64"]
uplinks.second = { interface = "eth1", prefixes = "203.0.113.5/28", gateway = "203.0.113.1" }
uplinks.third = { interface = "eth2", prefixes = ["2001:db8:3::3/64"], gateway = "fe80::1" }

[hosts.lin.uplinks.native]
interface = "eth0"
prefixes = ["198.51.100.7/24", "2001:db8:1::7/64"]
gateway = ["198.51.100.1", "fe80::1"]
"""
KNOWN = (FORWARDING, "/eth./accept_ra = ")
PREFERS = WIRES.replace('gateway = "203.0.113.1"', 'gateway = "203.0.113.1", preferred = true')


def passing_on() -> str:
    keys = {name: public_key(private_key(name)) for name in ("lin", "node")}
    return (
        WIRES.replace("id = 1", f'id = 1\npublic_key = "{keys["lin"]}"')
        + f"""
[hosts.node]
id = 2
wan = "eth0"
addresses = "198.18.0.2/24"
public_key = "{keys["node"]}"

[links.way]
kind = "wireguard"
between = ["lin", "node"]
ends.lin.address = ["10.77.0.0/31", "fd77::/127"]
ends.node.address = ["10.77.0.1/31", "fd77::1/127"]

[forwards.web]
at = "lin"
on = ["198.51.100.7", "2001:db8:1::7", "203.0.113.5", "2001:db8:3::3"]
ports = ["80/tcp", "80/udp"]
to = "node"
via = "way"
bound = true
"""
    )


@dataclass
class Scene:
    world: Host
    lin: Host


def scene(lab: Lab, trees: dict[str, Path]) -> Scene:
    """Each provider takes no packets but those of its own customers' addresses (BCP 38)."""
    world, lin = lab.host("world"), install(lab, "lin", trees)
    world.run(["bash", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"])
    for address in VISITOR.values():
        world.run(["ip", "address", "add", address, "dev", "lo"])
    for device, (ours, routers) in UPLINKS.items():
        lab.wire(lin, device, world, device, a_addresses=ours, b_addresses=routers)
        world.run(["ip", "address", "add", "fe80::1/64", "dev", device, "nodad"])
    lin.run(["ip", "-4", "route", "add", "default", "via", "198.51.100.1"])
    lin.run(["ip", "-6", "route", "add", "default", "via", "fe80::1", "dev", "eth0"])
    world.run(["nft", "-f", "-"], input=ingress())
    return Scene(world, lin)


def ingress() -> str:
    rules = ""
    for device, (_, routers) in UPLINKS.items():
        for family, version in (("ip", 4), ("ip6", 6)):
            nets = ", ".join(net for net in routers if (":" in net) == (version == 6))
            rules += f'\t\tiifname "{device}" {family} saddr != {{ fe80::/10 }} ' if family == "ip6" else ""
            rules += f'\t\tiifname "{device}" ' if family == "ip" else ""
            rules += f"{family} saddr != {{ {nets} }} drop\n" if nets else f"meta nfproto ipv{version} drop\n"
    return f"table inet bcp38 {{\n\tchain c {{\n\t\ttype filter hook prerouting priority raw;\n{rules}\t}}\n}}\n"


def addresses() -> list[str]:
    return [net.partition("/")[0] for ours, _ in UPLINKS.values() for net in ours]


def unanswered(
    there: Scene, protocols: tuple[Proto, ...] = ("tcp", "udp"), at: Sequence[str] | None = None, port: int = 80
) -> list[str]:
    """The addresses at which a visitor is not answered, or not as who they are."""
    asked = [(protocol, address) for address in at or addresses() for protocol in protocols]
    with ThreadPoolExecutor() as pool:
        ask = partial(client, there.world, port=port, timeout=SILENCE)
        answers = [pool.submit(ask, protocol, address, source=visitor(address)) for protocol, address in asked]
    pairs = zip(asked, answers, strict=True)
    return [f"{protocol} {at}" for (protocol, at), answer in pairs if answer.result() != visitor(at)]


def visitor(address: str) -> str:
    return VISITOR[6 if ":" in address else 4]


def watched(host: Host) -> list[Process]:
    return [host.start(script(part, "watch")) for part in parts(host) if part.startswith("uplink-")]


def soon(there: Scene, at: Sequence[str] | None = None) -> list[str]:
    """Who is left unanswered after a while."""
    left: list[str] = []

    def none_left() -> bool:
        left[:] = unanswered(there, ("tcp",), at)
        return not left

    within(30, none_left)
    return left


def test_each_uplink_answers_for_its_own_addresses(lab: Lab, tmp_path: Path) -> None:
    there = scene(lab, compiled(WIRES, tmp_path))
    echo(there.lin, 80, *addresses())
    assert unanswered(there), "without netc some would go unanswered, or this shows nothing"
    up(there.lin)
    assert unanswered(there) == []
    down(there.lin)
    assert unanswered(there)


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_a_default_route_in_parts_takes_no_replies_away(lab: Lab, tmp_path: Path, length: int) -> None:
    """As VPN clients add it to `main`, so that the host's own default route stays."""
    there = scene(lab, compiled(WIRES, tmp_path))
    echo(there.lin, 80, *addresses())
    up(there.lin)
    parts_of = {
        4: [f"{number << (8 - length)}.0.0.0/{length}" for number in range(2**length)] if length < 4 else [],
        6: [f"{number << (16 - length):x}::/{length}" for number in range(2**length)],
    }
    for family, prefixes in parts_of.items():
        via = "198.51.100.1" if family == 4 else "fe80::1"
        for prefix in prefixes:
            there.lin.run(["ip", f"-{family}", "route", "add", prefix, "via", via, "dev", "eth0"])

    assert unanswered(there) == []


def test_routes_are_restored_when_an_uplink_comes_back(lab: Lab, tmp_path: Path) -> None:
    there = scene(lab, compiled(WIRES, tmp_path))
    echo(there.lin, 80, *addresses())
    up(there.lin)
    watched(there.lin)
    for device, (ours, _) in UPLINKS.items():
        there.lin.run(["ip", "link", "set", "dev", device, "down"])
        kept = [
            address
            for address in unanswered(there, ("tcp",))
            if not any(net.startswith(address.split()[1] + "/") for net in ours)
        ]
        assert kept == [], f"without {device}"
        there.lin.run(["ip", "link", "set", "dev", device, "up"])
        for net in ours:
            there.lin.run(["ip", "address", "replace", net, "dev", device, *(("nodad",) if ":" in net else ())])
        if device == "eth0":  # as whatever manages it would
            there.lin.run(["ip", "-4", "route", "add", "default", "via", "198.51.100.1"])
            there.lin.run(["ip", "-6", "route", "replace", "default", "via", "fe80::1", "dev", "eth0"])
        assert soon(there) == [], f"after {device} came back"


def test_outgoing_connections_use_the_preferred_uplink_while_it_is_up(lab: Lab, tmp_path: Path) -> None:
    there = scene(lab, compiled(PREFERS, tmp_path))
    echo(there.world, 7000, VISITOR[4], VISITOR[6])
    up(there.lin)
    watched(there.lin)
    assert client(there.lin, "tcp", VISITOR[4], 7000) == "203.0.113.5"
    assert client(there.lin, "tcp", VISITOR[6], 7000) == "2001:db8:1::7"
    there.lin.run(["ip", "link", "set", "dev", "eth1", "down"])
    assert client(there.lin, "tcp", VISITOR[4], 7000) == "198.51.100.7"
    there.lin.run(["ip", "link", "set", "dev", "eth1", "up"])
    wait(lambda: client(there.lin, "tcp", VISITOR[4], 7000) == "203.0.113.5")


def test_forwarded_connections_are_answered_through_the_same_uplink(lab: Lab, tmp_path: Path) -> None:
    """Whatever reverse path filtering was on before; and that is as it was when netc is gone."""
    there = scene(lab, compiled(passing_on(), tmp_path))
    node = install(lab, "node", {"node": tmp_path / "node" / "files"})
    lab.wire(node, "eth0", there.world, "node", a_addresses=["198.18.0.2/24"], b_addresses=["198.18.0.1/24"])
    node.run(["ip", "-4", "route", "add", "default", "via", "198.18.0.1"])
    up(node)
    echo(node, 80, "10.77.0.1", "fd77::1")
    for strict in (0, 1, 2):
        for scope in ("all", "eth0", "eth1"):
            there.lin.run(["sysctl", "-qw", f"net.ipv4.conf.{scope}.rp_filter={strict}"])
        before = there.lin.state()
        up(there.lin)
        met(there.lin, "wg-node")
        assert unanswered(there) == [], f"rp_filter {strict}"
        down(there.lin)
        assert difference(without(before, *KNOWN), without(there.lin.state(), *KNOWN)) == ""


BRIDGED = """
[hosts.lin.bridges.br0]
addresses = ["10.0.3.1/24", "fd00:3::1/64"]
snat = ["198.51.100.7", "2001:db8:1::7"]
publish = [{ port = "80/tcp", to = "web" }, { port = "80/udp", to = "web" }]

[hosts.lin.namespaces.web]
bridge = "br0"
address = ["10.0.3.20/24", "fd00:3::20/64"]
"""


def test_a_container_is_reached_by_each_uplink_and_masqueraded_to_the_one_in_use(lab: Lab, tmp_path: Path) -> None:
    there = scene(lab, compiled(PREFERS + BRIDGED, tmp_path))
    echo(there.world, 7000, VISITOR[4], VISITOR[6])
    for strict in (0, 1, 2):
        for scope in ("all", "eth0", "eth1"):
            there.lin.run(["sysctl", "-qw", f"net.ipv4.conf.{scope}.rp_filter={strict}"])
        up(there.lin)
        watchers = watched(there.lin)
        echo(there.lin, 80, namespace="web")
        assert unanswered(there) == [], f"rp_filter {strict}"
        assert client(there.lin, "tcp", VISITOR[4], 7000, namespace="web") == "203.0.113.5", "the preferred one's"
        assert client(there.lin, "tcp", VISITOR[6], 7000, namespace="web") == "2001:db8:1::7"
        there.lin.run(["ip", "link", "set", "dev", "eth1", "down"])
        assert client(there.lin, "tcp", VISITOR[4], 7000, namespace="web") == "198.51.100.7", "the one of `snat`"
        there.lin.run(["ip", "link", "set", "dev", "eth1", "up"])
        for watcher in watchers:
            watcher.stop()
        down(there.lin)


BY_THE_SECOND = PREFERS.replace('gateway = "fe80::1" }', 'gateway = "fe80::1", preferred = true }') + BRIDGED.replace(
    "198.51.100.7", "203.0.113.5"
).replace("2001:db8:1::7", "2001:db8:3::3")

TALKS = """
import socket, sys, time
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
talk = socket.socket(family, socket.SOCK_DGRAM)
talk.settimeout(0.2)
talk.connect((sys.argv[1], 7000))
while True:
    try:
        talk.send(b"who am I?")
        print(talk.recv(100).decode().strip() or "closed", flush=True)
    except OSError:
        pass
    time.sleep(0.05)
"""
"""One flow, and what the other end sees as its source."""

ONCE = """
import socket, sys, time
talk = socket.create_connection((sys.argv[1], 7009))
print("open", flush=True)
while True:
    try:
        talk.send(b"still there")
    except ConnectionError:
        break
    time.sleep(0.1)
"""
"""A connection that is used until it is reset."""

LISTENS = """
import socket
server = socket.create_server(("::", 7009), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
talks = []
while True:
    talks.append(server.accept())
"""


@pytest.mark.parametrize("family", [4, 6])
def test_no_connection_keeps_the_address_of_an_uplink_that_it_left(lab: Lab, tmp_path: Path, family: int) -> None:
    """Of containers. One UDP flow with the same ports goes on with the other uplink's address, and back again."""
    there = scene(lab, compiled(BY_THE_SECOND, tmp_path))
    echo(there.world, 7000, VISITOR[4], VISITOR[6])
    there.world.start(["python3", "-c", LISTENS]).wait_for("ready")
    up(there.lin)
    watched(there.lin)
    device, own, other = {
        4: ("eth1", "203.0.113.5", "198.51.100.7"),
        6: ("eth2", "2001:db8:3::3", "2001:db8:1::7"),
    }[family]
    flow = there.lin.start(["python3", "-c", TALKS, VISITOR[family]], namespace="web")
    flow.wait_for(f"{own}\n")
    once = there.lin.start(["python3", "-c", ONCE, VISITOR[family]], namespace="web")
    once.wait_for("open\n")
    left = Capture(there.lin, "eth0")
    there.lin.run(["ip", "link", "set", "dev", device, "down"])
    flow.wait_for(f"{other}\n")
    assert once.wait(60) == 0, "TCP is reset"
    assert client(there.lin, "tcp", VISITOR[family], 7000, namespace="web") == other
    said = len(flow.out.read_text())
    there.lin.run(["ip", "link", "set", "dev", device, "up"])
    if family == 6:
        there.lin.run(["ip", "address", "replace", f"{own}/64", "dev", device, "nodad"])
    wait(lambda: f"{own}\n" in flow.out.read_text()[said:])
    assert left.packets(f"src host {other}") != []
    assert left.packets(f"src host {own}") == []


def test_up_works_before_the_uplinks_exist(lab: Lab, tmp_path: Path) -> None:
    there = scene(lab, compiled(WIRES, tmp_path))
    echo(there.lin, 80, *addresses())
    there.lin.run(["ip", "link", "set", "dev", "eth1", "down"])
    up(there.lin)
    watched(there.lin)
    assert unanswered(there, ("tcp",)) == ["tcp 203.0.113.5"]
    there.lin.run(["ip", "link", "set", "dev", "eth1", "up"])
    assert soon(there) == []


def test_foreign_rules_and_tables_stay_unchanged(lab: Lab, tmp_path: Path) -> None:
    """Tailscale's rules at 5210 to 5270 with its table, and an admin's own."""
    there = scene(lab, compiled(PREFERS, tmp_path))
    foreign = [
        ["-4", "rule", "add", "priority", "5210", "fwmark", "0x80000/0xff0000", "lookup", "main"],
        ["-4", "rule", "add", "priority", "5230", "fwmark", "0x80000/0xff0000", "lookup", "default"],
        ["-4", "rule", "add", "priority", "5250", "fwmark", "0x80000/0xff0000", "unreachable"],
        ["-4", "rule", "add", "priority", "5270", "lookup", "52"],
        ["-4", "route", "add", "100.64.0.9/32", "dev", "eth0", "table", "52"],
        ["-6", "rule", "add", "priority", "5270", "lookup", "52"],
        ["-4", "rule", "add", "priority", "12000", "from", "10.99.0.0/16", "lookup", "12223"],
    ]
    for words in foreign:
        there.lin.run(["ip", *words])
    before = without(there.lin.state(), FORWARDING)
    up(there.lin)
    up(there.lin)
    route = there.lin.run(["ip", "-4", "route", "get", "100.64.0.9"]).stdout
    assert "table 52" in route
    refused = there.lin.run(["ip", "-4", "route", "get", VISITOR[4], "mark", "0x80000"], check=False)
    assert "dev eth0" in refused.stdout
    down(there.lin)
    assert difference(before, without(there.lin.state(), FORWARDING)) == ""


BROKERS = """
ip link add dev broker type sit local 192.0.2.66 remote 198.51.100.7 ttl 64
ip address add 2001:db8:f04::1/64 dev broker
ip link set dev broker up
ip route add 2001:db8:f05::/48 dev broker
ip link add dev relay type sit local 192.0.2.88 remote any ttl 64
ip address add 2002:c000:258::1/16 dev relay
ip link set dev relay up
"""
"""The far ends of the example's tunnels: a broker's, and a 6to4 relay."""


@pytest.mark.stock
@pytest.mark.stock_kernel
def test_native_ipv6_two_ipv4_uplinks_a_broker_and_6to4_work_at_once(lab: Lab, tmp_path: Path) -> None:
    there = scene(lab, compiled(EXAMPLES / "uplinks.toml", tmp_path))
    for address in ("192.0.2.66", "192.0.2.88"):
        there.world.run(["ip", "address", "add", address, "dev", "lo"])
    there.world.run(["bash", "-ec", BROKERS])
    customers = {"broker": "2001:db8:f04::/64, 2001:db8:f05::/48", "relay": "2002:c633:6407::/48"}
    for device, nets in customers.items():
        drop = f'iifname "{device}" ip6 saddr != {{ fe80::/10, {nets} }} drop'
        there.world.run(["nft", "add", "rule", "inet", "bcp38", "c", drop])
    up(there.lin)
    watched(there.lin)
    container = lab.host("container")
    ours = ["10.0.3.20/24", "2001:db8:f05:3::20/64"]
    lab.wire(there.lin, "ct0", container, "eth0", b_addresses=ours)
    there.lin.run(["ip", "link", "set", "dev", "ct0", "master", "br0"])
    for gateway in ("10.0.3.1", "2001:db8:f05:3::1"):
        container.run(["ip", "route", "add", "default", "via", gateway])
    own = ["2001:db8:1::7", "2001:db8:f04::2", "2001:db8:f05:3::1", "2002:c633:6407::1"]
    echo(there.lin, 80, "198.51.100.7", "203.0.113.5", *own)
    echo(container, 8080, "10.0.3.20")
    echo(container, 80, "2001:db8:f05:3::20")
    echo(there.world, 7000, VISITOR[4], VISITOR[6])
    published = ["198.51.100.7", "203.0.113.5", "2001:db8:f05:3::20"]

    assert unanswered(there, at=own) == []
    assert unanswered(there, ("tcp",), published) == []
    assert client(there.lin, "tcp", VISITOR[6], 7000) == "2001:db8:f04::2", "the preferred one"
    assert client(container, "tcp", VISITOR[6], 7000) == "2001:db8:f05:3::20", "no NAT in IPv6"
    assert client(container, "tcp", VISITOR[4], 7000) == "198.51.100.7"
    assert client(container, "tcp", "203.0.113.5", 80) == "10.0.3.1", "by the public address"
    for device in ("he6", "eth0"):
        there.lin.run(["ip", "link", "set", "dev", device, "down"])
        there.lin.run(["ip", "link", "set", "dev", device, "up"])
        for net in ("2001:db8:1::7/64",) if device == "eth0" else ("2001:db8:f04::2/64",):
            there.lin.run(["ip", "address", "replace", net, "dev", device, "nodad"])
        assert soon(there, [*own, *published]) == [], f"after {device} came back"


FAR = f"""
version = 1
network.name = "wires"

[hosts.lin]
id = 1
wan = "eth0"
addresses = ["198.51.100.7/24", "2001:db8:1::7/64"]

[hosts.lin.tunnels.far]
kind = "wireguard"
address = ["10.50.0.2/32", "fd50::2/128"]

[hosts.lin.tunnels.far.peer]
public_key = "{public_key(private_key("provider"))}"
endpoint = "192.0.2.66:51820"
allowed_ips = ["0.0.0.0/0", "::/0"]

[hosts.lin.uplinks.far]
tunnel = "far"
gateway = ["10.51.0.1", "fd51::1"]
"""
"""An uplink whose routers are in no subnet of its tunnel."""

PROVIDER = """
ip address add 192.0.2.66 dev lo
ip link add far type wireguard 2>/dev/null || wireguard-go far >/dev/null 2>&1
wg set far listen-port 51820 private-key /dev/stdin peer "$1" allowed-ips 10.50.0.2/32,fd50::2/128
ip link set dev far up
ip -4 route add 10.50.0.2 dev far
ip -6 route add fd50::2 dev far
"""


def test_a_tunnel_s_router_may_be_outside_of_the_tunnel_s_subnet(lab: Lab, tmp_path: Path) -> None:
    there = scene(lab, compiled(FAR, tmp_path))
    give_key(there.lin, "far", "lin")
    key = public_key(private_key("lin"))
    there.world.run(["bash", "-ec", PROVIDER, "provider", key], input=private_key("provider"))
    echo(there.world, 7000, VISITOR[4], VISITOR[6])
    up(there.lin)

    for family, own in ((4, "10.50.0.2"), (6, "fd50::2")):
        assert client(there.lin, "tcp", VISITOR[family], 7000, source=own) == own
