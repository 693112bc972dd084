"""Claims about a firewall's openings: to whom a tunnel is open, and that nothing is opened twice or too wide."""

from __future__ import annotations

import re

import pytest
from netaddr import IPAddress

from examples import compiled
from netc.emit import emit
from netc.language.names import HostName, InterfaceName, Label, PartName
from netc.language.values import Netfilter
from netc.plan.facts import Ruleset
from netc.plan.host_plan import HostPlan, Part
from netc.plan.ruleset import LeavesBy
from topologies import key

HEAD = f"""
version = 1
network.name = "t"

[hosts.a]
id = 1
wan = "eth0"
addresses = ["198.51.100.1/24", "2001:db8:1::1/64"]
public_key = "{key("a")}"
%(a)s

[hosts.b]
id = 2
wan = "eth0"
addresses = ["198.51.101.1/24", "2001:db8:2::1/64"]
public_key = "{key("b")}"
%(b)s

[links.ab]
kind = "wireguard"
between = ["a", "b"]
ends.a.address = "10.77.0.0/31"
ends.b.address = "10.77.0.1/31"
%(link)s
"""


def rules(host: str = "a", a: str = "firewall = { }", b: str = "", link: str = "", more: str = "") -> list[str]:
    """The lines of the host's table."""
    files = compiled(HEAD % {"a": a, "b": b, "link": link} + more)[host]
    text = next(file.text for file in files if file.path.endswith("nftables.nft"))
    return [line.strip() for line in text.splitlines()]


def opened(lines: list[str], what: str) -> list[str]:
    return [line.removesuffix(f"{what} accept").strip() for line in lines if line.endswith(f"{what} accept")]


@pytest.mark.parametrize(
    ("kind", "what", "sources"),
    [
        # The kernel of the peer chooses the address that it sends from, and the peer may move.
        ("wireguard", "udp dport 51822", [""]),
        # These send from the address that the topology says.
        ("vxlan", "udp dport 4789", ["ip saddr 198.51.101.1"]),
        ("gre", "meta l4proto 47", ["ip saddr 198.51.101.1"]),
    ],
)
def test_a_tunnel_is_open_only_to_a_peer_with_a_fixed_address(kind: str, what: str, sources: list[str]) -> None:
    text = (HEAD % {"a": "firewall = { }", "b": "", "link": ""}).replace('"wireguard"', f'"{kind}"')
    (table,) = (file.text for file in compiled(text)["a"] if file.path.endswith("nftables.nft"))
    lines = [line.strip() for line in table.splitlines()]

    assert opened(lines, what) == sources


def test_the_port_of_a_provider_tunnel_is_open_if_it_is_set() -> None:
    peer = f'peer = {{ public_key = "{key("x")}", endpoint = "192.0.2.1:99", allowed_ips = "0.0.0.0/0" }}'
    text = 'firewall = {{ }}\ntunnels.t = {{ kind = "wireguard", address = "10.1.0.1/32", {port}{peer} }}'

    assert opened(rules(a=text.format(port="port = 777, ", peer=peer)), "udp dport 777") == [""]
    files = {
        file.path: file.text
        for file in compiled(HEAD % {"a": text.format(port="", peer=peer), "b": "", "link": ""})["a"]
    }
    assert "PersistentKeepalive = 25" in files["files/etc/netc/wireguard/wg-t.conf"]


def test_overlapping_ports_and_prefixes_are_merged_per_family() -> None:
    wall = """firewall.allow = { ports = ["80-90/tcp", "85-99/tcp", "443/tcp", "53/udp"],
    from = ["10.0.0.0/9", "10.128.0.0/9", "office", "fd00::/8"], interface = ["eth0", "wg-b"] }
    """.replace("\n   ", "")
    lines = rules(a=wall, more='[sets.office]\nprefixes = ["192.0.2.0/25", "192.0.2.0/24", "2001:db8::/32"]')
    entering = 'iifname { "eth0", "wg-b" }'

    sources = ["ip saddr 10.0.0.0/8", "ip saddr @set4_office", "ip6 saddr fd00::/8", "ip6 saddr @set6_office"]
    assert opened(lines, "tcp dport { 80-99, 443 }") == [f"{entering} {source}" for source in sources]
    assert opened(lines, "udp dport 53") == [f"{entering} {source}" for source in sources]
    assert "192.0.2.0/24," in lines
    assert "192.0.2.0/25," not in lines


