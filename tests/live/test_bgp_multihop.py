"""Neighbours behind a provider's gateway: next hops that only the host's own routes know."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from live.compiled import compiled, install
from live.frr import FarEnd, far_ends
from live.routers import (
    attributes,
    begin,
    best,
    birdc,
    faults,
    forwarder,
    kernel_route,
    meet,
    neighbour,
    path,
    peer,
    protocols,
    reached,
    settled,
)
from netc.lab.waiting import wait, within

if TYPE_CHECKING:
    from live.lab import Host, Lab

pytestmark = pytest.mark.live

NETWORK = """
version = 1
network.name = "lab"

[bgp]
asn = 213000
prefixes = ["45.10.0.0/23", "2a10:10::/32"]
profile = "internet"
{form}

[hosts.a]
id = 1
wan = "eth0"
addresses = ["203.0.113.10/24", "2001:db8:113::10/64"]
loopback = ["45.10.0.1/32", "2a10:10::1/128"]
firewall = {{}}

[hosts.a.bgp]
table = "{table}"
"""
UP = """
[hosts.a.bgp.peers.up{version}]
asn = {asn}
role = "upstream"
address = "{address}"
local = "{local}"
multihop = 2
{more}
"""
PROVIDER4, PROVIDER6 = "64.176.0.0/24", "2001:19f1::/48"
CUSTOMER4, CUSTOMER6 = "45.64.0.0/22", "2a10:64::/32"
DOWNSTREAM = f'prefixes = ["{CUSTOMER4}", "{CUSTOMER6}"]'
PASSWORD = 'password = { file = "/etc/netc/keys/provider.password" }'

PATH = "bgp_path.prepend(15169); bgp_path.prepend(20473);"


class Provider:
    """A gateway, and behind it the speaker that all customers have sessions with, and whatever it announces."""

    def __init__(
        self,
        lab: Lab,
        a: Host,
        asn: int,
        addresses: dict[int, str],
        routes: dict[int, str],
        far_end: FarEnd,
        words: str = 'password "s3cret";',
        hop: str = "next hop self on;",
    ):
        self.gateway = forwarder(lab, "gateway")
        self.far = far_end(lab, "speaker", asn, PROVIDER4, PROVIDER6, routes[4], routes[6])
        self.far.routes_nothing()
        self.speaker = self.far.host
        near = ["203.0.113.10/24", "2001:db8:113::10/64"], ["203.0.113.1/24", "2001:db8:113::1/64"]
        lab.wire(a, "eth0", self.gateway, "a", a_addresses=near[0], b_addresses=near[1])
        far = ["10.9.0.2/24", "fd09::2/64"], ["10.9.0.1/24", "fd09::1/64"]
        lab.wire(self.speaker, "eth0", self.gateway, "speaker", a_addresses=far[0], b_addresses=far[1])
        for host, four, six in ((a, "203.0.113.1", "2001:db8:113::1"), (self.speaker, "10.9.0.1", "fd09::1")):
            host.run(["ip", "route", "add", "default", "via", four])
            host.run(["ip", "-6", "route", "add", "default", "via", six])
        for net in ("45.0.0.0/8", "2a10::/16"):
            self.gateway.run(
                ["ip", "route", "add", net, "via", *(("203.0.113.10",) if "." in net else ("2001:db8:113::10",))]
            )
        for net in ("8.8.8.0/24", "169.254.169.0/24", "2600::/32", "2001:19f0::/32", "2605:6400::/32"):
            self.gateway.run(["ip", "route", "add", net, "via", *(("10.9.0.2",) if "." in net else ("fd09::2",))])
        for address in (*addresses.values(), "8.8.8.8", "2600::1"):
            self.speaker.run(["ip", "address", "add", address, "dev", "lo"])
        # FRR asks the kernel for the way to a next hop, and takes no default route for an answer.
        for net, via in (("203.0.113.0/24", "10.9.0.1"), ("2001:db8:113::/64", "fd09::1")):
            self.speaker.run(["ip", "route", "add", net, "via", via])
        for version, local in addresses.items():
            remote = near[0][0 if version == 4 else 1].partition("/")[0]
            self.far.session("", local, remote, 213000, more=f"multihop 2; {words}", hop=hop, families=(version,))


def kernel(host: Host, prefix: str, table: str) -> str:
    return host.run(
        ["ip", "-6" if ":" in prefix else "-4", "route", "show", prefix, "table", table], check=False
    ).stdout


@far_ends
@pytest.mark.parametrize("table", ["own", "main"])
def test_a_provider_with_a_private_asn_behind_its_gateway(
    lab: Lab, tmp_path: Path, table: str, far_end: FarEnd
) -> None:
    """Vultr's form. Its speaker is known by the default route alone, and announces a prefix that contains itself."""
    text = NETWORK.format(form="", table=table)
    private = f"private_asns = 65534\n{PASSWORD}"
    for version, address, local in (
        (4, "169.254.169.254", "203.0.113.10"),
        (6, "2001:19f0:ffff::1", "2001:db8:113::10"),
    ):
        text += UP.format(version=version, asn=64515, address=address, local=local, more=private)
    text += peer("a", "customer", 64999, "downstream", DOWNSTREAM)
    a = install(lab, "a", compiled(text, tmp_path))
    a.write("/etc/netc/keys/provider.password", "s3cret\n", 0o600)
    routes = {
        4: f"route 8.8.8.0/24 unreachable {{ {PATH} bgp_path.prepend(65534); }};"
        f"route 9.9.9.0/24 unreachable {{ bgp_path.prepend(65533); {PATH} }};",
        6: f"route 2600::/32 unreachable {{ {PATH} }};route 2001:19f0::/32 unreachable {{ bgp_path.prepend(20473); }};",
    }
    addresses = {4: "169.254.169.254", 6: "2001:19f0:ffff::1"}
    provider = Provider(lab, a, 64515, addresses, routes, far_end)
    customer = far_end(lab, "customer", 64999, CUSTOMER4, CUSTOMER6)
    meet(lab, a, customer, asn=213000)
    log = begin(a)["a"]
    provider.far.start()
    customer.start()
    settled(a)
    for far in (provider.far, customer):
        far.settled()

    number = "14000" if table == "own" else "main"
    nets = {
        "8.8.8.0/24": "via 203.0.113.1 ",
        "2600::/32": "via 2001:db8:113::1 ",
        "2001:19f0::/32": "via 2001:db8:113::1 ",
    }
    for net, via in nets.items():
        wait(lambda net=net, via=via: via in kernel(a, net, number))  # type: ignore[misc]
    assert path(a, "8.8.8.0/24") == "64515 65534 20473 15169"
    assert not path(a, "9.9.9.0/24"), "a private ASN that nobody declared"
    for source, there in (("45.10.0.1", "8.8.8.8"), ("2a10:10::1", "2600::1")):
        wait(lambda source=source, there=there: reached(a, source, there))  # type: ignore[misc]
    # Private ASNs go no further, in neither direction.
    wait(lambda: customer.path("8.8.8.0/24") == "213000 20473 15169")
    wait(lambda: customer.path("2001:19f0::/32") == "213000 20473")
    for net in (CUSTOMER4, CUSTOMER6):
        wait(lambda net=net: provider.far.path(net) == "213000")  # type: ignore[misc]
    wait(lambda: reached(customer.host, customer.four, "8.8.8.8"))
    wait(lambda: reached(customer.host, customer.six, "2600::1"))
    # The kernel's routes go to no neighbour.
    assert not customer.path("0.0.0.0/0")
    assert "203.0.113.0/24" not in customer.heard()

    # Without a way to the next hop there is no route: packets follow shorter prefixes, and nobody gets it.
    a.run(["ip", "-6", "route", "del", "default"])
    wait(lambda: kernel(a, "2600::/32", number) == "")
    wait(lambda: not customer.path("2600::/32"))
    assert "via 203.0.113.1" in kernel(a, "8.8.8.0/24", number)
    a.run(["ip", "-6", "route", "add", "default", "via", "2001:db8:113::1"])
    wait(lambda: protocols(a)["peer_up6"] == "Established")
    wait(lambda: "via 2001:db8:113::1" in kernel(a, "2600::/32", number))

    # The gateway moves, and the routes move with it.
    provider.gateway.run(["ip", "address", "add", "203.0.113.2/24", "dev", "a"])
    a.run(["ip", "route", "replace", "default", "via", "203.0.113.2"])
    wait(lambda: "via 203.0.113.2" in kernel(a, "8.8.8.0/24", number))
    assert faults(log.said()) == []


