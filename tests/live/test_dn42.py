"""The examples dn42.toml and dn42-fake.toml as they are: five routers, three neighbours, and two anycast services."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL

import pytest

from live.birds import with_birds
from live.compiled import EXAMPLES, compiled, give_key, install, script, up
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.needs import has_gre
from live.routers import ASN, Neighbour, begin, birdc, faults, neighbour, path, reached, settled
from live.traffic import dns, lookup
from netc.lab.process import Process
from netc.lab.waiting import wait

pytestmark = pytest.mark.live

OURS = {
    "hkg": ("eth0", "198.51.100.10/25", "2001:db8:1::10/64"),
    "lax": ("ens3", "203.0.113.20/24", "2001:db8:2::20/64"),
    "sgp": ("eth0", "198.51.100.130/25", "2001:db8:3::30/64"),
    "nyc": ("eth0", "203.0.113.140/25", "2001:db8:4::40/64"),
    "ams": ("eth0", "203.0.113.140/25", "2001:db8:4::40/64"),
    "fra": ("eth0", "192.0.2.50/26", "2001:db8:5::50/64"),
}
EAST, WEST, FRIEND, CACHE = "192.0.2.201", "192.0.2.77", "192.0.2.99", "192.0.2.222"
OTHERS = """
version = 1
network.name = "others"

[hosts.east]
id = 1
addresses = "{EAST}/24"
firewall.allow = {{ ports = ["179/tcp", "3784/udp", "33434-33534/udp"] }}
[hosts.east.tunnels.us]
kind = "wireguard"
address = "fe80::2601/64"
port = 22547
peer = {{ public_key = "{hkg}", endpoint = "198.51.100.10:22601", allowed_ips = ["0.0.0.0/0", "::/0"] }}

[hosts.west]
id = 2
addresses = "{WEST}/24"
firewall.allow = {{ ports = ["179/tcp", "3784/udp", "33434-33534/udp"] }}
[hosts.west.tunnels.us]
kind = "wireguard"
address = "fe80::207/64"
port = 22547
peer = {{ public_key = "{lax}", endpoint = "203.0.113.20:20207", allowed_ips = ["0.0.0.0/0", "::/0"] }}

