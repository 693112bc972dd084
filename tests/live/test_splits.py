"""System S5: programs of a group go by a tunnel, whatever becomes of it, and nobody else notices."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from live import delivered
from live.compiled import compiled, down, filter_up, give_key, install, met, parts, script, up
from live.delivered import deliver, netc_host
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.state import FORWARDING, HIDDEN, difference, without
from live.traffic import ANSWER, SILENCE, Capture, Proto, client, dns, echo, lookup, refused
from netc.lab.waiting import wait

pytestmark = [pytest.mark.live, pytest.mark.netfilters]

LISTED = ("203.0.113.80", "2001:db8:80::80")
UNLISTED = ("198.51.100.80", "2001:db8:99::80")
PRIVATE = ("172.16.9.9", "fd09::9")
ROUTER = ("192.168.1.1", "2001:db8:1::1")
"""Also the resolver that everybody is told of."""

LAPTOP = ("192.168.1.2", "2001:db8:1::2")
EXIT = ("192.0.2.77", "2001:db8:77::77")
EVERYWHERE = (*LISTED, *UNLISTED, *PRIVATE)
ROUTERS_ANSWER, TUNNELS_ANSWER = "192.0.2.1", "192.0.2.66"

LEAKS = "(" + " or ".join(f"host {ip}" for ip in UNLISTED) + " or port 53 or port 853)"
"""Packets that should never be on the uplink because of a member."""

Wrapper = Sequence[str]
MEMBER: Wrapper = ("t",)
PROTOCOLS: tuple[Proto, ...] = ("tcp", "udp")
ANYONE: Wrapper = ()


def topology(split: str = 'group = "cavorite"\ncommand = "t"', tunnel: str = "") -> str:
    peer = public_key(private_key("exit"))
    address = tunnel or '["10.66.0.2/24", "fd66::2/64"]'
    return f"""
version = 1
network.name = "away"

[sets.country]
files = "country.txt"

[hosts.laptop]
id = 1
wan = "eth0"
addresses = ["192.168.1.2/24", "2001:db8:1::2/64"]

[hosts.laptop.tunnels.escape]
kind = "wireguard"
address = {address}
peer = {{ public_key = "{peer}", endpoint = "192.0.2.77:51820", allowed_ips = ["0.0.0.0/0", "::/0"], keepalive = 1 }}

