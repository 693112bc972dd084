"""System S1: services that can only leave through a provider's tunnel, on a server that stays reachable."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from examples import without_promises
from live.compiled import EXAMPLES, compiled, down, give_key, install, met, parts, script, up
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.state import FORWARDING, difference, without
from live.traffic import ANSWER, Capture, Proto, client, dns, echo, lookup, refused

pytestmark = [pytest.mark.live, pytest.mark.netfilters]

PROVIDER = ("192.0.2.77", "2001:db8:77::77")
RESOLVERS = ("91.231.153.2", "2001:67c:15ec:1337::2")
WORLD = ("203.0.113.80", "2001:db8:80::80")
"""A server somewhere: reached by the provider, and from the seedbox's own uplink."""

SERVER = ("198.51.100.7", "2001:db8:7::7")
OFFICE = ("203.0.113.9", "2001:db8:113::9")
STRANGER = ("203.0.114.9", "2001:db8:114::9")


SPOKEN = "not arp and not icmp6 and not (ip6 and dst net ff02::/16)"
"""What a host says to more than its own cable."""


@dataclass
class Scene:
    seedbox: Host
    provider: Host
    visitor: Host
    """The rest of the world: routes between everyone, and is the office and a stranger."""


@pytest.fixture
def scene(lab: Lab, tmp_path: Path) -> Scene:
    seedbox = install(lab, "seedbox", compiled(EXAMPLES / "seedbox.toml", tmp_path), key="azire")
    provider, visitor = lab.host("provider"), lab.host("visitor")
    lab.wire(
        seedbox,
        "eth0",
        visitor,
        "seedbox",
        a_addresses=("198.51.100.7/24", "2001:db8:7::7/64"),
        b_addresses=("198.51.100.1/24", "2001:db8:7::1/64"),
    )
    lab.wire(
        provider,
        "eth0",
        visitor,
        "provider",
        a_addresses=("192.0.2.77/24", "2001:db8:77::77/64"),
        b_addresses=("192.0.2.1/24", "2001:db8:77::1/64"),
    )
    for address in (*OFFICE, *STRANGER, *WORLD):
        visitor.run(["ip", "address", "add", address, "dev", "lo"])
    for host, four, six in ((seedbox, "198.51.100.1", "2001:db8:7::1"), (provider, "192.0.2.1", "2001:db8:77::1")):
        host.run(["ip", "-4", "route", "add", "default", "via", four])
        host.run(["ip", "-6", "route", "add", "default", "via", six])
    for host in (visitor, provider):
        host.run(["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"])
    _serve_tunnel(provider)
    # What the real file names, the lab answers for.
    seedbox.write("/etc/hosts", "192.0.2.77 se-sto.azirevpn.net\n")
    give_key(seedbox, "azire", "seedbox")
    return Scene(seedbox, provider, visitor)


def _serve_tunnel(provider: Host) -> None:
    """The provider: the far end of the tunnel, its resolvers, and masquerading to the world."""
    create = "ip link add dev wg0 type wireguard 2>/dev/null || wireguard-go wg0 >/dev/null 2>&1"
    provider.run(["bash", "-c", create])
    provider.write("/etc/provider.key", private_key("azire"), 0o600)
    peer = public_key(private_key("seedbox"))
    allowed = "10.10.18.201/32,2a0e:1c80:1337:1:10:0:18:201/128"
    own = ["private-key", "/etc/provider.key", "listen-port", "51820"]
    provider.run(["wg", "set", "wg0", *own, "peer", peer, "allowed-ips", allowed])
    for address in ("10.10.0.1/19", "2a0e:1c80:1337:1::1/64", *RESOLVERS):
        provider.run(["ip", "address", "add", address, "dev", "wg0", *(["nodad"] if ":" in address else [])])
    provider.run(["ip", "link", "set", "dev", "wg0", "mtu", "1420", "up"])
    masquerade = 'table inet nat { chain p { type nat hook postrouting priority srcnat; oifname "eth0" masquerade; }; }'
    provider.run(["nft", "-f", "-"], input=masquerade)
    dns(provider, "192.0.2.53", *RESOLVERS)


def dial(seedbox: Host) -> None:
    """What the timer does: the tunnel's name is looked up."""
    seedbox.run(script("tunnel-azire", "endpoints"))
    met(seedbox, "wg-azire", "vpn")


@pytest.mark.stock
def test_the_internet_and_dns_are_reached_only_through_the_tunnel(scene: Scene) -> None:
    echo(scene.visitor, 7000, *WORLD)
    up(scene.seedbox)
    dial(scene.seedbox)
    capture = Capture(scene.seedbox, "eth0")

    for address, provider in zip(WORLD, PROVIDER, strict=True):
        for protocol in ("tcp", "udp"):
            assert client(scene.seedbox, protocol, address, 7000, namespace="vpn") == provider
    assert lookup(scene.seedbox, "tracker.example", namespace="vpn") == "192.0.2.53"
    assert capture.packets(f"not (udp and port 51820) and {SPOKEN}") == []
    assert capture.packets("udp and port 51820") != []