[hosts.friend]
id = 3
addresses = "{FRIEND}/24"
firewall.allow = {{ ports = ["179/tcp", "3784/udp", "33434-33534/udp"] }}
[hosts.friend.tunnels.us]
kind = "gre"
remote = "192.0.2.50"
address = "fe80::3999/64"
"""
WORLD = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
EAST4, EAST6 = "172.20.26.0/26", "fd26:100::/48"
WEST4, WEST6 = "172.20.207.0/24", "fd02:700::/48"
FRIEND4, FRIEND6 = "172.21.99.0/26", "fd39:9900::/48"
OWN4, OWN6 = "172.22.76.184/29", "fdbc:f9dc:67ad::/48"
ANNOUNCED = {4242422601: (EAST4, EAST6), 4242420207: (WEST4, WEST6), 4242423999: (FRIEND4, FRIEND6)}
ROAS = {net: asn for asn, nets in ANNOUNCED.items() for net in nets}
KEYS = {
    "east": "kJfAP7Xlx58fhpu4Pmj4lZHBhiyR84m+6gojSdGzjjw=",
    "west": "Qoe1VYOdIm3fPkBAuZ6f2zXUasEDMuCsOHeIDIpsCkA=",
}
"""Whose other halves only they have."""

HIJACKED = "172.23.0.0/24"
"""Of east, who has no ROA for it."""

RTR = Path(__file__).with_name("rtr.py")
DIG = """#!/bin/bash
for word; do [[ $word != @* ]] || exec 3<>"/dev/tcp/${word#@}/53"; done
"""
CURL = """#!/bin/bash
page=${!#} && page=${page#http://[} && exec 3<>"/dev/tcp/${page%%]*}/80" || exit
printf 'GET %s HTTP/1.0\\r\\n\\r\\n' "${page#*]}" >&3 && sed '1,/^\\r$/d' <&3
"""
SERVERS = {"hkg": "10.1.0.1", "lax": "10.1.0.2"}
"""What the resolvers of the network answer, each its own."""


def spoken(text: str) -> str:
    """With neighbours whose keys are known, checks where a host of the lab can have programs, and less patience. A
    kernel without GRE has VXLAN there."""
    for name, given in KEYS.items():
        text = text.replace(given, public_key(private_key(name)))
    text = text.replace("/usr/bin/", "/usr/local/bin/").replace('interval = "5s"', 'interval = "2s"')
    if not has_gre():
        text = text.replace('kind = "gre"', 'kind = "vxlan"').replace("remote = ", "vni = 7\nremote = ")
    return text


class Net:
    """All hosts are on one wire, where everything is next door."""

    def __init__(self, lab: Lab, folder: Path, example: str) -> None:
        trees = compiled(spoken((EXAMPLES / f"{example}.toml").read_text()), folder)
        self.world = lab.switch("world")
        self.checkers: list[Process] = []
        self.ours = {name: install(lab, name, trees) for name in OURS if name in trees}
        for name, host in self.ours.items():
            self.plug(host, *OURS[name])
        ours = self.ours
        for host in ours.values():
            for program, text in (("dig", DIG), ("curl", CURL)):
                host.write(f"/usr/local/bin/{program}", text, 0o755)
        give_key(ours["hkg"], "dn42-east", "hkg")
        give_key(ours["lax"], "dn42-west", "lax")
        ours["lax"].write("/etc/netc/keys/west.password", "between-us\n", 0o600)
        self.who_may_announce_what(lab)
        self.logs = begin(*ours.values())
        ours["hkg"].run(script("tunnel-dn42-east", "endpoints"))
        self.others(lab, folder)
        settled(*ours.values(), *(far.host for far in (self.east, self.west, self.friend)))

    def plug(self, host: Host, device: str, *addresses: str) -> None:
        self.world.plug(host, device, *addresses)
        for net in WORLD:
            host.run(["ip", "route", "replace", net, "dev", device])
        names = {"east.example.net": EAST, "rpki.example.net": CACHE}
        host.write("/etc/hosts", "".join(f"{address} {name}\n" for name, address in names.items()))

    def who_may_announce_what(self, lab: Lab) -> None:
        cache = lab.host("cache")
        self.plug(cache, "eth0", f"{CACHE}/24")
        listed = [f"{net},{net.partition('/')[2]},{asn}" for net, asn in ROAS.items()]
        cache.start(["python3", "-I", "-c", RTR.read_text(), "8282", *listed]).wait_for("listens")
        for host in self.ours.values():
            for six, file in ((False, "roa_dn42"), (True, "roa_dn42_v6")):
                host.write(f"/etc/bird/{file}.conf", allowed(six))

    def others(self, lab: Lab, folder: Path) -> None:
        keys = {name: public_key(private_key(name)) for name in ("hkg", "lax")}
        addresses = {"EAST": EAST, "WEST": WEST, "FRIEND": FRIEND}
        trees = compiled(spoken(OTHERS.format(**keys, **addresses)), folder / "others")
        self.east = neighbour(lab, "east", 4242422601, EAST4, EAST6, f"route {HIJACKED} unreachable;")
        self.west = neighbour(lab, "west", 4242420207, WEST4, WEST6)
        self.friend = neighbour(lab, "friend", 4242423999, FRIEND4, FRIEND6)
        password = 'password "between-us";'
        ends = ((self.east, EAST, "fe80::2601"), (self.west, WEST, "fe80::207"), (self.friend, FRIEND, "fe80::3999"))
        for far, outer, address in ends:
            far.host.lay(trees[far.host.name])
            give_key(far.host, "us", far.host.name)
            self.plug(far.host, "eth0", f"{outer}/24")
            up(far.host)
            device = far.host.run(["bash", "-c", "ip -o link show group 77"]).stdout.split(": ")[1].partition("@")[0]
            far.session(device, address, "fe80::2547", ASN, more=password if far is self.west else "")
            far.start()

    def serve(self, name: str) -> None:
        """The resolver or the page that the topology says is there."""
        host = self.ours[name]
        if name in SERVERS:
            dns(host, SERVERS[name], "172.22.76.190", "fdbc:f9dc:67ad::53", namespace="anycast-dns")
        else:
            host.write("/var/page/where", name)
            page = ["python3", "-m", "http.server", "--bind", "fdbc:f9dc:67ad::80", "--directory", "/var/page", "80"]
            host.start(page, namespace="anycast-www")
        service = "dns" if name in SERVERS else "www"
        self.checkers.append(host.start([f"/etc/netc/parts/anycast-{service}/health"]))


def allowed(six: bool) -> str:
    """ROAs of a family, in BIRD's words."""
    nets = ((net, asn) for net, asn in ROAS.items() if (":" in net) == six)
    return "".join(f"route {net} max {net.partition('/')[2]} as {asn};\n" for net, asn in nets)


def page_of(host: Host) -> str:
    """Which host shows the page to this one."""
    ask = ["timeout", "2", "bash", "-c", CURL, "curl", "http://[fdbc:f9dc:67ad::80]/where"]
    return host.run(ask, check=False).stdout


def resolver_of(host: Host) -> str | None:
    """Which host looks names up for this one."""
    found = lookup(host, "example.dn42")
    return next((name for name, answer in SERVERS.items() if answer == found), None)


@dataclass(frozen=True)
class Expected:
    """Where the page is, and who is nearest to whom."""

    pages: tuple[str, str]
    resolver: dict[str, str]
    page: dict[str, str]
    page_of_west: str


FORMS = {
    "dn42": Expected(("fra", "sgp"), {"sgp": "hkg", "nyc": "lax", "fra": "lax"}, {"hkg": "sgp", "nyc": "fra"}, "fra"),
    "dn42-fake": Expected(
        ("ams", "sgp"), {"sgp": "hkg", "ams": "lax", "fra": "lax"}, {"hkg": "sgp", "fra": "ams"}, "ams"
    ),
}


MIXED = {"hkg": "3.1", "lax": "2.17", "nyc": "2.17", "fra": "3.1", "east": "2.17", "west": "3.1"}
"""The BIRD of each host; the others have that of Debian 12."""


@pytest.mark.parametrize("example", [*FORMS, "dn42 of many BIRDs"])
def test_the_network_of_an_example_works(lab: Lab, tmp_path: Path, example: str) -> None:
    example, _, mixed = example.partition(" ")
    with with_birds(MIXED) if mixed else nullcontext():
        net = Net(lab, tmp_path, example)
    form, ours, east, west, friend = FORMS[example], net.ours, net.east, net.west, net.friend
    neighbours_see_one_as(net, east, west, friend)
    assert [fault for log in net.logs.values() for fault in faults(log.said())] == []

    # Whoever is nearest answers, to us and to neighbours.
    for name in (*SERVERS, *form.pages):
        net.serve(name)
    for host in (*ours.values(), east.host, west.host, friend.host):
        host.write("/etc/resolv.conf", "nameserver 172.22.76.190\n")
    for name, nearest in form.resolver.items():
        wait(lambda name=name, nearest=nearest: resolver_of(ours[name]) == nearest)  # type: ignore[misc]
    for name, nearest in form.page.items():
        wait(lambda name=name, nearest=nearest: page_of(ours[name]) == nearest)  # type: ignore[misc]
    assert resolver_of(friend.host) == resolver_of(west.host) == "lax"
    assert resolver_of(east.host) == "hkg"
    assert page_of(east.host) == "sgp"

    # A host dies: the other one answers, what went through it goes around, and its neighbour is told of by nobody.
    ours["hkg"].run(["ip", "link", "set", "eth0", "down"])
    wait(lambda: resolver_of(ours["sgp"]) == "lax")
    for far in (west, friend):
        wait(lambda far=far: path(far.host, EAST4) is None)  # type: ignore[misc]
    for there in ("172.22.76.187", "172.22.76.189"):
        wait(lambda there=there: reached(west.host, west.four, there))  # type: ignore[misc]
    assert page_of(west.host) == form.page_of_west
    for checker in net.checkers:
        checker.stop(SIGKILL)  # or each would drain


def neighbours_see_one_as(net: Net, east: Neighbour, west: Neighbour, friend: Neighbour) -> None:
    """Each is told what it is to be told, by one AS, and packets go there."""
    told = [(far, other) for far in (east, west, friend) for other in (east, west, friend) if far is not other]
    for far, other in told:
        for net in ANNOUNCED[other.asn]:
            wait(lambda f=far.host, n=net, o=other: path(f, n) == f"{ASN} {o.asn}")  # type: ignore[misc]
        wait(lambda far=far, other=other: reached(far.host, far.four, other.four))  # type: ignore[misc]
        wait(lambda far=far, other=other: reached(far.host, far.six, other.six))  # type: ignore[misc]
    for far in (east, west, friend):
        assert path(far.host, OWN4) == path(far.host, OWN6) == str(ASN)
        said = birdc(far.host, "show route all")
        assert "42254700" not in said
        assert HIJACKED not in said or far is east
        for id in range(1, 6):
            wait(lambda far=far, id=id: reached(far.host, far.four, f"172.22.76.{184 + id}"))  # type: ignore[misc]
            wait(lambda far=far, id=id: reached(far.host, far.six, f"fdbc:f9dc:67ad::{id}"))  # type: ignore[misc]
