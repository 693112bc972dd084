"""`netc-host run` on a host without systemd does what netc's units do on one that has it."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from live import test_endpoints, test_foreign, test_install
from live.compiled import compiled, filter_up, give_key, script
from live.delivered import INSTALL, KILL, PLACE, deliver, install, netc_host, token
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.needs import require
from live.routers import NETWORK, birdc, link, router
from live.service import SPACE, WORLD4, knows, serve, service, state
from live.state import difference
from netc.lab.process import Process
from netc.lab.waiting import wait, within

pytestmark = pytest.mark.live

edge = test_install.edge
BOOT = """
kill -KILL $(grep -lszxF NETC_REVERT=/var/lib/netc/pending /proc/[0-9]*/environ | cut -d/ -f3)
rm -rf /run/netc /run/netc-run
ip link delete vx-node
ip link delete vx-two
echo other >/var/lib/netc/pending/boot
"""
"""As if the host had lost power."""
MEMBERS = """\ninternal = "confederation"\nnext_hop = "med"\nmembers.base = 4225470000\nover = ["ab"]\n"""
UPLINK = """
version = 1
network.name = "lab"

[hosts.edge]
id = 1
wan = "eth0"
addresses = "198.51.100.10/24"

[hosts.edge.uplinks.main]
interface = "eth0"
prefixes = ["198.51.100.10/24"]
gateway = ["198.51.100.1"]
"""


def run(host: Host) -> Process:
    return host.start(["/usr/local/sbin/netc-host", "run"])


def pid_of(host: Host, *words: str) -> str:
    """Of a script that `run` has started."""
    return host.run(["pgrep", "-o", "-f", " ".join(("bash", *words))], check=False).stdout.strip()


def kept(host: Host) -> str:
    """The default route of the uplink, which goes with its interface."""
    said = host.run(["ip", "route", "show", "table", "all", "default", "proto", "77"], check=False).stdout
    return "\n".join(line for line in said.splitlines() if " via " in line)


def test_run_starts_what_ended_and_takes_all_down_at_sigterm(lab: Lab, edge: Host, tmp_path: Path) -> None:
    before = edge.state()
    deliver(lab, edge, compiled(UPLINK, tmp_path / "a")["edge"])
    install(edge, "--commit")
    netc_host(edge, "down")
    watch = "/etc/netc/parts/uplink-main/watch"
    said = netc_host(edge, "status", check=False)
    assert said.returncode == 1
    assert "netc-host run (does not run)" in said.stdout
    running = run(edge)
    wait(lambda: pid_of(edge, watch))
    wait(lambda: netc_host(edge, "status", check=False).returncode == 0)
    assert netc_host(edge, "check").stdout == ""
    second = netc_host(edge, "run", check=False)
    assert "netc-host run runs already" in second.stderr

    # What it runs does its work, and is there again after it was killed.
    edge.run(["ip", "link", "set", "dev", "eth0", "down"])
    assert kept(edge) == ""
    edge.run(["ip", "link", "set", "dev", "eth0", "up"])
    wait(lambda: kept(edge) != "")
    first = pid_of(edge, watch)
    edge.run(["kill", "-KILL", first])
    wait(lambda: pid_of(edge, watch) not in ("", first))

    # A part that goes down first ends its script, which starts again when the part is up.
    edge.run(["/etc/netc/parts/uplink-main/down"])
    assert pid_of(edge, watch) == ""
    assert kept(edge) == ""
    edge.run(["/etc/netc/parts/uplink-main/up"])
    wait(lambda: pid_of(edge, watch))

    # If `run` itself is killed, what it started goes on, and the next one takes it over.
    first = pid_of(edge, watch)
    edge.run(["kill", "-KILL", edge.read("/run/netc-run/pid").strip()])
    wait(lambda: not running.alive)
    assert netc_host(edge, "status", check=False).returncode == 1
    running = run(edge)
    wait(lambda: netc_host(edge, "status", check=False).returncode == 0)
    assert pid_of(edge, watch) == first

    edge.run(["kill", edge.read("/run/netc-run/pid").strip()])
    assert running.wait() == 0
    assert pid_of(edge, watch) == ""
    assert netc_host(edge, "status", check=False).stdout.count("down") == len(netc_host(edge, "parts").stdout.split())
    assert edge.run(["ls", "/run/netc-run"], check=False).returncode != 0
    netc_host(edge, "uninstall")
    assert difference(before, edge.state()) == ""


PAUSE = r"""# bash reads this first (BASH_ENV): `netc-host run` waits just before it starts a script
if [[ ${0##*/} == netc-host && ${1-} == run ]]; then
    unset BASH_ENV
    set -o functrace # netc-host removes functions of its caller, so the trap has none
    trap '[[ $BASH_COMMAND != "setsid \"\${command"* || -e /tmp/go ]] || {
        : >/tmp/paused
        until [[ -e /tmp/go ]]; do read -rt 0.1 <> <(:); done
    }' DEBUG
fi
"""


def test_run_starts_no_script_of_a_part_that_goes_down(lab: Lab, edge: Host, tmp_path: Path) -> None:
    """As in the middle of an install: its routes would be there again."""
    deliver(lab, edge, compiled(UPLINK, tmp_path / "a")["edge"])
    install(edge, "--commit")
    assert kept(edge) != ""
    edge.write(PLACE, PAUSE)
    edge.start(["/usr/local/sbin/netc-host", "run"], env={"BASH_ENV": PLACE})
    wait(lambda: edge.run(["ls", "/tmp/paused"], check=False).returncode == 0)
    going = edge.start(["/etc/netc/parts/uplink-main/down"])
    within(2, lambda: not going.alive)
    edge.write("/tmp/go", "")
    assert going.wait() == 0
    time.sleep(3)
    assert kept(edge) == ""
    assert pid_of(edge, "/etc/netc/parts/uplink-main/watch") == ""
    edge.run(["/etc/netc/parts/uplink-main/up"])
    wait(lambda: pid_of(edge, "/etc/netc/parts/uplink-main/watch"))


TALKS = """#!/bin/bash
[[ $1 == start ]] || exit 0
ip tuntap add dev tun0 mode tun && ip link set tun0 up || exit 1
head -c 2000000 /dev/zero
while :; do printf '%01000d\\n' $((n++)); sleep 0.0005; done
"""


def test_the_logs_of_programs_are_bounded_also_where_run_does_not_run(lab: Lab, tmp_path: Path) -> None:
    host = lab.host("laptop", compiled(test_foreign.HEAD + test_foreign.TUNSAFE, tmp_path)["laptop"])
    host.write(test_foreign.PROGRAM, TALKS, 0o755)
    host.write(test_foreign.CONFIG, "talks", 0o600)
    filter_up(host)
    host.run(script(test_foreign.PART, "up"))
    log = f"/run/netc/{test_foreign.PART}.log"
    assert int(host.run(["stat", "-c", "%s", log]).stdout) > 2_000_000
    wait(lambda: int(host.run(["stat", "-c", "%s", log]).stdout) < 1_000_000)
    last = int(host.run(["tail", "-n", "1", log]).stdout)
    time.sleep(1)
    assert int(host.run(["tail", "-n", "1", log]).stdout) > last
    host.run(script(test_foreign.PART, "down"))
    wait(lambda: not host.run(["pgrep", "-f", log], check=False).stdout)
    assert "tunnel" not in host.run(["ls", "/run/netc"]).stdout


def test_run_takes_back_a_change_that_nobody_confirmed_before_the_boot(lab: Lab, edge: Host, tmp_path: Path) -> None:
    deliver(lab, edge, compiled(test_install.TOPOLOGY, tmp_path / "a")["edge"])
    install(edge, "--commit")
    deliver(lab, edge, compiled(test_install.MORE, tmp_path / "b")["edge"])
    install(edge, "--detach")
    assert test_install.links(edge) == {"vx-node", "vx-two"}
    edge.run(["bash", "-c", BOOT])
    running = run(edge)
    running.wait_for("rolled back from", timeout=30)
    wait(lambda: test_install.links(edge) == {"vx-node"})
    assert "started before it was confirmed" in edge.read("/var/lib/netc/history")


@pytest.mark.parametrize("at", [0, 50, 300], ids=["while it waits", "as it begins", "half-way"])
def test_run_takes_back_a_change_whose_own_rollback_was_killed(lab: Lab, edge: Host, tmp_path: Path, at: int) -> None:
    deliver(lab, edge, compiled(test_install.TOPOLOGY, tmp_path / "a")["edge"])
    install(edge, "--commit")
    running = run(edge)
    wait(lambda: edge.run(["cat", "/run/netc-run/pid"], check=False).stdout)
    wait(lambda: not edge.run(["pgrep", "-f", "netc-host up"], check=False).stdout)
    deliver(lab, edge, compiled(test_install.MORE, tmp_path / "b")["edge"])
    edge.write(PLACE, KILL)
    within = "2" if at else "20"
    killing = {"BASH_ENV": PLACE, "VERB": "revert", "AT": str(at)} if at else {}
    edge.run(["bash", INSTALL, "--detach", "--within", within], env=killing)
    assert test_install.links(edge) == {"vx-node", "vx-two"}
    if not at:
        edge.run(["bash", "-c", BOOT.splitlines()[1]])
    else:
        wait(lambda: str(at - 1) in edge.run(["cat", "/tmp/commands"], check=False).stdout.split())
    assert edge.run(["ls", "/var/lib/netc/pending"], check=False).returncode == 0
    running.wait_for("rolled back from", timeout=60)
    wait(lambda: test_install.links(edge) == {"vx-node"})
    assert "nobody confirmed it in time" in edge.read("/var/lib/netc/history")
    assert netc_host(edge, "check").stdout == ""


def test_a_rollback_that_waits_for_the_lock_kills_no_process_but_the_change(
    lab: Lab, edge: Host, tmp_path: Path
) -> None:
    """`netc-host run` may hold the lock while it brings parts up. The change has ended, and its number is another's."""
    deliver(lab, edge, compiled(test_install.TOPOLOGY, tmp_path / "a")["edge"])
    install(edge, "--commit")
    deliver(lab, edge, compiled(test_install.MORE, tmp_path / "b")["edge"])
    install(edge, "--detach")
    bystander = edge.start(["bash", "-c", "echo $BASHPID; exec setsid sleep 1000"])
    wait(lambda: edge.run(["pgrep", "-f", "^sleep 1000"], check=False).stdout)
    number = edge.run(["pgrep", "-f", "^sleep 1000"]).stdout.strip()
    edge.write("/var/lib/netc/pending/process", f"{number}\n")
    edge.start(["flock", "/var/lib/netc/lock", "sleep", "7"])
    netc_host(edge, "revert")
    assert bystander.alive
    assert test_install.links(edge) == {"vx-node"}


def test_the_rollback_of_a_confirmation_that_was_cut_off_takes_back_no_later_change(
    lab: Lab, edge: Host, tmp_path: Path
) -> None:
    deliver(lab, edge, compiled(test_install.TOPOLOGY, tmp_path / "a")["edge"])
    install(edge, "--commit")
    late = ["bash", "-c", "sleep 15; unset NETC_REVERT; exec /usr/local/sbin/netc-host revert --unconfirmed"]
    waiting = edge.start(late, env={"NETC_REVERT": "/var/lib/netc/pending"})
    deliver(lab, edge, compiled(test_install.MORE, tmp_path / "b")["edge"])
    said = install(edge, "--detach")
    waiting.wait()
    netc_host(edge, "confirm", token(said))
    assert test_install.links(edge) == {"vx-node", "vx-two"}


def test_run_goes_on_in_a_new_version_of_itself(lab: Lab, edge: Host, tmp_path: Path) -> None:
    deliver(lab, edge, compiled(UPLINK, tmp_path / "a")["edge"])
    install(edge, "--commit")
    run(edge)
    watch = "/etc/netc/parts/uplink-main/watch"
    wait(lambda: pid_of(edge, watch))
    wait(lambda: not edge.run(["pgrep", "-f", "netc-host up"], check=False).stdout)
    process, first = edge.read("/run/netc-run/pid").strip(), pid_of(edge, watch)
    there = f"readlink /proc/{process}/fd/255; stat -Lc %i /proc/{process}/fd/255"
    before = edge.run(["bash", "-c", there]).stdout
    copy = "cd /usr/local/sbin && until [[ new -nt /run/netc-run/pid ]]; do cp netc-host new; done && mv new netc-host"
    edge.run(["bash", "-c", copy])
    wait(
        lambda: (
            edge.run(["bash", "-c", there]).stdout != before and "deleted" not in edge.run(["bash", "-c", there]).stdout
        )
    )
    assert edge.read("/run/netc-run/pid").strip() == process
    assert pid_of(edge, watch) == first


def test_run_ends_when_netc_is_uninstalled(lab: Lab, edge: Host, tmp_path: Path) -> None:
    before = edge.state()
    deliver(lab, edge, compiled(UPLINK, tmp_path / "a")["edge"])
    install(edge, "--commit")
    running = run(edge)
    wait(lambda: pid_of(edge, "/etc/netc/parts/uplink-main/watch"))
    netc_host(edge, "uninstall")
    assert running.wait() == 0
    assert pid_of(edge, "/etc/netc/parts/uplink-main/watch") == ""
    assert difference(before, edge.state()) == ""


def test_uninstall_leaves_nothing_of_a_run_that_was_killed(lab: Lab, edge: Host, tmp_path: Path) -> None:
    before = edge.state()
    deliver(lab, edge, compiled(UPLINK, tmp_path / "a")["edge"])
    install(edge, "--commit")
    running = run(edge)
    wait(lambda: pid_of(edge, "/etc/netc/parts/uplink-main/watch"))
    edge.run(["kill", "-KILL", edge.read("/run/netc-run/pid").strip()])
    wait(lambda: not running.alive)
    netc_host(edge, "uninstall")
    assert pid_of(edge, "/etc/netc/parts/uplink-main/watch") == ""
    assert edge.run(["ls", "/run/netc-run"], check=False).returncode != 0
    assert difference(before, edge.state()) == ""


def test_run_is_refused_where_systemd_runs_and_where_nothing_is_installed(lab: Lab, edge: Host, tmp_path: Path) -> None:
    deliver(lab, edge, compiled(UPLINK, tmp_path / "a")["edge"])
    there = ["bash", "/tmp/tree/files/usr/local/sbin/netc-host", "run"]
    assert "nothing is installed" in edge.run(there, check=False).stderr
    edge.run(["mkdir", "-p", "/run/systemd/system"])
    said = edge.run(there, check=False)
    assert said.returncode == 1
    assert "systemd runs on this host" in said.stderr
    edge.run(["rmdir", "/run/systemd/system"])
    assert netc_host(edge, "run", "fast", check=False).returncode in (2, 127)


def test_run_checks_an_anycast_service_and_drains_it_before_the_end(lab: Lab, tmp_path: Path) -> None:
    text = NETWORK + MEMBERS + service("a") + link("a", "b", "cost = 5") + router("a", 1) + router("b", 2)
    host = lab.host("a")
    lab.wire(host, "eth0", lab.host("world"), "a", a_addresses=["198.51.100.1/24"])
    deliver(lab, host, compiled(text, tmp_path)["a"])
    give_key(host, "host", "a")
    host.write("/run/asked", "", 0o666)
    install(host, "--commit")
    running = run(host)
    wait(lambda: state(host) == "down")
    serve(host)
    wait(lambda: state(host) == "up")
    health = f"/etc/netc/parts/{SPACE}/health"

    # A checker that was killed withdraws the service, and one that hangs is ended.
    first = pid_of(host, health)
    host.run(["kill", "-KILL", first])
    wait(lambda: state(host) in ("", "down", "rising"))
    wait(lambda: state(host) == "up")
    second = pid_of(host, health)
    assert second not in ("", first)
    host.run(["kill", "-STOP", second])
    wait(lambda: pid_of(host, health) not in ("", second))
    wait(lambda: state(host) == "up")

    # BIRD that does not stay up is brought up again.
    keeper = host.read("/run/netc/bird-keeper.pid").strip()
    host.run(["bash", "-c", f"kill -KILL {keeper} $(</run/netc/bird.pid)"])
    wait(lambda: host.run(["cat", "/run/netc/bird-keeper.pid"], check=False).stdout.strip() not in ("", keeper))
    wait(lambda: "up" in birdc(host, "show protocols"))

    # But not in the middle of a change, which takes the part down and up itself.
    changing = host.start(["bash", "-c", "exec 8>>/var/lib/netc/lock; flock 8; echo ready; exec sleep 1000"])
    changing.wait_for("ready")
    keeper = host.read("/run/netc/bird-keeper.pid").strip()
    host.run(["bash", "-c", f"kill -KILL {keeper} $(</run/netc/bird.pid)"])
    time.sleep(5)
    assert host.read("/run/netc/bird-keeper.pid").strip() == keeper
    changing.stop()
    wait(lambda: host.run(["cat", "/run/netc/bird-keeper.pid"], check=False).stdout.strip() not in ("", keeper))
    wait(lambda: "up" in birdc(host, "show protocols"))

    wait(lambda: state(host) == "up")
    host.run(["kill", host.read("/run/netc-run/pid").strip()])
    wait(lambda: state(host) == "draining")
    assert running.wait() == 0
    assert state(host) == ""
    assert host.run(["ip", "netns"]).stdout == ""


def test_an_anycast_service_whose_checker_was_killed_with_run_is_withdrawn_when_it_goes_down(
    lab: Lab, tmp_path: Path
) -> None:
    text = NETWORK + MEMBERS + service("a") + link("a", "b", "cost = 5") + router("a", 1) + router("b", 2)
    host = lab.host("a")
    lab.wire(host, "eth0", lab.host("world"), "a", a_addresses=["198.51.100.1/24"])
    deliver(lab, host, compiled(text, tmp_path)["a"])
    give_key(host, "host", "a")
    host.write("/run/asked", "", 0o666)
    install(host, "--commit")
    running = run(host)
    wait(lambda: state(host) == "down")
    serve(host)
    wait(lambda: state(host) == "up")
    wait(lambda: not host.run(["pgrep", "-f", "netc-host up"], check=False).stdout)
    assert knows(host, WORLD4)
    host.run(["kill", "-KILL", host.read("/run/netc-run/pid").strip(), pid_of(host, f"/etc/netc/parts/{SPACE}/health")])
    wait(lambda: not running.alive)
    host.run([f"/etc/netc/parts/{SPACE}/down"])
    assert state(host) == ""
    assert not knows(host, WORLD4)
    netc_host(host, "down")
    assert host.run(["ls", "/run/netc"], check=False).returncode != 0


def test_run_looks_up_endpoints(lab: Lab, tmp_path: Path) -> None:
    keys = {name: public_key(private_key(name)) for name in ("near", "far")}
    text = test_endpoints.TEXT.format(**keys)
    near = lab.host("near")
    lab.wire(near, "eth0", lab.host("far"), "eth0", a_addresses=["198.51.100.1/24"])
    deliver(lab, near, compiled(text, tmp_path)["near"])
    give_key(near, "host", "near")
    near.write("/etc/hosts", "127.0.0.1 localhost\n198.51.100.2 far.example.net\n")
    install(near, "--commit")
    assert "198.51.100.2" not in near.run(["wg", "show", "all", "endpoints"]).stdout
    run(near)
    wait(lambda: "198.51.100.2" in near.run(["wg", "show", "all", "endpoints"]).stdout)


def test_a_rollback_leaves_the_programs_running_that_it_has_started(lab: Lab, tmp_path: Path) -> None:
    """Those that wait for a rollback are found by their environment, and what it starts must not have it."""
    require("" if shutil.which("wireguard-go") else "could not run: apt-get install wireguard-go")
    key = public_key(private_key("laptop"))
    head = test_foreign.HEAD.replace("id = 1\n", f'id = 1\nwan = "eth0"\npublic_key = "{key}"\n')
    host = lab.host("laptop")
    far = lab.host("far")
    lab.wire(host, "eth0", far, "eth0", a_addresses=["198.51.100.7/24"], b_addresses=["198.51.100.1/24"])
    for each in (host, far):
        each.write(test_foreign.PROGRAM, test_foreign.STAND_IN.read_text(), 0o755)
    # `wg show` removes sockets on which nobody listens, and by that the stand-in would be told to end.
    host.write(test_foreign.CONFIG, test_foreign.OWN + "fault = deaf\n", 0o600)
    ends = "address = 10.9.0.1/24\nlocal = 198.51.100.1:4000\npeer = 198.51.100.7:4000\n"
    far.write(test_foreign.CONFIG, ends, 0o600)
    far.run([test_foreign.PROGRAM, "start", "-d", test_foreign.CONFIG])
    text = head + test_foreign.TUNSAFE + WIREGUARD
    deliver(lab, host, compiled(text, tmp_path / "a")["laptop"])
    give_key(host, "host", "laptop")
    give_key(host, "office", "laptop")
    host.run(["bash", INSTALL, "--commit"])
    changed = text.replace("mtu = 1380", "mtu = 1370").replace("10.88.0.1", "10.88.0.2")
    deliver(lab, host, compiled(changed, tmp_path / "b")["laptop"])
    host.run(["bash", INSTALL, "--within", "2"], check=False)
    wait(lambda: "nobody confirmed it in time" in host.read("/var/lib/netc/history"))
    wait(lambda: not host.run(["pgrep", "-f", "revert --unconfirmed"], check=False).stdout)
    assert netc_host(host, "check").stdout == ""
    assert " mtu 1380 " in host.run(["ip", "link", "show", "dev", "tun0"]).stdout
    assert "10.88.0.1" in host.run(["ip", "-o", "-4", "address"]).stdout
    assert len(test_foreign.processes(host)) == 1
    deliver(lab, host, compiled(changed, tmp_path / "c")["laptop"])
    netc_host(host, "confirm", token(install(host, "--detach")))
    assert " mtu 1370 " in host.run(["ip", "link", "show", "dev", "tun0"]).stdout
    assert "10.88.0.2" in host.run(["ip", "-o", "-4", "address"]).stdout


WIREGUARD = """
[hosts.laptop.tunnels.office]
kind = "wireguard"
address = "10.88.0.1/24"
private_key = { file = "/etc/netc/keys/office.key" }
[hosts.laptop.tunnels.office.peer]
public_key = "h9KrSsqC3QYMTdPqo4ofBLIUlwYHBVXjfqvmjLLnJTM="
endpoint = "198.51.100.9:51820"
allowed_ips = ["10.88.0.0/24"]
"""
