"""`netc lab`, as users have it: promises by packets, verbs of a lab that is up, and nothing that is left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import pytest

from examples import ROOT
from live.needs import LIVE, missing, require
from netc.lab.holder import address
from netc.lab.waiting import wait

pytestmark = pytest.mark.live

NETC = [sys.executable, "-P", "-c", "from netc.cli import main; main()"]
SLIM = ROOT / "examples" / "slim-edge.toml"
PAIR = """
version = 1
network.name = "pair"

[hosts.edge]
id = 1
wan = "eth0"
addresses = ["198.51.100.10/24", "2001:db8:1::10/64"]
public_key = "kZCSmzUQ/wg1iAaJ0Kd0pn1pw8M2LWLvFVCcTQWaEiM="
firewall.allow = [{ ports = "9100/tcp", from = "203.0.113.0/24" }]

[hosts.home]
id = 2
wan = "eth0"
addresses = "192.168.1.2/24"
public_key = "1mHPqSRoeCQ5Zf6GzfMNXhWzM9ET6qdqp1VFrh7UnUA="
firewall = {}

[links.one]
kind = "wireguard"
between = ["edge", "home"]
ends.edge.address = ["10.77.1.0/31", "fd77:1::/127"]
ends.home.address = ["10.77.1.1/31", "fd77:1::1/127"]

[forwards.web]
at = "edge"
ports = "443/tcp"
to = "home"
via = "one"

[[expect]]
name = "visitors reach the web server"
from = "internet"
to = "edge:443/tcp"
arrives = "home"
source = "kept"

[[expect]]
name = "one network reads the metrics"
from = "203.0.113.7"
to = "edge:9100/tcp"
arrives = "edge"

[[expect]]
name = "nobody else does"
from = "192.0.2.7"
to = "edge:9100/tcp"
arrives = false
"""
PROGRAM = """
[hosts.edge.tunnels.vpn]
kind = "external"
interface = "vpn0"
start = ["/usr/bin/touch", "/run/ran"]
"""


ROUTER = """version = 1
network.name = "peers"

[bgp]
asn = 4242420100
prefixes = ["172.20.16.0/27", "fd42:4242:100::/48"]
profile = "dn42"
roa = { ipv4 = "/etc/bird/roa4.conf", ipv6 = "/etc/bird/roa6.conf" }

[hosts.router]
id = 1
wan = "eth0"
addresses = ["198.51.100.7/24", "2001:db8:7::7/64"]
firewall = {}
public_key = "kZCSmzUQ/wg1iAaJ0Kd0pn1pw8M2LWLvFVCcTQWaEiM="
loopback = ["172.20.16.1/32", "fd42:4242:100::1/128"]
bgp.region = 41

[hosts.router.tunnels.friend]
kind = "wireguard"
address = "fe80::100/64"
port = 20207
peer.public_key = "Qoe1VYOdIm3fPkBAuZ6f2zXUasEDMuCsOHeIDIpsCkA="
peer.endpoint = "192.0.2.77:20100"
peer.allowed_ips = ["0.0.0.0/0", "::/0"]

[hosts.router.bgp.peers.friend]
asn = 4242420207
role = "peer"
address = "fe80::207"
tunnel = "friend"

[hosts.router.bgp.peers.near]
asn = 4242420208
role = "peer"
interface = "eth0"
local = "2001:db8:7::7"
address = "2001:db8:7::8"

[hosts.router.bgp.peers.far]
asn = 4242420209
role = "collector"
address = "192.0.2.201"
multihop = 255
local = "198.51.100.7"
"""


@pytest.fixture(autouse=True)
def needs() -> None:
    require(missing(LIVE))


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    topology = tmp_path / "pair.toml"
    topology.write_text(PAIR)
    return topology


def netc(*words: str | Path, before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    argv = [*before, *NETC, "lab", *map(str, words)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300, stdin=subprocess.DEVNULL)


@contextmanager
def held(topology: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A lab that is up."""
    said = topology.with_suffix(".said")
    with said.open("w") as out:
        holder = subprocess.Popen([*NETC, "lab", *options, str(topology)], stdout=out, stderr=out, text=True)
    try:
        wait(lambda: "ends the lab" in said.read_text() or holder.poll() is not None)
        assert holder.poll() is None, said.read_text()
        yield holder
    finally:
        holder.kill()
        holder.wait()


