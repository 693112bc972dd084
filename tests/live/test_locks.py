"""Locks of parts and of changes: nobody but root can hold them, and who has one is named when the wait is over."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from live.compiled import compiled, script
from live.delivered import INSTALL, deliver, install, netc_host
from live.lab import Host, Lab
from netc.lab.waiting import wait

pytestmark = pytest.mark.live

TOPOLOGY = """
version = 1
network.name = "lab"
hosts.edge = { id = 1, wan = "eth0", addresses = "198.51.100.10/24", firewall.input = "drop" }
hosts.node = { id = 2, wan = "eth0", addresses = "198.51.100.20/24" }
links.one = { kind = "vxlan", between = ["edge", "node"], vni = 7 }
[links.two]
kind = "vxlan"
between = ["edge", "node"]
vni = 8
ends = { edge.interface = "b", node.interface = "b" }
"""
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
# Everything that a user can open and lock, held for as long as the test takes.
HOLD = """
exec 2>/dev/null
while IFS= read -r path; do
  exec {fd}<"$path" && flock -n "$fd" && held=$((held + 1))
done < <(find /etc/netc /var/lib/netc /run/netc /usr/lib/netc /run/lock)
echo "holds $held"
sleep infinity
"""
SOON = {"NETC_LOCK_SECONDS": "1"}


@pytest.fixture
def edge(lab: Lab, tmp_path: Path) -> Host:
    edge, world = lab.host("edge"), lab.host("world")
    lab.wire(edge, "eth0", world, "edge", a_addresses=["198.51.100.10/24"])
    deliver(lab, edge, compiled(TOPOLOGY, tmp_path / "a")["edge"])
    install(edge, "--commit")
    return edge


def test_no_other_user_can_hold_a_lock(edge: Host) -> None:
    """Not a confined service either, which is a user of its own."""
    holder = edge.start([*NOBODY, "bash", "-c", HOLD])
    holder.wait_for("holds")
    assert holder.said().split() != ["holds"]  # it got hold of something, such as what BIRD reads
    for verb in ("down", "up"):
        netc_host(edge, verb)
        edge.run(script("firewall", "down" if verb == "up" else "up"), env=SOON)
        edge.run(script("firewall", verb), env=SOON)
    assert netc_host(edge, "check").stdout == ""
    assert "is installed already" in install(edge).stderr
    assert holder.alive
    holder.stop(signal.SIGKILL)


def test_an_install_closes_the_folders_of_an_earlier_release(lab: Lab, edge: Host, tmp_path: Path) -> None:
    edge.run(["chmod", "755", "/etc/netc/parts"])
    deliver(lab, edge, compiled(TOPOLOGY.replace("vni = 7", "vni = 9"), tmp_path / "b")["edge"])
    install(edge, "--commit")
    assert edge.run(["stat", "-c", "%a", "/etc/netc/parts"]).stdout == "700\n"


def test_who_has_a_lock_is_named_when_the_wait_is_over(edge: Host) -> None:
    netc_host(edge, "down")
    for path in ("/etc/netc/parts", "/etc/netc/parts/firewall"):
        # flock(1) itself ends at once: the lock is with whoever has its file open.
        name = "mine \x1b[31m"
        holder = edge.start(["bash", "-c", f"exec 5<{path}; flock 5; echo held; exec -a '{name}' sleep infinity"])
        holder.wait_for("held")
        wait(lambda: "infinity" in edge.run(["bash", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"]).stdout)
        said = edge.run(script("firewall", "up"), env=SOON, check=False)
        assert said.returncode == 1
        assert f"firewall: {path} is locked by process " in said.stderr
        assert "(mine ?[31m infinity)" in said.stderr
        # Many parts at once do not wait for ever either: if the lock of all parts is held, each says so.
        said = edge.run(["netc-host", "up"], env=SOON, check=False)
        assert "is locked by process " in said.stderr
        assert said.returncode == 1
        holder.stop(signal.SIGKILL)
    netc_host(edge, "up")
    # A lock of the whole change.
    holder = edge.start(["bash", "-c", "exec 5>/var/lib/netc/lock; flock 5; echo held; sleep infinity"])
    holder.wait_for("held")
    said = edge.run(["bash", INSTALL, "--commit"], check=False)
    assert "another install is under way: process " in said.stderr
    assert "sleep infinity" in said.stderr
    holder.stop(signal.SIGKILL)
