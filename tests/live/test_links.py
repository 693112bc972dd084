"""Links, meshes and tunnels carry packets of both families, in one piece up to their MTU and not beyond."""

from __future__ import annotations

from pathlib import Path

import pytest

from live.compiled import EXAMPLES, compiled, down, give_key, install, parts, script, up
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.state import difference
from live.traffic import Capture

pytestmark = pytest.mark.live

HEAD = """
version = 1
network.name = "lab"

[hosts.a]
id = 1
wan = "eth0"
addresses = ["198.51.100.1/24", "2001:db8::1/64"]
public_key = "{a}"

[hosts.b]
id = 2
wan = "eth0"
addresses = ["198.51.100.2/24", "2001:db8::2/64"]
public_key = "{b}"
"""
BOTH = """
[links.x]
kind = "{kind}"
between = ["a", "b"]
{more}
ends.a.address = [{one}]
ends.b.address = [{other}]
"""
FOUR = ("10.77.0.0/31", "10.77.0.1/31")
SIX = ("fd77::/127", "fd77::1/127")
HEADERS = {4: 28, 6: 48}
"""IP and ICMP, in bytes."""

ANYWHERE = [
    ("wireguard", 'family = "ipv4"', (FOUR, SIX), 1440),
    ("wireguard", 'family = "ipv6"', (FOUR, SIX), 1420),
    ("vxlan", 'family = "ipv4"', (FOUR, SIX), 1450),
    ("vxlan", 'family = "ipv6"', (FOUR, SIX), 1430),
]
STOCK = [
    ("gre", "", (FOUR, SIX), 1476),
    ("gre", "key = 7", (FOUR, SIX), 1472),
    ("ip6gre", "", (FOUR, SIX), 1456),
    ("ip6gre", "key = 7", (FOUR, SIX), 1452),
    ("ipip", "", (FOUR,), 1480),
    ("sit", "", (SIX,), 1480),
]
"""Kinds that only a stock kernel has."""


def head() -> str:
    return HEAD.format(**{name: public_key(private_key(name)) for name in "ab"})


def pair(lab: Lab, tmp_path: Path, text: str) -> tuple[Host, Host]:
    trees = compiled(head() + text, tmp_path)
    a, b = install(lab, "a", trees), install(lab, "b", trees)
    ends = ("198.51.100.1/24", "2001:db8::1/64"), ("198.51.100.2/24", "2001:db8::2/64")
    lab.wire(a, "eth0", b, "eth0", a_addresses=ends[0], b_addresses=ends[1])
    return a, b


def ping(host: Host, address: str, size: int | None = None, count: int = 1) -> bool:
    """An echo there and back; with `size`, one IP packet of that many bytes that nobody may take apart."""
    sized = [] if size is None else ["-M", "do", "-s", str(size - HEADERS[6 if ":" in address else 4])]
    command = ["ping", "-c", str(count), "-i", "0.2", "-W", "3", *sized, address]
    return host.run(command, check=False).returncode == 0


def reached(host: Host, address: str) -> bool:
    """At the first try or a later one: WireGuard's first word may be lost, and its second comes after 5 s."""
    return any(ping(host, address) for _ in range(6))


@pytest.mark.stock
@pytest.mark.parametrize("links", [ANYWHERE, pytest.param(STOCK, marks=pytest.mark.stock_kernel)])
def test_a_link_carries_its_mtu_and_not_a_byte_more(
    lab: Lab, tmp_path: Path, links: list[tuple[str, str, tuple[tuple[str, str], ...], int]]
) -> None:
    a, b = pair(lab, tmp_path, "")
    before = a.state()
    for kind, more, families, mtu in links:
        ends = ["".join(f'"{family[side]}", ' for family in families) for side in (0, 1)]
        trees = compiled(head() + BOTH.format(kind=kind, more=more, one=ends[0], other=ends[1]), tmp_path / kind / more)
        for host in (a, b):
            host.lay(trees[host.name])
            up(host)
        outside = Capture(a, "eth0")

        for _, far in families:
            there = far.partition("/")[0]
            assert reached(a, there), f"{kind} {more}"
            assert ping(a, there, size=mtu), f"{kind} {more}"
            assert not ping(a, there, size=mtu + 1), f"{kind} {more}"
        whole = "ip[6:2] & 0x3fff == 0"
        assert outside.packets(f"(ip and not ({whole})) or (ip6 and ip6[6] == 44)") == []  # no fragment on the wire
        assert outside.packets("icmp[icmptype] == icmp-echo or icmp6[icmp6type] == 128") == []
        outside.stop()
        for host in (a, b):
            down(host)
        assert difference(before, a.state()) == ""


