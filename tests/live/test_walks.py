"""Packet filters of others: what they drop of what a topology opens, forwards and publishes is named, before anything
changes and later. Nothing is asked of the host itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from live.compiled import compiled
from live.delivered import INSTALL, as_if_run, deliver, install, netc_host
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.state import difference
from netc.lab.waiting import wait

pytestmark = [pytest.mark.live]

TOPOLOGY = f"""
version = 1
network.name = "lab"

[hosts.edge]
id = 1
wan = "eth0"
addresses = ["198.51.100.10/24", "2001:db8:1::10/64"]
public_key = "{public_key(private_key("edge"))}"
firewall.allow = [
  {{ ports = "9100/tcp", from = "203.0.113.0/24" }},
  {{ ports = "9200/tcp", from = "100.100.0.0/16" }},
]
bridges.br0 = {{ addresses = "10.0.3.1/24", publish = [{{ port = "8080/tcp", to = "10.0.3.5" }}] }}

[hosts.node]
id = 2
wan = "eth0"
addresses = "198.51.100.20/24"
public_key = "{public_key(private_key("node"))}"

[links.one]
kind = "wireguard"
between = ["edge", "node"]
ends.edge.address = ["10.77.1.0/31", "fd77:1::/127"]
ends.node.address = ["10.77.1.1/31", "fd77:1::1/127"]

[links.two]
kind = "gre"
between = ["edge", "node"]
ends.edge.address = "10.77.2.0/31"
ends.node.address = "10.77.2.1/31"

[forwards.web]
at = "edge"
ports = ["80/tcp", "5000-5010/udp"]
to = "node"
via = "one"
bound = true
"""

NO_GRE = re.sub(r"\[links\.two\]\n(.+\n)+", "", TOPOLOGY)  # not every kernel here has it

NODE = """
version = 1
network.name = "lab"

[hosts.edge]
id = 1
wan = "eth0"
addresses = "198.51.100.10/24"

[hosts.node]
id = 2
wan = "eth0"
addresses = "198.51.100.20/24"

[links.one]
kind = "vxlan"
between = ["edge", "node"]
ends.edge.address = "10.77.1.0/31"
ends.node.address = "10.77.1.1/31"

[forwards.docker]
at = "edge"
ports = "80/tcp"
to = "node:172.17.0.2"
via = "one"