REFLECTED = """
internal = "reflectors"
reflectors = "c"

[igp]
kind = "ospf"
over = ["ab", "bc"]
"""
MORE = """
[hosts.b]
id = 2
addresses = "198.51.100.2/24"
loopback = ["45.10.0.2/32", "2a10:10::2/128"]
bgp = {}

[hosts.c]
id = 3
addresses = "198.51.100.3/24"
loopback = ["45.10.0.3/32", "2a10:10::3/128"]
[hosts.c.bgp]

[links.ab]
kind = "vxlan"
between = ["a", "b"]
ends.a.address = ["10.127.0.0/31", "fe80::a/64"]
ends.b.address = ["10.127.0.1/31", "fe80::b/64"]

[links.bc]
kind = "vxlan"
between = ["b", "c"]
ends.b.address = ["10.127.0.2/31", "fe80::b/64"]
ends.c.address = ["10.127.0.3/31", "fe80::c/64"]
"""


@far_ends
def test_a_provider_by_a_host_route_and_a_reflector_two_hops_away(lab: Lab, tmp_path: Path, far_end: FarEnd) -> None:
    """BuyVM's form, at one of three routers of ours: next hops of the provider are resolved by the host's routes, and
    next hops of our own routers by the IGP, never by the default route."""
    text = NETWORK.format(form=REFLECTED, table="main").replace(
        '"203.0.113.10/24",', '"198.51.100.1/24", "203.0.113.10/24",'
    )
    for version, address, local in (
        (4, "169.254.169.179", "203.0.113.10"),
        (6, "2605:6400:ffff::2", "2001:db8:113::10"),
    ):
        text += UP.format(version=version, asn=53667, address=address, local=local, more=PASSWORD)
    text += MORE + peer("c", "far", 213077, "upstream")
    trees = compiled(text, tmp_path)
    a, b, c = (install(lab, name, trees) for name in "abc")
    a.write("/etc/netc/keys/provider.password", "s3cret\n", 0o600)
    inside = lab.switch("inside")
    for number, host in enumerate((a, b, c), 1):
        inside.plug(host, "in0", f"198.51.100.{number}/24")
    routes = {4: f"route 8.8.8.0/24 unreachable {{ {PATH} }};", 6: f"route 2600::/32 unreachable {{ {PATH} }};"}
    addresses = {4: "169.254.169.179", 6: "2605:6400:ffff::2"}
    provider = Provider(lab, a, 53667, addresses, routes, far_end)
    provider.gateway.run(["ip", "address", "add", "203.0.113.3/24", "dev", "a"])
    a.run(["ip", "route", "add", "169.254.169.179/32", "via", "203.0.113.3"])
    far = far_end(lab, "far", 213077, "45.77.0.0/24", "2a10:77::/48")
    meet(lab, c, far, asn=213000)
    logs = begin(a, b, c)
    provider.far.start()
    far.start()
    settled(a, b, c)
    for outside in (provider.far, far):
        outside.settled()

    wait(lambda: "via 203.0.113.3 " in kernel(a, "8.8.8.0/24", "main"))
    for host in (b, c):
        for net in ("8.8.8.0/24", "2600::/32"):
            wait(lambda host=host, net=net: kernel_route(host, net).get("dev") == ("vx-a" if host is b else "vx-b"))  # type: ignore[misc]
    for source, there in (("45.10.0.3", "8.8.8.8"), ("2a10:10::3", "2600::1")):
        wait(lambda source=source, there=there: reached(c, source, there))  # type: ignore[misc]
    for net in ("45.77.0.0/24", "2a10:77::/48"):
        wait(lambda net=net: kernel_route(a, net).get("dev") == "vx-b")  # type: ignore[misc]
    assert attributes(c, "8.8.8.0/24")["next_hop"] == "45.10.0.1"
    wait(lambda: reached(a, "45.10.0.1", far.four))

    assert faults("".join(log.said() for log in logs.values())) == []

    # The IGP loses c, and the default route does not stand in for it.
    b.run(["ip", "link", "set", "vx-c", "down"])
    wait(lambda: "unreachable" in best(a, "45.77.0.0/24") or not best(a, "45.77.0.0/24"))
    for net in ("45.77.0.0/24", "2a10:77::/48"):
        wait(lambda net=net: kernel(a, net, "main") == "")  # type: ignore[misc]
    # The kernel may have said that the network is down before BIRD knew.
    later = faults("".join(log.said() for log in logs.values()))
    assert [line for line in later if "Netlink: Network is" not in line] == []


