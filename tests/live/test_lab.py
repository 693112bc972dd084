"""The lab itself: hosts share nothing, the state sees what is left behind, faults hit where they should."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from live.faults import Fault, failures, kills, run_with, steps_of
from live.lab import Host, Lab
from live.needs import missing, require
from live.state import FORWARDING, difference, without
from live.traffic import Capture, Proto, client, dns, echo, lookup, refused
from netc.lab.waiting import Late, wait

pytestmark = pytest.mark.live

VISITOR = {"10.9.0.2": "10.9.0.1", "fd09::2": "fd09::1"}  # by the address that was asked


def wired(lab: Lab) -> tuple[Host, Host]:
    near, far = lab.host("near"), lab.host("far")
    lab.wire(
        near, "eth0", far, "eth1", a_addresses=("10.9.0.1/24", "fd09::1/64"), b_addresses=("10.9.0.2/24", "fd09::2/64")
    )
    return near, far


def test_a_host_cannot_set_the_clock_of_this_machine(lab: Lab) -> None:
    host = lab.host("edge")
    sets = host.run(["grep", "-hE", "^Cap(Inh|Prm|Eff|Bnd|Amb):", "/proc/self/status", "/proc/1/status"]).stdout
    assert [int(line.split()[1], 16) >> 25 & 1 for line in sets.splitlines()] == [0] * 10  # capabilities(7)


def machine() -> tuple[set[str], str, str]:
    """Named namespaces, links and mounts of this machine."""
    netns = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    links = subprocess.run(["ip", "-o", "link", "show"], capture_output=True, text=True, check=True).stdout
    names = {line.split(":")[1] for line in links.splitlines()}
    return names, netns, Path("/proc/self/mountinfo").read_text()


def network_namespaces() -> set[str]:
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found.add(os.readlink(process / "ns/net"))
        except OSError:
            continue  # it has ended
    return found


# Hosts


def test_hosts_share_neither_files_nor_names_nor_namespaces(lab: Lab) -> None:
    before = machine()
    a, b = lab.host("a"), lab.host("b")
    a.write("/etc/netc/only-a", "a\n")
    a.run(["touch", "/run/only-a", "/usr/local/sbin/only-a", "/usr/lib/only-a", "/tmp/only-a", "/var/lib/only-a"])
    a.run(["ip", "netns", "add", "only-a"])
    a.run(["ip", "link", "add", "dev", "only-a", "type", "bridge"])

    places = ("/etc/netc", "/run", "/usr/local/sbin", "/usr/lib", "/tmp", "/var/lib")
    assert b.run(["ls", "-d", *(f"{place}/only-a" for place in places)], check=False).stdout == ""
    assert "only-a" not in b.run(["ip", "netns", "list"]).stdout + b.run(["ip", "link"]).stdout
    assert a.read("/proc/sys/kernel/hostname") == "a\n"
    assert not [place for place in places if Path(place, "only-a").exists()]
    assert machine() == before


def test_a_host_cannot_write_to_directories_of_the_machine(host: Host) -> None:
    for place in ("/", "/root", "/usr/bin"):
        assert host.run(["touch", f"{place}/written"], check=False).returncode != 0

    with pytest.raises(ValueError, match="places that a host can write to"):
        host.write("/root/written", "")


def test_lo_is_up_and_sys_shows_the_hosts_own_links(host: Host) -> None:
    host.run(["ip", "link", "add", "dev", "own", "type", "bridge"])

    assert host.run(["ping", "-c", "1", "-W", "2", "::1"]).returncode == 0
    assert set(host.run(["ls", "/sys/class/net"]).stdout.split()) >= {"lo", "own"}
    assert not Path("/sys/class/net/own").exists()


def test_a_tree_over_the_root_replaces_the_previous_one(host: Host, tmp_path: Path) -> None:
    for name, path in (("one", "etc/netc/parts/a/up"), ("two", "usr/local/bin/t"), ("two", "usr/lib/netc/steps.bash")):
        made = tmp_path / name / path
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(f"#!/bin/sh\necho {name}\n")
        made.chmod(0o755)
        os.chown(made, 1000, 1000)
    host.lay(tmp_path / "one")
    assert host.run(["/etc/netc/parts/a/up"]).stdout == "one\n"
    host.lay(tmp_path / "two")

    assert host.run(["t"]).stdout == "two\n"
    assert host.run(["stat", "-c", "%U %a", "/usr/lib/netc/steps.bash"]).stdout == "root 755\n"
    assert host.run(["test", "-e", "/etc/netc/parts/a/up"], check=False).returncode == 1
    assert not Path("/usr/local/bin/t").exists()


def test_a_program_runs_in_a_named_namespace(host: Host) -> None:
    host.run(["ip", "netns", "add", "vpn"])
    host.write("/etc/netns/vpn/resolv.conf", "nameserver 192.0.2.53\n")

    assert host.run(["cat", "/etc/resolv.conf"], namespace="vpn").stdout == "nameserver 192.0.2.53\n"
    assert host.run(["ip", "netns", "identify"], namespace="vpn").stdout == "vpn\n"
    assert host.run(["cat"], input="said\n", namespace="vpn").stdout == "said\n"


def test_the_error_of_a_failing_program_names_the_host_and_the_command(host: Host) -> None:
    with pytest.raises(RuntimeError, match=r"here: `ls /absent` ended with 2:\nls: cannot access"):
        host.run(["ls", "/absent"])


def test_a_program_that_does_not_end_is_ended(host: Host) -> None:
    with pytest.raises(Late):
        host.run(["sleep", "600"], timeout=0.2)

    wait(lambda: "sleep" not in host.run(["ps", "-e", "-o", "args"]).stdout)


def test_a_daemon_left_behind_does_not_hold_up_its_script(host: Host) -> None:
    host.run(["bash", "-c", "setsid sleep 3000 & echo started"], timeout=300)

    assert "sleep" in host.run(["ps", "-e", "-o", "args"]).stdout


# The end


def test_nothing_is_left_after_an_exception() -> None:
    require(missing({"unshare": "util-linux"}))
    before = machine()
    pids: list[int] = []
    spaces: set[str] = set()

    def fail() -> None:
        with Lab() as lab:
            a, b = wired(lab)
            a.run(["ip", "netns", "add", "vpn"])
            inside = a.run(["readlink", "/proc/self/ns/net"], namespace="vpn").stdout.strip()
            spaces.update({inside, *(os.readlink(f"/proc/{host.pid}/ns/net") for host in (a, b))})
            assert spaces - {inside} < network_namespaces()
            a.run(["bash", "-c", "setsid sleep 300 & setsid ip netns exec vpn sleep 300 &"])
            pids.extend((a.pid, b.pid, a.start(["sleep", "300"]).pid, Capture(b, "eth1")._process.pid))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()

    wait(lambda: [pid for pid in pids if Path(f"/proc/{pid}").exists()] == [])
    assert machine() == before
    assert len(spaces) == 3
    wait(lambda: network_namespaces() & spaces == set())


def test_stop_ignores_processes_that_have_ended(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    process = host.start(["sleep", "600"])
    wait(process._children)
    nobody = 1 << 22  # one more than the highest number of a process
    monkeypatch.setattr(process, "_children", lambda: [nobody + 1, process.pid])
    process.stop()

    assert not process.alive


def test_a_host_that_fails_to_close_does_not_keep_the_others_open(monkeypatch: pytest.MonkeyPatch) -> None:
    require(missing({"unshare": "util-linux"}))
    lab = Lab()
    first, last = lab.host("first"), lab.host("last")
    close = last.close

    def fails() -> None:
        close()
        raise OSError("it stays")

    monkeypatch.setattr(last, "close", fails)
    with pytest.raises(OSError, match="it stays"):
        lab.close()

    assert not Path(f"/proc/{first.pid}").exists()
    assert not lab.file("").parent.exists()


def test_hosts_end_if_the_test_program_is_killed(tmp_path: Path) -> None:
    script = "import os; from live.lab import Lab; print(Lab().host('a').pid, flush=True); os.kill(os.getpid(), 9)"
    require(missing({"unshare": "util-linux"}))
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent), "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False)

    assert done.returncode == -9
    wait(lambda: not Path(f"/proc/{int(done.stdout)}").exists())


# State


def test_the_state_of_an_unchanged_host_is_equal_each_time(lab: Lab) -> None:
    near, far = wired(lab)
    near.run(["ip", "netns", "add", "vpn"])
    near.run(["nft", "add table inet mine; add chain inet mine c; add rule inet mine c counter"])
    before = near.state()
    assert client(near, "udp", "10.9.0.2", 7, timeout=1) is None
    near.run(["ping", "-c", "1", "-W", "5", "fd09::2"])
    far.run(["ping", "-c", "1", "-W", "5", "10.9.0.1"])

    assert difference(before, near.state()) == ""
    assert before == near.state()


LEFTOVERS = {
    "link": "ip link add dev left type bridge",
    "address": "ip address add 10.1.1.1/32 dev lo",
    "rule": "ip -6 rule add pref 7000 from fd00::1 lookup 77 protocol 77",
    "route": "ip route add unreachable default table 77 metric 4278198272 protocol 77",
    "nft": "nft add table inet left",
    "ipset": "ipset create left hash:net family inet6",
    "sysctl": "sysctl -q -w net.ipv4.ip_forward=1",
    "run": "mkdir -p /run/netc/left",
    "namespaces": "ip netns add left",
    "vpn: address": "ip -n vpn address add fd01::1/128 dev lo",
    "vpn: route": "ip -n vpn -6 route add unreachable default table 77",
    "vpn: nft": "ip netns exec vpn nft add table inet left",
    "vpn: sysctl": "ip netns exec vpn sysctl -q -w net.ipv4.conf.lo.rp_filter=2",
}


@pytest.mark.parametrize("section", LEFTOVERS)
def test_the_state_sees_a_leftover(host: Host, section: str) -> None:
    host.run(["ip", "netns", "add", "vpn"])
    before = host.state()
    host.run(LEFTOVERS[section].split())
    after = host.state()

    assert before[section] != after[section]
    assert f"{section}  + " in difference(before, after)


def test_a_lock_is_no_leftover(host: Host) -> None:
    before = host.state()
    host.run(["bash", "-c", "mkdir /run/netc; touch /run/netc/lock /run/xtables.lock /run/lock/netc"])

    assert difference(before, host.state()) == ""


def test_forwarding_that_stays_on_can_be_left_out(lab: Lab) -> None:
    near, _ = wired(lab)
    before = near.state()
    near.run(["sysctl", "-q", "-w", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"])
    after = near.state()

    assert before != after
    assert difference(without(before, FORWARDING), without(after, FORWARDING)) == ""


def test_the_state_of_a_ruleset_is_its_rules_and_not_its_history(host: Host) -> None:
    table = "table inet mine\ndelete table inet mine\ntable inet mine {\n chain c {\n counter accept\n }\n}\n"
    host.write("/etc/mine.nft", table)
    host.run(["nft", "-f", "/etc/mine.nft"])
    before = host.state()
    host.run(["nft", "-f", "/etc/mine.nft"])
    assert before == host.state()
    host.run(["nft", "insert rule inet mine c drop"])

    assert before["nft"] != host.state()["nft"]


# Wires and packets


@pytest.mark.parametrize("address", VISITOR)
@pytest.mark.parametrize("proto", ["tcp", "udp"])
def test_a_wire_carries_both_families_and_an_echo_returns_the_client_address(
    lab: Lab, proto: Proto, address: str
) -> None:
    near, far = wired(lab)
    echo(far, 80)

    assert client(near, proto, address, 80) == VISITOR[address]
    assert client(near, proto, address, 81, timeout=0.5) is None


def test_a_packet_that_is_lost_is_sent_again(lab: Lab) -> None:
    near, far = wired(lab)
    echo(far, 80)
    far.run(["nft", "add table inet mine; add chain inet mine in { type filter hook input priority 0; }"])
    far.run(["nft", "add rule inet mine in udp dport 80 quota until 30 bytes drop"])

    assert client(near, "udp", "10.9.0.2", 80) == "10.9.0.1"


def test_a_refused_connection_is_distinguished_from_no_answer(lab: Lab) -> None:
    near, far = wired(lab)
    assert refused(near, "tcp", "10.9.0.2", 81)
    echo(far, 80)
    assert not refused(near, "tcp", "10.9.0.2", 80)


def test_a_switch_joins_hosts_in_both_families(lab: Lab) -> None:
    world = lab.switch("world")
    hosts = [lab.host(f"h{number}") for number in (1, 2, 3)]
    for number, host in enumerate(hosts, 1):
        world.plug(host, "eth0", f"192.0.2.{number}/24", f"2001:db8::{number}/64")
    echo(hosts[2], 80, "192.0.2.3", "2001:db8::3")

    assert client(hosts[0], "tcp", "192.0.2.3", 80) == "192.0.2.1"
    assert client(hosts[1], "udp", "2001:db8::3", 80) == "2001:db8::2"


def test_a_client_has_a_source_and_a_wrapper(lab: Lab) -> None:
    near, far = wired(lab)
    near.run(["ip", "address", "add", "10.9.0.9/32", "dev", "eth0"])
    near.run(["nft", "add table inet mine; add chain inet mine out { type filter hook output priority 0; }"])
    near.run(["nft", "add rule inet mine out meta skgid 4321 drop"])
    echo(far, 80, "10.9.0.2")

    assert client(near, "tcp", "10.9.0.2", 80, source="10.9.0.9") == "10.9.0.9"
    as_group = ("setpriv", "--regid", "4321", "--clear-groups")
    assert client(near, "tcp", "10.9.0.2", 80, wrapper=as_group, timeout=0.5) is None


def test_a_client_and_a_server_run_in_a_named_namespace(lab: Lab) -> None:
    near, far = wired(lab)
    for host, interface, address in ((near, "eth0", "10.9.0.1/24"), (far, "eth1", "10.9.0.2/24")):
        host.run(["ip", "netns", "add", "vpn"])
        host.run(["ip", "link", "set", "dev", interface, "netns", "vpn"])
        host.run(["ip", "-n", "vpn", "address", "add", address, "dev", interface])
        host.run(["ip", "-n", "vpn", "link", "set", "dev", interface, "up"])
    echo(far, 80, namespace="vpn")

    assert client(near, "tcp", "10.9.0.2", 80, namespace="vpn") == "10.9.0.1"
    assert client(near, "tcp", "10.9.0.2", 80, timeout=1) is None


def test_lookup_uses_the_resolver_of_the_host(lab: Lab) -> None:
    near, far = wired(lab)
    near.write("/etc/nsswitch.conf", "hosts: dns\n")
    near.write("/etc/resolv.conf", "nameserver fd09::2\n")
    assert lookup(near, "service.example", timeout=1) is None
    dns(far, "198.51.100.7")

    assert lookup(near, "service.example") == "198.51.100.7"
    near.write("/etc/resolv.conf", "nameserver 10.9.0.2\noptions use-vc\n")
    assert lookup(near, "service.example") == "198.51.100.7"


def test_a_capture_sees_each_packet(lab: Lab) -> None:
    near, far = wired(lab)
    echo(far, 80)
    seen = Capture(far, "eth1")
    assert seen.packets("udp") == []
    client(near, "udp", "fd09::2", 80)
    client(near, "udp", "10.9.0.2", 80)

    assert len(seen.packets("udp dst port 80")) == 2
    assert len(seen.packets("ip6 and udp and src host fd09::1")) == 1
    seen.stop()
    assert len(seen.packets("udp")) == 4


# Faults

STEPS = """
set -u
part=$1 journal=/run/netc/$1
mkdir -p /run/netc

