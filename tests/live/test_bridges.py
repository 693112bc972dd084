"""System S3, containers: what they start is hidden on the uplink alone, a published port is reached from everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

import night
from live.compiled import compiled, down, install, parts, script, up
from live.faults import failures, kills, run_with, steps_of
from live.lab import Host, Lab
from live.state import FORWARDING, State, difference, without
from live.traffic import Capture, Proto, client, echo

pytestmark = [pytest.mark.live, pytest.mark.netfilters]

HERE = ("198.51.100.7", "2001:db8:7::7")
CHOSEN = ("198.51.100.8", "2001:db8:7::8")
LOOPBACK = ("203.0.113.1", "2001:db8:203::1")
WORLD = ("192.0.2.9", "2001:db8:113::9")
PROTOCOLS: tuple[Proto, ...] = ("tcp", "udp")

TOPOLOGY = """
version = 1
network.name = "lab"

[hosts.lin]
id = 1
wan = "eth0"
addresses = ["198.51.100.7/24", "198.51.100.8/24", "2001:db8:7::7/64", "2001:db8:7::8/64"]
loopback = ["203.0.113.1/32", "2001:db8:203::1/128"]

[hosts.lin.bridges.br0]
addresses = ["10.0.3.1/24", "fd00:3::1/64"]
masquerade = true

[[hosts.lin.bridges.br0.publish]]
port = "80/tcp"
to = ["10.0.3.30:8080", "[fd00:3::30]:8080"]

[[hosts.lin.bridges.br0.publish]]
port = "80/udp"
to = ["10.0.3.30:8080", "[fd00:3::30]:8080"]

[[hosts.lin.bridges.br0.publish]]
port = "81/tcp"
to = "web:8080"
on = ["198.51.100.7", "2001:db8:7::7"]
allow = ["192.0.2.0/24", "2001:db8:113::/48"]

[[hosts.lin.bridges.br0.publish]]
port = "82/tcp"
to = ["10.0.3.30:8080", "[fd00:3::30]:8080"]
on = ["203.0.113.1", "2001:db8:203::1"]

[hosts.lin.bridges.br1]
addresses = ["10.0.4.1/24", "fd00:4::1/64"]
snat = ["198.51.100.8", "2001:db8:7::8"]

[hosts.lin.bridges.routed]
addresses = ["10.0.5.1/24", "2001:db8:5::1/64"]
masquerade = true

[hosts.lin.namespaces.web]
bridge = "br0"
address = ["10.0.3.20/24", "fd00:3::20/64"]
dns = "192.0.2.53"
services = "web.service"
"""


@dataclass
class Scene:
    world: Host
    lin: Host
    containers: dict[str, Host]


@pytest.fixture
def scene(lab: Lab, tmp_path: Path) -> Scene:
    """A server with strict reverse path filtering, and a world that knows its uplink's prefix and a routed one."""
    lin, world = install(lab, "lin", compiled(TOPOLOGY, tmp_path)), lab.host("world")
    for address in WORLD:
        world.run(["ip", "address", "add", address, "dev", "lo"])
    ends = ("198.51.100.7/24", "2001:db8:7::7/64"), ("198.51.100.1/24", "2001:db8:7::1/64")
    lab.wire(lin, "eth0", world, "eth0", a_addresses=ends[0], b_addresses=ends[1])
    for address in ("198.51.100.8/24", "2001:db8:7::8/64"):
        lin.run(["ip", "address", "add", address, "dev", "eth0"])
    lin.run(["ip", "-4", "route", "add", "default", "via", "198.51.100.1"])
    lin.run(["ip", "-6", "route", "add", "default", "via", "2001:db8:7::1"])
    world.run(["ip", "-6", "route", "add", "2001:db8:5::/64", "via", "2001:db8:7::7"])
    world.run(["ip", "-4", "route", "add", f"{LOOPBACK[0]}/32", "via", "198.51.100.7"])
    world.run(["ip", "-6", "route", "add", f"{LOOPBACK[1]}/128", "via", "2001:db8:7::7"])
    for scope in ("all", "default", "eth0"):
        lin.run(["sysctl", "-qw", f"net.ipv4.conf.{scope}.rp_filter=1"])
    return Scene(world, lin, {})