OURS = """
learn = ["45.50.0.0/16", "2a50::/32"]

[hosts.a.bridges.br0]
addresses = ["45.10.1.1/24", "2a10:10:0:5::1/64"]

[hosts.a.bgp.peers.customer4]
asn = 64999
role = "downstream"
interface = "ext0"
local = "45.98.0.1/24"
address = "45.98.0.2"
prefixes = "45.64.0.0/22"

[hosts.a.bgp.peers.customer6]
asn = 64999
role = "downstream"
interface = "ext0"
local = "2a98::1/64"
address = "2a98::2"
prefixes = "2a10:64::/32"
"""
HOPS = {
    "8.1.1.0/24": "45.10.1.9",  # a bridge
    "8.1.2.0/24": "45.98.0.2",  # a customer
    "8.1.3.0/24": "45.50.1.1",  # what the router learns
    "8.1.4.0/24": "203.0.113.255",  # nobody
    "8.1.5.0/24": "203.0.113.0",
    "8.1.6.0/24": "45.10.0.1",  # the router itself
    "8.1.7.0/24": "203.0.113.1",
    "8.1.8.0/24": "203.0.113.7",
    "2600:1::/32": "2a10:10:0:5::9",
    "2600:2::/32": "2a98::2",
    "2600:3::/32": "2a50::1:1",
    "2600:6::/32": "2a10:10::1",
    "2600:7::/32": "2001:db8:113::1",
}


