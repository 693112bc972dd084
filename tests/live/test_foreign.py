"""Tunnels that another program makes, and TCP's congestion control."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from netaddr import IPSet

import night
from live.compiled import compiled, down, parts, script, up
from live.faults import Fault, failures, kills, run_with, steps_of
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.needs import require
from live.state import State, difference
from live.traffic import client, echo

pytestmark = pytest.mark.live

STAND_IN = Path(__file__).with_name("tunsafe.py")
PROGRAM = "/usr/local/bin/tunsafe"
CONFIG = "/etc/tunsafe/escape.conf"
PART = "tunnel-escape"

HEAD = """
version = 1
network.name = "escape"

[hosts.laptop]
id = 1
addresses = ["198.51.100.7/24"]
"""
TUNSAFE = f"""
[hosts.laptop.tunnels.escape]
kind = "tunsafe"
config = "{CONFIG}"
interface = "tun0"
address = ["10.9.0.2/24", "fd09::2/64"]
routes = ["10.10.0.0/16", "203.0.113.0/24"]
mtu = 1380
wait = 30
"""
EXTERNAL = f"""
[hosts.laptop.tunnels.escape]
kind = "external"
start = ["{PROGRAM}", "start", "-n", "tun0", "{CONFIG}"]
interface = "tun0"
routes = ["203.0.113.0/24"]
wait = 30
"""
INSIDE = """
[hosts.laptop.namespaces.vpn]
tunnel = "escape"
dns = "10.9.0.1"
"""
OWN = """
address = 10.9.0.2/24
address = fd09::2/64
route = 0.0.0.0/0
route = ::/0
route = 0.0.0.0/0 default
route = 2000::/3
route = 10.10.0.0/16
route = 172.16.0.0/12
local = 198.51.100.7:4000
peer = 198.51.100.1:4000
"""


def laptop(lab: Lab, folder: Path, tunnel: str, config: str = OWN) -> Host:
    host = lab.host("laptop", compiled(HEAD + tunnel, folder)["laptop"])
    far = lab.host("far")
    lab.wire(host, "eth0", far, "eth0", a_addresses=("198.51.100.7/24",), b_addresses=("198.51.100.1/24",))
    host.run(["ip", "route", "add", "default", "via", "198.51.100.1", "metric", "5"])
    host.run(["ip", "link", "add", "dev", "theirs", "type", "bridge"])
    for each in (host, far):
        each.write(PROGRAM, STAND_IN.read_text(), 0o755)
    host.write(CONFIG, config, 0o600)
    far.write(CONFIG, "address = 10.9.0.1/24\nlocal = 198.51.100.1:4000\npeer = 198.51.100.7:4000\n", 0o600)
    far.run([PROGRAM, "start", "-d", CONFIG])
    for address in ("10.10.0.1", "203.0.113.1"):
        far.run(["ip", "address", "add", f"{address}/32", "dev", "tun0"])
    echo(far, 7000, "10.9.0.1", "10.10.0.1", "203.0.113.1")
    return host


def processes(host: Host) -> list[str]:
    """Of the stand-in."""
    return host.run(["pgrep", "-f", f"{PROGRAM} start"], check=False).stdout.split()


def settled(host: Host) -> State:
    assert processes(host) == []
    return host.state()


def up_to_tunnel(host: Host) -> None:
    """What the tunnel needs: a filter keeps strangers out before it is there."""
    for part in parts(host)[:-1]:
        host.run(script(part, "up"))


def routes(host: Host, family: str = "-4") -> list[str]:
    said = host.run(["ip", family, "route", "show", "dev", "tun0"]).stdout.splitlines()
    return sorted(line.split()[0] for line in said)


@pytest.mark.parametrize("tunnel", [TUNSAFE, EXTERNAL], ids=["tunsafe", "external"])
def test_a_second_up_changes_nothing_and_down_leaves_nothing(lab: Lab, tmp_path: Path, tunnel: str) -> None:
    host = laptop(lab, tmp_path, tunnel)
    start = settled(host)
    up(host)
    once = host.state()
    assert client(host, "udp", "203.0.113.1", 7000) == "10.9.0.2"
    assert "group 77" in host.run(["ip", "link", "show", "dev", "tun0"]).stdout
    assert len(processes(host)) == 1
    up(host)
    assert difference(once, host.state()) == ""
    assert len(processes(host)) == 1
    down(host)
    assert difference(start, settled(host)) == ""
    down(host)


@pytest.mark.parametrize("tunnel", [TUNSAFE, EXTERNAL], ids=["tunsafe", "external"])
def test_default_routes_are_removed_and_all_others_stay(lab: Lab, tmp_path: Path, tunnel: str) -> None:
    host = laptop(lab, tmp_path, tunnel)
    up(host)

    assert routes(host) == ["10.10.0.0/16", "10.9.0.0/24", "172.16.0.0/12", "203.0.113.0/24"]
    assert [to for to in routes(host, "-6") if not to.startswith("f")] == []
    assert host.run(["ip", "route", "get", "192.0.2.1"]).stdout.startswith("192.0.2.1 via 198.51.100.1 dev eth0")
    own = host.run(["ip", "route", "show", "dev", "tun0", "proto", "77"]).stdout
    assert ("10.10.0.0/16" in own) == (tunnel is TUNSAFE)
    mtu = host.read("/sys/class/net/tun0/mtu").strip()
    assert mtu == ("1380" if tunnel is TUNSAFE else "1420")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("fails", "ended with status 1"),
        ("silent", "did not create interface tun0"),
        ("hides", "did not create interface tun0"),
    ],
)
@pytest.mark.parametrize("tunnel", [TUNSAFE, EXTERNAL], ids=["tunsafe", "external"])
def test_a_program_that_makes_no_interface_is_named_and_ended(
    lab: Lab, tmp_path: Path, tunnel: str, fault: str, said: str
) -> None:
    host = laptop(lab, tmp_path, tunnel.replace("wait = 30", "wait = 3"), f"fault = {fault}\n")
    up_to_tunnel(host)
    start = settled(host)
    done = host.run(script(PART, "up"), check=False)

    assert done.returncode != 0
    assert said in done.stderr
    assert "tunsafe" in done.stderr
    assert difference(start, settled(host)) == ""


@pytest.mark.parametrize("inside", ["", INSIDE], ids=["host", "namespace"])
def test_a_program_that_died_is_started_again_by_the_next_up(lab: Lab, tmp_path: Path, inside: str) -> None:
    host = laptop(lab, tmp_path, TUNSAFE + inside)
    start = settled(host)
    up(host)
    good = host.state()
    (pid,) = processes(host)
    host.run(["kill", "-9", pid])
    down(host)
    assert difference(start, settled(host)) == ""
    up(host)
    assert difference(good, host.state()) == ""
    down(host)
    assert difference(start, settled(host)) == ""


def test_a_program_that_does_not_end_by_its_own_command_is_ended_by_a_signal(lab: Lab, tmp_path: Path) -> None:
    host = laptop(lab, tmp_path, TUNSAFE, OWN + "fault = deaf\n")
    start = settled(host)
    up(host)
    done = host.run(script(PART, "down"))

    assert "the stop command did not end the program" in done.stderr
    assert processes(host) == []
    down(host)
    assert difference(start, settled(host)) == ""


def test_a_program_that_hangs_is_killed(lab: Lab, tmp_path: Path) -> None:
    host = laptop(lab, tmp_path, EXTERNAL)
    start = settled(host)
    up(host)
    host.run(["kill", "-STOP", *processes(host)])
    host.run(script(PART, "down"))
    assert processes(host) == []
    down(host)
    assert difference(start, settled(host)) == ""


@pytest.mark.parametrize("tunnel", [TUNSAFE, EXTERNAL], ids=["tunsafe", "external"])
def test_the_program_does_not_hold_the_output_of_up_open(lab: Lab, tmp_path: Path, tunnel: str) -> None:
    host = laptop(lab, tmp_path, tunnel)
    up_to_tunnel(host)
    start = settled(host)
    host.run(["bash", "-c", f"set -o pipefail; /etc/netc/parts/{PART}/up 2>&1 | cat"], timeout=40)
    (pid,) = processes(host)
    for each in "12":
        at = host.run(["readlink", f"/proc/{pid}/fd/{each}"]).stdout.strip()
        assert at in ("/dev/null", f"/run/netc/{PART}.log")
    host.run(script(PART, "down"))
    assert difference(start, settled(host)) == ""


CASES = {"tunsafe": TUNSAFE, "external": EXTERNAL, "inside": TUNSAFE.replace('"203.0.113.0/24"', "") + INSIDE}


@pytest.mark.parametrize("case", CASES)
def test_a_failed_step_undoes_the_whole_run(lab: Lab, tmp_path: Path, case: str) -> None:
    host = laptop(lab, tmp_path, CASES[case])
    up_to_tunnel(host)
    start = settled(host)
    steps = steps_of(host.read(script(PART, "up")[1]))
    for fault in night.some(failures(len(steps))):
        done = run_with(host, script(PART, "up"), fault)
        assert done.returncode != 0
        assert difference(start, settled(host)) == "", f"{fault}"


@pytest.mark.parametrize(("case", "then"), [("tunsafe", "up"), ("external", "down"), ("inside", "up")])
def test_after_a_kill_at_any_moment_the_next_run_ends_clean(lab: Lab, tmp_path: Path, case: str, then: str) -> None:
    host = laptop(lab, tmp_path, CASES[case])
    up_to_tunnel(host)
    start = settled(host)
    host.run(script(PART, "up"))
    good = host.state()
    host.run(script(PART, "down"))
    for fault in night.some(kills(len(steps_of(host.read(script(PART, "up")[1]))))):
        run_with(host, script(PART, "up"), fault)
        host.run(script(PART, then))
        if then == "up":
            assert difference(good, host.state()) == "", f"{fault}"
            assert len(processes(host)) == 1
            host.run(script(PART, "down"))
        assert difference(start, settled(host)) == "", f"{fault}"


@pytest.mark.parametrize("tunnel", [TUNSAFE, EXTERNAL], ids=["tunsafe", "external"])
@pytest.mark.parametrize("then", ["up", "down"])
@pytest.mark.parametrize("moment", [0.05, 0.4, 1.3])
def test_after_a_kill_while_the_program_starts_the_next_run_ends_clean(
    lab: Lab, tmp_path: Path, tunnel: str, then: str, moment: float
) -> None:
    """Between start and interface, between interface and its link group."""
    host = laptop(lab, tmp_path, tunnel, OWN + "fault = late\n")
    up_to_tunnel(host)
    start = settled(host)
    run = host.start(["bash", "-c", f"echo $$; exec {' '.join(script(PART, 'up'))}"])
    run.wait_for("\n")
    time.sleep(moment)
    host.run(["kill", "-9", run.said().split()[0]], check=False)
    host.run(script(PART, then))
    if then == "up":
        assert client(host, "udp", "203.0.113.1", 7000) == "10.9.0.2"
        host.run(script(PART, "down"))
    time.sleep(max(0.0, 1.2 - moment))  # what was let go would have an interface by now
    assert difference(start, settled(host)) == ""


def test_the_namespace_reaches_the_peer_through_the_interface_only(lab: Lab, tmp_path: Path) -> None:
    host = laptop(lab, tmp_path, TUNSAFE.replace('routes = ["10.10.0.0/16", "203.0.113.0/24"]', "") + INSIDE)
    start = settled(host)
    up(host)

    for address in ("10.9.0.1", "10.10.0.1", "203.0.113.1"):
        for proto in ("tcp", "udp"):
            assert client(host, proto, address, 7000, namespace="vpn") == "10.9.0.2"
    assert host.run(["ip", "-n", "vpn", "-o", "link"]).stdout.count("\n") == 2
    assert client(host, "udp", "203.0.113.1", 7000) == "198.51.100.7"  # the host's own go by its uplink
    down(host)
    assert difference(start, settled(host)) == ""


def test_a_foreign_interface_is_neither_used_nor_removed(lab: Lab, tmp_path: Path) -> None:
    host = laptop(lab, tmp_path, TUNSAFE)
    up_to_tunnel(host)
    host.run([PROGRAM, "start", "-d", CONFIG])
    start = host.state()
    done = host.run(script(PART, "up"), check=False)
    assert done.returncode != 0
    assert "an interface tun0 exists" in done.stderr
    host.run(script(PART, "down"))
    assert difference(start, host.state()) == ""
    host.run([PROGRAM, "stop", "tun0"])
    host.run(["bash", "-c", "while [ -e /sys/class/net/tun0 ]; do sleep 0.1; done"])

    up(host)
    (pid,) = processes(host)
    host.run(["kill", "-9", pid])
    host.run(
        [
            "bash",
            "-c",
            f"while [ -e /sys/class/net/tun0 ]; do sleep 0.1; done; rm -r /run/wireguard; {PROGRAM} start -d {CONFIG}",
        ]
    )
    start = host.state()
    done = host.run(script(PART, "down"))
    assert "now belongs to something else" in done.stderr
    assert len(processes(host)) == 1


def test_a_tunnel_of_the_same_name_in_another_namespace_is_not_ended(lab: Lab, tmp_path: Path) -> None:
    """A container's processes can be seen from its host."""
    host = laptop(lab, tmp_path, EXTERNAL)
    container = host.start(["unshare", "--net", "env", "NETC_TUNNEL=tun0", "sleep", "60"])
    up(host)
    down(host)

    assert container.alive
    container.stop(signal.SIGKILL)