[forwards.libvirt]
at = "edge"
ports = "81/tcp"
to = "node:192.168.122.5"
via = "one"
"""

FILTERS = Path(__file__).with_name("filters")
"""As other software loads them: NAME.nft for nft, NAME.iptables for iptables-nft-restore, NAME.ipset."""

EVERY = ("forwards.web", "hosts.edge.bridges.br0")
"""What edge passes on."""


def edge(lab: Lab, folder: Path, topology: str = TOPOLOGY, name: str = "edge", last: int = 10) -> Host:
    host, world = lab.host(name), lab.host("world")
    addresses = [f"198.51.100.{last}/24", f"2001:db8:1::{last}/64"]
    lab.wire(host, "eth0", world, name, a_addresses=addresses, b_addresses=["198.51.100.1/24", "2001:db8:1::1/64"])
    host.run(["ip", "-4", "route", "add", "default", "via", "198.51.100.1"])
    host.run(["ip", "-6", "route", "add", "default", "via", "2001:db8:1::1"])
    host.write("/etc/netc/keys/host.key", private_key(name) + "\n", 0o600)
    host.write("/usr/local/sbin/modprobe", "#!/bin/sh\nexit 0\n", 0o755)  # GRE, wherever this runs
    deliver(lab, host, compiled(topology, folder)[name])
    return host


def load(host: Host, name: str) -> None:
    """The ruleset NAME of FILTERS, and no other."""
    host.run(["nft", "flush", "ruleset"])
    host.run(["ipset", "destroy"])
    for kind, command in (("ipset", "ipset restore"), ("iptables", "iptables-nft-restore"), ("nft", "nft -f -")):
        file = FILTERS / f"{name}.{kind}"
        if file.exists():
            rules = (line for line in file.read_text().splitlines(True) if line[0] != "#")
            host.run(command.split(), input="".join(rules))


def told(host: Host) -> list[str]:
    """What `install` says of other packet filters."""
    lines = install(host, "--dry-run", "--from", "console").stderr.splitlines()
    return [line.removeprefix("netc: ") for line in lines if "not netc's" in line or "not asked" in line]


def dropped(host: Host) -> set[tuple[str, str]]:
    """Tables of the topology and the chains that drop their packets."""
    found = re.compile(r"chain (\S+) of table (\S+ \S+), which is not netc's, drops .* \((.*)\)")
    lines = told(host)
    matches = [one for one in map(found.fullmatch, lines) if one]
    assert len(matches) == len(lines), lines
    return {(one[3], f"{one[2]} {one[1]}") for one in matches}


CASES: dict[str, set[tuple[str, str]]] = {
    "oracle": {
        *((table, "ip filter FORWARD") for table in EVERY),
        *((f"links.{link}", "ip filter INPUT") for link in ("one", "two")),
        *((f"hosts.edge.firewall.allow[{n}]", "ip filter INPUT") for n in (0, 1)),
    },
    "docker-28": {(table, "ip filter FORWARD") for table in EVERY},
    "docker-29": {(table, "ip filter FORWARD") for table in EVERY},
    "tailscale": {("hosts.edge.firewall.allow[1]", "ip filter ts-input")},
    "fail2ban": {("hosts.edge.firewall.allow[0]", "inet f2b-table f2b-chain")},
    "libvirt": set(),
    "incus": set(),
    "networkmanager": set(),
    "docker-29-nftables": set(),
    "kube-proxy-nftables": {("hosts.edge.firewall.allow[0]", "ip kube-proxy reject-chain")},
    "kube-proxy": {("hosts.edge.firewall.allow[0]", "ip filter KUBE-EXTERNAL-SERVICES")},
}


def test_the_chain_that_drops_is_named(lab: Lab, tmp_path: Path) -> None:
    host = edge(lab, tmp_path)
    host.run(["ip", "link", "add", "virbr0", "type", "bridge"])
    assert told(host) == []
    for name, wanted in CASES.items():
        load(host, name)
        assert dropped(host) == wanted, name


def drops(hook: str, rules: str, *, type: str = "filter", family: str = "inet") -> str:
    """A table `mine` with one chain. HOOK: with its priority."""
    return f"table {family} mine {{\nchain c {{ type {type} hook {hook};\n{rules}\n}}\n}}\n"


def test_an_address_with_a_peer_is_asked_like_others(lab: Lab, tmp_path: Path) -> None:
    """As PPPoE and some providers give it (ip-address(8))."""
    host = edge(lab, tmp_path, NO_GRE)
    for family, address, router in (
        ("-4", "198.51.100.10", "198.51.100.1"),
        ("-6", "2001:db8:1::10", "2001:db8:1::1"),
    ):
        host.run(["ip", family, "address", "flush", "dev", "eth0", "scope", "global"])
        host.run(["ip", family, "address", "add", address, "peer", router, "dev", "eth0"])
        host.run(["ip", family, "route", "replace", "default", "via", router, "dev", "eth0"])
    assert told(host) == []
    host.run(["nft", "-f", "-"], input=drops("input priority 0", "udp dport 51822 drop"))
    (line,) = told(host)
    assert "chain c of table inet mine" in line
    assert "drops udp 51822 of 198.51.100.10, udp 51822 of 2001:db8:1::10 (links.one)" in line


ALL = {*EVERY, "links.one", "hosts.edge.firewall.allow[0]", "hosts.edge.firewall.allow[1]"}


@pytest.mark.parametrize(
    ("hook", "rules", "wanted"),
    [
        ("prerouting priority -2147483648", 'iifname "eth0" drop', ALL),
        ("input priority 1000; policy drop", "", ALL - {*EVERY}),
        ("input priority 2147483647; policy drop", "", ALL - {*EVERY}),
        ("postrouting priority srcnat; policy drop", "", EVERY),
        ("postrouting priority 2147483647; policy drop", "", EVERY),
    ],
)
def test_a_chain_with_any_priority_is_named(lab: Lab, tmp_path: Path, hook: str, rules: str, wanted: set[str]) -> None:
    host = edge(lab, tmp_path, NO_GRE)
    host.run(["nft", "-f", "-"], input=drops(hook, rules))
    assert dropped(host) == {(table, "inet mine c") for table in wanted}


@pytest.mark.parametrize(
    ("rules", "chain"),
    [
        (drops("input priority 0", 'tcp dport 9100 drop comment "netc-mine"'), "c"),
        ("table ip mine {\nchain netc-block {\ntcp dport 9100 drop\n}\n}\n"
         + drops("input priority 0", "jump netc-block", family="ip"), "netc-block"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("netfilter", ["nftables", "iptables"])
def test_what_is_called_as_netcs_own_is_named(lab: Lab, tmp_path: Path, rules: str, chain: str, netfilter: str) -> None:
    topology = NO_GRE.replace("id = 1", f'id = 1\nnetfilter = "{netfilter}"', 1)
    host = edge(lab, tmp_path, topology)
    host.run(["nft", "-f", "-"], input=rules)
    family = "inet" if chain == "c" else "ip"
    assert dropped(host) == {("hosts.edge.firewall.allow[0]", f"{family} mine {chain}")}
    if netfilter == "iptables":  # its own chains are not
        install(host, "--commit", "--from", "console")
        host.run(["nft", "delete", "table", family, "mine"])
        host.run(["nft", "-f", "-"], input=drops("input priority 0", "tcp dport 9 drop"))
        as_if_run(host)
        assert "dropped" not in netc_host(host, "status").stdout


def test_a_packet_whose_source_changes_has_arrived(lab: Lab, tmp_path: Path) -> None:
    host = edge(lab, tmp_path, NO_GRE)
    for rules in ("masquerade fully-random", "meta l4proto { tcp, udp } masquerade to :20000-60000"):
        host.run(["nft", "-f", "-"], input="flush ruleset\n" + drops("postrouting priority srcnat", rules, type="nat"))
        host.run(["nft", "add", "rule", "inet", "mine", "c", "tcp", "dport", "9", "drop"])  # it is asked
        assert told(host) == []


ONCE = "limit rate 1/second burst 1 packets"
SET = "set s { type ipv4_addr; flags dynamic; }"
SPARED = {
    "nft": [
        drops("prerouting priority -150", "ct state new tcp flags syn tcp option maxseg missing drop"),
        drops("prerouting priority -150", f"tcp flags syn {ONCE} accept\ntcp flags syn drop"),
        drops("input priority 0", "meta l4proto { tcp, udp } limit rate over 1/hour burst 1 packets drop"),
        drops("input priority 0; policy drop", "limit name l accept").replace(
            "{", f"{{\nlimit l {{ {ONCE.removeprefix('limit ')}; }}", 1
        ),
        drops("forward priority 0", f"add @s {{ ip saddr {ONCE.replace('rate', 'rate over')} }} drop").replace(
            "{", f"{{\n{SET}", 1
        ),
    ],
    "iptables": [
        f"{rules}\nCOMMIT\n"
        for rules in (
            "*mangle\n-A PREROUTING -p tcp -m conntrack --ctstate NEW -m tcpmss ! --mss 536:65535 -j DROP",
            "*filter\n-A INPUT -p tcp -m limit --limit 1/sec --limit-burst 1 -j ACCEPT\n-A INPUT -p tcp -j DROP",
            "*filter\n-A FORWARD -m hashlimit --hashlimit-above 1/hour --hashlimit-burst 1 --hashlimit-mode srcip"
            " --hashlimit-name h -j DROP",
            "*filter\n-A FORWARD -p tcp -m recent --set\n"
            "-A FORWARD -p tcp -m recent --update --seconds 60 --hitcount 2 -j DROP",
            "*filter\n-A FORWARD -p tcp -m connlimit --connlimit-above 1 --connlimit-mask 0 -j DROP",
        )
    ],
}


@pytest.mark.parametrize("kind", ["nft", "iptables"])
def test_a_rule_that_spares_an_ordinary_client_is_not_named(lab: Lab, tmp_path: Path, kind: str) -> None:
    """Its SYN has options, and its packets do not come in one burst with all others."""
    host = edge(lab, tmp_path, NO_GRE)
    load = ["nft", "-f", "-"] if kind == "nft" else ["iptables-nft-restore"]
    for rules in SPARED[kind]:
        host.run(["nft", "flush", "ruleset"])
        host.run(load, input=rules)
        assert told(host) == [], rules
    host.run(["nft", "-f", "-"], input="flush ruleset\n" + drops("prerouting priority -300", "meta l4proto tcp drop"))
    assert len(dropped(host)) == 4


OWNED = 'printf "add table inet mine { flags owner; }\n%s\n" "$1"; sleep infinity'


def test_a_table_that_belongs_to_a_process_is_asked_too(lab: Lab, tmp_path: Path) -> None:
    """As firewalld's belongs to firewalld: it would end with the process that loads a copy of it."""
    host = edge(lab, tmp_path, NO_GRE)
    chain = "add chain inet mine c { type filter hook forward priority 10; policy drop; }"
    host.start(["bash", "-c", f"({OWNED}) | nft -i", "owner", chain])
    host.run(["bash", "-c", "until nft list chain inet mine c; do sleep 0.1; done"], timeout=30)
    assert "flags owner" in host.run(["nft", "list", "ruleset"]).stdout
    assert dropped(host) == {(table, "inet mine c") for table in EVERY}


