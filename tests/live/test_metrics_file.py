"""The file of metrics that a host keeps for node_exporter."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from live.compiled import compiled
from live.delivered import deliver, install, netc_host
from live.example_host import example
from live.lab import Host, Lab
from netc.emit.systemd.capabilities import WRITING
from netc.lab.waiting import wait

pytestmark = pytest.mark.live

FILE = "/var/lib/prometheus/node-exporter/netc.prom"
TOPOLOGY = f"""
version = 1
network.name = "lab"
hosts.one = {{ id = 1, wan = "eth0", addresses = "198.51.100.10/24", firewall = {{}}, metrics = "{FILE}" }}
"""
WRITE = "/etc/netc/parts/metrics/metrics"


@pytest.fixture
def one(lab: Lab, tmp_path: Path) -> Host:
    one, world = lab.host("one"), lab.host("world")
    lab.wire(one, "eth0", world, "eth0", a_addresses=["198.51.100.10/24"])
    one.run(["ip", "route", "add", "default", "via", "198.51.100.1"])
    deliver(lab, one, compiled(TOPOLOGY, tmp_path)["one"])
    install(one, "--commit")
    return one


def names(text: str) -> set[str]:
    return {family.name for family in text_string_to_metric_families(text)}


def test_netc_host_run_writes_them_until_it_ends(one: Host) -> None:
    assert one.read(FILE) == ""
    assert "netc-host run does not run, and /etc/netc/parts/metrics/metrics needs it" in checked(one)
    running = one.start(["/usr/local/sbin/netc-host", "run"])
    wait(lambda: "netc_part_up" in one.read(FILE), 60)

    assert {"netc_generation_info", "netc_pending", "netc_part_up"} <= names(one.read(FILE))
    assert 'netc_part_up{part="metrics"} 1' in one.read(FILE)
    assert one.run(["stat", "-c", "%a %U", FILE]).stdout == "644 root\n"
    assert checked(one) == ""
    one.run(["rm", FILE])
    assert f"metrics: {FILE} is not there" in checked(one)
    netc_host(one, "up")
    assert checked(one) == ""
    running.stop()
    assert one.run(["ls", FILE.rpartition("/")[0]]).stdout == ""


def checked(host: Host) -> str:
    return netc_host(host, "check", check=False).stdout


def test_a_host_that_is_not_well_writes_them_too_and_one_that_cannot_be_asked_keeps_the_old_ones(one: Host) -> None:
    one.run(["nft", "flush", "ruleset"])
    one.run([WRITE])
    before = one.read(FILE)
    assert 'netc_part_up{part="firewall"} 0' in before
    for broken in ("exit 3", "exit 0", "echo half; kill -9 $$"):
        one.write("/usr/local/sbin/netc-host", f"#!/bin/bash\n{broken}\n", 0o755)
        assert one.run([WRITE], check=False).returncode == 1
        assert one.read(FILE) == before


def test_the_owner_of_the_folder_cannot_have_another_file_written(one: Host) -> None:
    one.run(["bash", "-ec", f"echo mine >/etc/mine; chown -R nobody {FILE.rpartition('/')[0]}"])
    for place in (FILE, f"{FILE}.new"):
        one.run(["ln", "-sf", "/etc/mine", place])
        one.run([WRITE])
        assert "netc_part_up" in one.read(FILE)
        assert one.run(["stat", "-c", "%F", FILE]).stdout == "regular file\n"
    assert one.read("/etc/mine") == "mine\n"


@pytest.mark.parametrize("which", ["dn42/fra", "seedbox/seedbox", "laptop-iptables/laptop"])
def test_the_unit_may_do_what_it_takes_to_ask_for_everything(lab: Lab, which: str, tmp_path: Path) -> None:
    """The same rows as root has, of which the unit's bounding set takes a part."""
    host, _ = example(lab, which, tmp_path)
    kept = ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in WRITING)
    bounded = ["setpriv", f"--bounding-set=-all,{kept}", "--inh-caps=-all", "--no-new-privs"]
    told = [rows(host), rows(host, *bounded)]

    assert told[0] == told[1]
    assert "netc_part_up" in told[0]


def rows(host: Host, *before: str) -> str:
    said = host.run([*before, "/usr/local/sbin/netc-host", "status", "--metrics"], check=False).stdout
    return "\n".join(line for line in said.splitlines() if "bytes_total" not in line and "handshake" not in line)
