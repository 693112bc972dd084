"""The other end of a provider's tunnel is a stranger: nothing begins there but what `open` lets in."""

from __future__ import annotations

from pathlib import Path

import pytest

from live import test_splits
from live.compiled import compiled, filter_up, give_key, up
from live.delivered import deliver, install, netc_host
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.test_seedbox import Scene, dial, scene
from live.traffic import ANSWER, SILENCE, Proto, client, echo

__all__ = ["scene"]

pytestmark = [pytest.mark.live, pytest.mark.netfilters]

PROTOCOLS: tuple[Proto, ...] = ("tcp", "udp")
INSIDE = ("10.10.18.201", "2a0e:1c80:1337:1:10:0:18:201")
"""The seedbox at the tunnel's own addresses."""
PEERS = ("10.10.0.1", "2a0e:1c80:1337:1::1")
OPEN = 51413
SHUT = (9091, 22)


@pytest.mark.stock
def test_a_namespace_is_closed_to_its_tunnel_except_to_open_ports(scene: Scene) -> None:
    up(scene.seedbox)
    dial(scene.seedbox)
    for port in (OPEN, *SHUT):
        echo(scene.seedbox, port, namespace="vpn")

    for address, peer in zip(INSIDE, PEERS, strict=True):
        for protocol in PROTOCOLS:
            assert client(scene.provider, protocol, address, OPEN) == peer, f"{protocol} to {address}"
            for port in SHUT:
                assert client(scene.provider, protocol, address, port, timeout=SILENCE) is None, f"{port}/{protocol}"


LAPTOP = ("10.66.0.2", "fd66::2")
EXIT = ("10.66.0.1", "fd66::1")
BEHIND = ("10.99.0.2", "fd99::2")
"""A machine that the laptop forwards to."""

OPENED = 'open = ["7001/tcp", { ports = "7002/udp", from = ["10.66.0.1/32"] }]'
SPLIT = 'group = "cavorite"\ncommand = "t"\n'
SHUT_FORWARDING = "[hosts.laptop.firewall]\n"
OPEN_INPUT = '[hosts.laptop.firewall]\ninput = "accept"\nforward = "accept"\n'


def of_split(opened: str) -> str:
    return test_splits.topology(SPLIT + opened) + "\n"


def with_routes(opened: str) -> str:
    tunnel = test_splits.topology().partition("[hosts.laptop.splits.cavorite]")[0]
    return f'{tunnel}routes = ["203.0.113.201/32", "fd99:9::/64"]\n{opened}\n'


TUNNELS = {"split": of_split, "routes": with_routes}


@pytest.mark.parametrize("tunnel", TUNNELS)
@pytest.mark.parametrize("firewall", ["", SHUT_FORWARDING, OPEN_INPUT], ids=["none", "firewall", "accept"])
def test_a_host_is_closed_to_the_other_end_of_a_tunnel_except_to_open_ports(
    lab: Lab, tmp_path: Path, firewall: str, tunnel: str
) -> None:
    there = test_splits.scene(lab, tmp_path, TUNNELS[tunnel](OPENED) + firewall)
    laptop, behind = there.laptop, lab.host("behind")
    lab.wire(laptop, "lan0", behind, "eth0", a_addresses=("10.99.0.1/24", "fd99::1/64"), b_addresses=("10.99.0.2/24",))
    behind.run(["ip", "address", "add", "fd99::2/64", "dev", "eth0", "nodad"])
    for router in ("10.99.0.1", "fd99::1"):
        behind.run(["ip", "route", "add", "default", "via", router])
    laptop.run(["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"])
    for prefix in ("10.99.0.0/24", "fd99::/64"):
        there.exit.run(["ip", "route", "add", prefix, "dev", "wg0"])
    test_splits.start(there)
    for port in (22, 7001, 7002, 7003):
        echo(laptop, port)
    echo(behind, 7001)
    echo(there.exit, 7004)

    def seen(protocol: Proto, address: str, port: int, timeout: float = SILENCE) -> str | None:
        return client(there.exit, protocol, address, port, timeout=timeout)

    for address, peer in zip(LAPTOP, EXIT, strict=True):
        assert client(there.exit, "tcp", address, 7001) == peer
        assert seen("udp", address, 7001) is None
        for protocol in PROTOCOLS:
            assert seen(protocol, address, 7003) is None, f"{protocol} to {address}"
        assert seen("tcp", address, 22) is None, "ssh is not for strangers"
        assert client(laptop, "tcp", peer, 7004, source=address) == address, "replies come in"
    assert client(there.exit, "udp", LAPTOP[0], 7002) == EXIT[0]
    assert seen("udp", LAPTOP[1], 7002) is None, "`from` names one address"
    for address in BEHIND:
        assert seen("tcp", address, 7001) is None, "nothing passes through"
    assert client(there.world, "tcp", test_splits.LAPTOP[0], 22) == test_splits.ROUTER[0], "by the uplink it is open"
    if tunnel == "split":
        assert test_splits.sees(there, test_splits.MEMBER) == test_splits.OF_MEMBER