def test_with_docker_its_chain_accepts_what_is_forwarded(lab: Lab, tmp_path: Path) -> None:
    """`install` knows the rules that the part `docker` will add. A server in a container is reached by its address."""
    host = edge(lab, tmp_path / "edge", TOPOLOGY.replace('wan = "eth0"', 'wan = "eth0"\ndocker = true', 1))
    for name in ("docker-28", "docker-29", "docker-29-nftables"):
        load(host, name)
        assert dropped(host) == set(), name

    node = edge(lab, tmp_path / "node", NODE, "node", last=20)
    for device, address in (("docker0", "172.17.0.1/16"), ("virbr0", "192.168.122.1/24")):
        node.run(["ip", "link", "add", device, "type", "bridge"])
        node.run(["ip", "address", "add", address, "dev", device])
        node.run(["ip", "link", "set", device, "up"])
    load(node, "docker-28")
    assert dropped(node) == {("forwards.libvirt", "ip filter FORWARD")}
    load(node, "libvirt")
    assert dropped(node) == {("forwards.libvirt", "ip libvirt_network guest_input")}


def test_status_says_it_later(lab: Lab, tmp_path: Path) -> None:
    """Also when a ruleset changes without netc. It asks again only if something has changed."""
    host = edge(lab, tmp_path, NO_GRE)
    install(host, "--commit", "--from", "console")
    as_if_run(host)
    assert "dropped" not in netc_host(host, "status").stdout

    host.run(["iptables-nft-restore", "--noflush"], input=(FILTERS / "fail2ban-multiport.iptables").read_text())
    shown = [line.split(maxsplit=2) for line in netc_host(host, "status").stdout.splitlines()]
    by = "chain f2b-web of table ip filter"
    assert [["dropped", "hosts.edge.firewall.allow[0]", f"tcp 9100 of 198.51.100.10: {by}"]] == [
        line for line in shown if line[0] == "dropped"
    ]
    document = json.loads(netc_host(host, "status", "--json").stdout)
    table = {"table": "hosts.edge.firewall.allow[0]", "packets": "tcp 9100 of 198.51.100.10", "by": by}
    assert (document["dropped"], document["unasked"]) == ([table], [])
    labels = f'{{table="hosts.edge.firewall.allow[0]",by="{by}"}}'
    assert f"netc_dropped_by_others{labels} 1\n" in netc_host(host, "status", "--metrics").stdout

    # The answer is kept until something changes. Counters do, and what is left of timeouts.
    members = "create b hash:ip timeout 300 counters\nadd b 192.0.2.254 packets 1 bytes 2\n"
    host.run(["ipset", "restore"], input=members)
    host.run(["iptables-nft", "-A", "INPUT", "-m", "set", "--match-set", "b", "src", "-j", "DROP"])
    assert "dropped" in netc_host(host, "status").stdout
    kept = "/var/lib/netc/walked"
    answered = host.run(["stat", "-c", "%i %y", kept]).stdout
    saved = host.run(["ipset", "save"]).stdout
    wait(lambda: host.run(["ipset", "save"]).stdout != saved)
    netc_host(host, "status")
    assert host.run(["stat", "-c", "%i %y", kept]).stdout == answered
    host.run(["iptables-nft", "-F", "f2b-web"])
    assert "dropped" not in netc_host(host, "status").stdout
    assert host.run(["sh", "-c", "ls -d /run/netc-walk.*"], check=False).stdout == ""