def test_a_process_of_another_user_is_no_process_of_a_tunnel(lab: Lab, tmp_path: Path) -> None:
    host = laptop(lab, tmp_path, EXTERNAL)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "NETC_TUNNEL=tun0"]
    stranger = host.start([*nobody, "bash", "-c", "echo began; sleep 600 & wait"])
    stranger.wait_for("began")
    up(host)
    down(host)
    assert stranger.alive
    stranger.stop(signal.SIGKILL)


def test_preconditions_are_checked_before_anything_is_touched(lab: Lab, tmp_path: Path) -> None:
    host = laptop(lab, tmp_path, TUNSAFE)
    up_to_tunnel(host)
    start = settled(host)
    for spoil, said in (
        (f"chmod 640 {CONFIG}", "only root may have access"),
        (f"chmod 600 {CONFIG}; chown nobody {CONFIG}", "only root may have access"),
        (f"rm {CONFIG}", "missing"),
        (f"rm {PROGRAM}", "needs the program tunsafe"),
    ):
        host.run(["bash", "-c", spoil])
        done = host.run(script(PART, "up"), check=False)
        assert done.returncode != 0
        assert said in done.stderr
        assert difference(start, settled(host)) == ""


# ---- TCP -----------------------------------------------------------------------------------------------------

CONTROL = "/proc/sys/net/ipv4/tcp_congestion_control"


