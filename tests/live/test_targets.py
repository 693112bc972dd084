"""What the `target` of a host decides: what `install` says of its tools, and what only newer BIRDs can."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest

from live.birds import with_birds
from live.compiled import compiled, install, parts, script
from live.delivered import deliver, what_is_there
from live.delivered import install as install_tree
from live.lab import Host, Lab
from live.routers import NETWORK, birdc, kernel_route, neighbour, peer, protocols, reached, router, start_bird
from netc.lab.waiting import wait, within

pytestmark = pytest.mark.live

# ---- what `install` compares ---------------------------------------------------------------------------------------

EDGE = """
version = 1
network.name = "lab"

[hosts.edge]
id = 1
wan = "eth0"
addresses = "198.51.100.10/24"
firewall.input = "drop"
{target}
"""
SAYS = """#!/bin/bash
[[ $1 != --version ]] || {{ echo "nftables v{version} (Any Name)"; exit; }}
exec /usr/sbin/nft "$@"
"""


def brought(lab: Lab, folder: Path, target: str, nft: str) -> Host:
    edge, world = lab.host("edge"), lab.host("world")
    lab.wire(edge, "eth0", world, "edge", a_addresses=["198.51.100.10/24"], b_addresses=["198.51.100.1/24"])
    edge.write("/usr/local/sbin/nft", SAYS.format(version=nft), 0o755)
    deliver(lab, edge, compiled(EDGE.format(target=target), folder)["edge"])
    return edge


def placed(host: Host) -> str:
    return "".join(line for line in what_is_there(host).splitlines(True) if "/var/lib/netc" not in line)


@pytest.mark.parametrize(
    ("target", "nft", "why"),
    [
        ("", "1.0.5", "nft is 1.0.5 here, and this tree needs 1.0.6 or later\n"),
        ('target.nft = "1.1.3"', "1.1", "nft is 1.1 here, and this tree needs 1.1.3 or later, as on this system\n"),
        ('target = "debian-13"', "1.0.9", "nft is 1.0.9 here, and this tree needs 1.1.3 or later, as on debian-13\n"),
    ],
)
def test_older_tools_than_the_tree_is_for_are_refused(
    lab: Lab, tmp_path: Path, target: str, nft: str, why: str
) -> None:
    edge = brought(lab, tmp_path, target, nft)
    before = placed(edge)
    said = install_tree(edge, "--commit", check=False)
    assert said.returncode == 1
    assert why in said.stderr
    assert placed(edge) == before


@pytest.mark.parametrize(
    ("target", "nft", "why"),
    [
        ("", "1.2.0", ""),
        ('target = "debian-12"', "1.0.6.1", ""),
        ('target = "debian-12"', "1.1.3", "nft is 1.1.3 here, and 1.0.6 on debian-12: set `target` to what"),
        ("", "abc", "cannot read the version of nft here"),
    ],
)
def test_newer_tools_are_reported_if_the_topology_says_what_the_host_runs(
    lab: Lab, tmp_path: Path, target: str, nft: str, why: str
) -> None:
    edge = brought(lab, tmp_path, target, nft)
    said = install_tree(edge, "--commit").stderr
    assert why in said
    assert why or "nft" not in said


# ---- what newer BIRDs can -------------------------------------------------------------------------------------------

BABEL = """
version = 1
network.name = "lab"
igp = { kind = "babel", over = "ab", extended_next_hop = true, rtt_cost = 96, password.file = "/etc/netc/keys/babel" }

[hosts.a]
id = 1
wan = "eth0"
addresses = "198.51.100.1/24"
loopback = ["172.20.16.1/32", "fd42:1::1/128"]

[hosts.b]
id = 2
wan = "eth0"
addresses = "198.51.100.2/24"
loopback = ["172.20.16.2/32", "fd42:1::2/128"]

[links.ab]
kind = "vxlan"
between = ["a", "b"]
"""


def test_babel_has_ipv4_over_ipv6_next_hops_round_trip_times_and_a_password(lab: Lab, tmp_path: Path) -> None:
    with with_birds({"a": "2.17", "b": "3.1"}):
        trees = compiled(BABEL, tmp_path)
        hosts = {name: install(lab, name, trees) for name in "ab"}
    a, b = hosts["a"], hosts["b"]
    lab.wire(a, "eth0", b, "eth0", a_addresses=["198.51.100.1/24"], b_addresses=["198.51.100.2/24"])
    for host in (a, b):
        host.write("/etc/netc/keys/babel", "between-us\n", 0o600)
        for part in parts(host):
            host.run(script(part, "up"))
    for host, other in ((a, "172.20.16.2"), (b, "172.20.16.1")):
        via = partial(kernel_route, host, other)
        wait(lambda via=via: via().get("via", {}).get("family") == "inet6")  # type: ignore[misc]
    assert reached(a, "172.20.16.1", "172.20.16.2")
    assert reached(a, "fd42:1::1", "fd42:1::2")
    assert re.search(r"(?m)^fe80::\S+ +vx-b +\d+ .*\d\.\d{3}$", birdc(a, "show babel neighbors")), "no round-trip time"

    # Without the password, a is nobody to b.
    a.write("/etc/netc/keys/babel", "something-else\n", 0o600)
    a.run(script("bird", "reload"))
    assert within(60, lambda: kernel_route(b, "172.20.16.1") == {})


RTR = Path(__file__).with_name("rtr.py")
CACHE = 'roa = { rtr = "192.0.2.2:8282", password.file = "/etc/netc/keys/rtr" }\ninternal = "mesh"\n'


@pytest.mark.parametrize("bird", ["2.17", "3.1"])
def test_an_rtr_session_has_a_password_and_a_peer_the_required_capabilities(
    lab: Lab, tmp_path: Path, bird: str
) -> None:
    wanted = 'send_hold = 600\nrequire = ["as4", "roles"]'
    with with_birds({"a": bird}):
        a = install(
            lab, "a", compiled(NETWORK + CACHE + router("a", 1) + peer("a", "x", 4242420001, "peer", wanted), tmp_path)
        )
    a.write("/etc/netc/keys/rtr", "between-us\n", 0o600)
    cache, x = lab.host("cache"), neighbour(lab, "x", 4242420001, "172.20.8.0/24", "fd42:8::/48")
    lab.wire(a, "eth1", cache, "eth0", a_addresses=["192.0.2.1/24"], b_addresses=["192.0.2.2/24"])
    lab.wire(a, "ext0", x.host, "ext0", a_addresses=["fe80::ff/64"], b_addresses=["fe80::1/64"])
    cache.start(
        [
            "python3",
            "-I",
            "-c",
            RTR.read_text(),
            "8282",
            "--password=between-us@192.0.2.1",
            "172.20.8.0/24,24,4242420001",
        ]
    ).wait_for("listens")
    for part in parts(a):
        if part != "bird":
            a.run(script(part, "up"))
    start_bird(a)
    wait(lambda: "172.20.8.0/24" in birdc(a, "show route table roas4"))

    x.session("ext0", "fe80::1", "fe80::ff", 4242422547)
    x.start()
    assert not within(8, lambda: protocols(a)["peer_x"] == "Established"), "x says no role"
    x.host.write("/run/netc/neighbour.conf", x.config.replace("connect delay", "local role peer;\n    connect delay"))
    birdc(x.host, "configure")
    assert within(90, lambda: protocols(a)["peer_x"] == "Established")