@pytest.mark.stock
def test_whatever_server_a_file_names_inside_the_resolvers_of_the_namespace_are_asked(scene: Scene) -> None:
    """As when the host's resolv.conf comes to light under a service that runs: dhclient and resolved replace it."""
    seedbox = scene.seedbox
    dns(scene.visitor, "203.0.113.1", "0.0.0.0", "::")  # what the host's own resolver says
    scene.provider.run(["ip", "address", "add", "192.211.0.2", "dev", "wg0"])
    dns(scene.provider, "192.0.2.54", "192.211.0.2")
    up(seedbox)
    dial(seedbox)
    hosts_own = Capture(seedbox, "eth0")
    inside = Capture(seedbox, "wg-azire", namespace="vpn")

    for server in ("198.51.100.1", "2001:db8:7::1", "127.0.0.53", "127.0.0.1"):
        for more in ("", "options use-vc\n"):
            seedbox.write("/etc/netns/vpn/resolv.conf", f"nameserver {server}\n{more}")
            assert lookup(seedbox, "tracker.example", namespace="vpn") == "192.0.2.53", f"{server} {more}"
    seedbox.write("/etc/netns/vpn/resolv.conf", "nameserver 192.211.0.2\n")
    assert lookup(seedbox, "tracker.example", namespace="vpn") == "192.0.2.54", (
        "another resolver of the namespace stays"
    )
    assert hosts_own.packets(f"not (udp and port 51820) and {SPOKEN}") == []
    assert inside.packets("net 127.0.0.0/8") == []
    assert lookup(seedbox, "tracker.example") is None, "the host itself asks as ever"


RULES = {
    "a resolver of IPv4 alone": ('dns = "91.231.153.2"', ["ip6"], ["ip"]),
    "a resolver of IPv6 alone": ('dns = "2001:67c:15ec:1337::2"', ["ip"], ["ip6"]),
    "a resolver inside, which asks others itself": ('dns = "127.0.0.1"', [], []),
}


@pytest.mark.parametrize("case", RULES)
def test_a_query_in_a_family_without_a_resolver_is_refused_at_once(scene: Scene, tmp_path: Path, case: str) -> None:
    """So that a program goes on with the next server of its list."""
    key, shut, led = RULES[case]
    text = without_promises((EXAMPLES / "seedbox.toml").read_text()).replace("services = ", f"{key}\nservices = ")
    (tmp_path / "azire-se.conf").write_text((EXAMPLES / "azire-se.conf").read_text())
    scene.seedbox.lay(compiled(text, tmp_path)["seedbox"])
    up(scene.seedbox)
    dial(scene.seedbox)
    dns(scene.visitor, "203.0.113.1", *WORLD)  # what somebody in the world says, asked through the tunnel

    for family, server in zip(("ip", "ip6"), WORLD, strict=True):
        scene.seedbox.write("/etc/netns/vpn/resolv.conf", f"nameserver {server}\n")
        said = lookup(scene.seedbox, "tracker.example", namespace="vpn", timeout=1 if family in shut else ANSWER)
        assert said == (None if family in shut else "192.0.2.53" if family in led else "203.0.113.1"), family
        for protocol in ("tcp", "udp") if family in shut else ():
            assert refused(scene.seedbox, protocol, server, 53, wrapper=("ip", "netns", "exec", "vpn"))


DOWN, GONE = (["link", verb, "dev", "wg-azire"] for verb in ("set", "delete"))


@pytest.mark.parametrize("cut", [[*DOWN, "down"], pytest.param(GONE, marks=pytest.mark.stock)], ids=["down", "gone"])
def test_no_packet_leaves_by_the_uplink_while_the_tunnel_is_cut(scene: Scene, cut: list[str]) -> None:
    echo(scene.visitor, 7000, *WORLD)
    up(scene.seedbox)
    dial(scene.seedbox)
    assert client(scene.seedbox, "tcp", WORLD[0], 7000, namespace="vpn") == PROVIDER[0]
    inside = [*OFFICE, *WORLD, *RESOLVERS, "198.51.100.1", "2001:db8:7::1"]

    scene.seedbox.run(["ip", "-n", "vpn", *cut])
    capture = Capture(scene.seedbox, "eth0")
    for address in inside:
        for protocol in ("tcp", "udp"):
            assert client(scene.seedbox, protocol, address, 53, namespace="vpn", timeout=0.5) is None
    assert lookup(scene.seedbox, "tracker.example", namespace="vpn", timeout=1) is None
    # Whatever a process inside says it is, it does not get out by the access pair either.
    for source in ("10.200.0.1", "fd00:200::1"):
        address = WORLD[1] if ":" in source else WORLD[0]
        for protocol in ("tcp", "udp"):
            asked = client(scene.seedbox, protocol, address, 7000, namespace="vpn", timeout=0.5, source=source)
            assert asked is None
    # Not of the namespace: the host answers the provider that its socket is gone.
    gone = "(icmp and dst host 192.0.2.77)"
    assert capture.packets(f"{SPOKEN} and not (udp and port 51820) and not {gone}") == []