ROUTERS = f"""
version = 1
network.name = "lab"
bgp = {{ asn = 64500, prefixes = ["10.8.0.0/16", "fd08::/32"], profile = "private", internal = "mesh" }}
igp = {{ kind = "ospf", over = ["one", "two"] }}

[hosts.edge]
id = 1
wan = "eth0"
addresses = ["198.51.100.10/24", "2001:db8:1::10/64"]
public_key = "{public_key(private_key("edge"))}"
loopback = ["10.8.0.1/32", "fd08::1/128"]
bgp.peers.direct = {{ address = "198.51.100.30", asn = 64501, role = "peer", gtsm = true }}
bgp.peers.near = {{ address = "fe80::30", asn = 64502, role = "peer", interface = "eth0", local = "fe80::10" }}

[hosts.node]
id = 2
wan = "eth0"
addresses = "198.51.100.20/24"
public_key = "{public_key(private_key("node"))}"
loopback = ["10.8.0.2/32", "fd08::2/128"]
bgp = {{}}

[links.one]
kind = "wireguard"
between = ["edge", "node"]
ends.edge.address = ["10.77.1.0/31", "fe80::1/64"]
ends.node.address = ["10.77.1.1/31", "fe80::2/64"]

[links.two]
kind = "wireguard"
between = ["edge", "node"]
ends.edge = {{ address = ["10.77.2.0/31", "fe80::1/64"], interface = "wg-two", port = 51900 }}
ends.node = {{ address = ["10.77.2.1/31", "fe80::2/64"], interface = "wg-two", port = 51900 }}
"""

