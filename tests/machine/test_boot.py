"""The order of a boot, what is bounded by systemd, and what `netc-host` says of a machine that has it."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from live.compiled import compiled, give_key
from live.delivered import deliver, install, netc_host
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.test_status import metrics, status
from machine.machine import Machine, machine
from machine.test_seedbox import active
from machine.test_splits import began
from netc.lab.waiting import within

pytestmark = pytest.mark.machine

EDGE, WORLD = "198.51.100.7", "198.51.100.1"
TOPOLOGY = f"""
version = 1
network.name = "lab"
igp = {{ kind = "ospf", over = "one" }}

[hosts.edge]
id = 1
wan = "eth0"
addresses = "{EDGE}/24"
loopback = "10.0.0.1/32"
firewall = {{ input = "drop", allow = [{{ ports = "7001/udp" }}] }}

[hosts.node]
id = 2
wan = "eth0"
addresses = "198.51.100.20/24"
loopback = "10.0.0.2/32"

[links.one]
kind = "vxlan"
between = ["edge", "node"]
ends.edge.address = "10.77.1.0/31"
ends.node.address = "10.77.1.1/31"

[hosts.edge.tunnels.abroad]
kind = "wireguard"
address = "10.10.18.201/32"
peer = {{ public_key = "{public_key(private_key("far"))}", endpoint = "203.0.113.66:51820", allowed_ips = "0.0.0.0/0" }}

[hosts.edge.namespaces.vpn]
tunnel = "abroad"
dns = "9.9.9.9"
access = "10.200.0.0/31"
publish = {{ port = "8080/tcp" }}
services = "inside.service"
"""
UPLINK = f"[Match]\nName=eth0\n[Network]\nAddress={EDGE}/24\nGateway={WORLD}\nLinkLocalAddressing=no\n"
INSIDE = "[Service]\nExecStart=socat TCP4-LISTEN:8080,fork EXEC:/bin/true\n[Install]\nWantedBy=multi-user.target\n"
OTHER = "[Service]\nExecStart=false\n"
# There before any packet filter, and before any network.
EARLY = """
[Unit]
DefaultDependencies=no
Before=netc-firewall.service
[Service]
Type=exec
ExecStart=socat -u UDP4-RECV:%i OPEN:/run/early.%i,creat,append
[Install]
WantedBy=sysinit.target
"""
LISTENERS = ("early@7000.service", "early@7001.service")
KNOCKS = f"""
while :; do
    for port in 7000 7001; do echo >/dev/udp/{EDGE}/$port; done
    sleep 0.01
done 2>/dev/null
"""
TUNNEL = "netc-tunnel-abroad.service"
FOR_LONG = ("netc-bird.service", TUNNEL)


def plug(edge: Machine, world: Host) -> None:
    """A wire that is live from the machine's first moment; its own end is for the machine to bring up. Whoever knocks
    does not have to ask where the machine is."""
    ends = "dev", "eth0", "address", "02:00:00:00:00:07", "netns", str(edge.pid)
    subprocess.run(["ip", "link", "add", *ends, "type", "veth", "peer", "edge", "netns", str(world.pid)], check=True)
    world.plugged("edge", [f"{WORLD}/24"])
    world.run(["ip", "neighbour", "replace", EDGE, "lladdr", "02:00:00:00:00:07", "dev", "edge"])


def prepared(lab: Lab, tmp_path: Path) -> tuple[Machine, Host]:
    """Installed, with an uplink that is systemd-networkd's."""
    edge, world = machine(lab, "edge"), lab.host("world")
    edge.write("/etc/systemd/network/10-eth0.network", UPLINK)
    for name, text in {"inside": INSIDE, "other": OTHER, "early@": EARLY}.items():
        edge.write(f"/etc/systemd/system/{name}.service", text)
    edge.run(["mkdir", "-p", "/etc/netc"])  # which BIRD may enter
    give_key(edge, "abroad", "abroad")
    deliver(lab, edge, compiled(TOPOLOGY, tmp_path / "a")["edge"])
    edge.run(["systemctl", "daemon-reload"])
    edge.run(["systemctl", "enable", "systemd-networkd", "inside.service", *LISTENERS])
    install(edge, "--commit")
    world.start(["bash", "-c", KNOCKS])
    edge.power_off()
    edge.boot(lambda: plug(edge, world))
    return edge, world