def contain(lab: Lab, scene: Scene, name: str, bridge: str, *addresses: str) -> Host:
    """A container on a bridge, with the bridge's first address as its way to everywhere."""
    host = scene.containers[name] = lab.host(name)
    lab.wire(host, "eth0", scene.lin, f"c-{name}", a_addresses=addresses)
    scene.lin.run(["ip", "link", "set", "dev", f"c-{name}", "master", bridge])
    for address in addresses:
        six = ":" in address
        gateway = address.split("/")[0].rpartition(":" if six else ".")[0] + (":1" if six else ".1")
        host.run(["ip", "-6" if six else "-4", "route", "add", "default", "via", gateway])
    return host


def settled(host: Host) -> State:
    """Forwarding stays on when it was turned on, with what keeps a forwarding host's own default route alive."""
    return without(host.state(), FORWARDING, "/eth0/accept_ra = ")


@pytest.fixture
def living(lab: Lab, scene: Scene) -> Scene:
    up(scene.lin)
    contain(lab, scene, "server", "br0", "10.0.3.30/24", "fd00:3::30/64")
    contain(lab, scene, "neighbour", "br0", "10.0.3.31/24", "fd00:3::31/64")
    contain(lab, scene, "other", "br1", "10.0.4.30/24", "fd00:4::30/64")
    contain(lab, scene, "public", "routed", "10.0.5.30/24", "2001:db8:5::30/64")
    return scene


@pytest.mark.stock
def test_containers_reach_the_internet_from_an_address_of_the_uplink(living: Scene) -> None:
    echo(living.world, 7000, *WORLD)
    seen = {
        "server": (("198.51.100.7",), ("2001:db8:7::7", "2001:db8:7::8")),  # whatever the uplink would choose itself
        "other": (("198.51.100.8",), ("2001:db8:7::8",)),
        "public": (("198.51.100.7",), ("2001:db8:5::30",)),  # a public prefix is routed as it is
    }

    for name, sources in seen.items():
        for there, known in zip(WORLD, sources, strict=True):
            for protocol in PROTOCOLS:
                assert client(living.containers[name], protocol, there, 7000) in known, f"{name} {protocol} {there}"


def test_a_published_port_is_reached_from_the_internet_and_from_the_host(living: Scene) -> None:
    echo(living.containers["server"], 8080)

    for at in (*HERE, *CHOSEN):
        visitor = WORLD[":" in at]
        for protocol in PROTOCOLS:
            assert client(living.world, protocol, at, 80, source=visitor) == visitor
            assert client(living.lin, protocol, at, 80) in (*HERE, *CHOSEN)


def test_a_port_is_published_at_the_loopback_of_a_router(living: Scene) -> None:
    echo(living.containers["server"], 8080)

    for at, visitor in zip(LOOPBACK, WORLD, strict=True):
        assert client(living.world, "tcp", at, 82, source=visitor) == visitor


def bridged_packets_are_filtered(host: Host, wanted: int) -> bool:
    """As Docker has it (br_netfilter); False where this kernel cannot."""
    key = "net.bridge.bridge-nf-call-ip"
    done = host.run(["sysctl", "-qw", f"{key}tables={wanted}", f"{key}6tables={wanted}"], check=False)
    return done.returncode == 0


def test_other_containers_reach_a_published_port_at_the_public_address(living: Scene) -> None:
    """No redirect of the host's leads them past it. Where bridged packets are filtered, nothing goes back out of the
    port that it came by, unless whoever made that port says so: a container does not reach itself then."""
    echo(living.containers["server"], 8080)
    living.containers["neighbour"].run(["ping", "-c", "1", "10.0.3.30"])
    for filtered, who in ((0, ("neighbour", "server")), (1, ("neighbour",))):
        if not bridged_packets_are_filtered(living.lin, filtered) and filtered:
            continue
        for name in who * 3:
            for at, gateway in zip(HERE, ("10.0.3.1", "fd00:3::1"), strict=True):
                for protocol in PROTOCOLS:
                    said = client(living.containers[name], protocol, at, 80)
                    assert said == gateway, f"{name} {protocol} {at}, filtered: {filtered}"
    for at in HERE:
        for protocol in PROTOCOLS:
            source = ("10.0.4.30", "fd00:4::30")[":" in at]
            assert client(living.containers["other"], protocol, at, 80) == source


def test_traffic_between_bridges_is_not_masqueraded(living: Scene) -> None:
    echo(living.containers["server"], 8080)

    assert client(living.containers["other"], "tcp", "10.0.3.30", 8080) == "10.0.4.30"
    assert client(living.containers["other"], "udp", "fd00:3::30", 8080) == "fd00:4::30"
    assert client(living.containers["neighbour"], "tcp", "10.0.3.30", 8080) == "10.0.3.31"
    assert client(living.lin, "tcp", "10.0.3.30", 8080) == "10.0.3.1"


