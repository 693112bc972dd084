"""What somebody changed where it is easily overlooked: `netc-host check` tells of it, `netc-host up` repairs it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from live.compiled import compiled, give_key
from live.delivered import deliver, install, netc_host
from live.example_host import example
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.state import difference
from live.test_iptables import PROGRAMS, TOPOLOGY, with_legacy
from live.test_status import TOPOLOGY as LOOKING
from live.test_step_checks import MORE

pytestmark = pytest.mark.live


def differences(host: Host) -> list[str]:
    said = netc_host(host, "check", check=False)
    assert said.stderr == ""
    assert said.returncode == bool(said.stdout)
    # The kernel of a machine may lack a type of link: the part that needs it is down, too.
    return [line for line in said.stdout.splitlines() if not line.startswith("kernel: ")]


def mended(host: Host) -> None:
    netc_host(host, "up")
    assert differences(host) == []


STRAYS = (
    "ip rule add priority 5 from 192.0.2.9 lookup 900 protocol 77",
    "ip -6 rule add priority 5 fwmark 0x1000000/0xff000000 lookup 900 protocol 77",
    "ip route add 203.0.113.0/24 via 198.51.100.20 table 900 protocol 77",
    "ip -n vpn route add 203.0.113.0/24 dev access protocol 77",
    "ip route replace 10.9.0.0/16 dev eth0 table 900 protocol 77",  # one of netc's, led elsewhere
    "ip rule del priority 900 protocol 77; ip rule add priority 900 from 192.0.2.0/24 lookup 900 protocol 77",
)


@pytest.mark.parametrize("change", STRAYS)
def test_up_removes_objects_with_netc_s_protocol_that_no_part_owns(lab: Lab, tmp_path: Path, change: str) -> None:
    edge = lab.host("edge")
    lab.wire(edge, "eth0", lab.host("node"), "eth0", a_addresses=["198.51.100.10/24"], b_addresses=["198.51.100.20/24"])
    give_key(edge, "host", "edge")
    give_key(edge, "abroad", "abroad")
    deliver(lab, edge, compiled(LOOKING, tmp_path)["edge"])
    install(edge, "--commit")
    assert differences(edge) == []
    edge.run(["ip", "route", "add", "203.0.113.0/24", "via", "198.51.100.20"])  # not netc's
    assert differences(edge) == []
    before = edge.state()
    edge.run(["bash", "-c", change])
    assert [line for line in differences(edge) if line.endswith("is not from netc")]
    mended(edge)
    assert difference(before, edge.state()) == ""


# ---- namespaces

TWO_NAMESPACES = """
version = 1
network.name = "lab"
[hosts.box]
id = 1
wan = "eth0"
addresses = "198.51.100.1/24"
""" + "".join(
    f"""
