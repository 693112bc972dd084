"""A tunnel whose peer is behind another tunnel is never dialled by the uplink, whatever became of the other one."""

from __future__ import annotations

from pathlib import Path

import pytest

from live.compiled import compiled, give_key, met, parts, script, up
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.state import difference
from live.test_foreign import CONFIG, PROGRAM, STAND_IN
from live.traffic import Capture
from netc.lab.waiting import wait

pytestmark = pytest.mark.live

KEYS = {name: public_key(private_key(name)) for name in ("entry", "exit")}
OUTER = "51820"
INNER = "51821"

HEAD = """
version = 1
network.name = "multihop"

[hosts.box]
id = 1
wan = "eth0"
addresses = ["198.51.100.7/24", "2001:db8:7::7/64"]

[hosts.box.tunnels.entry]
kind = "wireguard"
address = ["10.64.0.2/32", "fd64::2/128"]
routes = ["203.0.113.0/24", "2001:db8:113::/48"]
peer = { public_key = "ENTRY", endpoint = "198.51.100.1:51820", allowed_ips = ["203.0.113.0/24", "2001:db8:113::/48"] }
""".replace("ENTRY", KEYS["entry"])

WIREGUARD = """
[hosts.box.tunnels.exit]
kind = "wireguard"
address = ["10.65.0.2/24", "fd65::2/64"]
peer = { public_key = "EXIT", endpoint = "PEER:51821", allowed_ips = ["0.0.0.0/0", "::/0"] }
""".replace("EXIT", KEYS["exit"])
INSIDE = """
[hosts.box.namespaces.vpn]
tunnel = "exit"
dns = "10.65.0.1"
"""
VXLAN = """
[hosts.box.tunnels.exit]
kind = "vxlan"
remote = "PEER"
local = "OWN"
vni = 7
port = 51821
address = ["10.65.0.2/24", "fd65::2/64"]
"""
PROGRAM_AT = f"""
[hosts.box.tunnels.exit]
kind = "external"
interface = "tun0"
start = ["{PROGRAM}", "start", "-n", "tun0", "{CONFIG}"]
wait = 30
"""
PEERS = {4: ("203.0.113.9", "10.64.0.2"), 6: ("2001:db8:113::9", "fd64::2")}
"""The inner peer, and the box as that peer sees it through the outer tunnel."""


def box(lab: Lab, folder: Path, inner: str, family: int, head: str = HEAD) -> tuple[Host, Host]:
    """And a machine that is the peer of both tunnels. The box could reach the inner one straight by its uplink."""
    peer, own = PEERS[family]
    text = head + inner.replace("PEER", f"[{peer}]" if family == 6 and "wireguard" in inner else peer)
    host = lab.host("box", compiled(text.replace("OWN", own), folder)["box"])
    far = lab.host("far")
    near = ("198.51.100.7/24", "2001:db8:7::7/64")
    lab.wire(host, "eth0", far, "eth0", a_addresses=near, b_addresses=("198.51.100.1/24", "2001:db8:7::1/64"))
    for router in ("198.51.100.1", "2001:db8:7::1"):
        host.run(["ip", "route", "add", "default", "via", router])
    for address in ("203.0.113.9/32", "2001:db8:113::9/128"):
        far.run(["ip", "address", "add", address, "dev", "lo"])
    give_key(host, "entry", "box")
    give_key(host, "exit", "box")
    serve(far, "entry", OUTER, "10.64.0.2/32,fd64::2/128", ("10.64.0.1/24", "fd64::1/64"))
    if "vxlan" in inner:
        link = ["id", "7", "local", peer, "remote", own, "dstport", INNER]
        far.run(["ip", "link", "add", "exit", "type", "vxlan", *link])
        raise_it(far, "exit", ("10.65.0.1/24", "fd65::1/64"))
    elif "external" in inner:
        for each, at, other in ((host, own, peer), (far, peer, own)):
            number = 2 if each is host else 1
            each.write(PROGRAM, STAND_IN.read_text(), 0o755)
            said = f"address = 10.65.0.{number}/24\nlocal = {at}:{INNER}\npeer = {other}:{INNER}\n"
            each.write(CONFIG, said.replace(f"{own}:", "0.0.0.0:", each is host), 0o600)
        far.run([PROGRAM, "start", "-d", CONFIG])
    else:
        serve(far, "exit", INNER, "10.65.0.2/32,fd65::2/128", ("10.65.0.1/24", "fd65::1/64"))
    return host, far


def serve(far: Host, name: str, port: str, allowed: str, addresses: tuple[str, ...]) -> None:
    far.run(["bash", "-c", f"ip link add {name} type wireguard 2>/dev/null || wireguard-go {name} >/dev/null 2>&1"])
    far.write(f"/etc/{name}.key", private_key(name), 0o600)
    peer = ["peer", public_key(private_key("box")), "allowed-ips", allowed]
    far.run(["wg", "set", name, "listen-port", port, "private-key", f"/etc/{name}.key", *peer])
    raise_it(far, name, addresses)


def raise_it(far: Host, name: str, addresses: tuple[str, ...]) -> None:
    for address in addresses:
        far.run(["ip", "address", "add", address, "dev", name, *(["nodad"] if ":" in address else [])])
    far.run(["ip", "link", "set", "dev", name, "mtu", "1300", "up"])


def own_of(family: int) -> str:
    return f"{PEERS[family][1]}/{32 if family == 4 else 128}"