def test_the_namespace_cannot_reach_its_host(scene: Scene) -> None:
    """The host's resolver and its services are as far away as the rest of the world, even when somebody flushes the
    host's own rules: the guard that counts is inside."""
    up(scene.seedbox)
    echo(scene.seedbox, 7001)

    for flush in ("", "flush ruleset"):
        scene.seedbox.run(["nft", "-f", "-"], input=flush)
        for address in ("10.200.0.0", "fd00:200::", *SERVER):
            for protocol in ("tcp", "udp"):
                assert client(scene.seedbox, protocol, address, 7001, namespace="vpn", timeout=0.5) is None


@pytest.mark.parametrize("strict", [0, pytest.param(1, marks=pytest.mark.stock), 2])
def test_a_published_port_sees_the_address_of_the_client(scene: Scene, strict: int) -> None:
    """Whatever reverse path filtering was on the host before."""
    protocols: tuple[Proto, ...] = ("tcp", "udp")
    for scope in ("all", "default", "eth0"):
        scene.seedbox.run(["sysctl", "-qw", f"net.ipv4.conf.{scope}.rp_filter={strict}"])
    up(scene.seedbox)
    dial(scene.seedbox)
    echo(scene.seedbox, 8388, namespace="vpn")  # listens on every address, as servers do

    for at, visitor in zip(SERVER, STRANGER, strict=True):
        for protocol in protocols:
            assert client(scene.visitor, protocol, at, 8388, source=visitor) == visitor, f"{protocol}, {strict}"
            assert client(scene.seedbox, protocol, at, 8388) == at  # the host itself, at its own address


def test_a_published_port_accepts_its_allowed_sources_only(scene: Scene) -> None:
    up(scene.seedbox)
    echo(scene.seedbox, 9091, namespace="vpn")

    for at, office, stranger in zip(SERVER, OFFICE, STRANGER, strict=True):
        assert client(scene.visitor, "tcp", at, 9091, source=office) == office
        assert client(scene.visitor, "tcp", at, 9091, source=stranger, timeout=0.5) is None


def test_a_port_that_is_not_published_cannot_be_reached_through_the_host(scene: Scene) -> None:
    """A neighbour that sends to the inner address by way of the host."""
    up(scene.seedbox)
    echo(scene.seedbox, 7002, namespace="vpn")
    scene.visitor.run(["ip", "route", "add", "10.200.0.0/31", "via", "198.51.100.7"])
    scene.visitor.run(["ip", "route", "add", "fd00:200::/127", "via", "2001:db8:7::7"])

    for address in ("10.200.0.1", "fd00:200::1"):
        assert client(scene.visitor, "tcp", address, 7002, timeout=0.5) is None
        assert client(scene.seedbox, "tcp", address, 7002) is not None  # the host may


def test_the_host_itself_stays_reachable_and_uses_its_uplink(scene: Scene) -> None:
    echo(scene.visitor, 7000, *WORLD)
    echo(scene.seedbox, 22)
    up(scene.seedbox)
    dial(scene.seedbox)

    for at, visitor, world in zip(SERVER, STRANGER, WORLD, strict=True):
        assert client(scene.visitor, "tcp", at, 22, source=visitor) == visitor
        assert client(scene.seedbox, "tcp", world, 7000) == at


@pytest.mark.stock
def test_down_leaves_no_trace(scene: Scene) -> None:
    before = scene.seedbox.state()
    up(scene.seedbox)
    dial(scene.seedbox)
    once = scene.seedbox.state()
    up(scene.seedbox)
    assert difference(once, scene.seedbox.state()) == ""
    down(scene.seedbox)

    after = scene.seedbox.state()
    known = (FORWARDING, "/eth0/accept_ra = ")  # forwarding stays on, with what a forwarding host needs
    assert difference(without(before, *known), without(after, *known)) == ""


def test_parts_come_up_in_the_order_that_they_need(scene: Scene) -> None:
    assert parts(scene.seedbox) == ["forwarding", "firewall", "namespace-vpn", "tunnel-azire"]
    early = scene.seedbox.run(script("tunnel-azire", "up"), check=False)

    assert early.returncode != 0  # its namespace is not there yet, and nothing of it stays
    assert not scene.seedbox.run(["ip", "link", "show", "dev", "wg-azire"], check=False).stdout


def test_the_private_key_is_in_no_file_that_was_compiled_and_in_no_command_line(scene: Scene) -> None:
    up(scene.seedbox)
    secret = private_key("seedbox")
    found = scene.seedbox.run(["grep", "-rlF", secret, "/etc", "/run", "/usr/lib/netc"], check=False).stdout.split()
    commands = scene.seedbox.run(["bash", "-c", "cat /proc/[0-9]*/cmdline"]).stdout

    assert found == ["/etc/netc/keys/azire.key"]
    assert secret not in commands
