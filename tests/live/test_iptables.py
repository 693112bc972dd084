"""What is iptables' own: chains among those of others, a change without a gap, and both of its implementations."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from live.compiled import compiled, down, filter_up, script, up
from live.delivered import deliver, install, netc_host
from live.lab import Host, Lab
from live.state import difference
from live.traffic import SILENCE, client, echo

pytestmark = pytest.mark.live

A = ("198.51.100.1", "2001:db8:1::1")
STRANGER = ("198.51.100.9", "2001:db8:1::9")
OFFICE = ("192.0.2.7", "2001:db8:7::7")
LATER = ("192.0.2.8", "2001:db8:8::8")
PROGRAMS = ("iptables", "ip6tables")

TOPOLOGY = """
version = 1
network.name = "lab"
sets.office.prefixes = {office}

[hosts.a]
id = 1
wan = "eth0"
addresses = ["198.51.100.1/24", "2001:db8:1::1/64"]
netfilter = "iptables"

[hosts.a.firewall]
allow = [{{ ports = "{port}/tcp", from = "office" }}, {{ ports = "9300/udp" }}]
"""

SPLIT = """
[hosts.a.tunnels.vpn]
kind = "external"
interface = "tun0"
start = "/usr/local/bin/vpn"
address = "10.9.0.2/24"
[hosts.a.splits.browser]
tunnel = "vpn"
group = "browser"
dns = "10.9.0.1"
"""


@dataclass
class Scene:
    a: Host
    world: Host


def tree(folder: Path, more: str = "", office: tuple[str, ...] = OFFICE, port: int = 9100) -> Path:
    listed = str([f"{ip}/128" if ":" in ip else f"{ip}/32" for ip in office])
    return compiled(TOPOLOGY.format(office=listed, port=port) + more, folder)["a"]


@pytest.fixture
def there(lab: Lab, tmp_path: Path) -> Scene:
    a, world = lab.host("a", tree(tmp_path / "first")), lab.host("world")
    near = [f"{STRANGER[0]}/24", f"{STRANGER[1]}/64"]
    lab.wire(a, "eth0", world, "eth0", a_addresses=[f"{A[0]}/24", f"{A[1]}/64"], b_addresses=near)
    for address in (*OFFICE, *LATER):
        world.run(["ip", "address", "add", address, "dev", "lo"])
    for family, via in enumerate(STRANGER):
        a.run(["ip", f"-{4 + 2 * family}", "route", "add", "default", "via", via])
    echo(a, 9100)
    return Scene(a, world)


def heard(there: Scene, sources: tuple[str, str], port: int = 9100) -> list[bool]:
    """In both families."""
    with ThreadPoolExecutor() as pool:
        ask = partial(client, there.world, "tcp", port=port, timeout=SILENCE)
        asked = [pool.submit(ask, to, source=source) for to, source in zip(A, sources, strict=True)]
        return [each.result() == source for each, source in zip(asked, sources, strict=True)]


def saved(host: Host) -> str:
    """All rules of both families, without counters and dates."""
    text = "".join(host.run([f"{program}-save"]).stdout for program in PROGRAMS)
    return re.sub(r"\[\d+:\d+\]|^#.*\n", "", text, flags=re.MULTILINE)


def with_legacy(host: Host, kind: str = "legacy") -> None:
    """As `update-alternatives --config iptables` does it."""
    for program in PROGRAMS:
        for end in ("", "-save", "-restore"):
            host.run(["ln", "-sf", f"/usr/sbin/{program}-{kind}{end}", f"/etc/alternatives/{program}{end}"])


@pytest.fixture(params=["nft", "legacy"])
def either(request: pytest.FixtureRequest, there: Scene) -> Scene:
    if request.param == "legacy":
        with_legacy(there.a)
    return there


@pytest.mark.parametrize("either", [pytest.param("nft", marks=pytest.mark.stock), "legacy"], indirect=True)
def test_foreign_rules_stay_unchanged(either: Scene) -> None:
    host = either.a
    for program in PROGRAMS:
        for rule in (
            "-t filter -A INPUT -p udp --dport 7 -j DROP",
            "-t mangle -N netcat",
            "-t mangle -A PREROUTING -p udp --dport 9 -j netcat",
            "-t mangle -A netcat -j MARK --set-xmark 0x7/0xff",
            "-t nat -A PREROUTING -p tcp --dport 7 -j REDIRECT --to-ports 8",
        ):
            host.run([program, *rule.split()])
    before, rules = host.state(), saved(host)
    assert rules.count("netcat") == 6
    up(host)
    up(host)
    host.run(script("firewall", "reload"))

    assert heard(either, OFFICE) == [True, True]
    assert heard(either, STRANGER) == [False, False]
    assert saved(host).count("-j netc-INPUT") == 2, "a jump in each family"
    down(host)
    assert saved(host) == rules
    assert difference(before, host.state()) == ""


def test_packets_that_foreign_rules_accept_first_are_dropped(there: Scene) -> None:
    """As Docker does for its containers, and an old script for whoever wrote it."""
    up(there.a)
    for program in PROGRAMS:
        there.a.run([program, "-I", "INPUT", "-j", "ACCEPT"])

    assert heard(there, STRANGER) == [False, False]
    assert heard(there, OFFICE) == [True, True]


def test_packets_that_foreign_rules_drop_stay_dropped(there: Scene) -> None:
    up(there.a)
    for program in PROGRAMS:
        there.a.run([program, "-A", "INPUT", "-p", "tcp", "--dport", "9100", "-j", "DROP"])

    assert heard(there, OFFICE) == [False, False]


KNOCK = """
import socket, sys, time
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as knock:
    print("ready", flush=True)
    while True:
        for port in (9300, 9301):
            knock.sendto(b"", (sys.argv[1], port))
        time.sleep(0.0005)
