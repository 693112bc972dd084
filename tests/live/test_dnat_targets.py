"""Connections that a DNAT sends to a link, a veth pair or a bridge never leave by the uplink while that is down."""

from __future__ import annotations

from pathlib import Path

import pytest

from live.compiled import compiled, install, parts, script
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.traffic import SILENCE, Capture, client, echo

pytestmark = [pytest.mark.live, pytest.mark.netfilters]

EDGE = ("198.51.100.10", "2001:db8:1::10")
VISITOR = ("198.51.100.1", "2001:db8:1::1")


def topology(firewall: str) -> str:
    edge, node = (public_key(private_key(name)) for name in ("edge", "node"))
    return f"""
version = 1
network.name = "targets"

[hosts.edge]
id = 1
wan = "eth0"
addresses = ["{EDGE[0]}/24", "{EDGE[1]}/64"]
public_key = "{edge}"
tunnels.t = {{ kind = "gre", remote = "203.0.113.77", address = "10.9.0.2/30" }}

[hosts.edge.namespaces.vpn]
tunnel = "t"
dns = "9.9.9.9"
access = ["10.200.0.0/31", "fd00:200::/127"]
publish = {{ port = "81/tcp", on = ["{EDGE[0]}", "{EDGE[1]}"] }}

[hosts.edge.bridges.br0]
addresses = ["10.0.3.1/24", "fd00:3::1/64"]
publish = {{ port = "82/tcp", to = ["10.0.3.20", "[fd00:3::20]"] }}

[hosts.node]
id = 2
wan = "eth0"
addresses = "203.0.113.20/24"
public_key = "{node}"

[links.one]
kind = "wireguard"
between = ["edge", "node"]
ends.edge.address = ["10.77.1.0/31", "fd77:1::/127"]
ends.node.address = ["10.77.1.1/31", "fd77:1::1/127"]

[forwards.web]
at = "edge"
on = ["{EDGE[0]}", "{EDGE[1]}"]
ports = "80/tcp"
to = "node"
via = "one"

{firewall}
"""


TARGETS = {
    80: ("wg-node", ("10.77.1.1", "fd77:1::1")),
    81: ("ve-vpn", ("10.200.0.1", "fd00:200::1")),
    82: ("br0", ("10.0.3.20", "fd00:3::20")),
}
"""By port: the interface that leads to the server, and the server's addresses."""


def up_without_gre(edge: Host) -> None:
    """Not every kernel has GRE, and these tests do not need the tunnel."""
    for part in parts(edge):
        if part != "tunnel-t":
            edge.run(script(part, "up"))


@pytest.mark.parametrize("firewall", ["", "[hosts.edge.firewall]"], ids=["none", "firewall"])
def test_a_connection_to_a_target_that_is_down_is_dropped(lab: Lab, tmp_path: Path, firewall: str) -> None:
    edge, visitor = install(lab, "edge", compiled(topology(firewall), tmp_path)), lab.host("visitor")
    ends = [f"{EDGE[0]}/24", f"{EDGE[1]}/64"], [f"{VISITOR[0]}/24", f"{VISITOR[1]}/64"]
    lab.wire(edge, "eth0", visitor, "edge", a_addresses=ends[0], b_addresses=ends[1])
    for router in VISITOR:
        edge.run(["ip", "route", "add", "default", "via", router])
    up_without_gre(edge)
    for device, _ in TARGETS.values():
        edge.run(["ip", "link", "delete", "dev", device])
    echo(visitor, 7000)
    assert client(edge, "tcp", VISITOR[0], 7000) == EDGE[0], "the uplink works"

    capture = Capture(edge, "eth0")
    for port in TARGETS:
        for at in EDGE:
            assert client(visitor, "tcp", at, port, timeout=SILENCE) is None
            assert client(edge, "tcp", at, port, timeout=SILENCE) is None, "a program of the host itself"
    targets = " or ".join(f"dst host {server}" for _, servers in TARGETS.values() for server in servers)
    assert capture.packets(targets) == []
    capture.stop()

    # Without the rule they leave, or the test above would show nothing.
    for program in ("iptables", "ip6tables"):
        edge.run([program, "-t", "mangle", "-F", "netc-leaves-by"], check=False)
    edge.run(["nft", "flush", "chain", "inet", "netc", "leaves_by"], check=False)
    capture = Capture(edge, "eth0")
    client(edge, "tcp", EDGE[0], 82, timeout=SILENCE)
    assert capture.packets("dst host 10.0.3.20") != []