FOR_ROUTERS = """
udp dport { 51821-51900 } accept
iifname "wg-node" ip saddr 10.77.1.1 ip daddr 224.0.0.5 meta l4proto 89 accept
iifname "wg-two" ip saddr 10.77.2.1 ip daddr 224.0.0.5 meta l4proto 89 accept
iifname { "wg-node", "wg-two" } ip6 saddr fe80::2 ip6 daddr ff02::5 meta l4proto 89 accept
iifname { "wg-node", "wg-two" } ip saddr 10.77.0.0/16 ip daddr 10.77.0.0/16 udp dport 3784 ip ttl 255 accept
iifname { "wg-node", "wg-two" } ip6 saddr fe80::2 ip6 daddr fe80::1 udp dport 3784 ip6 hoplimit 255 accept
iifname "wg-node" ip6 saddr fd08::2 ip6 daddr fd08::1 tcp dport 179 accept
iifname "eth0" ip saddr 198.51.100.30 tcp dport 179 ip ttl 255 accept
iifname "eth0" ip6 saddr fe80::30 ip6 daddr fe80::10 tcp dport 179 accept
"""
"""All that the neighbours of `edge` send, and nothing else."""


FOR_BABEL = """
udp dport { 51821-51900 } accept
iifname { "wg-node", "wg-two" } ip6 saddr fe80::2 ip6 daddr ff02::1:6 udp dport 6696 accept
iifname "wg-node" ip6 saddr fd08::2 ip6 daddr fd08::1 tcp dport 179 accept
iifname "eth0" tcp dport 179 accept
"""


@pytest.mark.parametrize(("kind", "sent"), [("ospf", FOR_ROUTERS), ("babel", FOR_BABEL)])
def test_sessions_and_the_igp_are_asked_too(lab: Lab, tmp_path: Path, kind: str, sent: str) -> None:
    host = edge(lab, tmp_path, ROUTERS.replace('"ospf"', f'"{kind}"'))
    rules = sent.strip().splitlines()
    for left_out in (*range(len(rules)), None):
        kept = "\n".join(rule for number, rule in enumerate(rules) if number != left_out)
        host.run(["nft", "flush", "ruleset"])
        chain = f"chain c {{ type filter hook input priority 5; policy drop\n{kept}\n }}"
        host.run(["nft", "-f", "-"], input=f"table inet mine {{\n{chain}\n}}\n")
        assert bool(dropped(host)) == (left_out is not None), rules[left_out or 0]
        assert all(by == "inet mine c" for _, by in dropped(host))


