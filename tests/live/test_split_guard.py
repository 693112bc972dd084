"""What a split chose sends nothing in clear while the packet filter is flushed, reloaded, stopped or exchanged."""

from __future__ import annotations

from pathlib import Path

import pytest

from live.compiled import script
from live.lab import Lab
from live.probe import Probe, count_leaks, leaked
from live.test_splits import ANYONE, LAPTOP, LISTED, MEMBER, UNLISTED, scene, seen, start, topology
from live.traffic import SILENCE, client, echo
from netc.lab.waiting import wait

pytestmark = [pytest.mark.live, pytest.mark.netfilters]

FLUSHES = {
    "nft flush ruleset": "nft flush ruleset",
    "iptables -F": "iptables -t mangle -F; ip6tables -t mangle -F",
    "a delete of the table": "nft delete table inet netc 2>/dev/null; true",
    "firewall down": "/etc/netc/parts/firewall/down",
}


def test_a_flush_of_all_rules_lets_no_packet_of_a_split_out(lab: Lab, tmp_path: Path) -> None:
    there = scene(lab, tmp_path, topology())
    start(there)
    count_leaks(there.world)
    probe = Probe(there.laptop, MEMBER, "member", UNLISTED)
    probe.goes_on()
    for what, flush in FLUSHES.items():
        there.laptop.run(["bash", "-c", flush])
        probe.goes_on()
        there.laptop.run(script("firewall", "up"))
        probe.goes_on()
        assert leaked(there.world) == 0, what


@pytest.mark.parametrize("chosen", ['interface = "lan"', 'source = ["10.20.0.0/24", "fd20::/64"]'])
def test_a_flush_lets_no_forwarded_packet_of_a_split_out(lab: Lab, tmp_path: Path, chosen: str) -> None:
    there = scene(lab, tmp_path, topology(chosen))
    behind = lab.host("behind")
    ours, theirs = ("10.20.0.1", "fd20::1"), ("10.20.0.2", "fd20::2")
    ends = [[f"{four}/24", f"{six}/64"] for four, six in (ours, theirs)]
    lab.wire(there.laptop, "lan", behind, "eth0", a_addresses=ends[0], b_addresses=ends[1])
    for address in ours:
        behind.run(["ip", "route", "add", "default", "via", address])
    start(there)
    count_leaks(there.world)
    probe = Probe(behind, ANYONE, "behind", UNLISTED)
    probe.goes_on()
    there.laptop.run(["nft", "flush", "ruleset"])
    probe.goes_on()
    assert leaked(there.world) == 0
    there.laptop.run(script("guard", "down"))
    probe.goes_on()
    assert leaked(there.world) > 0, "or nothing is counted"


def test_replies_pass_while_the_filter_is_flushed_and_the_guard_returns_by_itself(lab: Lab, tmp_path: Path) -> None:
    """With mode `except` almost all programs are chosen, sshd too."""
    there = scene(lab, tmp_path, topology('group = "cavorite"\nmode = "except"'))
    start(there)
    echo(there.laptop, 7001, *LAPTOP)
    count_leaks(there.world)
    probe = Probe(there.laptop, ANYONE, "anyone", UNLISTED)
    holder = ["bash", "-c", "source /usr/lib/netc/steps.bash guard none; pids_of_tunnel netc:guard"]
    for pid in there.laptop.run(holder).stdout.split():
        if there.laptop.read(f"/proc/{pid}/comm").strip() == "nft":
            there.laptop.run(["bash", "-c", f"kill -9 {pid}"])
    wait(lambda: there.laptop.run(["nft", "list", "table", "inet", "netc_guard"], check=False).returncode == 0)
    there.laptop.run(["nft", "flush", "ruleset"])
    probe.goes_on()
    assert leaked(there.world) == 0
    for address, source in zip(LAPTOP, UNLISTED, strict=True):
        assert client(there.world, "tcp", address, 7001, source=source) == source
    assert seen(there, ANYONE, LISTED[0], timeout=SILENCE) is None, "nothing says that it is direct"
    there.laptop.run(script("firewall", "up"))
    assert seen(there, ANYONE, LISTED[0]) == LAPTOP[0]