@pytest.fixture
def far(lab: Lab, tmp_path: Path) -> Host:
    topology = HEAD + 'tcp_congestion = "bbr"\n'
    host = lab.host("laptop", compiled(topology, tmp_path)["laptop"])
    host.run(["bash", "-c", f"echo reno >{CONTROL}"])
    return host


def need_bbr(host: Host) -> None:
    """A network namespace is allowed what the machine allows everybody: Reno and the machine's own default."""
    refused = host.run(["bash", "-c", f"echo bbr >{CONTROL} && echo reno >{CONTROL}"], check=False).returncode
    require("could not run: modprobe tcp_bbr && sysctl -w net.ipv4.tcp_congestion_control=bbr" if refused else "")


def test_bbr_is_on_while_the_part_is_up_and_down_restores_the_old_value(far: Host) -> None:
    need_bbr(far)
    start = far.state()
    up(far)
    assert far.read(CONTROL) == "bbr\n"
    up(far)
    down(far)
    assert difference(start, far.state()) == ""
    for fault in night.some(kills(len(steps_of(far.read(script("tcp", "up")[1]))))):
        for then in ("up", "down"):
            run_with(far, script("tcp", "up"), fault)
            far.run(script("tcp", then))
            assert far.read(CONTROL) == ("bbr\n" if then == "up" else "reno\n"), f"{fault}"
            far.run(script("tcp", "down"))
        assert difference(start, far.state()) == ""
    run_with(far, script("tcp", "up"), Fault("fails", 1))
    assert difference(start, far.state()) == ""