[hosts.laptop.splits.cavorite]
tunnel = "escape"
direct = ["private", "country", "10.0.0.0/8"]
dns = "10.66.0.1"
{split}
"""


GRE = """
kind = "gre"
remote = "192.0.2.77"
address = "10.66.0.2/24"
"""


EXTERNAL = f"""
kind = "external"
start = ["/usr/local/bin/starts", "{public_key(private_key("exit"))}"]
interface = "tun0"
address = "10.66.0.2/24"
"""


@dataclass
class Scene:
    laptop: Host
    exit: Host
    world: Host


COUNTRY = (*(f"100.{n // 256}.{n % 256}.0/25" for n in range(7455)), "203.0.113.0/24", "2001:db8:80::/48")
"""As long as the list of a country."""


def scene(lab: Lab, folder: Path, text: str) -> Scene:
    (folder / "country.txt").write_text("\n".join(COUNTRY))
    laptop, exit, world = install(lab, "laptop", compiled(text, folder)), lab.host("exit"), lab.host("world")
    give_key(laptop, "escape", "laptop")
    world.run(["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"])
    wires = ((laptop, "laptop", LAPTOP, ROUTER), (exit, "exit", EXIT, ("192.0.2.1", "2001:db8:77::1")))
    for host, device, ours, theirs in wires:
        ends = [[f"{four}/24", f"{six}/64"] for four, six in (ours, theirs)]
        lab.wire(host, "eth0", world, device, a_addresses=ends[0], b_addresses=ends[1])
        for address in theirs:
            host.run(["ip", "route", "add", "default", "via", address])
    for address in EVERYWHERE:
        world.run(["ip", "address", "add", address, "dev", "lo"])
    echo(world, 7000, *EVERYWHERE, *ROUTER)
    dns(world, ROUTERS_ANSWER, *ROUTER, *LISTED)
    laptop.write("/etc/resolv.conf", f"nameserver {ROUTER[0]}\nnameserver {ROUTER[1]}\n")
    serve_tunnel(exit)
    return Scene(laptop, exit, world)


def serve_tunnel(exit: Host) -> None:
    create = "ip link add dev wg0 type wireguard 2>/dev/null || wireguard-go wg0 >/dev/null 2>&1"
    exit.run(["bash", "-c", create])
    exit.write("/etc/exit.key", private_key("exit"), 0o600)
    own = ["private-key", "/etc/exit.key", "listen-port", "51820"]
    peer = public_key(private_key("laptop"))
    exit.run(["wg", "set", "wg0", *own, "peer", peer, "allowed-ips", "10.66.0.2/32,fd66::2/128"])
    for address in ("10.66.0.1/24", "fd66::1/64"):
        exit.run(["ip", "address", "add", address, "dev", "wg0", *(["nodad"] if ":" in address else [])])
    exit.run(["ip", "link", "set", "dev", "wg0", "mtu", "1420", "up"])
    exit.run(["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"])
    masquerade = 'table inet nat { chain p { type nat hook postrouting priority srcnat; oifname "eth0" masquerade; }; }'
    exit.run(["nft", "-f", "-"], input=masquerade)
    dns(exit, TUNNELS_ANSWER, "10.66.0.1", "fd66::1")


def start(there: Scene) -> None:
    up(there.laptop)
    met(there.laptop, "wg-escape")
    for part in parts(there.laptop):
        if part.startswith("split-"):
            there.laptop.start(script(part, "watch"))


def seen(there: Scene, wrapper: Wrapper, address: str, protocol: Proto = "tcp", timeout: float = ANSWER) -> str | None:
    return client(there.laptop, protocol, address, 7000, wrapper=wrapper, timeout=timeout)


def sees(
    there: Scene, wrapper: Wrapper, addresses: Sequence[str] = EVERYWHERE, timeout: float = ANSWER
) -> dict[str, str]:
    """How each of the places sees the laptop, and what a name is; what is not answered is left out. All are asked at
    once, since it takes time to hear nothing."""
    with ThreadPoolExecutor() as pool:
        asked = {f"{p} {a}": pool.submit(seen, there, wrapper, a, p, timeout) for a in addresses for p in PROTOCOLS}
        asked["name"] = pool.submit(lookup, there.laptop, "somewhere.example", wrapper=wrapper, timeout=timeout)
        found = {what: answer.result() for what, answer in asked.items()}
    return {what: answer for what, answer in found.items() if answer}


def expected(direct: Sequence[str], tunnelled: Sequence[str], name: str | None) -> dict[str, str]:
    ways = [(address, LAPTOP) for address in direct] + [(address, EXIT) for address in tunnelled]
    answers = {f"{p} {a}": way[1 if ":" in a else 0] for a, way in ways for p in ("tcp", "udp")}
    return answers | ({"name": name} if name else {})


DIRECT = (*LISTED, *PRIVATE)
OF_ANYONE = expected(EVERYWHERE, (), ROUTERS_ANSWER)
OF_MEMBER = expected(DIRECT, UNLISTED, TUNNELS_ANSWER)
OF_MEMBER_ALONE = expected(DIRECT, (), None)
"""While there is no tunnel."""


def leaked(capture: Capture) -> list[str]:
    return capture.packets(LEAKS)


def test_members_use_the_tunnel_and_others_are_not_affected(lab: Lab, tmp_path: Path) -> None:
    """{member, anyone} x {listed, unlisted, private, resolver} x {IPv4, IPv6} x {up, cut, deleted, restarted}."""
    there = scene(lab, tmp_path, topology())
    start(there)
    capture = Capture(there.laptop, "eth0")
    assert sees(there, MEMBER) == OF_MEMBER
    assert leaked(capture) == []
    assert sees(there, ANYONE) == OF_ANYONE
    assert leaked(capture) != [], "or the capture shows nothing"
    capture.stop()

    cuts = {
        "the far end gone": (there.exit, ["ip", "link", "set", "dev", "wg0", "down"]),
        "the device down": (there.laptop, ["ip", "link", "set", "dev", "wg-escape", "down"]),
        "the device deleted": (there.laptop, ["ip", "link", "delete", "dev", "wg-escape"]),
    }
    for what, (host, cut) in cuts.items():
        host.run(cut)
        capture = Capture(there.laptop, "eth0")
        assert sees(there, MEMBER, timeout=SILENCE) == OF_MEMBER_ALONE, what
        assert leaked(capture) == [], what
        capture.stop()
        assert sees(there, ANYONE) == OF_ANYONE, what

    there.exit.run(["ip", "link", "set", "dev", "wg0", "up"])
    there.exit.run(["ip", "-6", "address", "replace", "fd66::1/64", "dev", "wg0", "nodad"])
    capture = Capture(there.laptop, "eth0")
    for verb in ("down", "up"):
        there.laptop.run(script("tunnel-escape", verb))
        assert seen(there, MEMBER, UNLISTED[0], timeout=0.5) in (None, EXIT[0])
    met(there.laptop, "wg-escape")
    assert soon(there, MEMBER, UNLISTED[0]) == EXIT[0]
    assert sees(there, MEMBER) == OF_MEMBER
    assert leaked(capture) == []


def test_the_resolver_of_the_tunnel_answers_queries_to_any_resolver(lab: Lab, tmp_path: Path) -> None:
    """Also one on the host itself, such as systemd-resolved's; one of IPv6 is refused, and the next is asked."""
    there = scene(lab, tmp_path, topology())
    start(there)
    dns(there.laptop, "192.0.2.53", "127.0.0.53")
    told = {
        "127.0.0.53": "192.0.2.53",
        ROUTER[0]: ROUTERS_ANSWER,
        LISTED[0]: ROUTERS_ANSWER,
        f"{ROUTER[1]}\nnameserver {ROUTER[0]}": ROUTERS_ANSWER,
    }
    for resolver, answer in told.items():
        there.laptop.write("/etc/resolv.conf", f"nameserver {resolver}\n")
        capture = Capture(there.laptop, "eth0")
        assert lookup(there.laptop, "somewhere.example", wrapper=MEMBER) == TUNNELS_ANSWER, resolver
        there.laptop.write("/etc/resolv.conf", f"options use-vc\nnameserver {resolver}\n")
        assert lookup(there.laptop, "somewhere.example", wrapper=MEMBER) == TUNNELS_ANSWER, f"{resolver} by TCP"
        assert leaked(capture) == []
        capture.stop()
        assert lookup(there.laptop, "somewhere.example") == answer
    there.laptop.write("/etc/resolv.conf", f"nameserver {ROUTER[1]}\n")
    capture = Capture(there.laptop, "eth0")
    assert lookup(there.laptop, "somewhere.example", wrapper=MEMBER, timeout=1) is None
    for address in LISTED:  # DNS over TLS is no way around
        client(there.laptop, "tcp", address, 853, wrapper=MEMBER, timeout=0.5)
    assert leaked(capture) == []