@pytest.mark.parametrize("table", ["own", "main"])
def test_next_hops_are_the_provider_s_and_not_ours(lab: Lab, tmp_path: Path, table: str) -> None:
    """The provider would have the router send others' packets to its own LANs, or to its customer."""
    text = NETWORK.format(form="", table=table) + OURS
    for version, address, local in ((4, "45.9.8.1", "203.0.113.10"), (6, "2a09:8::1", "2001:db8:113::10")):
        text += UP.format(version=version, asn=20473, address=address, local=local, more="")
    a = install(lab, "a", compiled(text, tmp_path))
    said = {
        family: "".join(
            f"route {net} unreachable {{ bgp_next_hop = {hop}; }};"
            for net, hop in HOPS.items()
            if (":" in net) == (family == 6)
        )
        for family in (4, 6)
    }
    provider = Provider(lab, a, 20473, {4: "45.9.8.1", 6: "2a09:8::1"}, said, neighbour, "", "next hop keep on;")
    for net, via in (("45.9.8.0/24", "10.9.0.2"), ("2a09:8::/32", "fd09::2")):
        provider.gateway.run(["ip", "route", "add", net, "via", via])
    for device, own in (("ext0", ["45.98.0.1/24", "2a98::1/64"]), ("dd", ["45.50.1.2/24", "2a50::1:2/112"])):
        a.run(["ip", "link", "add", device, "type", "bridge"])
        a.plugged(device, own)
    log = begin(a)["a"]
    provider.far.start()
    number = "14000" if table == "own" else "main"
    accepted = {"8.1.7.0/24", "8.1.8.0/24", "2600:7::/32"}
    for net in accepted:
        wait(lambda net=net: path(a, net) == "20473")  # type: ignore[misc]
        wait(lambda net=net: "dev eth0" in kernel(a, net, number))  # type: ignore[misc]
    wait(lambda: "8.1.6.0/24" in filtered(a, 4) and "2600:6::/32" in filtered(a, 6))
    for net in HOPS.keys() - accepted:
        assert not path(a, net), net
        assert not kernel(a, net, number), net
    assert faults(log.said()) == []


def filtered(host: Host, version: int) -> str:
    return birdc(host, f"show route filtered protocol peer_up{version}")


# ---- routes that would cut the host off, with BIRD's routes in the main table ----------------------------------------