[hosts.box.tunnels.{name}]
kind = "wireguard"
address = "10.10.18.20{number or 1}/32"
peer.public_key = "{public_key(private_key("peer of " + name))}"
peer.endpoint = "203.0.113.66:5182{number or 1}"
peer.allowed_ips = "0.0.0.0/0"
[hosts.box.namespaces.{"vpn" + number}]
tunnel = "{name}"
dns = "9.9.9.9"
access = "10.200.{number or 1}.0/31"
"""
    for number, name in (("", "near"), ("2", "far"))
)


@pytest.fixture
def box(lab: Lab, tmp_path: Path) -> Host:
    box = lab.host("box")
    lab.wire(box, "eth0", lab.host("world"), "eth0", a_addresses=["198.51.100.1/24"])
    for name in ("near", "far"):
        give_key(box, name, name)
    deliver(lab, box, compiled(TWO_NAMESPACES, tmp_path)["box"])
    install(box, "--commit")
    assert differences(box) == []
    return box


@pytest.mark.parametrize("name", ["vpn", "vpn2"])
def test_check_reads_a_sysctl_in_its_own_namespace(box: Host, name: str) -> None:
    path = "/proc/sys/net/ipv6/conf/access/accept_dad"
    box.run(["bash", "-c", f"echo 1 >{path}"], namespace=name)
    assert differences(box) == [f"namespace-{name}: sysctl net.ipv6.conf.access.accept_dad in {name} is 1, not 0"]
    mended(box)
    assert box.run(["cat", path], namespace=name).stdout == "0\n"


@pytest.mark.parametrize(
    "change",
    ["ip netns delete vpn; ip netns add vpn", "ip netns delete vpn", "ip -n vpn link set wg-near name foo"],
)
def test_a_program_that_lost_its_device_is_replaced(box: Host, change: str) -> None:
    box.start(["sleep", "600"], namespace="vpn")
    other = program(box, "far")
    before = program(box, "near")
    box.run(["bash", "-ec", change])
    assert any(line.startswith("tunnel-near: ") for line in differences(box))
    mended(box)
    assert program(box, "far") == other
    assert len(program(box, "near")) == len(before)
    assert not set(program(box, "near")) & set(before)
    assert "foo" not in box.run(["ip", "-n", "vpn", "-o", "link", "show"]).stdout
    netc_host(box, "down")
    assert program(box, "near") == program(box, "far") == []
    assert box.run(["ls", "/run/wireguard"], check=False).stdout == ""


def program(host: Host, tunnel: str) -> list[str]:
    """The processes of a userspace WireGuard; none where the kernel has its own."""
    ask = ["pgrep", "-f", rf"^\S*(wireguard-go|boringtun(-cli)?) wg-{tunnel}$"]
    return host.run(ask, check=False).stdout.split()


def links(number: int) -> str:
    hosts = "".join(
        f'[hosts.{name}]\nid = {id}\nwan = "eth0"\naddresses = "198.51.100.{id}/24"\n'
        for id, name in enumerate(("hub", "one", "two"), 1)
    )
    return f'version = 1\nnetwork.name = "lab"\n{hosts}' + "".join(
        f'[links.{far}]\nkind = "vxlan"\nbetween = ["hub", "{far}"]\nends.hub.address = "10.77.{id}.0/31"\n'
        f'ends.{far}.address = "10.77.{id}.1/31"\n'
        for id, far in enumerate(("one", "two")[:number])
    )


@pytest.mark.parametrize("number", [1, 2])
def test_a_link_that_was_renamed_is_replaced(lab: Lab, tmp_path: Path, number: int) -> None:
    """Alone, and as one of many: two of the same kind to the same end there can not be."""
    hub = lab.host("hub")
    lab.wire(hub, "eth0", lab.host("world"), "eth0", a_addresses=["198.51.100.1/24"])
    before = hub.state()
    deliver(lab, hub, compiled(links(number), tmp_path)["hub"])
    install(hub, "--commit")
    hub.run(["bash", "-ec", "ip link add dev mine type bridge; ip link set vx-one down; ip link set vx-one name foo"])
    assert any("link vx-one (group 77" in line for line in differences(hub))
    mended(hub)
    hub.run(["bash", "-ec", "ip link set vx-one down; ip link set vx-one name foo"])
    netc_host(hub, "down")
    hub.run(["ip", "link", "delete", "mine"])
    netc_host(hub, "uninstall")
    assert difference({"link": before["link"]}, {"link": hub.state()["link"]}) == ""


# ---- routes and rules


@pytest.mark.parametrize(
    ("which", "change"),
    [
        (
            "laptop-iptables/laptop",
            "ip -4 route delete unreachable default table 13701 metric 4278198272; "
            "ip -4 route add default dev eth0 table 13701 metric 4278198272 protocol 77",
        ),
        (
            "uplinks/lin",
            "ip -4 route delete unreachable default table 12385 metric 4278198272; "
            "ip -4 route add default dev eth0 table 12385 metric 4278198272 protocol 77",
        ),
        (
            "uplinks/lin",
            "ip -6 route delete unreachable default table 12223 metric 4278198272; "
            "ip -6 route add default dev eth0 table 12223 metric 4278198272 protocol 77",
        ),
        (
            "uplinks/lin",
            "ip rule delete priority 12000 from 203.0.113.0/28; "
            "ip rule add priority 12000 not from 203.0.113.0/28 lookup 12385 protocol 77",
        ),
        (
            "uplinks/lin",
            "ip rule delete priority 12000 from 203.0.113.0/28; "
            "ip rule add priority 12000 from 203.0.113.0/28 tos 0x10 lookup 12385 protocol 77",
        ),
        ("uplinks/lin", "ip link set br0 type bridge forward_delay 1500"),
    ],
)
def test_a_broken_kill_switch_is_reported_and_repaired(lab: Lab, which: str, change: str, tmp_path: Path) -> None:
    host, failed = example(lab, which, tmp_path)
    known = [f"part {part} is down" for part in failed]
    assert differences(host) == known
    host.run(["bash", "-ec", change])
    assert len(differences(host)) > len(known)
    netc_host(host, "up", check=not known)
    assert differences(host) == known


# ---- iptables, and its sets


@pytest.fixture
def guarded(lab: Lab, tmp_path: Path) -> Host:
    """A host whose packet filter is iptables', and names a list."""
    listed = ["192.0.2.7/32", "2001:db8:7::7/128"]
    a = lab.host("a")
    lab.wire(a, "eth0", lab.host("world"), "eth0", a_addresses=["198.51.100.1/24", "2001:db8:1::1/64"])
    deliver(lab, a, compiled(TOPOLOGY.format(office=listed, port=9100), tmp_path)["a"])
    install(a, "--commit")
    assert differences(a) == []
    return a