def test_up_warns_about_name_services_that_bypass_the_tunnel(lab: Lab, tmp_path: Path) -> None:
    """Where nothing can be hidden from the programs: they are of a group, and no command runs them."""
    there = scene(lab, tmp_path, topology('group = "cavorite"'))
    there.laptop.write("/etc/nsswitch.conf", "passwd: files\nhosts: files resolve [!UNAVAIL=return] dns\n")
    said = filter_up(there.laptop)
    assert "systemd-resolved resolves names" in said
    there.laptop.run(script("firewall", "down"))
    there.laptop.write("/etc/nsswitch.conf", "passwd: files\nhosts: files mdns4_minimal [NOTFOUND=return] dns\n")
    assert "tunnel" not in filter_up(there.laptop)


def test_an_ipv6_resolver_in_the_tunnel_answers_too(lab: Lab, tmp_path: Path) -> None:
    text = topology().replace('dns = "10.66.0.1"', 'dns = ["10.66.0.1", "fd66::1"]')
    there = scene(lab, tmp_path, text)
    start(there)
    there.laptop.write("/etc/resolv.conf", f"nameserver {ROUTER[1]}\n")
    assert lookup(there.laptop, "somewhere.example", wrapper=MEMBER) == TUNNELS_ANSWER


AWKWARD = ["", " a  b ", "it's", '"quoted"', "*", "$HOME `id` $(id)", "\\", "line\nline", "-n", "é", "a;b&c|d>e", "~!!"]
SHOW = """
printf '%s\\0' "$@" "$PWD" "$KEPT" "$(cat)"
[[ $(id -gn) == cavorite && -r /var/tmp/of-tty ]] && exit 42
"""