"""
COUNT = """
import socket, sys, time
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as server:
    server.bind((sys.argv[1], int(sys.argv[2])))
    print("ready", flush=True)
    while True:
        server.recv(10)
        print("in", flush=True)
"""


def test_no_packet_gets_in_while_the_rules_change(either: Scene, tmp_path: Path) -> None:
    """Two thousand packets a second ask, while the rules change twenty times."""
    host = either.a
    up(host)
    shut = [host.start(["python3", "-c", COUNT, to, "9301"]) for to in A]
    open_ = [host.start(["python3", "-c", COUNT, to, "9300"]) for to in A]
    for process in (*shut, *open_):
        process.wait_for("ready")
    knocks = [either.world.start(["python3", "-c", KNOCK, to]) for to in A]
    for process in knocks:
        process.wait_for("ready")
    for number in range(20):
        host.lay(tree(tmp_path / f"{number}", port=9100 + number % 2))
        host.run(script("firewall", "reload"))
    for process in knocks:
        process.stop()

    assert [process.said().count("in\n") for process in shut] == [0, 0]
    assert all(process.said().count("in\n") > 1000 for process in open_)
    assert heard(either, OFFICE) == [False, False], "the last of the rules stand"


def test_obsolete_chains_are_removed(either: Scene, tmp_path: Path) -> None:
    host = either.a
    filter_up(host)
    plain = saved(host)
    host.lay(tree(tmp_path / "split", SPLIT))
    filter_up(host)
    host.run(["bash", "-c", "for set in /etc/netc/sets/*.ipset; do ipset restore -file $set; done"])
    host.run(script("firewall", "reload"))
    with_split = saved(host)
    assert {"netc-split-browser", "netc-into-browser", "netc-no-browser"} <= set(re.findall(r"netc-[\w-]+", with_split))

    host.lay(tree(tmp_path / "first"))
    host.run(script("firewall", "reload"))
    assert without_empty_tables(saved(host)) == without_empty_tables(plain)


def without_empty_tables(text: str) -> str:
    return re.sub(r"^\*\w+\n(:[A-Z]+ ACCEPT \n)*COMMIT\n", "", text, flags=re.MULTILINE)


def test_rules_that_somebody_saved_or_flushed_are_replaced(either: Scene) -> None:
    """netfilter-persistent saves what is there, netc's too, and flushes before it restores."""
    host = either.a
    up(host)
    rules = saved(host)
    for program in PROGRAMS:
        host.run(["bash", "-c", f"{program}-save >/tmp/saved && {program}-restore </tmp/saved"])
    host.run(script("firewall", "reload"))
    assert saved(host) == rules
    for program in PROGRAMS:
        for table in ("mangle", "nat"):
            host.run(["bash", "-c", f"{program} -t {table} -F && {program} -t {table} -X"])
    assert heard(either, STRANGER) == [True, True]
    host.run(script("firewall", "reload"))
    assert heard(either, STRANGER) == [False, False]
    host.run(["rm", "-r", "/run/netc"])  # a boot, and then what was saved
    up(host)
    assert without_empty_tables(saved(host)) == without_empty_tables(rules)