def reaches(host: Host, namespace: str | None, tries: int = 90) -> bool:
    """The inner peer, at its address inside."""
    ping = ["ping", "-c", "1", "-W", "1", "10.65.0.1"]
    return any(host.run(ping, namespace=namespace, check=False).returncode == 0 for _ in range(tries))


CASES = {
    "wireguard": (WIREGUARD, None),
    "namespace": (WIREGUARD + INSIDE, "vpn"),
    "vxlan": (VXLAN, None),
    "program": (PROGRAM_AT, None),
}


ON_A_STOCK_KERNEL = [("wireguard", 4), ("namespace", 6)]
"""Each form of rule and each family once: the kernel's own WireGuard is what differs there."""


@pytest.mark.parametrize(
    ("case", "family"),
    [
        pytest.param(case, family, marks=[pytest.mark.stock] * ((case, family) in ON_A_STOCK_KERNEL))
        for case in CASES
        for family in (4, 6)
        if (case, family) != ("program", 6)
    ],
)
def test_the_inner_tunnel_leaves_by_the_outer_one_or_not_at_all(
    lab: Lab, tmp_path: Path, case: str, family: int
) -> None:
    inner, namespace = CASES[case]
    host, _ = box(lab, tmp_path, inner, family)
    before = host.state()
    uplink = Capture(host, "eth0")

    def straight() -> list[str]:
        return uplink.packets(f"udp port {INNER}")

    # Without the key, the outer tunnel does not come up.
    host.run(["mv", "/etc/netc/keys/entry.key", "/etc/netc/keys/away"])
    came = {part: host.run(script(part, "up"), check=False).returncode for part in parts(host)}
    assert [part for part, status in came.items() if status] == ["tunnel-entry"]
    assert not reaches(host, namespace, tries=2)
    assert straight() == []

    host.run(["mv", "/etc/netc/keys/away", "/etc/netc/keys/entry.key"])
    host.run(script("tunnel-entry", "up"))
    assert reaches(host, namespace)
    assert straight() == []

    # A restart of the outer tunnel under packets of the inner one.
    flood = host.start(["ping", "-i", "0.01", "-W", "1", "10.65.0.1"], namespace=namespace)
    host.run(script("tunnel-entry", "down"))
    assert not reaches(host, namespace, tries=2)
    host.run(script("tunnel-entry", "up"))
    assert reaches(host, namespace)
    flood.stop()
    assert straight() == []
    for part in parts(host):
        assert host.run(script(part, "check"), check=False).stdout == ""

    # Or this test would be about something else.
    host.run(script("tunnel-entry", "down"))
    host.run(
        ["ip", "address", "add", own_of(family), "dev", "lo", *(["nodad"] if family == 6 else [])]
    )  # or a fixed source address would have no route
    taken_away = "ip -F rule del priority 5110; ip -F route flush table 14001; ip -F route flush type unreachable"
    for each in ("-4", "-6"):
        host.run(["bash", "-c", taken_away.replace("-F", each)], check=False)
    wait(lambda: reaches(host, namespace, tries=1) or straight())
    assert straight()
    host.run(["ip", "address", "delete", own_of(family), "dev", "lo"])
    uplink.stop()
    for part in reversed(parts(host)):
        host.run(script(part, "down"))
    assert difference(before, host.state()) == ""


HEADS = {
    "both": HEAD,
    "4": HEAD.replace(', "fd64::2/128"', "").replace(', "2001:db8:113::/48"', ""),
    "6": HEAD.replace('"10.64.0.2/32", ', "").replace('"203.0.113.0/24", ', ""),
}
"""By the families that the outer tunnel has."""
ELSEWHERE = {4: f"198.51.100.1:{INNER}", 6: f"[2001:db8:7::1]:{INNER}"}
"""The far machine at addresses that only the uplink leads to."""


@pytest.mark.parametrize("namespace", [None, "vpn"])
@pytest.mark.parametrize(("outer", "dialled", "moved"), [("both", 4, 4), ("4", 4, 6), ("6", 6, 4)])
def test_a_peer_that_moved_is_not_followed_out_of_the_outer_tunnel(
    lab: Lab, tmp_path: Path, outer: str, dialled: int, moved: int, namespace: str | None
) -> None:
    """WireGuard sends to where its peer was heard last, in a family that the outer tunnel has not as well."""
    host, _ = box(lab, tmp_path, WIREGUARD + (INSIDE if namespace else ""), dialled, HEADS[outer])
    before = host.state()
    up(host)
    assert reaches(host, namespace)
    met(host, "wg-exit", namespace)
    uplink = Capture(host, "eth0")
    peer = ["peer", KEYS["exit"], "endpoint", ELSEWHERE[moved]]
    host.run(["wg", "set", "wg-exit", *peer], namespace=namespace)
    assert not reaches(host, namespace, tries=2)
    assert uplink.packets(f"udp port {INNER}") == []

    # Or this test would be about something else.
    for family in ("-4", "-6"):
        host.run(["ip", family, "rule", "delete", "priority", "5110"], check=False)
    wait(lambda: reaches(host, namespace, tries=1) or uplink.packets(f"udp port {INNER}"))
    assert uplink.packets(f"udp port {INNER}")
    uplink.stop()
    for part in reversed(parts(host)):
        host.run(script(part, "down"), check=False)
    assert difference(before, host.state()) == ""