def chains(host: Host, kind: str) -> int:
    return "".join(host.run([f"{program}-{kind}-save"]).stdout for program in PROGRAMS).count("\n:netc-")


@pytest.mark.parametrize(("then", "first"), [("up", "nft"), ("up", "legacy"), ("down", "nft"), ("down", "legacy")])
def test_chains_of_the_previous_iptables_variant_are_removed(lab: Lab, tmp_path: Path, then: str, first: str) -> None:
    a = lab.host("a")
    lab.wire(a, "eth0", lab.host("world"), "eth0", a_addresses=["198.51.100.1/24", "2001:db8:1::1/64"])
    switches = {"nft": with_nft, "legacy": with_legacy}
    second = next(kind for kind in switches if kind != first)
    switches[first](a)
    for program in PROGRAMS:
        a.run([f"{program}-{first}", "-t", "mangle", "-A", "INPUT", "-p", "udp", "--dport", "7", "-j", "DROP"])
    deliver(lab, a, compiled(TOPOLOGY.format(office=["192.0.2.7/32"], port=9100), tmp_path)["a"])
    install(a, "--commit")
    assert differences(a) == []
    assert chains(a, first)

    switches[second](a)
    said = differences(a)
    assert f"firewall: netc's chains are also in the tables of iptables-{first}" in said
    assert f"firewall: netc's chains are also in the tables of ip6tables-{first}" in said
    assert any("iptables rule" in line and line.endswith("is not there") for line in said)
    if then == "up":
        mended(a)
        assert chains(a, second)
        assert chains(a, first) == 0
    netc_host(a, "down")
    assert (chains(a, first), chains(a, second)) == (0, 0)
    assert a.run(["ipset", "list", "-name"]).stdout == ""
    for program in PROGRAMS:
        assert "--dport 7 -j DROP" in a.run([f"{program}-{first}-save"]).stdout


def with_nft(host: Host) -> None:
    with_legacy(host, "nft")


