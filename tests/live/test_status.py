"""`netc-host status` and `check`: what is said of a host, and of what was changed on it by hand."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from live.compiled import compiled, down, give_key, met, parts
from live.delivered import deliver, install, netc_host
from live.example_host import example
from live.keys import private_key, public_key
from live.lab import Host, Lab
from netc.lab.waiting import within

pytestmark = pytest.mark.live

TOPOLOGY = f"""
version = 1
network.name = "lab"

[hosts.edge]
id = 1
wan = "eth0"
addresses = "198.51.100.10/24"
public_key = "{public_key(private_key("edge"))}"
firewall = {{ input = "drop", allow = [{{ ports = ["80/tcp", "443/tcp"], from = ["office", "192.0.2.9/32"] }}] }}

[hosts.node]
id = 2
wan = "eth0"
addresses = "198.51.100.20/24"
public_key = "{public_key(private_key("node"))}"

[sets.office]
prefixes = ["203.0.113.0/24", "192.0.2.7/32", "2001:db8:5::/48"]

[links.one]
kind = "wireguard"
between = ["edge", "node"]
ends.edge = {{ address = ["10.77.1.0/31", "fd77::/127"], routes = "10.9.0.0/16", table = 900 }}
ends.node = {{ address = ["10.77.1.1/31", "fd77::1/127"], routes = "10.8.0.0/16" }}

[hosts.edge.tunnels.abroad]
kind = "wireguard"
address = "10.10.18.201/32"
peer = {{ public_key = "{public_key(private_key("far"))}", endpoint = "203.0.113.66:51820", allowed_ips = "0.0.0.0/0" }}