def test_down_keeps_a_congestion_control_that_somebody_else_set(far: Host) -> None:
    need_bbr(far)
    far.run(["bash", "-c", f"echo bbr >{CONTROL}"])
    up(far)
    far.run(["bash", "-c", f"echo reno >{CONTROL}"])
    down(far)

    assert far.read(CONTROL) == "reno\n"


def test_bbr_that_must_not_be_set_is_reported_and_tcp_stays_unchanged(far: Host) -> None:
    far.write("/tmp/control", "reno\n")
    far.run(["bash", "-c", f"mount --bind /tmp/control {CONTROL} && mount -o remount,bind,ro {CONTROL}"])
    start = far.state()
    done = far.run(script("tcp", "up"))

    assert "TCP congestion control stays reno" in done.stderr
    down(far)
    assert difference(start, far.state()) == ""


def test_a_kernel_without_bbr_is_reported_and_tcp_stays_unchanged(far: Host) -> None:
    far.write("/tmp/available", "reno cubic\n")
    far.run(["mount", "--bind", "/tmp/available", "/proc/sys/net/ipv4/tcp_available_congestion_control"])
    start = far.state()
    done = far.run(script("tcp", "up"))

    assert "this kernel has no bbr: TCP congestion control stays reno" in done.stderr
    assert far.read(CONTROL) == "reno\n"
    down(far)
    assert difference(start, far.state()) == ""