tell() { echo "told $*" >>/run/told; }

step() {
    echo "$*" >>"$journal"
    "$@" && return
    echo "failed: $*" >&2
    while [[ -s $journal ]]; do
        read -r last < <(tail -n 1 "$journal")
        [[ $last != mkdir* ]] || rmdir "${last#mkdir }" 2>/dev/null
        sed -i '$d' "$journal"
    done
    rm "$journal"
    exit 1
}

undo() {
    local said
    said=$("$@" 2>&1) || echo "not undone: $*" >&2
}

finish() { echo finished >>"$journal"; }
"""
UP = """#!/usr/bin/env bash
source /usr/lib/netc/steps.bash sample up

step mkdir /run/one
step tell the world
step mkdir /run/two
finish
"""
DOWN = """#!/usr/bin/env bash
source /usr/lib/netc/steps.bash sample down

undo rmdir /run/two
undo rm /run/told
undo rmdir /run/one
finish
"""


@pytest.fixture
def sample(host: Host, tmp_path: Path) -> Host:
    for path, text in (("usr/lib/netc/steps.bash", STEPS), (UP_PATH, UP), (DOWN_PATH, DOWN)):
        path = path.removeprefix("/")
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
        (tmp_path / path).chmod(0o755)
    host.lay(tmp_path)
    return host


UP_PATH = "/etc/netc/parts/sample/up"
DOWN_PATH = "/etc/netc/parts/sample/down"
LINES = ["mkdir /run/one", "tell the world", "mkdir /run/two"]


def done(host: Host) -> list[str]:
    """Which of the steps have had their effect."""
    one, two = (host.run(["test", "-e", f"/run/{name}"], check=False).returncode == 0 for name in ("one", "two"))
    told = "told the world" in host.run(["cat", "/run/told"], check=False).stdout
    return [line for line, there in zip(LINES, (one, told, two), strict=True) if there]


def journal(host: Host) -> list[str]:
    return host.run(["cat", "/run/netc/sample"], check=False).stdout.splitlines()


def test_steps_of_a_script_and_their_faults_are_listed_once() -> None:
    assert steps_of(UP) == LINES
    assert [str(fault) for fault in failures(2)] == ["fails 1", "fails 2"]
    assert [str(fault) for fault in kills(1)] == ["before 1", "noted 1", "done 1", "before 2"]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_failing_step_is_reported_and_did_not_run(sample: Host, number: int) -> None:
    result = run_with(sample, [UP_PATH], Fault("fails", number))

    assert result.returncode == 1
    assert f"failed: {LINES[number - 1]}" in result.stderr
    assert done(sample) == [line for line in LINES[: number - 1] if line.startswith("tell")]
    assert journal(sample) == []


@pytest.mark.parametrize("fault", kills(3), ids=str)
def test_a_kill_keeps_the_journal_and_the_steps_that_ran(sample: Host, fault: Fault) -> None:
    result = run_with(sample, [UP_PATH], fault)

    assert result.returncode == -9
    assert journal(sample) == LINES[: fault.step - (fault.moment == "before")]
    assert done(sample) == LINES[: fault.step - (fault.moment != "done")]


@pytest.mark.parametrize("fault", kills(3), ids=str)
def test_a_kill_during_down_keeps_the_steps_that_are_not_yet_undone(sample: Host, fault: Fault) -> None:
    sample.run([UP_PATH])
    result = run_with(sample, [DOWN_PATH], fault)

    assert result.returncode == -9
    assert done(sample) == LINES[: len(LINES) + 1 - fault.step - (fault.moment == "done")]


def test_down_reports_a_step_that_it_cannot_undo(sample: Host) -> None:
    sample.run([UP_PATH])
    result = run_with(sample, [DOWN_PATH], Fault("fails", 3))

    assert "not undone: rmdir /run/one" in result.stderr
    assert done(sample) == LINES[:1]


def test_a_fault_at_a_missing_step_is_an_error_and_the_script_completes(sample: Host) -> None:
    with pytest.raises(LookupError, match="has no step 9"):
        run_with(sample, [UP_PATH], Fault("fails", 9))

    assert journal(sample) == [*LINES, "finished"]
    assert done(sample) == LINES


def test_looks_that_wait_themselves_do_not_make_a_wait_endless() -> None:
    """As `lookup` does where nobody answers: 1200 looks of two seconds are 40 minutes."""
    began = time.monotonic()
    with pytest.raises(Late):
        wait(lambda: time.sleep(0.5), 1)
    assert time.monotonic() - began < 4.5