def on(topology: Path, host: str, *command: str) -> str:
    done = netc(topology, "exec", host, "--", *command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_promise_of_an_example_holds(tmp_path: Path) -> None:
    found = tmp_path / "junit.xml"
    done = netc(SLIM, "test", "--junit", found)
    suite = ElementTree.parse(found).getroot()

    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"(?m)^holds  ", done.stdout)) == 7
    assert "not tried: `mtu`, which paper alone proves" in done.stdout
    assert "private keys are the lab's own" in done.stderr
    assert suite.attrib["tests"] == "7"
    assert suite.attrib["failures"] == "0"


def test_a_promise_that_survives_is_tried_while_something_has_failed() -> None:
    done = netc(SLIM, "test", "--while", "link-two", "fails")

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"(?m)^holds +(.*?)  ", done.stdout) == [
        "two edges at once serve one node, also while one of them is gone"
    ]
    assert done.stdout.count("it does not promise to survive link-two") == 6


def test_what_the_lab_has_otherwise_than_the_topology_does_not_hold(pair: Path, tmp_path: Path) -> None:
    """The compiled rules lose one, and let in one too many."""
    found = tmp_path / "junit.xml"
    with held(pair):
        before = netc(pair, "test")
        rules = on(pair, "edge", "nft", "-a", "list", "chain", "inet", "netc", "prerouting_nat")
        [handle] = re.findall(r"dnat ip to .*# handle (\d+)", rules)
        on(pair, "edge", "nft", "delete", "rule", "inet", "netc", "prerouting_nat", "handle", handle)
        lost = netc(pair, "test", "--junit", found)
        on(pair, "edge", "nft", "insert", "rule", "inet", "netc", "input", "tcp", "dport", "9100", "accept")
        open_ = netc(pair, "test")

    assert before.returncode == 0, before.stdout
    assert lost.returncode == 1
    assert re.findall(r"(?m)^does not hold +(.*?)  ", lost.stdout) == ["visitors reach the web server"]
    assert "to 198.51.100.10:443/tcp breaks `arrives`" in lost.stdout
    assert "here:     does not arrive" in lost.stdout
    assert "on paper: arrives at home, source kept, answered" in lost.stdout
    assert ElementTree.parse(found).getroot().attrib["failures"] == "1"
    assert "nobody else does" in re.findall(r"(?m)^does not hold +(.*?)  ", open_.stdout)
    assert "here:     arrives at edge from 192.0.2.7" in open_.stdout


def test_the_verbs_of_a_lab_that_is_up(pair: Path) -> None:
    with held(pair) as holder:
        assert "10.77.1.1/31" in on(pair, "home", "ip", "-4", "-br", "address")
        assert netc(pair, "exec", "edge", "--", "sh", "-c", "exit 7").returncode == 7
        assert "link-one          up" in on(pair, "edge", "netc-host", "status")
        visit = netc(pair, "visit", "203.0.113.9", "edge:443/tcp")
        assert visit.returncode == 0
        assert "here:     arrives at home from 203.0.113.9, answered" in visit.stdout
        trace = netc(pair, "trace", "internet", "edge:443/tcp")
        assert re.search(r"edge  inet netc prerouting_nat rule .*dnat", trace.stdout)
        assert "destination NAT: to 10.77.1.1:443/tcp" in trace.stdout
        assert netc(pair, "trace", "192.0.2.7", "edge:9100/tcp").returncode == 1
        assert netc(pair, "fail", "one").returncode == 0
        failed = netc(pair, "visit", "203.0.113.9", "edge:443/tcp")
        assert failed.returncode == 1
        assert "on paper: does not arrive: dropped at edge, wg-home is down" in failed.stdout
        assert netc(pair, "fail", "edge").returncode == 0
        assert netc(pair, "visit", "203.0.113.9", "edge:9100/tcp").returncode == 1
        assert netc(pair, "heal").returncode == 0
        assert netc(pair, "visit", "203.0.113.9", "edge:443/tcp").returncode == 0
        assert netc(pair, "fail", "nobody").returncode == 2
        assert netc(pair, "up").returncode == 2
        assert netc(pair, "down").returncode == 0
        assert holder.wait(60) == 0
    assert netc(pair, "down").returncode == 2