AWG = "/etc/amnezia/awg0.conf"
WG_QUICK = f"""
[hosts.laptop.tunnels.escape]
kind = "external"
interface = "awg0"
start = ["/usr/bin/wg-quick", "up", "{AWG}"]
stop = ["/usr/bin/wg-quick", "down", "{AWG}"]
routes = ["203.0.113.0/24", "2001:db8:113::/48"]
wait = 30
"""
VISITOR = ("192.0.2.50", "2001:db8:50::1")
"""Somebody on the internet, who is logged in by ssh."""


def quick(lab: Lab, folder: Path, everywhere: str = "0.0.0.0/0, ::/0") -> Host:
    """A host whose provider's own file takes everything into the tunnel."""
    host, far = lab.host("laptop", compiled(HEAD + WG_QUICK, folder)["laptop"]), lab.host("far")
    near = ("198.51.100.7/24", "2001:db8:7::7/64")
    lab.wire(host, "eth0", far, "eth0", a_addresses=near, b_addresses=("198.51.100.1/24", "2001:db8:7::1/64"))
    for router in ("198.51.100.1", "2001:db8:7::1"):
        host.run(["ip", "route", "add", "default", "via", router])
    for address in (*VISITOR, "203.0.113.1", "2001:db8:113::1"):
        far.run(["ip", "address", "add", address, "dev", "lo"])
    host.run(["ip", "rule", "add", "priority", "100", "from", "10.0.0.9", "lookup", "4444"])  # of somebody else
    own, theirs = private_key("laptop"), private_key("far")
    host.write(
        AWG,
        f"[Interface]\nPrivateKey = {own}\nAddress = 10.8.1.2/32, fd08::2/128\n\n"
        f"[Peer]\nPublicKey = {public_key(theirs)}\n"
        f"Endpoint = 198.51.100.1:51820\nAllowedIPs = {everywhere}\n",
        0o600,
    )
    far.run(["bash", "-c", "ip link add wg0 type wireguard 2>/dev/null || wireguard-go wg0 >/dev/null 2>&1"])
    far.write("/etc/far.key", theirs, 0o600)
    peer = ["peer", public_key(own), "allowed-ips", "10.8.1.2/32,fd08::2/128"]
    far.run(["wg", "set", "wg0", "listen-port", "51820", "private-key", "/etc/far.key", *peer])
    far.run(["ip", "link", "set", "dev", "wg0", "up"])
    for address in ("10.8.1.2", "fd08::2"):
        far.run(["ip", "route", "add", address, "dev", "wg0"])
    echo(far, 7000, *VISITOR, "203.0.113.1", "2001:db8:113::1")
    echo(host, 22)
    return host