def test_a_set_of_one_family_is_printed_for_that_family_only() -> None:
    lines = rules(a='firewall.deny = ["six"]', more='[sets.six]\nprefixes = "2001:db8:bad::/48"')

    assert [line for line in lines if re.match("set", line)] == ["set set6_six {"]
    assert lines.count("ip6 saddr @set6_six drop") == 2  # to the host, and through it


def test_a_forward_opens_its_link_to_the_host_or_to_the_container_that_serves_it() -> None:
    forwards = '[forwards.f]\nat = "b"\nports = "80/tcp"\nto = "%s"\nvia = "ab"'

    assert opened(rules(more=forwards % "a"), "tcp dport 80") == ['iifname "wg-b" ip daddr 10.77.0.0']
    assert opened(rules(more=forwards % "a:8080"), "tcp dport 8080") == ['iifname "wg-b" ip daddr 10.77.0.0']
    behind = rules(more=forwards % "a:10.0.3.20")
    assert opened(behind, "tcp dport 80") == []
    assert opened(behind, "ct status dnat") == ['iifname "wg-b" ip daddr 10.0.3.20']


def test_accept_admits_all_but_denied_sources() -> None:
    lines = rules(a='firewall = { input = "accept", forward = "accept", deny = "203.0.113.0/24" }')

    assert lines.count("ip saddr 203.0.113.0/24 drop") == 2
    assert [line for line in lines if line.endswith("drop")] == ["ip saddr 203.0.113.0/24 drop"] * 2
    assert not any(line.startswith("limit") for line in lines)


@pytest.mark.parametrize("wall", ['deny = "bogons"', 'deny = "bogons"\ninput = "accept"'])
def test_a_denied_dhcp_server_still_renews_leases(wall: str) -> None:
    """DHCPv6 is answered from a link-local address, and many providers' servers have a private one."""
    lines = rules(a=f"[hosts.a.firewall]\n{wall}")
    first_denial = next(number for number, line in enumerate(lines) if "@set4_bogons drop" in line)

    assert [n < first_denial for n, line in enumerate(lines) if "dport 68" in line or "dport 546" in line] == [True] * 2


@pytest.mark.parametrize("netfilter", ["nftables", "iptables"])
def test_a_target_behind_two_interfaces_leaves_by_either(netfilter: Netfilter) -> None:
    """Two tunnels may have one address. A rule for each alone would drop what the other carries."""
    devices = (InterfaceName("wg-one"), InterfaceName("wg-two"))
    facts = tuple(LeavesBy(("forwards", device), IPAddress("10.7.0.2"), device) for device in devices)
    ruleset = Ruleset(("hosts", "edge"), netfilter=netfilter, leaves_by=(*facts, facts[0]))
    part = Part(PartName("firewall"), ("hosts", "edge"), "a filter", facts=(ruleset,), kind="firewall")
    plan = HostPlan(Label("net"), HostName("edge"), (part,), ())
    path = "nftables.nft" if netfilter == "nftables" else "iptables.rules"
    (text,) = (file.text for file in emit(plan) if file.path.endswith(f"/netc/{path}"))
    found = [line.strip() for line in text.splitlines() if "10.7.0.2" in line]

    if netfilter == "nftables":
        assert found == ['ip daddr 10.7.0.2 oifname != { "wg-one", "wg-two" } drop']
    else:
        wanted = ("-o wg-one -j RETURN", "-o wg-two -j RETURN", "-j DROP")
        assert found == [f"-A netc-leaves-by -d 10.7.0.2 {words}" for words in wanted]


UPLINK = '[hosts.b.uplinks.two]\ninterface = "eth1"\nprefixes = "203.0.113.9/24"\ngateway = "203.0.113.1"\n'