def starts(edge: Machine, unit: str) -> int:
    """Microseconds after the machine's start, when it began to start; `began` is when it was there."""
    words = ["systemctl", "show", "--value", "-p", "InactiveExitTimestampMonotonic", unit]
    return int(edge.run(words).stdout)


def heard(edge: Machine, port: int) -> int:
    return len(edge.run(["cat", f"/run/early.{port}"], check=False).stdout)


def failed(edge: Machine) -> tuple[list[str], list[str], list[str]]:
    """The units that failed, in each way of saying it."""
    text, told = status(edge, code=1), json.loads(status(edge, "--json", code=1))
    counted = [name.split()[1] for name in metrics(status(edge, "--metrics", code=1)) if "netc_unit_failed " in name]
    return re.findall(r"(?m)^failed +(.+)$", text), told["failed"], counted


@pytest.mark.releases
def test_a_machine_boots_in_order_and_reports_its_state(lab: Lab, tmp_path: Path) -> None:
    edge, _ = prepared(lab, tmp_path)

    # No packet comes before its filter.
    assert within(60, lambda: heard(edge, 7001) > 0)
    assert heard(edge, 7000) == 0
    assert began(edge, LISTENERS[0]) <= starts(edge, "netc-firewall.service")
    assert began(edge, "netc-firewall.service") <= began(edge, "network-pre.target")
    assert began(edge, "network-pre.target") <= starts(edge, "systemd-networkd.service")

    # Services in a namespace come after their tunnel, and BIRD after addresses.
    for first in (TUNNEL, "netc-namespace-vpn.service"):
        assert 0 < began(edge, first) <= starts(edge, "inside.service")
    for first in ("netc-loopback.service", "netc-link-one.service"):
        assert 0 < began(edge, first) <= starts(edge, "netc-bird.service")
    assert active(edge, "netc.target", "inside.service", *FOR_LONG) == ["active"] * 4

    assert_bounded(edge)
    assert_failures_are_reported(edge)
    deliver(lab, edge, compiled(TOPOLOGY.replace("7001/udp", "7002/udp"), tmp_path / "b")["edge"])
    assert_a_pending_change_is_reported(edge)


def assert_bounded(edge: Machine) -> None:
    """What runs for long may not do all that root may, and sees the mounts that everybody sees."""
    own = edge.run(["readlink", "/proc/1/ns/mnt"]).stdout
    for unit in FOR_LONG:
        group = edge.run(["systemctl", "show", "--value", "-p", "ControlGroup", unit]).stdout.strip()
        pids = edge.read(f"/sys/fs/cgroup{group}/cgroup.procs").split()
        assert pids or unit == TUNNEL, "the kernel may have its own WireGuard"
        for pid in pids:
            seen = dict(re.findall(r"(?m)^(CapBnd|NoNewPrivs|Seccomp):\s+(\S+)$", edge.read(f"/proc/{pid}/status")))
            assert (seen["NoNewPrivs"], seen["Seccomp"]) == ("1", "2")
            assert not int(seen["CapBnd"], 16) & (1 << CAP_SYS_MODULE)
            assert edge.run(["readlink", f"/proc/{pid}/ns/mnt"]).stdout == own


CAP_SYS_MODULE = 16