@pytest.mark.parametrize("firewall", ["", SHUT_FORWARDING, OPEN_INPUT], ids=["none", "firewall", "accept"])
def test_ssh_by_the_tunnel_is_open_where_the_author_says_so(lab: Lab, tmp_path: Path, firewall: str) -> None:
    opened = 'open = { ports = "20-25/tcp", from = "10.66.0.1/32" }'
    there = test_splits.scene(lab, tmp_path, with_routes(opened) + firewall)
    test_splits.start(there)
    echo(there.laptop, 22)
    assert client(there.exit, "tcp", LAPTOP[0], 22) == EXIT[0]
    assert client(there.exit, "tcp", LAPTOP[1], 22, timeout=SILENCE) is None, "`from` names one address"


OFFICE = test_splits.LISTED
FORGED = """
ip address add {0}/32 dev lo; ip address add {1}/128 dev lo nodad
wg set wg0 peer {peer} allowed-ips 0.0.0.0/0,::/0
ip rule add ipproto tcp to {2} lookup 77 priority 10; ip -6 rule add ipproto tcp to {3} lookup 77 priority 10
ip route add {2} dev wg0 table 77; ip -6 route add {3} dev wg0 table 77
"""
"""The provider sends from the addresses of the office, into the tunnel: connections, not the tunnel's own packets."""
ALLOWED = f'allow = ["{OFFICE[0]}/32", "{OFFICE[1]}/128"]'
FOR_THE_OFFICE = f"""
[hosts.laptop.firewall]
allow = [
  {{ ports = "7001/tcp", from = ["{OFFICE[0]}/32", "{OFFICE[1]}/128"] }},
  {{ ports = ["7002/tcp", "22/tcp"], from = ["{OFFICE[0]}/32", "{OFFICE[1]}/128"], interface = "wg-escape" }},
]
"""
PUBLISHED = f"""
[hosts.laptop.bridges.br0]
addresses = ["10.99.0.1/24", "fd99::1/64"]

[[hosts.laptop.bridges.br0.publish]]
port = "7003/tcp"
to = ["10.99.0.2", "[fd99::2]"]
on = ["{test_splits.LAPTOP[0]}", "{test_splits.LAPTOP[1]}"]
{ALLOWED}

[[hosts.laptop.bridges.br0.publish]]
port = "7004/tcp"
to = ["10.99.0.2", "[fd99::2]"]
on = ["{LAPTOP[0]}", "{LAPTOP[1]}"]
{ALLOWED}
"""