def test_a_set_is_reloaded_without_the_rules(there: Scene, tmp_path: Path) -> None:
    up(there.a)
    rules = saved(there.a)
    first = tree(tmp_path / "first")
    changed = tree(tmp_path / "next", office=LATER)
    here, now = ({p.relative_to(t): p.read_text() for p in t.rglob("*") if p.is_file()} for t in (first, changed))
    differ = {str(path) for path in here if here[path] != now[path]}
    assert differ == {"etc/netc/sets/office.ipset", "etc/netc/walks"}  # a walk is of a client of the list
    there.a.lay(changed)
    there.a.run(script("set-office", "reload"))

    assert saved(there.a) == rules
    assert (heard(there, LATER), heard(there, OFFICE)) == ([True, True], [False, False])


def test_without_its_ipsets_the_filter_names_the_unit_to_start(there: Scene) -> None:
    before = there.a.state()
    refused = there.a.run(script("firewall", "up"), check=False)

    assert refused.returncode == 1
    assert "needs the ipset office4: start netc-set-office.service" in refused.stderr
    assert difference(before, there.a.state()) == ""


def test_an_ipset_stays_while_rules_use_it(there: Scene) -> None:
    before = there.a.state()
    up(there.a)
    assert "in use and stays" in there.a.run(script("set-office", "down")).stderr
    assert heard(there, OFFICE) == [True, True]
    up(there.a)
    down(there.a)
    assert difference(before, there.a.state()) == ""


def test_a_removed_set_leaves_nothing_and_returns_with_the_rule_that_names_it(lab: Lab, tmp_path: Path) -> None:
    named = TOPOLOGY.format(office=["192.0.2.7/32", "2001:db8:7::7/128"], port=9100)
    plain = re.sub(r'(?m)^sets\..*\n|, from = "office"', "", named)
    host = lab.host("a")
    lab.wire(host, "eth0", lab.host("world"), "eth0", a_addresses=[f"{A[0]}/24", f"{A[1]}/64"])
    bare = host.state()
    with_list, without_list = (compiled(text, tmp_path / name)["a"] for name, text in (("n", named), ("p", plain)))

    deliver(lab, host, with_list)
    install(host, "--commit")
    lists = host.run(["ipset", "list", "-name"]).stdout.split()
    assert lists == ["office4", "office6"]
    deliver(lab, host, without_list)
    install(host, "--commit")
    assert host.run(["ipset", "list", "-name"]).stdout == ""
    netc_host(host, "back", "--commit")
    assert host.run(["ipset", "list", "-name"]).stdout.split() == lists
    assert netc_host(host, "status").returncode == 0

    # The way back from a list that is new.
    netc_host(host, "back", "--commit")
    deliver(lab, host, with_list)
    assert install(host, "--within", "1", check=False).returncode == 1
    assert host.run(["ipset", "list", "-name"]).stdout == ""
    netc_host(host, "uninstall")
    assert difference(bare, host.state()) == ""