def test_the_command_changes_nothing_but_the_group(lab: Lab, tmp_path: Path) -> None:
    """Arguments, standard input, folder, environment and status; for root and for a member. Others are refused."""
    there = scene(lab, tmp_path, topology())
    up(there.laptop)
    for person in ("ann", "bob"):
        there.laptop.run(["useradd", "--groups", "tty", person])
    there.laptop.run(["usermod", "--append", "--groups", "cavorite,tty", "ann"])
    there.laptop.run(["install", "--mode", "640", "--group", "tty", "/dev/null", "/var/tmp/of-tty"])

    def ran(person: str, *argv: str) -> tuple[int, str, str]:
        be = ["setpriv", "--reuid", person, "--regid", person if person != "root" else "0"]
        groups = ["--init-groups"] if person != "root" else ["--groups", "tty"]
        done = there.laptop.run(
            ["env", "-C", "/var/tmp", *be, *groups, "t", *argv], input="in\n", env={"KEPT": "a 'b'\n$c"}, check=False
        )
        return done.returncode, done.stdout, done.stderr

    show = "\0".join((*AWKWARD, "/var/tmp", "a 'b'\n$c", "in", ""))
    for person in ("root", "ann"):
        assert ran(person, "bash", "-c", SHOW, "show", *AWKWARD) == (42, show, ""), person
        assert ran(person, "bash", "-c", "exec t id -gn") == (0, "cavorite\n", "")
        assert ran(person, "no-such-program")[0] == 127
        assert ran(person)[0] == 125
    status, said, complaint = ran("bob", "id")
    assert (status, said) == (125, "")
    assert "adduser bob cavorite" in complaint


def test_a_supplementary_group_does_not_match(lab: Lab, tmp_path: Path) -> None:
    there = scene(lab, tmp_path, topology())
    start(there)
    supplementary = ["setpriv", "--groups", "cavorite"]
    assert seen(there, supplementary, UNLISTED[0]) == LAPTOP[0]
    assert seen(there, ["setpriv", "--regid", "cavorite", "--clear-groups"], UNLISTED[0]) == EXIT[0]


def test_mode_except_sends_all_but_a_group_through_the_tunnel(lab: Lab, tmp_path: Path) -> None:
    """The tunnel's own packets, which a program may send, do not go into the tunnel."""
    there = scene(lab, tmp_path, topology('group = "outside"\nmode = "except"\ncommand = "o"'))
    start(there)
    assert sees(there, ANYONE) == OF_MEMBER
    assert sees(there, ["o"]) == OF_ANYONE
    there.exit.run(["ip", "link", "set", "dev", "wg0", "down"])
    capture = Capture(there.laptop, "eth0")
    assert sees(there, ANYONE, timeout=SILENCE) == OF_MEMBER_ALONE
    assert leaked(capture) == []
    there.laptop.run(["ping", "-c", "1", ROUTER[0]])


@pytest.mark.parametrize("who", ['group = "outside"', 'user = "outside"'])
def test_neighbours_find_a_host_that_sends_all_but_some_programs_through_the_tunnel(
    lab: Lab, tmp_path: Path, who: str
) -> None:
    """What the kernel says by itself is not chosen: neighbours ask with an address of theirs that is not link-local."""
    there = scene(lab, tmp_path, topology(f'{who}\nmode = "except"'))
    there.laptop.run(["bash", "-c", "id outside || useradd -M outside"])
    start(there)
    echo(there.laptop, 7008)
    for _ in range(2):
        there.world.run(["ip", "-6", "neighbour", "flush", "all"])
        assert client(there.world, "tcp", LAPTOP[1], 7008, source=ROUTER[1], timeout=5) == ROUTER[1]