@pytest.mark.parametrize("firewall", ["", FOR_THE_OFFICE, OPEN_INPUT], ids=["none", "firewall", "accept"])
def test_what_is_for_the_office_alone_is_not_for_who_sends_from_its_addresses_by_a_tunnel(
    lab: Lab, tmp_path: Path, firewall: str
) -> None:
    """The split answers by the tunnel, so the provider would get whole connections. A rule that names the tunnel's
    interface, or an address of it, means who comes by it."""
    there = test_splits.scene(lab, tmp_path, of_split("") + PUBLISHED + firewall)
    laptop, behind = there.laptop, lab.host("behind")
    lab.wire(laptop, "lan0", behind, "eth0", b_addresses=("10.99.0.2/24", "fd99::2/64"))
    test_splits.start(there)
    laptop.run(["ip", "link", "set", "lan0", "master", "br0"])
    for router in ("10.99.0.1", "fd99::1"):
        behind.run(["ip", "route", "add", "default", "via", router])
    peer = public_key(private_key("laptop"))
    there.exit.run(["bash", "-ec", FORGED.format(*OFFICE, *test_splits.LAPTOP, peer=peer)])
    for port in (22, 7001, 7002):
        echo(laptop, port)
    for port in (7003, 7004):
        echo(behind, port)

    def answered(host: Host, to: tuple[str, str], port: int, timeout: float = SILENCE) -> list[bool]:
        pairs = zip(OFFICE, to, strict=True)
        return [client(host, "tcp", ip, port, source=own, timeout=timeout) == own for own, ip in pairs]

    for port in (7001, 7003):
        assert answered(there.world, test_splits.LAPTOP, port, ANSWER) == [True, True], f"{port} by the uplink"
        assert answered(there.exit, test_splits.LAPTOP, port) == [False, False], f"{port} by the tunnel"
    for port in (22, 7002):
        named = [firewall == FOR_THE_OFFICE] * 2
        assert answered(there.exit, LAPTOP, port) == named, f"{port} by the tunnel"
    assert answered(there.exit, LAPTOP, 7004, ANSWER) == [True, True], "published at the tunnel's address"


def test_without_the_rules_the_provider_reaches_the_host(lab: Lab, tmp_path: Path) -> None:
    """Or the tests above would be about something else."""
    there = test_splits.scene(lab, tmp_path, of_split(OPENED))
    test_splits.start(there)
    echo(there.laptop, 7003)
    assert client(there.exit, "tcp", LAPTOP[0], 7003, timeout=SILENCE) is None
    for family in ("iptables", "ip6tables"):
        there.laptop.run([family, "-t", "mangle", "-F"], check=False)
    there.laptop.run(["nft", "flush", "ruleset"])
    assert client(there.exit, "tcp", LAPTOP[0], 7003) == EXIT[0]
    filter_up(there.laptop)


ANOTHER = f"""
[hosts.laptop.tunnels.another]
kind = "wireguard"
address = "10.68.0.2/32"

[hosts.laptop.tunnels.another.peer]
public_key = "{public_key(private_key("another"))}"
endpoint = "203.0.113.7:51820"
allowed_ips = "10.68.0.0/24"
"""


@pytest.mark.parametrize("tunnel", TUNNELS)
def test_a_tunnel_does_not_come_up_before_the_filter(lab: Lab, tmp_path: Path, tunnel: str) -> None:
    """By its script, and by the batch of several tunnels. Once up, it stays while the filter goes down and reloads."""
    (tmp_path / "country.txt").write_text("\n".join(test_splits.COUNTRY))
    laptop, world = lab.host("laptop"), lab.host("world")
    lab.wire(laptop, "eth0", world, "laptop", a_addresses=[f"{test_splits.LAPTOP[0]}/24"])
    for key in ("escape", "another"):
        give_key(laptop, key, "laptop")
    deliver(lab, laptop, compiled(TUNNELS[tunnel]("") + ANOTHER, tmp_path)["laptop"])
    install(laptop, "--commit")
    netc_host(laptop, "down")
    there = laptop.run(["ls", "/etc/netc"]).stdout.split()
    rules = next(f"/etc/netc/{file}" for file in ("nftables.nft", "iptables.rules") if file in there)
    good = laptop.read(rules)
    laptop.write(rules, f"{good}nonsense\n")
    said = netc_host(laptop, "up", check=False)
    assert said.returncode == 1
    for name in ("escape", "another"):
        assert f"tunnel-{name}: the packet filter, which keeps strangers out, is not up" in said.stderr
    assert "wg-" not in laptop.run(["ip", "link", "show"]).stdout

    laptop.write(rules, good)
    netc_host(laptop, "up")
    laptop.run(["bash", "/etc/netc/parts/firewall/reload"])
    laptop.run(["bash", "/etc/netc/parts/firewall/down"])
    links = laptop.run(["ip", "link", "show"]).stdout
    assert all(f"wg-{name}" in links for name in ("escape", "another"))
