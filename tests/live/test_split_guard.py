"""What a split chose sends nothing in clear while the packet filter is flushed, reloaded, stopped or exchanged."""

from __future__ import annotations

from pathlib import Path

import pytest

from live.compiled import script
from live.lab import Lab
from live.probe import Probe, count_leaks, leaked
from live.test_splits import MEMBER, UNLISTED, scene, start, topology

pytestmark = [pytest.mark.live, pytest.mark.netfilters]

DIRECT_PORT = 7010
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