def test_foreign_legacy_tables_are_not_reported(guarded: Host) -> None:
    guarded.run(["iptables-legacy", "-t", "mangle", "-A", "INPUT", "-p", "udp", "--dport", "7", "-j", "DROP"])
    assert "# Warning" in guarded.run(["iptables-save"]).stderr
    assert differences(guarded) == []
    for said in (guarded.run(["bash", "/etc/netc/parts/firewall/reload"]), netc_host(guarded, "down")):
        assert "Warning" not in said.stderr
    assert "--dport 7" in guarded.run(["iptables-legacy-save"]).stdout


SWAP = "ipset create mine hash:net && ipset add mine 192.0.2.7/32 && ipset swap mine office4"


@pytest.mark.parametrize("more", ["", " && ipset destroy mine", " && ipset destroy mine; netc-host down"])
def test_an_ipset_that_somebody_swapped_is_restored(guarded: Host, more: str) -> None:
    """With the same members, also by whoever makes a list anew each night."""
    guarded.run(["bash", "-ec", SWAP])
    guarded.run(["bash", "-c", "true" + more])
    if "down" not in more:
        assert sorted(differences(guarded)) == [
            "set-office: ipset office4 of hash:net family inet maxelem 16777077 bucketsize 12 is not there",
            "set-office: ipset office4 of hash:net family inet maxelem 65536 bucketsize 12 is not from netc",
        ]
    mended(guarded)
    members = guarded.run(["ipset", "save", "mine" if not more else "office4-old"], check=False).stdout
    assert members.count("add ") == 1
    netc_host(guarded, "down")
    assert "office4\n" not in guarded.run(["ipset", "list", "-name"]).stdout


def test_check_reports_an_ipset_member_with_nomatch(guarded: Host) -> None:
    guarded.run(["bash", "-c", "ipset del office4 192.0.2.7; ipset add office4 192.0.2.7 nomatch"])
    assert sorted(differences(guarded)) == [
        "set-office: ipset member office4 192.0.2.7 is not there",
        "set-office: ipset member office4 192.0.2.7 nomatch is not from netc",
    ]
    mended(guarded)


@pytest.fixture
def docked(lab: Lab, tmp_path: Path) -> Host:
    """A host with Docker's chain in both kinds of tables."""
    edge = lab.host("edge")
    lab.wire(edge, "eth0", lab.host("node"), "eth0", a_addresses=["198.51.100.7/24"])
    give_key(edge, "host", "edge")
    edge.write("/etc/netc/keys/one.psk", edge.run(["wg", "genpsk"]).stdout, 0o600)
    for program in PROGRAMS:
        for kind in ("nft", "legacy"):
            edge.run([f"{program}-{kind}", "-N", "DOCKER-USER"])
            edge.run([f"{program}-{kind}", "-A", "DOCKER-USER", "-p", "udp", "--dport", "7", "-j", "DROP"])
    without_run = re.sub("(?m)^metrics = .*\n", "", MORE)  # which writes that file
    deliver(lab, edge, compiled(without_run, tmp_path)["edge"])
    return edge


@pytest.mark.parametrize("kind", ["nft", "legacy"])
def test_check_reports_a_docker_rule_that_accepts_less(docked: Host, kind: str) -> None:
    with_legacy(docked, kind)
    install(docked, "--commit")
    assert differences(docked) == []
    rule = docked.run(["bash", "-c", "iptables -S DOCKER-USER | grep -m 1 netc"]).stdout.split()[2:]
    docked.run(["iptables", "-D", "DOCKER-USER", *rule])
    docked.run(["iptables", "-I", "DOCKER-USER", "-s", "192.0.2.7", *rule])
    assert [line.partition(":")[0] for line in differences(docked)] == ["docker"]


def test_docker_rules_of_the_previous_iptables_variant_are_removed(docked: Host) -> None:
    install(docked, "--commit")
    with_legacy(docked)
    netc_host(docked, "down")
    for kind in ("nft", "legacy"):
        said = docked.run([f"iptables-{kind}", "-S", "DOCKER-USER"]).stdout
        assert "netc" not in said
        assert "--dport 7 -j DROP" in said