@pytest.mark.stock
@pytest.mark.stock_kernel
@pytest.mark.parametrize("mode", ["only", "except"])
def test_a_split_works_with_a_tunnel_without_keys(lab: Lab, tmp_path: Path, mode: str) -> None:
    """Its outer packets have the inner ones' mark and program."""
    own = topology(f'group = "cavorite"\ncommand = "t"\nmode = "{mode}"')
    before, _, after = own.partition("[hosts.laptop.tunnels.escape]")
    there = scene(
        lab, tmp_path, f"{before}[hosts.laptop.tunnels.escape]{GRE}{after[after.index('[hosts.laptop.sp') :]}"
    )
    far = "ip link add dev gre1 type gre local 192.0.2.77 remote 192.168.1.2 ttl 64; ip link set dev gre1 up"
    there.exit.run(["ip", "link", "delete", "dev", "wg0"])
    there.exit.run(["bash", "-ec", f"{far}; ip address add 10.66.0.1/24 dev gre1"])
    up(there.laptop)
    inside, outside = (MEMBER, ANYONE) if mode == "only" else (ANYONE, MEMBER)
    assert sees(there, inside) == {what: way for what, way in OF_MEMBER.items() if UNLISTED[1] not in what}
    assert sees(there, outside) == OF_ANYONE


def test_a_split_works_with_a_tunnel_of_another_program(lab: Lab, tmp_path: Path) -> None:
    own = topology()
    before, _, after = own.partition("[hosts.laptop.tunnels.escape]")
    split = after[after.index("[hosts.laptop.splits") :]
    there = scene(lab, tmp_path, f"{before}[hosts.laptop.tunnels.escape]{EXTERNAL}{split}")
    program = "ip link add dev tun0 type wireguard 2>/dev/null || wireguard-go tun0 >/dev/null 2>&1 9>&-\n"
    key = 'wg set tun0 private-key /etc/netc/keys/escape.key peer "$1" endpoint 192.0.2.77:51820'
    key += " allowed-ips 0.0.0.0/0 persistent-keepalive 1\n"
    there.laptop.write("/usr/local/bin/starts", f"#!/bin/bash\n{program}{key}", 0o755)
    up(there.laptop)
    met(there.laptop, "tun0")
    there.laptop.start(script("split-cavorite", "watch"))
    inside = {what: way for what, way in OF_MEMBER.items() if UNLISTED[1] not in what}
    assert sees(there, MEMBER) == inside
    assert sees(there, ANYONE) == OF_ANYONE
    there.laptop.run(["ip", "link", "delete", "dev", "tun0"])
    capture = Capture(there.laptop, "eth0")
    assert sees(there, MEMBER, timeout=SILENCE) == OF_MEMBER_ALONE
    assert leaked(capture) == []


def test_a_split_matches_a_user(lab: Lab, tmp_path: Path) -> None:
    there = scene(lab, tmp_path, topology('user = "nobody"'))
    start(there)
    assert sees(there, ["setpriv", "--reuid", "nobody"]) == OF_MEMBER
    assert sees(there, ANYONE) == OF_ANYONE


def test_a_missing_user_is_reported(lab: Lab, tmp_path: Path) -> None:
    there = scene(lab, tmp_path, topology('user = "ann"'))
    assert "the user ann of a split does not exist" in filter_up(there.laptop, check=False)
    assert "is not up" in there.laptop.run(script("firewall", "reload"), check=False).stderr
    there.laptop.run(["useradd", "ann"])
    up(there.laptop)


WALL = """
[hosts.laptop.firewall]
allow = [{ ports = ["7000/tcp"], from = "10.20.0.0/24" }]
pass = [{ from = "lan", to = "eth0" }, { from = "eth0", to = "lan" }]
"""


