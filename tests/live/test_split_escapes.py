"""What programs of a split, or strangers, could do so that packets of the split leave by the uplink."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from live.compiled import script, up
from live.lab import Host, Lab
from live.test_splits import ANYONE, LAPTOP, MEMBER, PRIVATE, UNLISTED, Scene, Wrapper, scene, start, topology
from live.traffic import SILENCE, Capture, client, echo
from netc.lab.process import Process

pytestmark = [pytest.mark.live, pytest.mark.netfilters]

PORT = 7009
MARKS = ("0xff000000", "0xfe000000", "0x58000000", "0x01000000")
"""WireGuard's, that of a tunnel in a tunnel, the split's own and nobody's."""

MARKED = """
import socket, struct, sys
mark, port, *addresses = sys.argv[1:]
for address in addresses:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        one = socket.socket(family, kind)
        one.setsockopt(socket.SOL_SOCKET, 36, struct.pack("I", int(mark, 16)))  # SO_MARK
        one.settimeout(0.3)
        try:
            one.connect((address, int(port)))
            one.send(b"x")
        except OSError:
            pass
"""


def send_marked(laptop: Host, wrapper: Wrapper, mark: str) -> None:
    laptop.run([*wrapper, "python3", "-c", MARKED, mark, str(PORT), *UNLISTED])


def test_a_mark_that_a_program_sets_leads_nowhere(lab: Lab, tmp_path: Path) -> None:
    there = scene(lab, tmp_path, topology())
    start(there)
    capture = Capture(there.laptop, "eth0")
    for mark in MARKS:
        send_marked(there.laptop, MEMBER, mark)
    there.laptop.run(["nft", "flush", "ruleset"])
    for mark in MARKS:
        send_marked(there.laptop, MEMBER, mark)
    assert capture.packets(f"port {PORT}") == []
    send_marked(there.laptop, ANYONE, MARKS[0])
    for address in UNLISTED:
        assert capture.packets(f"host {address} and port {PORT}") != [], "or nothing is captured"


FOREIGN = "table inet foreign { chain o { type route hook output priority %s; meta mark set 0x1; }; }"
PRIORITIES = ("mangle - 1", "mangle + 5", "0")


def test_a_mark_that_other_software_sets_leads_nowhere(lab: Lab, tmp_path: Path) -> None:
    there = scene(lab, tmp_path, topology())
    start(there)
    capture = Capture(there.laptop, "eth0")
    for priority in PRIORITIES:
        there.laptop.run(["nft", "-f", "-"], input=FOREIGN % priority)
        send_marked(there.laptop, MEMBER, "0")
        there.laptop.run(["nft", "delete", "table", "inet", "foreign"])
        assert capture.packets(f"port {PORT}") == [], priority
    send_marked(there.laptop, ANYONE, "0")
    for address in UNLISTED:
        assert capture.packets(f"host {address} and port {PORT}") != [], "or nothing is captured"


WITHOUT_NFT = 'install -m 644 /dev/null /run/no-nft; mount --bind /run/no-nft "$(readlink -f "$(type -P nft)")"'


def test_a_guard_that_iptables_lacks_is_reported(lab: Lab, tmp_path: Path) -> None:
    """Once nft is there, `up` holds it."""
    laptop = scene(lab, tmp_path, topology()).laptop
    if "nftables.nft" in laptop.run(["ls", "/etc/netc"]).stdout.split():
        return  # whose filter needs nft itself
    laptop.run(["bash", "-c", WITHOUT_NFT])
    up(laptop)
    found = laptop.run(script("guard", "check"), check=False)
    assert found.returncode == 1
    assert "guard: no guard is there, so programs of splits that set marks use the host's own routes: " in found.stdout

    laptop.run(["bash", "-c", 'umount "$(readlink -f "$(type -P nft)")"'])
    laptop.run(script("guard", "down"))
    laptop.run(script("guard", "up"))
    assert laptop.run(script("guard", "check")).stdout == ""


ANSWERS = """
import socket, sys
port, *clients = sys.argv[1:]
found = []
for client in clients:
    one = socket.socket(socket.AF_INET6 if ":" in client else socket.AF_INET, socket.SOCK_DGRAM)
    if ":" in client:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    one.bind(("::" if ":" in client else "0.0.0.0", int(port)))
    found.append((one, client))
print("ready", flush=True)
sys.stdin.readline()
for one, client in found:
    for _ in range(3):
        try:
            one.sendto(b"x", (client, int(port)))
        except OSError:
            pass
"""
ONE_PACKET = """
import socket, sys
port, *pairs = sys.argv[1:]
for source, to in zip(pairs[::2], pairs[1::2]):
    one = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_DGRAM)
    one.bind((source, int(port)))
    one.sendto(b"x", (to, int(port)))
"""