def test_a_store_that_cannot_be_written_hides_nothing(lab: Lab, tmp_path: Path) -> None:
    host = edge(lab, tmp_path, NO_GRE)
    install(host, "--commit", "--from", "console")
    as_if_run(host)
    host.run(["iptables-nft-restore", "--noflush"], input=(FILTERS / "fail2ban-multiport.iptables").read_text())
    host.run(["mount", "--bind", "/var/lib/netc", "/var/lib/netc"])
    host.run(["mount", "-o", "remount,ro,bind", "/var/lib/netc"])
    for _ in range(2):
        assert "chain f2b-web of table ip filter" in netc_host(host, "status", check=False).stdout
    host.run(["umount", "/var/lib/netc"])


@pytest.mark.parametrize(
    ("ruleset", "said"),
    [
        ("table bridge mine { chain c { type filter hook forward priority 0; policy drop; }; }", "table bridge mine"),
    ],
)
def test_what_cannot_be_asked_is_told(lab: Lab, tmp_path: Path, ruleset: str, said: str) -> None:
    host = edge(lab, tmp_path)
    host.run(["nft", ruleset])
    assert [line for line in told(host) if line.startswith(f"not asked: {said}: ")]


def test_a_host_without_namespaces_is_told_what_is_not_asked_and_keeps_the_tree(lab: Lab, tmp_path: Path) -> None:
    """As in a container without CAP_SYS_ADMIN."""
    host = edge(lab, tmp_path, NO_GRE)
    host.run(["nft", "-f", "-"], input=drops("input priority 0; policy drop", ""))
    without = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
    said = host.run([*without, "bash", INSTALL, "--commit", "--from", "console"], check=False)
    assert said.returncode == 0, said.stderr
    assert "this host allows no namespaces: rules and configurations are not tried" in said.stderr
    assert "is confirmed" in said.stderr
    as_if_run(host)
    later = host.run([*without, "/usr/local/sbin/netc-host", "status"], check=False).stdout
    assert "cannot be checked: unshare: " in later
    assert "unasked     packet filters of others" in later


@pytest.mark.parametrize("command", ["iptables", "ip6tables"])
def test_tables_of_legacy_count_if_they_have_rules(lab: Lab, tmp_path: Path, command: str) -> None:
    host = edge(lab, tmp_path, NO_GRE)
    host.run([f"{command}-nft", "-A", "INPUT", "-p", "tcp", "--dport", "9", "-j", "DROP"])
    host.run([f"{command}-legacy", "-S"])
    assert host.read(f"/proc/net/{command.replace('tables', '_tables')}_names")
    assert told(host) == []
    why = f"not asked: tables of {command}-legacy: this host has tables of {command}-nft beside them"
    for change in (["-P", "FORWARD", "DROP"], ["-A", "INPUT", "-p", "tcp", "--dport", "9", "-j", "DROP"]):
        host.run([f"{command}-legacy", *change])
        assert told(host) == [why]
        host.run([f"{command}-legacy", "-P", "FORWARD", "ACCEPT"])
    host.run(["nft", "flush", "ruleset"])
    assert told(host) == []
    host.run([f"{command}-legacy", "-P", "INPUT", "DROP"])
    assert ("links.one", f"{'ip6' if command[2] == '6' else 'ip'} filter INPUT") in dropped(host)


def test_nothing_is_left_if_it_is_killed(lab: Lab, tmp_path: Path) -> None:
    """Copies of rulesets are only in a mount namespace, which ends with its processes."""
    host = edge(lab, tmp_path)
    load(host, "fail2ban")
    host.run(["mkdir", "-p", "/run/netc"])
    before = host.state()
    waits = 'case "$*" in *"list table "*) touch /var/tmp/waits; exec sleep 600;; esac'
    host.write("/usr/local/sbin/nft", f'#!/bin/sh\n{waits}\nexec /usr/sbin/nft "$@"\n', 0o755)
    kill = "until [ -e /var/tmp/waits ]; do sleep 0.1; done; kill -9 -- -$!"
    host.run(["bash", "-c", f"setsid {INSTALL} --commit --from console & {kill}"], timeout=60)
    host.run(["rm", "/usr/local/sbin/nft", "/var/tmp/waits"])
    assert difference(before, host.state()) == ""