def test_capture_shows_what_passes(pair: Path) -> None:
    with held(pair):
        seeing = subprocess.Popen(
            [*NETC, "lab", str(pair), "capture", "edge", "eth0", "--", "-c", "1", "tcp", "port", "443"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert seeing.stderr is not None
        wait(lambda: "listening on" in seeing.stderr.readline())  # type: ignore[union-attr]
        netc(pair, "visit", "203.0.113.9", "edge:443/tcp")
        assert "203.0.113.9" in seeing.communicate(timeout=60)[0]


def test_nothing_outlives_a_holder_that_is_killed(pair: Path) -> None:
    with held(pair) as holder:
        there = descendants(holder.pid)
        spaces = {space for pid in there for space in spaces_of(pid)} - set(spaces_of(os.getpid()))
        assert len(there) > 8
        assert len(spaces) > 8
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in there))

    left = {space for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) for space in spaces_of(pid)}
    assert not spaces & left
    assert " lab " not in Path("/proc/self/mountinfo").read_text()
    assert netc(pair, "down").returncode == 2


def descendants(pid: int) -> set[int]:
    found = {pid}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found |= descendants(int(child))
    return found


def spaces_of(pid: int) -> Iterator[str]:
    for kind in ("net", "mnt", "pid", "uts"):
        try:
            yield os.readlink(f"/proc/{pid}/ns/{kind}")
        except OSError:
            continue


def test_two_labs_side_by_side_do_not_meet(pair: Path, tmp_path: Path) -> None:
    """The same hosts with the same addresses."""
    other = tmp_path / "other.toml"
    other.write_text(PAIR)
    with held(pair), held(other):
        on(pair, "edge", "touch", "/run/here")
        on(other, "edge", "nft", "flush", "chain", "inet", "netc", "prerouting_nat")
        assert netc(other, "exec", "edge", "--", "test", "-e", "/run/here").returncode == 1
        assert netc(other, "test").returncode == 1
        assert netc(pair, "test").returncode == 0


SQUATTER = """
import os, socket, sys
os.setuid(65534)
door = socket.socket(socket.AF_UNIX)
door.bind(sys.argv[1].replace("@", chr(0)))
door.listen()
print("ready", flush=True)
caller, _ = door.accept()
data, files, _, _ = socket.recv_fds(caller, 1 << 16, 3)
print(len(data), len(files), flush=True)
"""


def test_somebody_else_who_takes_the_name_of_a_lab_gets_no_terminal(pair: Path) -> None:
    name = address(pair).replace("\0", "@")
    with subprocess.Popen([sys.executable, "-c", SQUATTER, name], stdout=subprocess.PIPE, text=True) as squatter:
        assert squatter.stdout is not None
        assert squatter.stdout.readline() == "ready\n"
        said = netc(pair, "exec", "edge", "--", "true")
        assert squatter.stdout.readline() == "0 0\n"
    assert (said.returncode, "the user 65534 has taken the name of this lab" in said.stderr) == (2, True)


def test_no_program_of_the_topology_runs_unless_asked(pair: Path) -> None:
    pair.write_text(PAIR + PROGRAM)
    with held(pair):
        said = pair.with_suffix(".said").read_text()
        assert "a stand-in runs in place of a program of edge: /usr/bin/touch /run/ran" in said
        assert "vpn0" in on(pair, "edge", "ip", "-br", "link")
        assert netc(pair, "exec", "edge", "--", "test", "-e", "/run/ran").returncode == 1
    asked = netc(pair, "test", "--run-commands")

    assert asked.returncode == 1
    assert "/usr/bin/touch did not create interface vpn0" in asked.stderr