def test_one_packet_of_a_stranger_makes_no_client_of_him(lab: Lab, tmp_path: Path) -> None:
    """Its source may be forged: that of a server which the program asks by the tunnel."""
    there = scene(lab, tmp_path, topology())
    start(there)
    capture = Capture(there.laptop, "eth0")
    pairs = [ip for pair in zip(UNLISTED, LAPTOP, strict=True) for ip in pair]
    for wrapper in (MEMBER, ANYONE):
        there.laptop.write("/run/go", "")
        run = f"until [[ -s /run/go ]]; do sleep 0.1; done | python3 -c '{ANSWERS}' {PORT} {' '.join(UNLISTED)}"
        program = there.laptop.start([*wrapper, "bash", "-c", run])
        program.wait_for("ready")
        there.world.run(["python3", "-c", ONE_PACKET, str(PORT), *pairs])
        there.laptop.write("/run/go", "now")
        program.wait()
        left = capture.packets(" or ".join(f"dst host {address}" for address in UNLISTED))
        assert len(left) == (0 if wrapper == MEMBER else 6), left


SERVED = 'group = "cavorite"\ncommand = "t"\nserve = "7001/udp"'
ALLOWED = 'group = "cavorite"\ncommand = "t"\n[hosts.laptop.firewall]\nallow = [{ ports = ["7001/udp", "7001/tcp"] }]'


@pytest.mark.parametrize(
    ("split", "answers"),
    [('group = "cavorite"\ncommand = "t"', False), (SERVED, True), (ALLOWED, True)],
    ids=["neither", "serve", "allow"],
)
def test_a_program_answers_clients_of_udp_where_the_topology_says_so(
    lab: Lab, tmp_path: Path, split: str, answers: bool
) -> None:
    there = scene(lab, tmp_path, topology(split))
    start(there)
    echo(there.laptop, 7001, wrapper=MEMBER)
    for address, stranger, near in zip(LAPTOP, UNLISTED, PRIVATE, strict=True):
        assert client(there.world, "tcp", address, 7001, source=stranger) == stranger
        assert client(there.world, "udp", address, 7001, source=near) == near, "it is in `direct`"
        seen = client(there.world, "udp", address, 7001, source=stranger, timeout=SILENCE)
        assert seen == (stranger if answers else None)


GREETER = """
import socket, sys
listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, int(sys.argv[2]))
listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listening.bind(("0.0.0.0", int(sys.argv[1])))
listening.listen(5)
print("ready", flush=True)
while True:
    one, _ = listening.accept()
    one.recv(10)
    one.send(b"hello")
    one.recv(10)
"""
VISITOR = """
import socket, sys, time
one = socket.socket(socket.AF_INET, socket.SOCK_STREAM, int(sys.argv[2]))
one.connect((sys.argv[3], int(sys.argv[1])))
one.send(b"x")
print(one.recv(10), flush=True)
sys.stdin.readline()
"""
TCP, MPTCP = "0", "262"


def visit(there: Scene, protocol: str) -> Process:
    """A program of the split that is connected to a server behind the tunnel, until it reads a line."""
    there.world.start(["python3", "-c", GREETER, str(PORT), protocol]).wait_for("ready")
    visitor = there.laptop.start([*MEMBER, "python3", "-c", VISITOR, str(PORT), protocol, UNLISTED[0]])
    visitor.wait_for("hello")
    return visitor


def test_what_a_closed_connection_repeats_never_leaves_by_the_uplink(lab: Lab, tmp_path: Path) -> None:
    """Its socket is of no program any more, and here its flow was forgotten: after a restart of the tunnel, or because
    the other end does not acknowledge."""
    there = scene(lab, tmp_path, topology())
    start(there)
    visitor = visit(there, TCP)
    there.exit.run(["ip", "link", "set", "dev", "wg0", "down"])
    capture = Capture(there.laptop, "eth0")
    visitor.stop(signal.SIGKILL)
    for _ in range(6):
        there.laptop.run(["conntrack", "-D", "-p", "tcp", "--dport", str(PORT)], check=False)
        time.sleep(1)
    assert capture.packets(f"tcp port {PORT}") == []
    sockets = there.laptop.run(["ss", "-Htan", "dport", f":{PORT}"]).stdout
    assert "FIN-WAIT-1" in sockets, "or nothing is repeated"


def test_another_path_of_mptcp_never_leaves_by_the_uplink(lab: Lab, tmp_path: Path) -> None:
    """The kernel opens it: from an address that the host has for that, or to one that the server tells."""
    there = scene(lab, tmp_path, topology())
    start(there)
    there.laptop.run(["ip", "address", "add", "192.168.1.9/24", "dev", "eth0"])
    there.laptop.run(["ip", "mptcp", "limits", "set", "add_addr_accepted", "2", "subflow", "2"])
    there.laptop.run(["ip", "mptcp", "endpoint", "add", "192.168.1.9", "dev", "eth0", "subflow"])
    there.world.run(["ip", "address", "add", "198.51.100.81", "dev", "lo"])
    there.world.run(["ip", "mptcp", "endpoint", "add", "198.51.100.81", "signal"])
    capture = Capture(there.laptop, "eth0")
    visit(there, MPTCP)
    time.sleep(5)
    tried = there.laptop.run(["nstat", "-asz", "MPTcpExtAddAddr", "MPTcpExtMPJoinSynTx"], check=False).stdout
    assert capture.packets(f"tcp port {PORT}") == [], tried