def assert_failures_are_reported(edge: Machine) -> None:
    assert "failed" not in status(edge)
    assert json.loads(status(edge, "--json"))["failed"] == []
    assert netc_host(edge, "check").stdout == ""

    # Of a stranger's unit nothing is told.
    edge.run(["systemctl", "start", "other.service"], check=False)
    edge.run(["systemctl", "kill", "--signal=SEGV", "inside.service"])
    assert within(60, lambda: active(edge, "inside.service") == ["failed"])
    assert failed(edge) == (["inside.service"],) * 3

    # A tunnel that cannot come up: what it is for runs on, where there is no way out.
    edge.run(["mv", "/etc/netc/keys/abroad.key", "/etc/netc/keys/abroad.key.gone"])
    edge.run(["systemctl", "restart", TUNNEL, "inside.service"], check=False)
    assert active(edge, TUNNEL, "inside.service") == ["failed", "active"]
    routes = edge.run(["ip", "-4", "route", "get", "192.0.2.1"], namespace="vpn", check=False)
    assert routes.returncode != 0, routes.stdout
    assert failed(edge) == ([TUNNEL],) * 3
    assert re.search(r"(?m)^part +tunnel-abroad +down$", status(edge, code=1))
    differing = netc_host(edge, "check", check=False)
    assert (differing.returncode, differing.stdout) == (1, "part tunnel-abroad is down\n")

    edge.run(["mv", "/etc/netc/keys/abroad.key.gone", "/etc/netc/keys/abroad.key"])
    edge.run(["systemctl", "start", TUNNEL])
    assert "failed" not in status(edge)
    assert netc_host(edge, "check").stdout == ""


def assert_a_pending_change_is_reported(edge: Machine) -> None:
    install(edge, "--detach", "--within", "150")
    assert re.search(r"(?m)^pending +[0-9a-f]{16} +complete, rolls back in (2 min|1[0-4]\d s) unless", status(edge))
    pending: dict[str, Any] = json.loads(status(edge, "--json"))["pending"]
    # Whoever has systemd read its files anew does not put it off, as happens whenever a package is installed.
    time.sleep(5)
    edge.run(["systemctl", "daemon-reload"])
    assert abs(pending["reverts_at"] - timer_ends(edge)) < 3
    assert metrics(status(edge, "--metrics"))["netc_pending"] == 1
    assert netc_host(edge, "check").stdout == ""

    # A host may be slow: its rollback at boot, which every start of netc.target asks for, begins seconds later.
    edge.write("/etc/systemd/system/netc-back.service.d/late.conf", "[Service]\nExecStartPre=/bin/sleep 3\n")
    edge.run(["systemctl", "daemon-reload"])
    netc_host(edge, "revert", check=False)
    assert within(10, lambda: active(edge, "netc-back.service") != ["activating"])
    assert active(edge, "netc-revert.timer", "netc-back.service") == ["inactive"] * 2
    assert json.loads(status(edge, "--json"))["pending"] is None
    assert metrics(status(edge, "--metrics"))["netc_pending"] == 0
    assert netc_host(edge, "check").stdout == ""


def timer_ends(edge: Machine) -> int:
    """Seconds since the epoch until systemd goes back, at the latest."""
    asked = "systemctl show --value -p NextElapseUSecRealtime netc-revert.timer"
    return int(edge.run(["bash", "-c", f'date -d "$({asked})" +%s']).stdout)


KILLED = """
[Service]
ExecStartPre=/bin/bash -c '[[ -e /root/killed ]] || { touch /root/killed; kill -KILL $$$$; }'
"""


def test_a_rollback_at_boot_that_is_killed_is_made_all_the_same(lab: Lab, tmp_path: Path) -> None:
    edge, world = prepared(lab, tmp_path)
    before = edge.run(["readlink", "/var/lib/netc/current"]).stdout
    deliver(lab, edge, compiled(TOPOLOGY.replace("7001/udp", "7002/udp"), tmp_path / "b")["edge"])
    install(edge, "--detach", "--within", "3000")
    edge.write("/etc/systemd/system/netc-back.service.d/killed.conf", KILLED)
    edge.power_off()
    world.run(["ip", "link", "delete", "dev", "edge"], check=False)
    edge.boot(lambda: plug(edge, world))

    def is_back() -> bool:
        return edge.run(["test", "-e", "/var/lib/netc/pending"], check=False).returncode == 1

    assert within(120, is_back)
    assert edge.run(["test", "-e", "/root/killed"]).returncode == 0
    assert edge.run(["readlink", "/var/lib/netc/current"]).stdout == before
    assert within(60, lambda: netc_host(edge, "check", check=False).stdout == "")
    assert "7002" not in edge.run(["nft", "list", "ruleset"]).stdout