@pytest.mark.parametrize(
    "chosen", ['interface = "lan"', 'source = ["10.20.0.0/24", "fd20::/64"]', f'interface = "lan"\n{WALL}']
)
def test_a_split_matches_forwarded_packets_by_source(lab: Lab, tmp_path: Path, chosen: str) -> None:
    """A machine behind the laptop, with a firewall or without; the laptop's own programs stay outside."""
    there = scene(lab, tmp_path, topology(chosen))
    behind = lab.host("behind")
    ours, theirs = ("10.20.0.1", "fd20::1"), ("10.20.0.2", "fd20::2")
    ends = [[f"{four}/24", f"{six}/64"] for four, six in (ours, theirs)]
    lab.wire(there.laptop, "lan", behind, "eth0", a_addresses=ends[0], b_addresses=ends[1])
    for address in ours:
        behind.run(["ip", "route", "add", "default", "via", address])
    for address in theirs:
        via = LAPTOP[1 if ":" in address else 0]
        there.world.run(["ip", "route", "add", address, "via", via])
    behind.write("/etc/resolv.conf", f"nameserver {ours[0]}\n")
    start(there)
    member = Scene(behind, there.exit, there.world)
    direct = {f"{p} {a}": theirs[1 if ":" in a else 0] for a in DIRECT for p in ("tcp", "udp")}
    assert sees(member, ANYONE) == expected((), UNLISTED, TUNNELS_ANSWER) | direct
    assert sees(there, ANYONE) == OF_ANYONE
    large = ["ping", "-c", "1", "-W", "1", "-M", "do", "-s", "1460", UNLISTED[0]]
    assert "mtu" in behind.run(large, check=False).stdout, "is told what fits"
    there.laptop.run(["ip", "link", "delete", "dev", "wg-escape"])
    capture = Capture(there.laptop, "eth0")
    assert sees(member, ANYONE, timeout=SILENCE) == direct
    assert leaked(capture) == []
    assert client(behind, "tcp", ours[0], 7000, timeout=0.5) is None
    echo(there.laptop, 7000)
    assert client(behind, "tcp", ours[0], 7000) == theirs[0], "the laptop itself is no way out"


@pytest.mark.parametrize("policy", ["block", "direct"])
def test_the_ipv6_policy_applies_if_the_tunnel_has_no_ipv6(lab: Lab, tmp_path: Path, policy: str) -> None:
    text = topology(f'group = "cavorite"\ncommand = "t"\nipv6 = "{policy}"', tunnel='"10.66.0.2/24"')
    there = scene(lab, tmp_path, text)
    start(there)
    capture = Capture(there.laptop, "eth0")
    if policy == "block":
        assert refused(there.laptop, "tcp", UNLISTED[1], 7000, wrapper=MEMBER), "so that a program goes on with IPv4"
        assert sees(there, MEMBER) == {w: a for w, a in OF_MEMBER.items() if UNLISTED[1] not in w}
        assert leaked(capture) == []
    else:
        mixed = expected((*DIRECT, UNLISTED[1]), UNLISTED[:1], TUNNELS_ANSWER)
        assert sees(there, MEMBER) == mixed
        assert capture.packets("port 53") == []
    assert sees(there, ANYONE) == OF_ANYONE


def test_a_member_that_binds_to_the_uplink_leaks_nothing(lab: Lab, tmp_path: Path) -> None:
    there = scene(lab, tmp_path, topology())
    start(there)
    capture = Capture(there.laptop, "eth0")
    for address in UNLISTED:
        there.laptop.run(["t", "ping", "-c", "1", "-W", "1", "-I", "eth0", address], check=False)
        assert client(there.laptop, "udp", address, 7000, wrapper=MEMBER, source=LAPTOP[1 if ":" in address else 0])
    assert leaked(capture) == []
    there.laptop.run(["ping", "-c", "1", "-W", "1", "-I", "eth0", UNLISTED[0]])
    assert leaked(capture) != []


PATIENT = """
import socket, time
server = socket.create_server(("::", 7009), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
heard = [server.accept() for _ in range(2)]
time.sleep(60)
"""
LAST_WORDS = """
import socket, sys, time
talk = socket.create_connection((sys.argv[1], 7009), 3)
print("open", flush=True)
time.sleep(1)
talk.sendall(b"the last words")
talk.close()
print("closed", flush=True)
"""


def test_unsent_data_of_a_closed_connection_does_not_leak(lab: Lab, tmp_path: Path) -> None:
    """The kernel forgets masqueraded flows with their device, and a closed socket has no owner to be told by."""
    there = scene(lab, tmp_path, topology())
    there.world.start(["python3", "-c", PATIENT]).wait_for("ready")
    start(there)
    talks = [there.laptop.start([*MEMBER, "python3", "-c", LAST_WORDS, address]) for address in UNLISTED]
    for talk in talks:
        talk.wait_for("open")
    there.exit.run(["ip", "link", "set", "dev", "wg0", "down"])
    for talk in talks:
        talk.wait_for("closed")
    capture = Capture(there.laptop, "eth0")
    there.laptop.run(["ip", "link", "delete", "dev", "wg-escape"])
    time.sleep(4)
    assert leaked(capture) == []
    assert there.laptop.run(["ss", "-tan"]).stdout.count("FIN-WAIT-1") == 2, "or they have nothing to say"


