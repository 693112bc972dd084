"""Routes that others made in the kernel are told inside, while they are there, and never outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from live.compiled import compiled, install, parts, script
from live.lab import Host, Lab
from live.routers import attributes, birdc, faults, leaves_by, neighbour, path, reached, settled, start_bird
from netc.lab.waiting import wait

pytestmark = pytest.mark.live

TOPOLOGY = """
version = 1
network.name = "lab"

[bgp]
asn = 4242422547
prefixes = ["172.20.0.0/26", "fd42:1::/48"]
profile = "dn42"
{mode}

[hosts.a]
id = 1
wan = "eth0"
addresses = "198.51.100.1/24"
loopback = ["172.20.0.1/32", "fd42:1::1/128"]
bgp.table = "{table}"
bgp.learn = ["10.99.0.0/16", "172.20.0.32/27", "fd99::/16"]

[hosts.b]
id = 2
wan = "eth0"
addresses = "198.51.100.2/24"
loopback = ["172.20.0.2/32", "fd42:1::2/128"]
bgp.table = "{table}"

[hosts.b.bgp.peers.x]
asn = 4242420001
role = "downstream"
prefixes = ["172.20.8.0/24", "fd42:8::/48"]
interface = "ext0"
local = "fe80::b"
address = "fe80::1"

[links.ab]
kind = "vxlan"
between = ["a", "b"]
ends.a.address = ["10.99.255.0/31", "fe80::1/64"]
ends.b.address = ["10.99.255.1/31", "fe80::2/64"]
"""
MODES = {
    "recursive": 'internal = "mesh"\n[igp]\nkind = "ospf"\nover = "ab"',
    "fake": 'internal = "fake-confederation"\nmembers.base = 4225470000\nover = "ab"',
}
OTHERS = [
    "-4 route add 10.99.2.0/24 via 10.99.1.2",
    "-4 route add 10.99.3.0/24 via 10.99.1.2 protocol 77",
    "-4 route add blackhole 10.99.4.0/24",
    "-4 route add 10.98.0.0/24 via 10.99.1.2",
    "-4 route add 172.20.0.40/32 via 10.99.1.2",
    "-6 route add fd99:2::/48 via fd99:1::2",
]
TOLD = ["10.99.1.0/24", "10.99.2.0/24", "172.20.0.40/32", "fd99:1::/64", "fd99:2::/48"]
NOT_TOLD = ["10.99.3.0/24", "10.99.4.0/24", "10.98.0.0/24", "10.99.255.0/31"]


@pytest.mark.parametrize(("mode", "table"), [("recursive", "main"), ("fake", "own")])
def test_foreign_kernel_routes_are_announced_inside_while_they_exist(
    lab: Lab, tmp_path: Path, mode: str, table: str
) -> None:
    trees = compiled(TOPOLOGY.format(mode=MODES[mode], table=table), tmp_path)
    world = lab.switch("world")
    ours: dict[str, Host] = {}
    for id, name in enumerate("ab", 1):
        ours[name] = install(lab, name, trees)
        world.plug(ours[name], "eth0", f"198.51.100.{id}/24")
    a, b = ours.values()
    x = neighbour(lab, "x", 4242420001, "172.20.8.0/24", "fd42:8::/48")
    lab.wire(b, "ext0", x.host, "ext0", a_addresses=["fe80::b/64"], b_addresses=["fe80::1/64"])
    x.session("ext0", "fe80::1", "fe80::b", 4242422547)
    box = lab.host("box")
    ends = ["10.99.1.1/24", "fd99:1::1/64"], ["10.99.1.2/24", "fd99:1::2/64"]
    lab.wire(a, "docker0", box, "eth0", a_addresses=ends[0], b_addresses=ends[1])
    for net in ("172.20.0.40/32", "fd99:2::7/128"):
        box.run(["ip", "address", "add", net, "dev", "lo"])
    box.run(["ip", "route", "add", "default", "via", "10.99.1.1"])
    box.run(["ip", "-6", "route", "add", "default", "via", "fd99:1::1"])
    for line in OTHERS:
        a.run(["ip", *line.split()])
    logs = []
    for host in ours.values():
        for part in parts(host):
            if part != "bird":
                host.run(script(part, "up"))
        logs.append(start_bird(host))
    x.start()
    settled(a, b, x.host)

    # Inside they are known as what is at a, and packets go there; nothing else of a's is.
    for prefix in TOLD:
        wait(lambda prefix=prefix: path(b, prefix) is not None)  # type: ignore[misc]
        assert "(65535,65281)" in attributes(b, prefix)["community"]
    for prefix in NOT_TOLD:
        assert attributes(b, prefix) == {}, "by BGP, that is"
    for source, there in (("172.20.0.2", "10.99.1.2"), ("fd42:1::2", "fd99:1::2"), ("fd42:1::2", "fd99:2::7")):
        wait(lambda s=source, t=there: reached(b, s, t))  # type: ignore[misc]

    # Outside nobody is told, and what is ours anyway is reached from there all the same.
    wait(lambda: path(x.host, "172.20.0.0/26") == "4242422547")
    assert [net for net in TOLD if f"{net} " in birdc(x.host, "show route")] == []
    wait(lambda: reached(x.host, x.four, "172.20.0.40"))

    # What appears is told of at once, what goes is taken back; BIRD makes no second route of it, and takes none away.
    a.run(["ip", "route", "add", "10.99.7.0/24", "via", "10.99.1.2"])
    wait(lambda: path(b, "10.99.7.0/24") is not None)
    a.run(["ip", "route", "delete", "10.99.7.0/24"])
    a.run(["ip", "-6", "route", "delete", "fd99:2::/48"])
    for prefix in ("10.99.7.0/24", "fd99:2::/48"):
        wait(lambda prefix=prefix: path(b, prefix) is None and leaves_by(b, prefix) is None)  # type: ignore[misc]
    assert "via 10.99.1.2" not in a.run(["ip", "-N", "route", "show", "table", "all", "protocol", "12"]).stdout
    a.run(["ip", "link", "set", "dev", "docker0", "down"])
    wait(lambda: path(b, "10.99.1.0/24") is None and leaves_by(b, "10.99.1.0/24") is None)
    a.run(["ip", "link", "set", "dev", "docker0", "up"])
    a.run(["ip", *OTHERS[0].split()])
    wait(lambda: path(b, "10.99.2.0/24") is not None)
    assert [fault for log in logs for fault in faults(log.said())] == []