def test_a_namespace_on_a_bridge_works_like_a_container(living: Scene) -> None:
    echo(living.lin, 8080, namespace="web")
    echo(living.world, 7000, *WORLD)

    for at, visitor, inside in zip(HERE, WORLD, ("10.0.3.20", "fd00:3::20"), strict=True):
        assert client(living.world, "tcp", at, 81, source=visitor) == visitor
        assert client(living.world, "tcp", at, 81, timeout=1) is None  # not in `allow`
        assert client(living.lin, "tcp", visitor, 7000, namespace="web") in (*HERE, *CHOSEN)
        assert client(living.containers["neighbour"], "udp", inside, 8080) in ("10.0.3.31", "fd00:3::31")
    assert "192.0.2.53" in living.lin.read("/etc/netns/web/resolv.conf")


def test_no_packet_leaves_the_uplink_with_a_private_source(living: Scene) -> None:
    echo(living.world, 7000, *WORLD)
    echo(living.containers["server"], 8080)
    leaving = Capture(living.world, "eth0")
    for name in ("server", "other"):
        for there in WORLD:
            client(living.containers[name], "tcp", there, 7000)
    for at, visitor in zip(HERE, WORLD, strict=True):
        client(living.world, "tcp", at, 80, source=visitor)

    assert leaving.packets("tcp") != []
    assert leaving.packets("net 10.0.0.0/8 or net fd00::/8") == []


def test_down_leaves_the_host_as_it_was(scene: Scene) -> None:
    for command in (
        "nft 'add table inet theirs; add chain inet theirs c { type nat hook postrouting priority 90; }'",
        "nft 'add rule inet theirs c oifname \"theirs\" masquerade'",
        "ip link add dev theirs type bridge",
        "ip rule add pref 5230 fwmark 0x80000/0xff0000 lookup 52",
    ):
        scene.lin.run(["bash", "-c", command])
    before = settled(scene.lin)
    up(scene.lin)
    once = scene.lin.state()
    up(scene.lin)
    assert difference(once, scene.lin.state()) == ""
    down(scene.lin)

    assert difference(before, settled(scene.lin)) == ""


def test_a_step_that_fails_or_is_killed_leaves_nothing(scene: Scene) -> None:
    start = settled(scene.lin)
    for part in parts(scene.lin):
        before, steps = settled(scene.lin), len(steps_of(scene.lin.read(script(part, "up")[1])))
        for fault in night.some([*failures(steps), *kills(steps)]):
            assert run_with(scene.lin, script(part, "up"), fault).returncode != 0
            scene.lin.run(script(part, "down"))
            assert difference(before, settled(scene.lin)) == "", f"{part}: {fault}"
        scene.lin.run(script(part, "up"))
    down(scene.lin)

    assert difference(start, settled(scene.lin)) == ""


def test_a_bridge_goes_down_and_up_while_a_container_is_attached(living: Scene) -> None:
    """Containers come and go without netc; they outlive a bridge, and its hardware address outlives them."""
    ask = ["bash", "-c", "cat /sys/class/net/br0/address"]
    address = living.lin.run(ask).stdout
    for part in reversed(parts(living.lin)):
        if part != "firewall":
            living.lin.run(script(part, "down"))
    assert living.lin.run(["ip", "link", "show", "dev", "c-server"]).returncode == 0
    up(living.lin)
    living.lin.run(["ip", "link", "set", "dev", "c-server", "master", "br0"])
    echo(living.containers["server"], 8080)

    assert client(living.world, "tcp", HERE[0], 80, source=WORLD[0]) == WORLD[0]
    assert living.lin.run(ask).stdout == address


def test_addresses_of_a_bridge_are_usable_before_and_after_a_port_attaches(lab: Lab, scene: Scene) -> None:
    up(scene.lin)
    tentative = ["ip", "-6", "address", "show", "dev", "br1", "tentative"]
    assert scene.lin.run(tentative).stdout == ""
    echo(scene.lin, 7000, "10.0.4.1", "fd00:4::1")
    other = contain(lab, scene, "other", "br1", "10.0.4.30/24", "fd00:4::30/64")

    assert scene.lin.run(tentative).stdout == ""
    assert client(other, "tcp", "fd00:4::1", 7000) == "fd00:4::30"


def test_router_advertisements_of_containers_are_ignored(living: Scene) -> None:
    """A default route through a container would be the end of the host's own traffic."""
    for bridge in ("br0", "br1"):
        assert living.lin.read(f"/proc/sys/net/ipv6/conf/{bridge}/accept_ra") == "0\n"