OPEN = 'group = "cavorite"\ncommand = "t"\nopen = "7001/tcp"'


def test_incoming_connections_are_answered_on_the_same_interface(lab: Lab, tmp_path: Path) -> None:
    there = scene(lab, tmp_path, topology(OPEN))
    start(there)
    echo(there.laptop, 7001, wrapper=MEMBER)
    assert client(there.world, "tcp", LAPTOP[0], 7001, source=UNLISTED[0]) == UNLISTED[0]
    assert client(there.world, "tcp", LAPTOP[1], 7001, source=UNLISTED[1]) == UNLISTED[1]
    capture = Capture(there.laptop, "eth0")
    there.exit.run(["ip", "address", "add", "203.0.113.200/32", "dev", "lo"])
    assert client(there.exit, "tcp", "10.66.0.2", 7001, source="203.0.113.200") == "203.0.113.200"
    assert client(there.exit, "tcp", "fd66::2", 7001) == "fd66::1"
    assert capture.packets("port 7001") == []


def test_other_hosts_cannot_reach_listeners_on_the_loopback_device(lab: Lab, tmp_path: Path, netfilter: str) -> None:
    """Which the kernel would allow, where resolvers at 127.0.0.53 are to be answered through the tunnel."""
    there = scene(lab, tmp_path, topology(OPEN))
    start(there)
    echo(there.laptop, 7001, "127.0.0.1", "127.0.0.9")
    odd = [
        ["ip", "address", "flush", "dev", "lo"],
        ["ip", "route", "flush", "table", "local", "127.0.0.0/8"],
        ["sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1"],
        ["ip", "route", "add", "127.0.0.9/32", "dev", "wg0"],
        ["wg", "set", "wg0", "peer", public_key(private_key("laptop")), "allowed-ips", "10.66.0.2/32,127.0.0.9/32"],
    ]
    for command in odd:
        there.exit.run(command)
    arriving = Capture(there.laptop, "wg-escape")
    assert client(there.exit, "tcp", "127.0.0.9", 7001, source="10.66.0.1", timeout=1) is None
    assert arriving.packets("dst host 127.0.0.9 and port 7001") != []
    nft, iptables = "nft flush chain inet netc prerouting_mangle", "iptables -t mangle -F netc-PREROUTING"
    there.laptop.run((nft if netfilter == "nftables" else iptables).split())
    assert client(there.exit, "tcp", "127.0.0.9", 7001, source="10.66.0.1") == "10.66.0.1", "or this shows nothing"


def test_segments_fit_through_the_tunnel(lab: Lab, tmp_path: Path) -> None:
    there = scene(lab, tmp_path, topology())
    start(there)
    inside = Capture(there.laptop, "wg-escape")
    answering = Capture(there.exit, "wg0")
    for address in UNLISTED:
        assert seen(there, MEMBER, address)
    mtu = int(there.laptop.read("/sys/class/net/wg-escape/mtu"))
    begun = inside.packets("tcp[tcpflags] & tcp-syn != 0") + inside.packets("ip6 and tcp")
    sizes = {int(line.split("mss ")[1].split(",")[0]) for line in begun if "Flags [S]" in line}
    assert sizes == {mtu - 40, mtu - 60}
    large = there.laptop.run(["t", "ping", "-c", "2", "-W", "1", "-M", "do", "-s", "1460", UNLISTED[0]], check=False)
    assert f"mtu={mtu}" in large.stderr + large.stdout or f"mtu = {mtu}" in large.stdout
    assert any("Flags [S.]" in line and "mss 1460" not in line for line in answering.packets("tcp or ip6"))


def test_a_split_works_with_a_firewall(lab: Lab, tmp_path: Path) -> None:
    there = scene(lab, tmp_path, f"{topology()}\n[hosts.laptop.firewall]\n")
    start(there)
    assert sees(there, MEMBER) == OF_MEMBER
    assert sees(there, ANYONE) == OF_ANYONE