@pytest.mark.parametrize(
    ("to", "addresses", "dropped"),
    [
        ("10.0.3.20", 'addresses = "198.51.101.1/24"', '{ "eth0", "eth1", "wg-a" }'),
        ("198.51.101.20", 'addresses = "198.51.101.1/24"', '{ "eth1", "wg-a" }'),
        ("203.0.113.20", 'addresses = "198.51.101.1/24"', '{ "eth0", "wg-a" }'),
        ("10.0.3.20", "", '{ "eth1", "wg-a" }'),  # eth0 may be the server's LAN
    ],
    ids=["no subnet", "of wan", "of an uplink", "wan without addresses"],
)
@pytest.mark.parametrize("netfilter", ["nftables", "iptables"])
def test_a_target_that_netc_does_not_know_never_leaves_by_an_uplink_or_back_by_the_link(
    netfilter: Netfilter, to: str, addresses: str, dropped: str
) -> None:
    text = (HEAD % {"a": "", "b": f'netfilter = "{netfilter}"\n{UPLINK}', "link": ""}) + FORWARD % ("a", f"b:{to}")
    text = text.replace(
        'addresses = ["198.51.101.1/24", "2001:db8:2::1/64"]', f'{addresses}\nendpoint = "198.51.101.1"'
    )
    path = "nftables.nft" if netfilter == "nftables" else "iptables.rules"
    (table,) = (file.text for file in compiled(text)["b"] if file.path.endswith(path))
    found = [line.strip() for line in table.splitlines() if line.endswith((" drop", "-j DROP")) and to in line]

    if netfilter == "nftables":
        assert found == [f"ip daddr {to} oifname {dropped} drop"]
    else:
        assert found == [f"-A netc-leaves-by -d {to} -o {name} -j DROP" for name in re.findall(r"[\w-]+", dropped)]


BRIDGE = 'bridges.br0 = { addresses = "10.0.3.1/24" }'
PEER = f'peer = {{ public_key = "{key("x")}", endpoint = "192.0.2.1:99", allowed_ips = "0.0.0.0/0" }}'
OUT = f'tunnels.t = {{ kind = "wireguard", address = "10.1.0.1/32", {PEER} }}'
FORWARD = '[forwards.f]\nat = "%s"\nports = "80/tcp"\nto = "%s"\nvia = "ab"'


@pytest.mark.parametrize(
    ("a", "more"),
    [
        (BRIDGE, ""),
        ('firewall.pass = { from = "docker0", to = "eth0" }', ""),
        (f"docker = true\n{BRIDGE}", ""),
        (f'{OUT}\nsplits.s = {{ tunnel = "t", source = "10.9.0.0/24", ipv6 = "block" }}', ""),
        (
            f'{OUT}\nnamespaces.n = {{ tunnel = "t", dns = "9.9.9.9", access = "10.200.0.0/31", '
            'publish = { port = "81/tcp" } }',
            "",
        ),
        ("", FORWARD % ("a", "b")),
        ("", FORWARD % ("b", "a:10.0.3.20")),
    ],
    ids=["bridge", "pass", "docker", "split", "namespace", "edge", "served behind"],
)
@pytest.mark.parametrize("mtu", [1492, 1500])
def test_segments_are_clamped_wherever_something_larger_is_forwarded(a: str, more: str, mtu: int) -> None:
    """By the MTU of a device, and not by the feature that forwards into it."""
    lines = rules(a=f"mtu = {mtu}\n{a}", more=more)

    for way in ("oifname", "iifname"):
        for version, size in ((4, mtu - 40), (6, mtu - 60)):
            syn = "tcp flags syn / syn,rst tcp option maxseg size"
            clamp = f'{way} "eth0" meta nfproto ipv{version} {syn} > {size} tcp option maxseg size set {size}'
            assert (clamp in lines) is (mtu < 1500)
        assert any(line.startswith(f'{way} "wg-b" ') and "maxseg size set" in line for line in lines)


def test_a_host_that_forwards_nothing_clamps_nothing() -> None:
    assert not any("maxseg" in line for line in rules(a="mtu = 1492\nfirewall = { }"))