def rules(host: Host) -> list[str]:
    return [line for family in ("-4", "-6") for line in host.run(["ip", family, "rule", "show"]).stdout.splitlines()]


def leads_home(host: Host) -> None:
    """The tunnel has its `routes`, and everything else the uplink: somebody who is logged in stays so."""
    for far, visitor, own, near in zip(
        ("203.0.113.1", "2001:db8:113::1"),
        VISITOR,
        ("10.8.1.2", "fd08::2"),
        ("198.51.100.7", "2001:db8:7::7"),
        strict=True,
    ):
        assert client(host, "udp", far, 7000) == own
        for source in ([], ["from", near]):
            assert " dev eth0 " in host.run(["ip", "route", "get", visitor, *source]).stdout
        assert client(host, "tcp", visitor, 7000) == near


def test_wg_quick_does_not_take_the_whole_host_into_its_tunnel(lab: Lab, tmp_path: Path) -> None:
    host = quick(lab, tmp_path)
    before = rules(host)
    host.run(["/usr/bin/wg-quick", "up", AWG])
    assert len(rules(host)) > len(before)
    assert " dev awg0 " in host.run(["ip", "route", "get", VISITOR[0]]).stdout, "or this test is about something else"
    host.run(["bash", "-c", 'wg-quick down "$1" && rm -rf /run/wireguard', "down", AWG])
    up_to_tunnel(host)
    start = host.state()

    said = host.run(script(PART, "up")).stderr
    assert said.count("removes a policy rule that was not there before") == 4
    assert rules(host) == before
    leads_home(host)
    assert host.run(script(PART, "check")).stdout == ""

    # The program does it later, as when it connects again.
    for family in ("-4", "-6"):
        host.run(["ip", family, "route", "add", "default", "dev", "awg0", "table", "51820"])
        host.run(["ip", family, "rule", "add", "not", "fwmark", "51820", "table", "51820"])
    found = host.run(script(PART, "check"), check=False).stdout
    assert found.count("route default dev awg0 table 51820 is not from netc") == 2
    assert found.count("is not from netc and leads into the tunnel of awg0") == 2
    again = host.run(script(PART, "up")).stderr
    assert "is broken: taking it down and up again" in again
    leads_home(host)
    host.run(script(PART, "down"))
    assert difference(start, host.state()) == ""


def all_but(everything: str, *others: str) -> list[str]:
    """As clients that are to leave some prefixes alone have it."""
    left = IPSet([everything])
    for other in others:
        left.remove(other)
    return [str(net) for net in left.iter_cidrs()]


IN_PARTS = [
    *all_but("0.0.0.0/0", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.51.100.0/24"),
    *all_but("2000::/3", "2001:db8:7::/48"),
]


def test_a_list_of_all_but_some_prefixes_does_not_take_the_host_into_the_tunnel(lab: Lab, tmp_path: Path) -> None:
    host = quick(lab, tmp_path, ", ".join(IN_PARTS))
    host.run(["/usr/bin/wg-quick", "up", AWG])
    assert " dev awg0 " in host.run(["ip", "route", "get", VISITOR[0]]).stdout, "or this test is about something else"
    host.run(["bash", "-c", 'wg-quick down "$1" && rm -rf /run/wireguard', "down", AWG])
    up(host)
    leads_home(host)
    assert host.run(script(PART, "check")).stdout == ""

    for net in IN_PARTS:  # later, as when the program connects again
        family = "-6" if ":" in net else "-4"
        host.run(["ip", family, "route", "replace", net, "dev", "awg0"])
    host.run(["ip", "route", "replace", "172.16.0.0/12", "dev", "awg0"])
    found = host.run(script(PART, "check"), check=False).stdout
    assert found.count("is not from netc and leads the host into the tunnel, with ") == 2
    host.run(script(PART, "up"))
    leads_home(host)