def test_a_split_works_with_an_uplink_that_routes_by_source(lab: Lab, tmp_path: Path) -> None:
    """The source was chosen before the program was: rules that go by it come later."""
    nets, routers = [f'"{LAPTOP[0]}/24", "{LAPTOP[1]}/64"', ", ".join(f'"{ip}"' for ip in ROUTER)]
    uplink = f'interface = "eth0"\nprefixes = [{nets}]\ngateway = [{routers}]\npreferred = true\n'
    there = scene(lab, tmp_path, f"{topology()}\n[hosts.laptop.uplinks.home]\n{uplink}")
    start(there)
    capture = Capture(there.laptop, "eth0")
    assert sees(there, MEMBER) == OF_MEMBER
    there.laptop.run(["ip", "link", "delete", "dev", "wg-escape"])
    assert sees(there, MEMBER, timeout=SILENCE) == OF_MEMBER_ALONE
    assert leaked(capture) == []
    assert sees(there, ANYONE) == OF_ANYONE


def test_a_split_works_with_strict_reverse_path_filtering(lab: Lab, tmp_path: Path) -> None:
    there = scene(lab, tmp_path, topology())
    for scope in ("all", "default", "eth0"):
        there.laptop.run(["sysctl", "-qw", f"net.ipv4.conf.{scope}.rp_filter=1"])
    start(there)
    assert sees(there, MEMBER) == OF_MEMBER


def test_nothing_leaks_while_rules_are_reloaded_or_the_part_is_down(lab: Lab, tmp_path: Path) -> None:
    there = scene(lab, tmp_path, topology())
    start(there)
    capture = Capture(there.laptop, "eth0")
    there.laptop.run(script("firewall", "reload"))
    assert sees(there, MEMBER) == OF_MEMBER
    there.laptop.run(script("tunnel-escape", "reload"))
    assert "0xff000000" in there.laptop.run(["wg", "show", "wg-escape", "fwmark"]).stdout
    there.laptop.run(script("split-cavorite", "down"))
    named = OF_MEMBER_ALONE | {"name": TUNNELS_ANSWER}
    assert sees(there, MEMBER, timeout=SILENCE) == named, "its subnet is still there"
    assert leaked(capture) == []


def test_down_leaves_nothing_but_the_group(lab: Lab, tmp_path: Path) -> None:
    """And nothing of others is touched: neither their rules nor their marks nor their tables. The folders that the
    command hides stay too, since programs that it ran may still have them hidden."""
    there = scene(lab, tmp_path, topology())
    foreign = [
        ["ip", "-4", "rule", "add", "priority", "5210", "fwmark", "0x80000/0xff0000", "lookup", "main"],
        ["ip", "-4", "rule", "add", "priority", "5100", "from", "10.99.0.0/16", "lookup", "13701"],
        ["ip", "-6", "rule", "add", "priority", "5270", "lookup", "52"],
        ["nft", "add", "table", "inet", "theirs"],
        ["groupadd", "--system", "cavorite"],
    ]
    for command in foreign:
        there.laptop.run(command)
    before = without(there.laptop.state(), FORWARDING, HIDDEN)
    for _ in range(2):
        up(there.laptop)
    assert seen(there, MEMBER, UNLISTED[0]) == EXIT[0]
    down(there.laptop)
    assert difference(before, without(there.laptop.state(), FORWARDING, HIDDEN)) == ""
    assert there.laptop.run(["getent", "group", "cavorite"]).stdout


def soon(there: Scene, wrapper: Wrapper, address: str) -> str | None:
    return wait(lambda: seen(there, wrapper, address, timeout=SILENCE))


def test_down_says_which_splits_are_in_clear(lab: Lab, tmp_path: Path) -> None:
    there = scene(lab, tmp_path, topology())
    deliver(lab, there.laptop, tmp_path / "laptop")
    delivered.install(there.laptop, "--commit", "--host", "--overwrite", "--from", "console")
    clear = "netc: split cavorite is down: what it chose now leaves by the host's own routes"
    assert clear in netc_host(there.laptop, "down").stderr
    netc_host(there.laptop, "up")
    # Nothing is in clear if the part did not go down.
    there.laptop.write("/etc/netc/parts/split-cavorite/down", "#!/bin/bash\nexit 1\n", 0o755)
    refused = netc_host(there.laptop, "down", check=False)
    assert refused.returncode == 1
    assert clear not in refused.stderr