[hosts.edge.namespaces.vpn]
tunnel = "abroad"
dns = "9.9.9.9"
access = "10.200.0.0/31"
publish = {{ port = "8080/tcp" }}
"""


@pytest.fixture
def edge(lab: Lab, tmp_path: Path) -> Host:
    """Installed, and so is the node at the other end of its link."""
    trees = compiled(TOPOLOGY, tmp_path)
    edge, node = lab.host("edge"), lab.host("node")
    lab.wire(edge, "eth0", node, "eth0", a_addresses=["198.51.100.10/24"], b_addresses=["198.51.100.20/24"])
    edge.run(["ip", "route", "add", "default", "via", "198.51.100.20"])
    for host in (edge, node):
        give_key(host, "host", host.name)
        give_key(host, "abroad", "abroad")
        deliver(lab, host, trees[host.name])
        install(host, "--commit")
    edge.run(["ping", "-qc1", "-W5", "10.77.1.1"])
    met(edge, "wg-node")
    return edge


def status(host: Host, *options: str, code: int = 0) -> str:
    said = netc_host(host, "status", *options, check=False)
    assert (said.returncode, said.stderr) == (code, ""), said.stdout
    return said.stdout


def metrics(text: str) -> dict[str, float]:
    """`NAME` or `NAME VALUE-OF-LABEL…`: its value."""
    families = list(text_string_to_metric_families(text))
    assert all(family.documentation and family.type in ("gauge", "counter") for family in families)
    return {" ".join([s.name, *s.labels.values()]): s.value for family in families for s in family.samples}


def test_status_prints_generation_parts_and_peers_without_secrets(edge: Host) -> None:
    text = status(edge)
    assert re.search(r"(?m)^generation +[0-9a-f]{16}$", text)
    assert re.search(r"(?m)^part +link-one +up$", text)
    assert re.search(r"(?m)^peer +wg-node node +handshake \d+ s ago, received [1-9]\d* B, sent [1-9]\d* B$", text)
    assert re.search(r"(?m)^peer +wg-abroad abroad +no handshake yet, received 0 B, sent \d+ B, in vpn$", text)
    assert len({len(re.match(r"\S+ +(?:\S+ ){1,2} +(?=\S)", row)[0]) for row in text.splitlines()[1:]}) == 1  # type: ignore[index]

    told: dict[str, Any] = json.loads(status(edge, "--json"))
    assert told["generation"]
    assert told["pending"] is None
    assert {"name": "link-one", "state": "up"} in told["parts"]
    near, far = sorted(told["wireguard"], key=lambda peer: peer["interface"] != "wg-node")
    assert near["public_key"] == public_key(private_key("node"))
    assert near["handshake_age"] < 60
    assert near["received"] > 0
    assert near["namespace"] is None
    assert (far["handshake_at"], far["namespace"]) == (None, "vpn")

    found = metrics(status(edge, "--metrics"))
    assert found["netc_part_up link-one"] == 1
    assert found["netc_pending"] == 0
    assert sum(name.startswith("netc_wireguard_handshake_seconds wg-node") for name in found) == 1
    for secret in ("edge", "abroad"):
        for options in ((), ("--json",), ("--metrics",)):
            assert private_key(secret) not in status(edge, *options)


def test_a_handshake_in_the_future_is_not_a_recent_one(edge: Host) -> None:
    """Somebody set the clock back: how long ago it was, nobody knows."""
    later = "awk -v OFS='\\t' '$NF { $NF += 86400 } 1'"
    edge.write(
        "/usr/local/sbin/wg",
        f'#!/bin/bash\n[[ $* == *latest* ]] || exec /usr/bin/wg "$@"\n/usr/bin/wg "$@" | {later}\n',
        0o755,
    )

    assert re.search(r"(?m)^peer +wg-node node +last handshake in the future, received", status(edge))
    told = json.loads(status(edge, "--json"))
    (peer,) = (one for one in told["wireguard"] if one["interface"] == "wg-node")
    assert peer["handshake_at"] > 0
    assert peer["handshake_age"] is None


def test_status_prints_parts_that_are_down_and_a_pending_change(lab: Lab, edge: Host, tmp_path: Path) -> None:
    edge.run(["bash", "/etc/netc/parts/tunnel-abroad/down"])
    edge.run(["sed", "-i", "$d", "/run/netc/link-one"])
    text = status(edge, code=1)
    assert re.search(r"(?m)^part +tunnel-abroad +down$", text)
    assert re.search(r"(?m)^part +link-one +half$", text)
    assert metrics(status(edge, "--metrics", code=1))["netc_part_up link-one"] == 0
    edge.run(["bash", "/etc/netc/parts/link-one/up"])
    edge.run(["bash", "/etc/netc/parts/tunnel-abroad/up"])

    deliver(lab, edge, compiled(TOPOLOGY.replace("443/tcp", "444/tcp"), tmp_path / "b")["edge"])
    install(edge, "--detach", "--within", "90")
    assert re.search(r"(?m)^pending +[0-9a-f]{16} +complete, rolls back in [78]\d s unless confirmed$", status(edge))
    pending = json.loads(status(edge, "--json"))["pending"]
    assert pending["phase"] == "complete"
    for stored, shown in (("laying", "placing"), ("back-laying", "back-placing")):
        edge.write("/var/lib/netc/pending/phase", f"{stored}\n")
        assert json.loads(status(edge, "--json"))["pending"]["phase"] == shown
    edge.write("/var/lib/netc/pending/phase", "complete\n")
    assert pending["reverts_at"] > 1_600_000_000
    assert metrics(status(edge, "--metrics"))["netc_pending"] == 1


# ---- drift


def drift(host: Host) -> list[str]:
    said = netc_host(host, "check", check=False)
    assert said.stderr == ""
    assert said.returncode == bool(said.stdout)
    # The kernel of a machine may lack a type of link: the part that needs it is down, too.
    return [line for line in said.stdout.splitlines() if not line.startswith("kernel: ")]


CHANGES = [
    (
        "chmod 600 /etc/netc/nftables.nft",
        "chmod 644 /etc/netc/nftables.nft",
        "file /etc/netc/nftables.nft has mode 600 of root:root, not 644 of root:root",
    ),
    ("chown 1 /etc/netc/order", "chown 0 /etc/netc/order", r"file /etc/netc/order has mode 644 of \w+:root, not .*"),
    (
        "cd /etc/netc/parts/link-one; cp down /tmp/down; echo '# x' >>down",
        "cp /tmp/down /etc/netc/parts/link-one/down",
        "file /etc/netc/parts/link-one/down is not as it was installed",
    ),
    (
        "mv /etc/iproute2/rt_protos.d/netc.conf /tmp/protos",
        "mv /tmp/protos /etc/iproute2/rt_protos.d/netc.conf",
        "file /etc/iproute2/rt_protos.d/netc.conf is missing",
    ),
    ("touch /etc/netc/parts/x", "rm /etc/netc/parts/x", "file /etc/netc/parts/x is not from netc"),
    (
        "nft insert rule inet netc input tcp dport 9 accept",
        "reload firewall",
        "firewall: rule chain input: tcp dport 9 accept is not from netc",
    ),
    ("nft flush chain inet netc published", "reload firewall", "firewall: rule chain published: .* is not there"),
    (
        "nft add element inet netc set4_office '{ 192.0.2.99 }'",
        "reload firewall",
        "firewall: rule set set4_office: element 192.0.2.99 is not from netc",
    ),
    (
        "nft delete element inet netc set6_office '{ 2001:db8:5::/48 }'",
        "reload firewall",
        "firewall: rule set set6_office: element 2001:db8:5::/48 is not there",
    ),
    ("nft delete table inet netc", "reload firewall", "firewall: table inet netc is not there"),
    (
        "ip netns exec vpn nft add chain inet netc more",
        "ip netns exec vpn nft delete chain inet netc more",
        "namespace-vpn: rule chain more: it in vpn is not from netc",
    ),
    (
        "ip -6 address delete fd77::/127 dev wg-node",
        "ip address add fd77::/127 dev wg-node",
        r"link-one: address wg-node \(inet6 fd77::/127\) is not there",
    ),
    (
        "ip route delete 10.9.0.0/16 table 900",
        "ip route add 10.9.0.0/16 dev wg-node table 900 protocol 77",
        r"link-one: route 10.9.0.0/16 \(dev wg-node table 900\) is not there",
    ),
    (
        "ip -n vpn route delete default dev wg-abroad",
        "ip -n vpn route add default dev wg-abroad protocol 77",
        r"tunnel-abroad: route default of IPv4 \(dev wg-abroad table 254\) in vpn is not there",
    ),
    (
        "ip route replace 10.9.0.0/16 via 10.77.1.1 dev wg-node table 900 protocol 77",
        "ip route replace 10.9.0.0/16 dev wg-node table 900 protocol 77",
        r"link-one: route 10.9.0.0/16 \(dev wg-node table 900\) is not there",
        "routes: route 10.9.0.0/16 via 10.77.1.1 dev wg-node table 900 .* is not from netc",
    ),
    (
        "ip route change 10.9.0.0/16 dev wg-node src 10.77.1.0 table 900 protocol 77",
        "ip route change 10.9.0.0/16 dev wg-node table 900 protocol 77",
        r"link-one: route 10.9.0.0/16 \(dev wg-node table 900\) is not there",
        "routes: route 10.9.0.0/16 dev wg-node table 900 .* src 10.77.1.0 is not from netc",
    ),
    (
        "ip -n vpn route add default dev wg-abroad metric 50 mtu 600 protocol 77",
        "ip -n vpn route delete default dev wg-abroad metric 50",
        "routes: route default dev wg-abroad .* metric 50 mtu 600 in vpn is not from netc",
    ),
    (
        "ip rule delete priority 900; ip rule add priority 900 not from 10.77.1.0 lookup 900 protocol 77",
        "ip rule delete priority 900; ip rule add priority 900 from 10.77.1.0 lookup 900 protocol 77",
        r"link-one: rule 900 \(from 10.77.1.0 lookup 900\) is not there",
        "rules: rule 900: not from 10.77.1.0 lookup 900 proto 77 is not from netc",
    ),
    (
        "ip rule add priority 5 from 192.0.2.9 lookup 900 protocol 77",
        "ip rule delete priority 5",
        "rules: rule 5: from 192.0.2.9 lookup 900 proto 77 is not from netc",
    ),
    (
        "ip -6 rule delete priority 900",
        "ip -6 rule add priority 900 from fd77:: lookup 900 protocol 77",
        r"link-one: rule 900 \(from fd77:: lookup 900\) is not there",
    ),
    (
        "ip link set dev wg-node mtu 1300",
        "ip link set dev wg-node mtu 1440",
        r"link-one: link wg-node lacks: mtu 1440 \(it has 1300\)",
    ),
    (
        "ip -n vpn link set dev lo down",
        "ip -n vpn link set dev lo up",
        "namespace-vpn: link lo in vpn lacks: UP",
    ),
    (
        "echo 0 >/proc/sys/net/ipv4/ip_forward",
        "echo 1 >/proc/sys/net/ipv4/ip_forward",
        "forwarding: sysctl net.ipv4.ip_forward is 0, not 1",
    ),
    (
        "echo 1 >/proc/sys/net/ipv6/conf/ve-vpn/accept_dad",
        "echo 0 >/proc/sys/net/ipv6/conf/ve-vpn/accept_dad",
        "namespace-vpn: sysctl net.ipv6.conf.ve-vpn.accept_dad is 1, not 0",
    ),
    (
        "wg set wg-node peer $(wg show wg-node peers) allowed-ips 10.77.1.1/32,fd77::1/128,192.0.2.0/24",
        "reload link-one",
        "link-one: peer node of wg-node has the allowed IP 192.0.2.0/24, which is not from netc",
        "link-one: peer node of wg-node lacks the allowed IP 10.9.0.0/16",
    ),
    (
        "wg genkey >/run/k; wg set wg-node private-key /run/k",
        "wg set wg-node private-key /etc/netc/keys/host.key",
        "link-one: interface wg-node has another key than /etc/netc/keys/host.key",
    ),
    (
        "cp -p /etc/netc/keys/host.key /run/k; wg genkey >/etc/netc/keys/host.key; reload link-one",
        "cp -p /run/k /etc/netc/keys/host.key; reload link-one",
        "hosts.edge.public_key: .* by the topology, here .*",
        "link-one: interface wg-node has another key than the topology",
    ),
    (
        "wg set wg-node listen-port 7",
        "wg set wg-node listen-port 51822",
        "link-one: interface wg-node listens on port 7, not 51822",
    ),
    (
        "wg set wg-node fwmark 0x51",
        "wg set wg-node fwmark 0",
        "link-one: interface wg-node has mark 0x51, not 0",
    ),
    (
        "wg set wg-node peer $(wg show wg-node peers) remove",
        "reload link-one",
        "link-one: peer node of wg-node is not there",
    ),
    (
        "wg set wg-node peer $(wg genkey | wg pubkey)",
        "reload link-one",
        "link-one: peer .{44} of wg-node is not from netc",
    ),
    (
        "/etc/netc/parts/tunnel-abroad/down",
        "/etc/netc/parts/tunnel-abroad/up",
        "part tunnel-abroad is down",
    ),
]
"""What is done by hand, how it is undone, and all that is said of it."""


def test_check_reports_each_change_by_hand_and_nothing_else(edge: Host) -> None:
    reload = 'reload() { "/etc/netc/parts/$1/reload" 2>/dev/null; }; '
    assert drift(edge) == []
    for change, undo, *said in CHANGES:
        edge.run(["bash", "-ec", reload + change])
        found = drift(edge)
        assert len(found) == len(said), (change, found)
        for line, wanted in zip(sorted(found), sorted(said), strict=True):
            assert re.fullmatch(wanted, line), (change, found)
        edge.run(["bash", "-ec", reload + undo])
    assert drift(edge) == []


EXAMPLE_HOSTS = [
    "dn42/fra",
    "dn42-fake/ams",
    "laptop/laptop",
    "laptop-iptables/laptop",
    "mesh/tyo",
    "seedbox/seedbox",
    "slim-edge/edge1",
    "slim-edge/node",
    "uplinks/lin",
]


@pytest.mark.parametrize("odd", ["PATH=/usr/bin:/bin", "POSIXLY_CORRECT=1", "TZ=Asia/Tokyo"])
def test_status_check_and_up_do_not_depend_on_the_environment(edge: Host, odd: str) -> None:
    for verb in ("status", "check", "up", "status"):
        said = edge.run(["env", odd, "/usr/local/sbin/netc-host", verb], check=False)
        assert (said.returncode, "broken" in said.stdout + said.stderr) == (0, False), said.stderr
    for part in parts(edge):
        assert edge.run(["env", odd, "bash", f"/etc/netc/parts/{part}/check"]).stdout == ""


def test_up_keeps_a_part_that_it_cannot_check(edge: Host) -> None:
    """A unit may not make namespaces, in which rules are asked for."""
    edge.run(["bash", "-c", "mkdir /run/no && ln -s /bin/false /run/no/unshare"])
    before = edge.run(["nft", "-a", "list", "table", "inet", "netc"]).stdout
    for command in ("/etc/netc/parts/firewall/up", "/usr/local/sbin/netc-host up"):
        said = edge.run(["bash", "-c", f"PATH=/run/no:$PATH {command}"], check=False)
        assert "cannot be checked" in said.stderr
        assert "taking it down" not in said.stderr
        assert edge.run(["nft", "-a", "list", "table", "inet", "netc"]).stdout == before


SILENT = """
import socket, time
here = socket.socket(socket.AF_UNIX)
here.bind("/run/wireguard/aa-other.sock")
here.listen(64)
time.sleep(600)
"""


def test_a_foreign_device_that_never_answers_blocks_nothing(edge: Host) -> None:
    edge.run(["mkdir", "-p", "/run/wireguard"])
    edge.run(["ip", "link", "add", "aa-other", "type", "bridge"])  # wg(8) asks where both are
    edge.write("/tmp/silent.py", SILENT)
    edge.start(["python3", "/tmp/silent.py"])
    within(20, lambda: edge.run(["test", "-S", "/run/wireguard/aa-other.sock"], check=False).returncode == 0)
    assert edge.run(["timeout", "3", "wg", "show", "all", "peers"], check=False).returncode == 124
    assert netc_host(edge, "check").stdout == ""
    told = json.loads(status(edge, "--json"))
    assert {part["state"] for part in told["parts"]} == {"up"}
    edge.run(["wg", "set", "wg-node", "listen-port", "4000"])
    assert "link-one: interface wg-node listens on port 4000" in netc_host(edge, "check", check=False).stdout


@pytest.mark.parametrize("which", EXAMPLE_HOSTS)
def test_a_host_that_has_just_come_up_has_no_drift(lab: Lab, which: str, tmp_path: Path) -> None:
    host, failed = example(lab, which, tmp_path)
    assert drift(host) == [f"part {part} is down" for part in failed]
    routes = "bird" in parts(host)
    found = metrics(status(host, "--metrics", code=1 if failed or routes else 0))
    assert found["netc_pending"] == 0
    assert any(name.startswith("netc_bgp_session_up") for name in found) == routes
    down(host)


MORE_CHANGES = {
    "mesh/fra": [
        (
            "ip link set vx-ams type vxlan ttl 3",
            r"link-wire: link vx-ams lacks: ttl 64 \(it has 3\)",
        ),
    ],
    "dn42/fra": [("echo >>/run/netc/bird.running", r"bird: BIRD has not read the present /etc/netc/bird.conf")],
    "laptop-iptables/laptop": [
        (
            "iptables -t mangle -I netc-INPUT -p tcp --dport 9 -j RETURN",
            "firewall: iptables rule mangle -A netc-INPUT -p tcp -m tcp --dport 9 -j RETURN is not from netc",
        ),
        (
            "ip6tables -t mangle -D INPUT -j netc-INPUT",
            "firewall: ip6tables rule mangle -A INPUT -j netc-INPUT is not there",
        ),
        (
            "ip route delete unreachable default table 13701; "
            "ip route add default dev eth0 table 13701 metric 4278198272 protocol 77",
            r".*: route default of IPv4 \(unreachable metric 4278198272 table 13701\) is not there",
            "routes: route default dev eth0 table 13701 .* is not from netc",
        ),
        ("ipset add china4 192.0.2.0/24", "set-china: ipset member china4 192.0.2.0/24 is not from netc"),
        ("ipset del private4 10.0.0.0/8", "set-private: ipset member private4 10.0.0.0/8 is not there"),
    ],
    "uplinks/lin": [
        (
            "ip link set br0 type bridge forward_delay 1500",
            r"bridge-br0: link br0 lacks: forward_delay 0 \(it has 1500\)",
        ),
        (
            "ip route delete default table 12385 via 203.0.113.1",
            r"uplink-second: route default \(via 203.0.113.1 dev eth1 src 203.0.113.5 table 12385\) is not there",
        ),
        (
            "ip route delete unreachable default table 12385",
            r"uplink-second: route default of IPv4 \(unreachable metric 4278198272 table 12385\) is not there",
        ),
        (
            "for f in -4 -6; do ip $f route delete unreachable default table 12975 metric 4278198272; done",
            r"uplink-native: route default of IPv4 and IPv6 \(unreachable metric 4278198272 table 12975\) is not there",
        ),
        (
            "ip route add default dev eth0 table 12385 metric 4278198272 protocol 77",
            "routes: route default dev eth0 table 12385 .* is not from netc",
        ),
        (
            "ip rule delete priority 12000 from 203.0.113.0/28; "
            "ip rule add priority 12000 not from 203.0.113.0/28 lookup 12385 protocol 77",
            r"uplink-second: rule 12000 \(from 203.0.113.0/28 lookup 12385\) is not there",
            "rules: rule 12000: not from 203.0.113.0/28 lookup 12385 proto 77 is not from netc",
        ),
    ],
}


@pytest.mark.parametrize("which", MORE_CHANGES)
def test_check_reports_changes_by_hand_on_hosts_of_other_examples(lab: Lab, which: str, tmp_path: Path) -> None:
    host, failed = example(lab, which, tmp_path)
    said = [f"part {part} is down" for part in failed]
    for change, *wanted in MORE_CHANGES[which]:
        host.run(["bash", "-ec", change])
        said += wanted
        found = drift(host)
        assert len(found) == len(said), found
        for line in said:
            assert any(re.fullmatch(line, each) for each in found), (line, found)


def test_status_prints_the_sessions_of_a_router(lab: Lab, tmp_path: Path) -> None:
    host, _ = example(lab, "dn42/fra", tmp_path)
    text = status(host, code=1)
    assert re.search(r"(?m)^session +\S+ +(Active|Connect|Idle)$", text), text
    assert re.search(r"(?m)^anycast +www +unchecked$", text)
    host.write("/run/netc/anycast-www.state", "up\n")
    found = metrics(status(host, "--metrics", code=1))
    assert found["netc_anycast_announced www"] == 1
    assert {value for name, value in found.items() if name.startswith("netc_bgp_session_up")} == {0}
    assert json.loads(status(host, "--json", code=1))["anycast"] == [{"service": "www", "state": "up"}]
    host.run(["bash", "-c", "kill -9 $(cat /run/netc/bird.pid)"])
    assert re.search(r"(?m)^failed +bird \(does not answer\)$", status(host, code=1))
    assert "bird: BIRD does not answer" in drift(host)


def test_a_userspace_device_that_hangs_is_reported_and_replaced(edge: Host) -> None:
    """It cannot be asked, does not see that its device is gone, and holds its port."""
    programs = edge.run(["bash", "-c", "pgrep -f '[w]ireguard-go wg-node' || true"]).stdout.split()
    if not programs:
        pytest.skip("this kernel has WireGuard")
    edge.run(["kill", "-STOP", *programs])
    assert drift(edge) == ["link-one: the program of interface wg-node does not answer"]
    assert re.search(r"(?m)^part +link-one +broken$", status(edge, code=1))
    said = netc_host(edge, "up").stderr
    assert "link-one: is broken: taking it down and up again" in said
    assert drift(edge) == []
    assert edge.run(["kill", "-0", *programs], check=False).returncode != 0
    edge.run(["ping", "-qc1", "-W20", "10.77.1.1"])


def test_the_time_left_does_not_follow_a_clock_that_is_set(lab: Lab, tmp_path: Path) -> None:
    edge = lab.host("edge")
    deliver(lab, edge, compiled(ALONE, tmp_path / "a")["edge"])
    install(edge, "--detach", "--within", "80")
    # The clock of all hosts here is that of this machine: what the host has noted of it goes wrong instead.
    for noted in ("1", "99999999999"):
        edge.run(["bash", "-c", f"echo {noted} >/var/lib/netc/pending/until"])
        said = [netc_host(edge, "status", *form, check=False).stdout for form in ((), ("--json",))]
        assert re.search(r"(?m)^pending .*, rolls back in [5-8]\d s unless confirmed$", said[0])
        assert 40 < json.loads(said[1])["pending"]["reverts_at"] - time.time() < 82


ALONE = """
version = 1
network.name = "lab"

[hosts.edge]
id = 1
"""