@pytest.mark.stock
def test_a_preshared_key_and_a_credential_are_found_and_used(lab: Lab, tmp_path: Path) -> None:
    text = """
[links.x]
kind = "wireguard"
between = ["a", "b"]
ends.a.address = "10.77.0.0/31"
ends.a.private_key = { credential = "x" }
ends.a.preshared_key = { file = "/etc/netc/keys/x.psk" }
ends.b = { address = "10.77.0.1/31", preshared_key = { file = "/etc/netc/keys/other.psk" } }
"""
    a, b = pair(lab, tmp_path, text)
    a.write("/run/credentials/netc/x", private_key("a"), 0o400)
    give_key(a, "host", "nobody")  # must not be the one that is used
    a.write("/etc/netc/keys/x.psk", private_key("shared"), 0o600)
    b.write("/etc/netc/keys/other.psk", private_key("shared"), 0o600)
    a.run(script("link-x", "up"), env={"CREDENTIALS_DIRECTORY": "/run/credentials/netc"})
    up(b)

    assert reached(a, "10.77.0.1")
    b.write("/etc/netc/keys/other.psk", private_key("another"), 0o600)
    down(b)
    up(b)
    assert not ping(a, "10.77.0.1")


def test_routes_in_a_table_apply_to_packets_from_the_links_own_address(lab: Lab, tmp_path: Path) -> None:
    text = """
[links.x]
kind = "vxlan"
between = ["a", "b"]
ends.a = { address = ["10.77.0.0/31", "fd77::/127"], routes = ["0.0.0.0/0", "::/0"], table = 7101 }
ends.b = { address = ["10.77.0.1/31", "fd77::1/127"] }
"""
    a, b = pair(lab, tmp_path, text)
    for address in ("203.0.113.1", "2001:db8:113::1"):
        b.run(["ip", "address", "add", address, "dev", "lo"])
    before = a.state()
    up(a)
    up(b)

    for far, own in (("203.0.113.1", "10.77.0.0"), ("2001:db8:113::1", "fd77::")):
        assert a.run(["ping", "-c", "1", "-W", "3", "-I", own, far], check=False).returncode == 0
        assert not ping(a, far)
    down(a)
    assert difference(before, a.state()) == ""