def test_what_is_this_machine_s_own_is_out_of_reach(pair: Path) -> None:
    with held(pair):
        assert on(pair, "edge", "ls", "/home", "/root", "/mnt") == "/home:\n\n/mnt:\n\n/root:\n"
        assert re.findall(r"(?m)^[^:]+:(?!\*:)", on(pair, "edge", "cat", "/etc/shadow")) == []
        assert netc(pair, "exec", "edge", "--", "cat", str(pair)).returncode == 1
        assert netc(pair, "exec", "edge", "--", "sh", "-c", "echo x >/proc/sys/kernel/core_pattern").returncode != 0
        assert "sda" not in on(pair, "edge", "ls", "/dev")
        assert on(pair, "edge", "sh", "-c", "ls /sys/class/net").split() == ["eth0", "lo", "wg-home"]


def test_neighbours_in_other_ases_announce_what_their_filter_lets_in(tmp_path: Path) -> None:
    """By a tunnel, by an uplink, and over several hops."""
    topology = tmp_path / "router.toml"
    topology.write_text(ROUTER)
    ask = ("birdc", "-s", "/run/netc/bird.ctl", "show")
    with held(topology):
        wait(lambda: on(topology, "router", *ask, "protocols").count("Established") == 3)
        wait(lambda: len(re.findall(r"\[peer_(?:friend|near) ", on(topology, "router", *ask, "route"))) == 4)
        assert "AS4242420207i" in on(topology, "router", *ask, "route")
        assert "dev wg-friend" in on(topology, "router", "ip", "-6", "route", "show", "proto", "bird")


AS_USER = """
set -e
hidden=$1 uid=$2; shift 2
mkdir -p /run/lab-test && mount -t tmpfs kept /run/lab-test
number=0
declare -A kept
for place in $hidden; do
    number=$((number + 1))
    kept[$place]=$number
    mkdir "/run/lab-test/$number"
    mount --rbind "$place" "/run/lab-test/$number"
done
mount -t tmpfs -o mode=0755 root /root
for place in $hidden; do mkdir -p "$place"; mount --rbind "/run/lab-test/${kept[$place]}" "$place"; done
cd /
exec setpriv --reuid "$uid" --regid "$uid" --clear-groups --no-new-privs env HOME=/ "$@"
"""
"""root's own folder is open to nobody else: what the user needs of it is seen in a mount namespace."""


def test_a_user_needs_no_root() -> None:
    allowed = subprocess.run(["setpriv", "--reuid", "12345", "--clear-groups", "unshare", "-Ur", "true"], check=False)
    require("could not run: users have no namespaces here" if allowed.returncode else "")
    folders = dict.fromkeys(map(str, (ROOT, Path(sys.base_prefix), Path(sys.prefix))))
    needed = [one for one in folders if one.startswith("/root/") and not _is_inside(one, folders)]
    before = ["unshare", "--mount", "bash", "-c", AS_USER, "user", " ".join(needed), "12345"]
    done = netc(SLIM, "test", before=before)

    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"(?m)^holds  ", done.stdout)) == 7


def _is_inside(one: str, others: dict[str, str | None]) -> bool:
    return any(one != other and Path(one).is_relative_to(other) for other in others)


def test_wrong_use_is_said(pair: Path, tmp_path: Path) -> None:
    assert "there is no verb `tset`" in netc(pair, "tset").stderr
    assert "no lab of" in netc(pair, "exec", "edge", "--", "true").stderr
    bare = tmp_path / "bare.toml"
    bare.write_text(PAIR.partition("[[expect]]")[0])
    done = netc(bare, "test")
    assert done.returncode == 2
    assert "promises nothing" in done.stderr
    assert netc(pair, "test", "--host", "nobody").returncode == 2


def test_some_hosts_alone_have_stand_ins_for_the_others(pair: Path) -> None:
    done = netc(pair, "test", "--host", "edge")

    assert "stand-ins are at the other end of" in done.stderr
    assert re.search(r"(?m)^holds +one network reads the metrics", done.stdout), done.stdout + done.stderr