@pytest.mark.parametrize("version", [4, 6])
def test_a_neighbour_s_route_does_not_cover_the_way_to_another(lab: Lab, tmp_path: Path, version: int) -> None:
    """The transit provider announces what the multihop neighbour is in, and does not carry packets there."""
    address, local, net = {
        4: ("45.9.8.1", "203.0.113.10", "45.9.8.0/24"),
        6: ("2a09:8::1", "2001:db8:113::10", "2a09:8::/32"),
    }[version]
    text = NETWORK.format(form="", table="main")
    text += UP.format(version=version, asn=20473, address=address, local=local, more="")
    a = install(lab, "a", compiled(text + peer("a", "tr", 3356, "upstream"), tmp_path))
    routes = {4: "route 8.8.8.0/24 unreachable;", 6: "route 2600::/32 unreachable;"}
    provider = Provider(lab, a, 20473, {version: address}, routes, neighbour, "hold time 9;")
    provider.gateway.run(["ip", "route", "add", net, "via", "10.9.0.2" if version == 4 else "fd09::2"])
    covering = f"route {net} unreachable;"
    more = (covering, "") if version == 4 else ("", covering)
    tr = neighbour(lab, "tr", 3356, "45.30.0.0/24", "2a30::/48", *more)
    meet(lab, a, tr, asn=213000)
    log = begin(a)["a"]
    provider.far.start()
    wait(lambda: protocols(a)[f"peer_up{version}"] == "Established")
    tr.start()
    wait(lambda: path(a, net) == "3356" and kernel_route(a, "45.30.0.0/24"))
    assert not within(12, lambda: protocols(a)[f"peer_up{version}"] != "Established")
    assert not kernel(a, net, "main")
    assert kernel(a, {4: "8.8.8.0/24", 6: "2600::/32"}[version], "main")
    assert faults(log.said()) == []


TUNNEL = """
[hosts.a.tunnels.x]
kind = "vxlan"
vni = 77
address = "fe80::100/64"
remote = "{remote}"

[hosts.a.bgp.peers.up]
asn = 3333
role = "upstream"
address = "fe80::207"
tunnel = "x"
"""
FAR = """
protocol bgp far {
    local fe80::207 as 3333; neighbor fe80::100 as 213000; interface "vx"; hold time 9; local role provider;
    connect delay time 1; error wait time 1, 2;
    ipv4 { import all; export all; extended next hop on; next hop self on; };
    ipv6 { import all; export all; next hop self on; };
}
"""


@pytest.mark.parametrize(
    ("remote", "local", "net"),
    [("9.1.2.3", "203.0.113.10", "9.1.2.0/24"), ("2a09:8::3", "2001:db8:113::10", "2a09:8::/32")],
    ids=["4", "6"],
)
def test_the_way_to_a_tunnel_s_far_end_stays_outside(
    lab: Lab, tmp_path: Path, remote: str, local: str, net: str
) -> None:
    """The upstream in the tunnel announces the internet, and in it the far end of the tunnel."""
    text = NETWORK.format(form="", table="main") + TUNNEL.format(remote=remote)
    a = install(lab, "a", compiled(text, tmp_path))
    route = f"route {net} unreachable;"
    far = neighbour(lab, "far", 3333, "45.20.0.0/24", "2a20::/48", *(("", route) if ":" in net else (route, "")))
    near = ["203.0.113.10/24", "2001:db8:113::10/64"], ["203.0.113.1/24", "2001:db8:113::1/64"]
    lab.wire(a, "eth0", far.host, "ext0", a_addresses=near[0], b_addresses=near[1])
    far.host.run(["ip", "address", "add", remote, "dev", "lo"])
    a.run(["ip", "route", "add", "default", "via", "203.0.113.1"])
    a.run(["ip", "-6", "route", "add", "default", "via", "2001:db8:113::1"])
    made = ["type", "vxlan", "id", "77", "local", remote, "remote", local, "dstport", "4789"]
    far.host.run(["ip", "link", "add", "vx", *made])
    far.host.run(["ip", "address", "add", "fe80::207/64", "dev", "vx"])
    far.host.run(["ip", "link", "set", "vx", "up"])
    far.config += FAR
    log = begin(a)["a"]
    far.start()
    wait(lambda: path(a, net) == "3333" and kernel_route(a, "45.20.0.0/24") and kernel_route(a, "2a20::/48"))
    assert not within(12, lambda: protocols(a)["peer_up"] != "Established")
    assert "dev eth0" in a.run(["ip", "route", "get", remote]).stdout
    assert faults(log.said()) == []