def test_every_host_of_the_mesh_reaches_every_other_in_both_families(lab: Lab, tmp_path: Path) -> None:
    trees = compiled(EXAMPLES / "mesh.toml", tmp_path)
    world = lab.host("world")
    world.run(["bash", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"])
    hosts = {name: install(lab, name, trees) for name in trees}
    uplinks = {
        "fra": ("eth0", "198.51.100.10/25", "198.51.100.1/25", "2001:db8:f::10/64", "2001:db8:f::1/64"),
        "ams": ("eth0", "198.51.100.130/25", "198.51.100.129/25", "2001:db8:a::20/64", "2001:db8:a::1/64"),
        "nyc": ("ens3", "203.0.113.30/24", "203.0.113.1/24", "2001:db8:c::30/64", "2001:db8:c::1/64"),
        "sfo": ("enp1s0", "192.168.7.4/24", "192.168.7.1/24"),
        "tyo": ("ppp0", "192.0.2.50/24", "192.0.2.1/24"),
    }
    for name, (device, *pairs) in uplinks.items():
        mtu = 1492 if name == "tyo" else 1500
        lab.wire(hosts[name], device, world, name, a_addresses=pairs[::2], b_addresses=pairs[1::2], mtu=mtu)
        for gateway in pairs[1::2]:
            family = "-6" if ":" in gateway else "-4"
            hosts[name].run(["ip", family, "route", "add", "default", "via", gateway.partition("/")[0]])
    # sfo is behind NAT: nobody reaches it until it has spoken.
    nat = 'table ip nat { chain p { type nat hook postrouting priority srcnat; iifname "sfo" masquerade; }; }'
    world.run(["nft", "-f", "-"], input=nat)
    for host in hosts.values():
        host.write("/etc/hosts", "192.0.2.50 tyo.example.net\n")
        for part in parts(host):
            if part.startswith("mesh-"):
                host.run(script(part, "up"))
        host.run(["bash", "-c", 'for each in /etc/netc/parts/*/endpoints; do [[ ! -e $each ]] || "$each"; done'])

    numbers = {"fra": 1, "ams": 2, "nyc": 3, "sfo": 4, "tyo": 5}
    for name, host in hosts.items():
        for other, number in numbers.items():
            if other != name:
                for address in (f"10.88.0.{number}", f"fd88::{number:x}"):
                    assert reached(host, address), f"{name} to {other} at {address}"
    for name, other in (("fra", "nyc"), ("nyc", "tyo"), ("tyo", "fra")):
        assert reached(hosts[name], f"fe80::{numbers[other]}%core-{other}")


@pytest.mark.stock
@pytest.mark.stock_kernel
def test_other_links_of_the_mesh_and_6to4_carry_packets(lab: Lab, tmp_path: Path) -> None:
    text = """
[hosts.a.firewall]
[hosts.b.firewall]

[hosts.a.tunnels.out]
kind = "6to4"

[hosts.b.tunnels.out]
kind = "6to4"

[hosts.a.tunnels.he]
kind = "sit"
remote = "198.51.100.2"
address = "fd66::1/64"

[hosts.b.tunnels.he]
kind = "sit"
remote = "198.51.100.1"
address = "fd66::2/64"
"""
    a, b = pair(lab, tmp_path, text)
    before = a.state()
    up(a)
    up(b)

    assert ping(a, "2002:c633:6402::1", size=1480)
    assert ping(a, "fd66::2", size=1480)
    down(a)
    assert difference(before, a.state()) == ""


def test_a_vxlan_end_that_restarts_answers_its_peer_at_once(lab: Lab, tmp_path: Path) -> None:
    """Its peer has the MAC address of before in its cache, and would send there for up to a minute."""
    one, other = ("".join(f'"{family[side]}", ' for family in (FOUR, SIX)) for side in (0, 1))
    a, b = pair(lab, tmp_path, BOTH.format(kind="vxlan", more="", one=one, other=other))
    up(a)
    up(b)
    for address in ("10.77.0.0", "fd77::"):
        assert reached(b, address)
    before = a.read("/sys/class/net/vx-b/address")
    assert before != b.read("/sys/class/net/vx-a/address")

    down(a)
    up(a)
    assert a.read("/sys/class/net/vx-b/address") == before
    for address in ("10.77.0.0", "fd77::"):
        assert ping(b, address), "the first packet"
    a.run(["ip", "link", "set", "dev", "vx-b", "address", "02:00:00:00:00:09"])
    assert "vx-b lacks: 02:" in a.run(script("link-x", "check"), check=False).stdout


def test_a_peer_that_sends_from_another_of_its_addresses_is_let_in(lab: Lab, tmp_path: Path) -> None:
    """As a host does that has temporary addresses (RFC 8981). No side knows the other before the first packet."""
    text = head().replace('"198.51.100.1/24", ', "").replace('"198.51.100.2/24", ', "")
    text += BOTH.format(kind="wireguard", more="", one='"10.77.0.0/31"', other='"10.77.0.1/31"')
    for name in "ab":
        text += f"\n[hosts.{name}.firewall]\n"
    trees = compiled(text, tmp_path)
    a, b = install(lab, "a", trees), install(lab, "b", trees)
    # The address that it chooses is the one added last.
    lab.wire(a, "eth0", b, "eth0", a_addresses=("2001:db8::1/64",), b_addresses=("2001:db8::2/64", "2001:db8::99/64"))
    b.run(["ip", "address", "change", "2001:db8::2/64", "dev", "eth0", "preferred_lft", "0"])
    outer = Capture(b, "eth0")
    up(a)
    up(b)

    assert reached(b, "10.77.0.0")
    assert outer.packets("src host 2001:db8::99 and udp")
    outer.stop()


HUB = """
version = 1
network.name = "hub"

[hosts.hub]
id = 1
wan = "eth0"
addresses = "198.51.100.1/24"
public_key = "{hub}"
{firewall}

[hosts.a]
id = 2
wan = "eth0"
endpoint = false
public_key = "{a}"

[hosts.b]
id = 3
wan = "eth0"
endpoint = false
public_key = "{b}"

[links.a]
kind = "wireguard"
between = ["hub", "a"]
ends.hub.address = ["10.8.0.1/30", "fd08::1/126"]
ends.a.address = ["10.8.0.2/30", "fd08::2/126"]
ends.a.routes = ["10.8.1.0/30", "fd08:1::/126"]

[links.b]
kind = "wireguard"
between = ["hub", "b"]
ends.hub.address = ["10.8.1.1/30", "fd08:1::1/126"]
ends.b.address = ["10.8.1.2/30", "fd08:1::2/126"]
ends.b.routes = ["10.8.0.0/30", "fd08::/126"]
"""
PASS = """firewall.pass = [{ from = "wg-a", to = "wg-b" }, { from = "wg-b", to = "wg-a" }]"""


@pytest.mark.parametrize("firewall", ["", PASS], ids=["none", "pass"])
def test_routes_by_a_hub_turn_forwarding_on_there(lab: Lab, tmp_path: Path, firewall: str) -> None:
    keys = {name: public_key(private_key(name)) for name in ("hub", "a", "b")}
    trees = compiled(HUB.format(firewall=firewall, **keys), tmp_path)
    hub, a, b = (install(lab, name, trees) for name in ("hub", "a", "b"))
    switch = lab.switch("switch")
    for number, host in enumerate((hub, a, b), 1):
        switch.plug(host, "eth0", f"198.51.100.{number}/24")
        up(host)

    assert reached(a, "10.8.0.1")
    assert reached(b, "10.8.1.1")
    for host, addresses in ((a, ("10.8.1.2", "fd08:1::2")), (b, ("10.8.0.2", "fd08::2"))):
        for address in addresses:
            assert reached(host, address), f"{host.name} to {address}"
    assert hub.read("/etc/sysctl.d/60-netc.conf").count("forwarding") >= 1


def test_routes_to_the_other_host_itself_leave_its_forwarding_alone(tmp_path: Path) -> None:
    keys = {name: public_key(private_key(name)) for name in ("hub", "a", "b")}
    text = HUB.format(firewall="", **keys).replace('"10.8.1.0/30", "fd08:1::/126"', '"10.8.1.1/32"')
    trees = compiled(text.replace('"10.8.0.0/30", "fd08::/126"', '"fd08::1/128"'), tmp_path)

    assert not (trees["hub"] / "etc/sysctl.d/60-netc.conf").exists()
