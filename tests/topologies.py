"""Topologies that netc accepts, for claims that hold for all of them; and TOML of a topology."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import combinations, pairwise, permutations
from typing import Any, get_args

from hypothesis import strategies as st

from netc.language.kinds import KINDS, LinkKind

Table = dict[str, Any]
Choose = Callable[[Sequence[Any]], Any]
"""One of these: by hypothesis, which shrinks what it finds, or at random by a seed."""

NAMES = ("edge", "home", "fra", "nyc", "a", "z-9")
LINKS: tuple[str, ...] = get_args(LinkKind)


def document(topology: Table) -> str:
    return "".join(f"{json.dumps(key)} = {written(value)}\n" for key, value in topology.items())


def written(value: object) -> str:
    """TOML, all in inline tables, so that every order of keys can be written."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {written(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return json.dumps(value)


def key(owner: str) -> str:
    return b64encode(sha256(owner.encode()).digest()).decode()


@dataclass
class Machine:
    """A host while it is thought of. `reach` is how others know it: both, v4, v6, nat or named."""

    name: str
    id: int
    reach: str
    wan: str | None
    devices: set[str] = field(default_factory=set)
    ports: set[int] = field(default_factory=set)

    @property
    def speaks(self) -> frozenset[int]:
        return frozenset({"v4": [4], "v6": [6], "nat": [4]}.get(self.reach, [4, 6]))

    @property
    def known(self) -> frozenset[int]:
        """Families of addresses that others can write into a tunnel without ports."""
        return frozenset({"both": [4, 6], "v4": [4], "v6": [6]}.get(self.reach, []))

    @property
    def dialled(self) -> frozenset[int]:
        return frozenset([4, 6]) if self.reach == "named" else self.known


@dataclass
class Line:
    """A link as forwards see it: families in which its ends share a subnet, and in which they have addresses apart."""

    name: str
    ends: Table

    @property
    def joined(self) -> set[int]:
        return {family for family, wide in self.families() if wide}

    @property
    def apart(self) -> set[int]:
        return {family for family, wide in self.families() if not wide}

    def families(self) -> list[tuple[int, bool]]:
        first = next(iter(self.ends.values()), {}).get("address", [])
        return [(6 if ":" in net else 4, not net.endswith("/32")) for net in first]


def permuted(families: tuple[int, ...]) -> list[tuple[int, ...]]:
    """What an end may have addresses of."""
    return [some for count in range(1, len(families) + 1) for some in permutations(families, count)]


def own(machine: Machine) -> dict[int, str]:
    """What its uplink holds."""
    if machine.reach == "nat":
        return {4: f"192.168.{machine.id}.2"}
    addresses = {4: f"198.51.{machine.id}.1", 6: f"2001:db8:{machine.id:x}::1"}
    return {family: addresses[family] for family in sorted(machine.known)}


FULL: Table = {
    "version": 1,
    "network": {"name": "full"},
    "hosts": {
        "a": {
            "id": 1,
            "wan": "eth0",
            "addresses": ["198.51.100.1/24", "2001:db8:1::1/64"],
            "public_key": key("a"),
            "offload": True,
            "docker": True,
            "tcp_congestion": "bbr",
            "metrics": "/var/lib/prometheus/node-exporter/netc.prom",
            "loopback": ["172.22.99.1/32", "fd42:99::1/128"],
            "bgp": {
                "member": 4225470001,
                "prefixes": "172.22.99.64/28",
                "region": 41,
                "table": "own",
                "learn": ["10.19.0.0/16", "fd19::/32"],
                "peers": {
                    "up": {
                        "asn": 64399,
                        "role": "upstream",
                        "address": "fe80::9",
                        "local": "fe80::5",
                        "interface": "ix0",
                        "limit": {"ipv4": 9, "ipv6": 8, "action": "disable"},
                        "export_limit": {"ipv4": 7, "action": "restart"},
                        "password": {"file": "/etc/netc/keys/up.password"},
                        "bfd": True,
                        "dn42": {"latency": 3, "bandwidth": 24, "crypto": 34},
                    },
                    "down": {
                        "asn": 64398,
                        "role": "downstream",
                        "address": "192.0.2.77",
                        "multihop": 3,
                        "prefixes": "172.21.8.0/21",
                        "gtsm": True,
                    },
                },
            },
            "tunnels": {
                "t": {
                    "kind": "wireguard",
                    "address": ["10.1.0.2/24", "fd01::2/64"],
                    "dns": "10.1.0.1",
                    "port": 1000,
                    "private_key": {"credential": "t.key"},
                    "peer": [
                        {
                            "public_key": key("stranger"),
                            "endpoint": "vpn.example.net:443",
                            "allowed_ips": ["0.0.0.0/0", "::/0"],
                            "preshared_key": {"credential": "t.psk"},
                            "keepalive": 15,
                        },
                        *(
                            {
                                "public_key": key(f"stranger {n}"),
                                "allowed_ips": f"10.1.{n}.0/24",
                                "preshared_key": {"credential": f"psk-{n}"},
                            }
                            for n in (7, 8, 9)
                        ),
                    ],
                },
                "six": {"kind": "6to4"},
                "esc": {
                    "kind": "wireguard",
                    "address": ["10.15.0.2/24", "fd15::2/64"],
                    "private_key": {"credential": "esc.key"},
                    "open": ["7002/tcp", {"ports": "7002-7003/udp", "from": "2001:db8::/32"}],
                    "peer": {
                        "public_key": key("escape"),
                        "endpoint": "192.0.2.12:443",
                        "allowed_ips": ["0.0.0.0/0", "::/0"],
                    },
                },
                "grey": {"kind": "gre", "remote": "192.0.2.11", "address": "10.16.0.0/31"},
                "in": {"kind": "gre", "remote": "192.0.2.9", "address": "10.2.0.0/31"},
                "safe": {
                    "kind": "tunsafe",
                    "interface": "tun0",
                    "config": "/etc/tunsafe/safe.conf",
                    "address": ["10.14.0.2/24", "fd14::2/64"],
                    "routes": ["10.15.0.0/16"],
                    "mtu": 1400,
                },
                "other": {
                    "kind": "external",
                    "interface": "tun1",
                    "start": ["/usr/sbin/prog", "--name", "it's link 1"],
                    "stop": ["/usr/sbin/prog", "--stop"],
                    "wait": 30,
                    "address": "10.13.0.2/24",
                },
            },
            "uplinks": {
                "first": {
                    "interface": "eth0",
                    "prefixes": ["198.51.100.1/24", "2001:db8:1::1/64"],
                    "gateway": ["198.51.100.254", "fe80::1"],
                    "preferred": True,
                },
                "second": {"interface": "eth1", "prefixes": "203.0.113.5/32", "gateway": "172.31.1.1", "mark": 77},
                "third": {"tunnel": "six", "gateway": "::192.0.2.88", "table": 12345},
            },
            "splits": {
                "g": {
                    "tunnel": "esc",
                    "group": "cavorite",
                    "direct": ["10.0.0.0/8", "2001:db8:d::/48", "private", "bad"],
                    "dns": ["10.15.0.1", "fd15::1"],
                    "command": "t",
                    "open": [{"ports": "7001/tcp", "from": ["192.0.2.0/24"]}],
                    "serve": ["53/udp", "7000-7010/udp"],
                },
                "i": {"tunnel": "grey", "interface": "eth5", "ipv6": "direct"},
                "o": {"tunnel": "grey", "user": "nobody", "mode": "except", "mark": 200},
                "s": {"tunnel": "esc", "source": ["10.17.0.0/24"], "table": 13999},
                "u": {"tunnel": "esc", "service": ["tr.service", "ss@x.service"], "dns": "10.15.0.1", "mark": 201},
                "v": {"tunnel": "esc", "slice": "media-video.slice", "mark": 202},
            },
            "namespaces": {
                "plain": {"tunnel": "in", "services": "mail@a.service"},
                "box": {
                    "bridge": "br0",
                    "address": ["10.11.0.2/24", "fd11::2/64"],
                    "dns": "10.1.0.1",
                    "services": "box.service",
                },
                "foreign": {"tunnel": "other", "services": "mail.service"},
                "n": {
                    "tunnel": "t",
                    "access": ["10.3.0.0/31", "fd03::/127"],
                    "services": ["web.service", "web.socket"],
                    "open": ["6881/tcp", {"ports": ["6881/udp", "6881-6889/udp"], "from": "192.0.2.0/24"}],
                    "publish": [
                        {"port": "80/tcp", "to": 8080, "on": "198.51.100.1", "allow": "192.0.2.0/24"},
                        {"port": "53/udp"},
                    ],
                },
            },
            "bridges": {
                "br0": {
                    "addresses": ["10.11.0.1/24", "fd11::1/64"],
                    "masquerade": True,
                    "publish": [
                        {"port": "81/tcp", "to": "box:80", "allow": "192.0.2.0/24"},
                        {"port": "82/udp", "to": ["10.11.0.3", "[fd11::3]:83"]},
                    ],
                },
                "br1": {"addresses": "10.12.0.1/24", "snat": "198.51.100.1", "interface": "lan"},
            },
            "firewall": {
                "allow": [
                    {"ports": ["9100/tcp", "53/udp"], "from": ["10.77.0.0/24", "fd77::/64", "office"]},
                    {"ports": "80-90/tcp", "interface": ["wg-b", "eth0"]},
                ],
                "deny": ["203.0.113.0/24", "bad"],
                "pass": {"from": "docker0", "to": "eth0"},
            },
        },
        "b": {"id": 2, "wan": "eth0", "addresses": ["198.51.101.1/24", "2001:db8:2::1/64"], "public_key": key("b")}
        | {"next_public_key": key("b next")}
        | {"loopback": ["172.22.99.2/32", "fd42:99::2/128"], "bgp": {"member": 4225470001}},
    },
    "bgp": {
        "asn": 64397,
        "internal": "confederation",
        "next_hop": "recursive",
        "reflectors": "a",
        "prefixes": ["172.22.99.0/24", "fd42:99::/48"],
        "profile": "dn42",
        "refuse": "172.20.53.0/24",
        "roa": [{"rtr": "rpki.example.net:8282"}, {"ipv6": "/etc/bird/roa6.conf"}],
        "flaps": {"rtr": "192.0.2.99:8283"},
    },
    "igp": {"kind": "ospf", "over": "vx"},
    "anycast": {
        "dns": {
            "addresses": ["172.22.99.53/32", "172.22.98.53/24", "fd42:99::53/128"],
            "hosts": ["a", "b"],
            "unicast": {"a": ["172.22.99.54/32", "fd42:99::54/128"]},
            "services": ["unbound.service", "unbound.socket"],
            "check": {"command": ["/usr/bin/dig", "it's"], "interval": "1m", "timeout": "900ms", "rise": 9, "fall": 8},
            "drain": "7s",
        },
        "web": {
            "addresses": "172.22.99.80/32",
            "hosts": "a",
            "services": "nginx.service",
            "check": {"command": "/bin/true"},
            "drain": "0s",
        },
    },
    "links": {
        "wg": {
            "kind": "wireguard",
            "between": ["a", "b"],
            "ends": {
                "a": {
                    "address": ["10.5.0.0/31", "fd05::/127"],
                    "routes": ["10.6.0.0/16"],
                    "table": 7001,
                    "keepalive": 9,
                    "preshared_key": {"file": "/etc/netc/keys/wg.psk"},
                },
                "b": {"address": ["10.5.0.1/31", "fd05::1/127"], "preshared_key": {"file": "/k"}},
            },
        },
        "gre": {"kind": "gre", "between": ["a", "b"], "key": 5, "ends": {"a": {"routes": ["10.7.0.0/16"]}}},
        "four": {"kind": "ipip", "between": ["a", "b"]},
        "over6": {"kind": "ip6gre", "between": ["a", "b"]},
        "vx": {
            "kind": "vxlan",
            "between": ["a", "b"],
            "ends": {
                "a": {"address": ["10.18.0.0/31", "fe80::1/64"]},
                "b": {"address": ["10.18.0.1/31", "fe80::2/64"]},
            },
        },
    },
    "meshes": {"m": {"hosts": "all", "interfaces": "shared", "subnet": "10.8.0.0/24", "port": 700}},
    "forwards": {
        "out": {"at": "a", "ports": ["8000/tcp", "8100-8200/udp"], "to": "b", "via": "wg", "bound": True},
        "hidden": {"at": "a", "ports": "8080/tcp", "to": "b:80", "via": "wg", "keep_source": False},
        "own": {"at": "b", "ports": "90/tcp", "to": "a", "via": "wg"},
        "behind": {"at": "b", "ports": "91/tcp", "to": ["a:10.9.0.9:9000", "a:fd09::9"], "via": "wg"},
        "inside": {"at": "b", "ports": "92-93/udp", "to": "a/n", "via": "wg"},
    },
    "sets": {
        "office": {"prefixes": ["192.0.2.0/25", "2001:db8:100::/48"]},
        "bad": {
            "prefixes": ["2001:db8:bad::/48", "2001:db9::/32", "192.0.2.0/24"],
            "sets": ["linklocal", "other"],
            "minus": ["office", "2001:db9:1:1::1/128"],  # which leaves a long list
            "ipset": "a",
        },
        "other": {"prefixes": ["203.0.113.64/26"]},
    },
}
"""A topology of two hosts that makes a fact of every kind, with a value in every field."""


def meet(one: Machine, other: Machine, family: set[int]) -> bool:
    return bool((one.speaks & other.dialled | other.speaks & one.dialled) & family)


@dataclass
class Maker:
    """Draws tables, and keeps count of what is given out: names, subnets, ports, tables."""

    choose: Choose
    kinds: Sequence[str] = tuple(KINDS)
    """Those that the kernel has."""
    count: int = 0
    pairs: set[tuple[str, ...]] = field(default_factory=set)
    replies: dict[tuple[str, str], str] = field(default_factory=dict)

    def next(self) -> int:
        self.count += 1
        return self.count

    def one(self, *values: Any) -> Any:
        return self.choose(values)

    def table(self, *tables: Table) -> Table:
        return self.choose(tables)

    def chance(self) -> bool:
        return self.choose((False, True))

    def some(self, values: list[Any]) -> list[Any]:
        return [value for value in values if self.chance()]

    def known(self, kinds: Iterable[str]) -> list[str]:
        return [kind for kind in kinds if kind in self.kinds]

    def unlike(self, values: Sequence[Any], count: int) -> list[Any]:
        """So many of them, each once."""
        left = list(values)
        return [left.pop(left.index(self.choose(left))) for _ in range(count)]

    def machines(self, least: int) -> list[Machine]:
        names = self.unlike(NAMES, self.one(*range(least, 5)))
        ids = self.unlike(range(1, 201), len(names))
        reaches = ("both", "both", "v4", "v6", "nat", "named")
        return [
            Machine(name, number, self.one(*reaches), self.one("eth0", "ens3", None))
            for name, number in zip(names, ids, strict=True)
        ]

    def host(self, machine: Machine) -> Table:
        n = machine.id
        table: Table = {"id": n, "public_key": key(machine.name)}
        addresses = [f"198.51.{n}.1/24"] * (4 in machine.known) + [f"2001:db8:{n:x}::1/64"] * (6 in machine.known)
        if machine.wan:
            table["wan"] = machine.wan
        if self.chance():
            table["netfilter"] = "iptables"
        if machine.reach == "nat":
            table |= {"addresses": [f"192.168.{n}.2/24"], "endpoint": False}
        elif machine.reach == "named":
            table["endpoint"] = f"{machine.name}.example.net"
        else:
            table["addresses"] = addresses
        if self.chance():
            table["mtu"] = self.one(1400, 1492, 9000)
        if self.chance():
            table["private_key"] = self.secret()
        if self.chance():
            table["tcp_congestion"] = "bbr"
        if self.chance():
            table["uplinks"] = {"other": self.uplink(machine)}
        return table

    def uplink(self, machine: Machine) -> Table:
        n = machine.id
        four, six = f"203.0.{n}.5/28", f"2001:db8:ff{n:02x}::5/64"
        nets = self.one([four], [six], [four, six])
        routers = [f"203.0.{n}.1"] * ("." in nets[0]) + ["fe80::1"] * (":" in nets[-1])
        table: Table = {"interface": "eth7", "prefixes": nets, "gateway": self.one(routers, False), "mark": 250}
        return table | self.table({}, {"table": 12999})

    def split(self, tunnel: Table, name: str) -> Table:
        six = carries(tunnel, 6)
        who = self.table(
            {"group": "g", "command": "gg"},
            {"group": "g", "mode": "except"},
            {"user": "u", "mode": "except"},
            {"service": ["sp.service", "sp@x.service"]},
            {"service": "sp.service", "mode": "except"},
            {"slice": "media-video.slice"},
            {"interface": "eth9"},
            {"source": ["10.77.0.0/16", "fd77::/32"]},
        )
        ipv6 = self.table({}, {"ipv6": "block"}, {"ipv6": "direct"}, *([{"ipv6": "tunnel"}] if six else []))
        there = ["10.64.0.1", "fd64::1"] if six and ipv6.get("ipv6", "tunnel") == "tunnel" else ["10.64.0.1"]
        direct = self.some(["private", "office", "10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32"])
        serve = self.table({}, {} if "interface" in who or "source" in who else {"serve": ["53/udp", "5000-5010/udp"]})
        said = self.table({}, {"dns": there}) | self.open(tunnel) | {"direct": direct} | serve
        return {"tunnel": name, "mark": 249} | who | ipv6 | said

    def open(self, tunnel: Table) -> Table:
        near = "192.0.2.0/24" if carries(tunnel, 4) else "2001:db8::/32"
        listed = self.some(["6881/tcp", {"ports": ["53/udp", "53-60/udp", "53/tcp"]}, {"ports": "1/tcp", "from": near}])
        return {"open": listed} if listed else {}

    def secret(self) -> Table:
        n = self.next()
        return self.table({"credential": f"key-{n}"}, {"file": f"/etc/netc/keys/k{n}.key"})

    def device(self, machine: Machine, derived: str) -> str | None:
        """A name to write, or None where the derived one is free and wanted."""
        if derived in machine.devices or len(derived) > 15 or self.chance():
            return f"if{self.next()}"
        machine.devices.add(derived)
        return None

    def port(self, machine: Machine, derived: int) -> int | None:
        if derived in machine.ports or self.chance():
            return 20000 + self.next()
        machine.ports.add(derived)
        return None

    def routes(self, kind: str) -> list[str]:
        n = self.next()
        prefixes = {4: f"172.{16 + n // 256}.{n % 256}.0/24", 6: f"fd99:{n:x}::/48"}
        return self.some([prefixes[family] for family in KINDS[kind].carries])

    def steering(self) -> Table:
        """A table of its own, with or without a priority."""
        n = self.next()
        return self.table(
            {}, {}, {"table": 7300 + n}, {"table": 7300 + n, "priority": 100 + n}, {"table": 10**6 + n, "priority": n}
        )

    # ---- links -------------------------------------------------------------------------------------------

    def link(self, one: Machine, other: Machine) -> Table | None:
        kind = self.one("wireguard", *self.known(LINKS))
        link: Table = {"kind": kind, "between": [one.name, other.name]}
        if kind == "wireguard":
            if not meet(one, other, {4, 6}):
                return None
        elif not self.plain(link, kind, one, other):
            return None
        if one.known == other.known == {4, 6} and KINDS[kind].chooses_family and self.chance():
            link["family"] = self.one("ipv4", "ipv6")
        if self.chance():
            link["mtu"] = 1280
        ends: tuple[Table, Table] = ({}, {})
        if self.chance():
            for end, addresses in zip(ends, self.addresses(kind), strict=True):
                end["address"] = addresses
        shared = kind == "wireguard" and self.chance()
        for near, far, end in ((one, other, ends[0]), (other, one, ends[1])):
            self.end(end, link, near, far, shared)
        link["ends"] = {near.name: end for near, end in zip((one, other), ends, strict=True) if end}
        return link

    def plain(self, link: Table, kind: str, one: Machine, other: Machine) -> bool:
        """The kernel tells such tunnels apart by their ends and, where the kind has one, by their key."""
        known = one.known & other.known
        if not known or KINDS[kind].outer not in (None, *known):
            return False
        pair = (kind, *sorted((one.name, other.name)))
        again = pair in self.pairs
        self.pairs.add(pair)
        if KINDS[kind].takes("KEY") and (again or self.chance()):
            link["key"] = self.next()
        elif KINDS[kind].form == "numbered":
            if again or self.chance():
                link["vni"] = self.next()
            if self.chance():
                link["port"] = 4700 + self.next()
        elif again:
            return False
        if self.chance():
            link["ttl"] = self.one(1, 64, 255)
        return True

    def addresses(self, kind: str) -> tuple[list[str], list[str]]:
        n = self.next()
        four = [f"10.{100 + n // 256}.{n % 256}"] * 2
        apart = () if KINDS[kind].ethernet else ((f"{four[0]}.7/32", f"{four[1]}.8/32"),)  # Ethernet has neighbours
        subnets = {
            4: self.one((f"{four[0]}.0/31", f"{four[1]}.1/31"), (f"{four[0]}.1/30", f"{four[1]}.2/30"), *apart),
            6: self.one((f"fd10:{n:x}::/127", f"fd10:{n:x}::1/127"), (f"fd10:{n:x}::a/64", f"fd10:{n:x}::b/64")),
        }
        families = self.one(*permuted(KINDS[kind].carries))
        return [subnets[family][0] for family in families], [subnets[family][1] for family in families]

    def end(self, end: Table, link: Table, near: Machine, far: Machine, shared: bool) -> None:
        kind = link["kind"]
        name = self.device(near, KINDS[kind].prefix + far.name)
        if name:
            end["interface"] = name
        if routes := self.routes(kind):
            held = {6 if ":" in net else 4 for net in end.get("address", [])}
            by_neighbour = KINDS[kind].ethernet
            routes = [to for to in routes if not by_neighbour or (6 if ":" in to else 4) in held]
        if routes:
            end |= {"routes": routes, **(self.steering() if "address" in end else {})}
        if kind != "wireguard":
            return
        if port := self.port(near, 51820 + far.id):
            end["port"] = port
        if shared:
            end["preshared_key"] = self.secret()
        if self.chance():
            end["keepalive"] = self.one(0, 15)
        if self.chance():
            end["private_key"] = self.secret()
        if self.chance():
            end["public_key"] = key(f"{near.name} {self.next()}")
        if self.chance():
            end["allowed_ips"] = ["0.0.0.0/0", "::/0"]
        if near.reach in ("both", "named") and self.chance():
            known = [f"vpn-{near.name}.example.org"] + [f"203.0.113.{near.id}"] * ("family" not in link)
            end["endpoint"] = f"{self.one(*known)}:{end.get('port', 51820 + far.id)}"

    # ---- meshes ------------------------------------------------------------------------------------------

    def mesh(self, machines: list[Machine]) -> Table | None:
        members = self.some(machines)
        outer: Table = self.one({}, {"family": "ipv4"}, {"family": "ipv6"})
        family = {"ipv4": {4}, "ipv6": {6}}.get(outer.get("family", ""), {4, 6})
        if len(members) < 2 or not all(meet(one, other, family) for one, other in combinations(members, 2)):
            return None
        n = self.next()
        everyone = len(members) == len(machines) and self.chance()
        mesh: Table = {"hosts": "all" if everyone else [member.name for member in members]}
        if self.chance():
            mesh |= {"interfaces": "shared", "port": 40000 + n}
            mesh["subnet"] = self.one([f"10.9.{n}.0/24"], [f"fd50:{n:x}::/64"], [f"10.9.{n}.0/24", f"fd50:{n:x}::/64"])
            mesh |= self.one({}, {"interface": f"mesh{n}"})
        else:
            mesh |= {"interfaces": "per-peer", "port": 41000 + 300 * n}
            mesh |= self.one({}, {"prefix": f"p{n}-"})
        return mesh | outer | self.table({}, {"mtu": 1280})

    # ---- forwards ----------------------------------------------------------------------------------------

    def forward(self, line: Line, edge: Machine, node: Machine, spaces: Table) -> Table | None:
        """One that visitors of an uplink come in by; None where no family of theirs could be served."""
        to, families, is_moved = self.target(node, spaces)
        arrive = own(edge)
        served = [address for family, address in arrive.items() if family in families & line.joined]
        if not served or edge.wan is None:
            return None
        forward: Table = {"at": edge.name, "to": to, "via": line.name, "keep_source": self.keeps(line, edge, node)}
        if edge.reach == "nat" or line.apart & arrive.keys() or self.chance():
            forward["on"] = served
        return self.heard(forward, is_moved)

    def target(self, node: Machine, spaces: Table) -> tuple[list[str], set[int], bool]:
        """Who serves, in which families, and whether at another port."""
        n = self.next()
        port = self.one("", f":{8000 + n}")
        behind = {4: f"10.30.{n}.20", 6: f"[fd30:{n:x}::20]" if port else f"fd30:{n:x}::20"}
        families: tuple[int, ...] = self.one((), (), (4,), (6,), (6, 4))
        if families:
            return [f"{node.name}:{behind[family]}{port}" for family in families], set(families), bool(port)
        space = self.one(None, *sorted(spaces))
        if space:
            inside = {
                6 if ":" in prefix else 4 for prefix in spaces[space].get("access") or spaces[space].get("address", [])
            }
            return [f"{node.name}/{space}{port}"], inside, bool(port)
        return [f"{node.name}{port}"], {4, 6}, bool(port)

    def keeps(self, line: Line, edge: Machine, node: Machine) -> bool:
        """Replies know one way to an edge, so one link of the two hosts can have them."""
        return self.chance() and self.replies.setdefault((node.name, edge.name), line.name) == line.name

    def heard(self, forward: Table, is_moved: bool) -> Table:
        """The ports; a UDP server of the host itself has to be told of its address."""
        first = 12000 + 8 * self.next()
        many = self.one(f"{first}", f"{first + 1}-{first + 5}") if not is_moved else f"{first}"
        forward["ports"] = [f"{many}/{protocol}" for protocol in self.one(("tcp",), ("udp",), ("udp", "tcp"))]
        is_local = len(forward["to"]) == 1 and not re.search(r"/|:.*[.:]", forward["to"][0])
        if is_local and forward["keep_source"] and any("udp" in ports for ports in forward["ports"]):
            forward["bound"] = True
        return forward

    def chained(self, first: Table, there: list[str], line: Line, edge: Machine, node: Machine) -> Table | None:
        """What arrives at `edge` by a link goes on to `node` by `line`."""
        on = [net.split("/")[0] for net in there]
        served = [ip for ip in on if (6 if ":" in ip else 4) in line.joined]
        if first["to"] != [edge.name] or first.get("bound") or node.name == first["at"] or not served:
            return None
        forward = {"at": edge.name, "to": node.name, "via": line.name, "ports": first["ports"], "on": served}
        is_kept = self.keeps(line, edge, node)
        return (
            forward | {"keep_source": is_kept} | ({"bound": True} if is_kept and "udp" in str(first["ports"]) else {})
        )

    # ---- firewalls ---------------------------------------------------------------------------------------

    def firewall(self, machine: Machine) -> Table:
        """At random, so that what every other feature draws is drawn with and without one."""
        if not self.chance():
            return {}
        sources = ["192.0.2.0/24", "2001:db8:113::/48", "office"]
        wall: Table = {"log": self.chance(), "deny": self.some(["203.0.113.128/25", "2001:db8:bad::/48", "bad"])}
        if self.chance():
            wall |= {"input": "accept"}
        else:
            ports = [f"{10000 + self.next()}/tcp", f"{10000 + self.next()}-11000/udp", "9-90/tcp"]
            ways = [{"ports": ports}, {"from": sources}, {"interface": ["docker0", "lan"]}, {"from": "office"}]
            wall["allow"] = [{"interface": "lan", **way, **self.table(*ways)} for way in self.some(ways)]
        if self.chance():
            wall |= {"forward": "accept"}
        elif machine.wan:
            wall["pass"] = self.some([{"from": "docker0", "to": machine.wan}, {"from": "lan", "to": "docker0"}])
        return {"firewall": wall}

    # ---- routing -----------------------------------------------------------------------------------------

    def way(self, one: Machine, other: Machine) -> Table | None:
        """Between two routers; of both families, so that it may be any IGP's."""
        kind = self.one(*self.known(("wireguard", "vxlan", "gre")))
        link: Table = {"kind": kind, "between": [one.name, other.name]} | self.table({}, {"cost": 1 + self.next()})
        if not (meet(one, other, {4, 6}) if kind == "wireguard" else self.plain(link, kind, one, other)):
            return None
        n = self.next()
        ends: Table = {}
        for number, (near, far) in enumerate(((one, other), (other, one))):
            ends[near.name] = {"address": [f"10.150.{n}.{number}/31"]}
            if name := self.device(near, KINDS[kind].prefix + far.name):
                ends[near.name]["interface"] = name
            if kind == "wireguard" and (port := self.port(near, 51820 + far.id)):
                ends[near.name]["port"] = port
        return link | {"ends": ends}

    def system(self, routers: list[str], over: list[str]) -> Table:
        """[bgp] and [igp], in every form."""
        igp = {"igp": {"kind": self.one("ospf", "babel"), "over": over}}
        members = {"members": {"base": 4225470000}}
        form, more = self.one(
            ({"internal": "confederation", "next_hop": "med", "over": over} | members, {}),
            ({"internal": "fake-confederation", "over": over} | members, {}),
            ({"internal": "confederation", "next_hop": "recursive"} | members, igp),
            ({"internal": "mesh"}, igp),
            ({"internal": "reflectors", "reflectors": routers[0]}, igp),
            ({}, igp),
        )
        if not form:
            return igp
        bgp = {"asn": 4242422547, "prefixes": ["172.20.0.0/24", "fd42:1::/48"], "profile": "dn42", **form}
        bgp |= self.table({}, {"bfd": False}) | self.table({}, {"roa": {"rtr": "rpki.example.net:8282"}})
        return {"bgp": bgp | self.table({}, {"flaps": {"ipv4": "/etc/bird/flap4.conf"}}), **more}

    def neighbours(self, machine: Machine) -> Table:
        found: Table = {}
        for name in self.some(["x", "y"]):
            n = self.next()
            peer: Table = {"asn": 4242420000 + n}
            peer["role"] = self.one("upstream", "peer", "downstream", "route-server", "collector")
            peer |= {"interface": f"ix{n}", "local": f"fe80::{machine.id:x}", "address": f"fe80:0:0:0:1::{n:x}"}
            if peer["role"] == "downstream":
                peer["prefixes"] = [f"172.21.{n}.0/24", f"fd43:{n:x}::/48"]
            peer |= self.table({}, {"gtsm": True}) | self.table({}, {"bfd": True})
            peer |= self.table({}, {"password": {"file": f"/etc/netc/keys/{name}.password"}})
            peer |= self.table({}, {"dn42": {"latency": 3, "bandwidth": 24, "crypto": 34}})
            found[name] = peer
        return {"peers": found} if found else {}

    # ---- tunnels and namespaces --------------------------------------------------------------------------

    def tunnel(self, machine: Machine, name: str, kind: str) -> Table:
        n = self.next()
        tunnel: Table = {"kind": kind}
        if kind in ("tunsafe", "external"):
            return self.program(n, kind)
        if device := self.device(machine, KINDS[kind].prefix + name):
            tunnel["interface"] = device
        if kind != "6to4":
            nets = {4: f"10.64.{n}.2/24", 6: f"fd64:{n:x}::2/64"}
            families = self.one(*permuted(KINDS[kind].carries))
            tunnel["address"] = [nets[family] for family in families]
        if self.chance():
            tunnel["mtu"] = 1280
        if kind == "wireguard":
            return tunnel | self.strangers(n)
        if kind == "6to4":
            return tunnel | {"local": f"203.0.113.{machine.id}"}
        tunnel["remote"] = f"2001:db8:fff0::{n:x}" if KINDS[kind].outer == 6 else f"192.0.2.{n}"
        if (KINDS[kind].outer or 4) not in machine.known or self.chance():
            tunnel["local"] = f"2001:db8:ffff::{machine.id:x}" if KINDS[kind].outer == 6 else f"203.0.113.{machine.id}"
        if KINDS[kind].form == "numbered":
            tunnel |= {"vni": 5000 + n} | self.one({}, {"port": 4800 + n})
        elif KINDS[kind].takes("KEY") and self.chance():
            tunnel["key"] = n
        return tunnel

    def program(self, n: int, kind: str) -> Table:
        tunnel: Table = {"kind": kind, "interface": f"tun{n}"} | self.table({}, {"mtu": 1300}, {"wait": 1 + n % 60})
        tunnel["address"] = self.one([f"10.64.{n}.2/24"], [f"10.64.{n}.2/32", f"fd64:{n:x}::2/64"])
        if kind == "tunsafe":
            return tunnel | {"config": f"/etc/tunsafe/t{n}.conf"}
        words = self.one([], ["--name", f"it's $({n})"], ["address", "link", "-", '"'])
        stop: Table = self.table(
            {}, {"stop": f"/usr/local/bin/stop-{n}"}, {"stop": [f"/usr/local/bin/stop-{n}", *words]}
        )
        return tunnel | {"start": [f"/usr/local/bin/start-{n}", *words]} | stop

    def strangers(self, n: int) -> Table:
        found: Table = self.one({}, {"port": 22000 + n}) | self.one({}, {"private_key": self.secret()})
        allowed: list[list[str]] = self.one([["0.0.0.0/0", "::/0"]], [["172.30.0.0/16"], ["172.31.0.0/16", "::/0"]])
        peers: list[Table] = [
            {"public_key": key(f"stranger {n} {i}"), "allowed_ips": ips} for i, ips in enumerate(allowed)
        ]
        for i, peer in enumerate(peers):
            places = (f"192.0.2.{n}", f"[2001:db8:fff1::{n:x}]", f"p{n}.example.com")
            peer["endpoint"] = f"{self.one(*places)}:{51820 + i}"
            peer |= self.one({}, {"preshared_key": self.secret()})
            peer |= self.one({}, {"keepalive": 15})
        return found | {"peer": peers} | self.table({}, {"dns": ["10.64.0.1", "fd64::1"]})

    def outside(self, tunnel: Table) -> Table:
        """What a tunnel may have that stays among the host's own."""
        if tunnel["kind"] == "wireguard":
            return {"routes": ["172.31.7.0/24"], **self.steering()} if self.chance() and not self.taken() else {}
        if not KINDS[tunnel["kind"]].ethernet and (routes := self.routes(tunnel["kind"])):
            return {"routes": routes, **self.steering()}
        return {}

    def taken(self) -> bool:
        """One tunnel routes what its strangers are allowed to have; a second one would route the same."""
        again = ("routes",) in self.pairs
        self.pairs.add(("routes",))
        return again

    def namespace(self, machine: Machine, name: str, tunnel: str, there: Table) -> Table:
        n = self.next()
        prefixes = {4: self.one(f"10.200.{n}.0/31", f"10.200.{n}.0/30"), 6: f"fd20:{n:x}::/127"}
        families: tuple[int, ...] = self.one((), (4,), (6,), (4, 6), (6, 4))
        space: Table = {"tunnel": tunnel, "access": [prefixes[family] for family in families]}
        if device := self.device(machine, f"ve-{name}"):
            space["interface"] = device
        if self.chance():
            space["dns"] = ["10.64.0.53", "fd64::53"]
        units = ["web.service", "dns.socket", "ss@x.service", "ss@y.service"]
        space["services"] = [f"{name}-{unit}" for unit in self.some(units)]
        space |= self.open(there)
        if families:
            space["publish"] = [self.publish(machine, families) for _ in range(self.one(0, 1, 3))]
        return space

    # ---- bridges -----------------------------------------------------------------------------------------

    def bridge(self, machine: Machine, name: str) -> tuple[Table, Table]:
        """A bridge, and namespaces on it."""
        n = self.next()
        families: tuple[int, ...] = self.one((4,), (6,), (4, 6), (6, 4))
        nets = {4: [f"10.40.{n}.", "/24"], 6: [f"fd40:{n:x}::", "/64"]}
        bridge: Table = {"addresses": [nets[family][0] + "1" + nets[family][1] for family in families]}
        if device := self.device(machine, name):
            bridge["interface"] = device
        out: list[Table] = [{}]
        if machine.wan:
            out += [{"masquerade": True}]
            out += (
                [{"snat": snat}] if (snat := [ip for family, ip in own(machine).items() if family in families]) else []
            )
        bridge |= self.table(*out)
        spaces: Table = {}
        for number in range(self.one(0, 1, 2)):
            inside = self.some(list(families)) or [families[0]]
            space = {
                "bridge": name,
                "address": ["".join(nets[family]).replace("/", f"{7 + number}/") for family in inside],
            }
            if device := self.device(machine, f"ve-{name}-{number}"):
                space["interface"] = device
            spaces[f"{name}-{number}"] = space | self.table(
                {}, {"dns": "9.9.9.9", "services": f"{name}-{number}.service"}
            )
        known = [family for family in families if family in own(machine)]
        targets = [[nets[family][0] + end for family in known] for end in ("20", "21")]
        targets += [
            [space] for space in spaces if any((6 if ":" in a else 4) in known for a in spaces[space]["address"])
        ]
        if known:
            bridge["publish"] = [self.to_container(self.one(*targets)) for _ in range(self.one(0, 1, 2))]
        return bridge, spaces

    def to_container(self, to: list[str]) -> Table:
        n = self.next()
        if self.chance():
            to = [(f"[{place}]" if ":" in place else place) + f":{80 + n}" for place in to]
        found: Table = {"port": f"{14000 + n}/{self.one('tcp', 'udp')}", "to": to}
        families = [6 if place.count(":") > 1 else 4 for place in to if not place[0].isalpha() or "::" in place]
        sources = {4: "203.0.113.0/24", 6: "2001:db8:113::/48"}
        if allow := self.some([sources[family] for family in families]):
            found["allow"] = allow
        return found

    def publish(self, machine: Machine, families: tuple[int, ...]) -> Table:
        n = self.next()
        found: Table = {"port": f"{9000 + n}/{self.one('tcp', 'udp')}"} | self.one({}, {"to": 80 + n})
        held = own(machine)
        if on := self.some([held[family] for family in families if family in machine.known]):
            found["on"] = on
        shown = {6 if ":" in address else 4 for address in on} or set(families)
        sources = {4: ["203.0.113.0/24", "192.0.2.0/25"], 6: ["2001:db8:113::/48"]}
        if allow := self.some([prefix for family in sorted(shown) for prefix in sources[family]]):
            found["allow"] = allow
        return found


@st.composite
def topologies(draw: st.DrawFn, least_hosts: int = 1) -> Table:
    make = Maker(lambda values: draw(st.sampled_from(values)))
    return drawn(make, make.machines(least_hosts))


def drawn(make: Maker, machines: list[Machine]) -> Table:
    hosts = {machine.name: make.host(machine) for machine in machines}
    pairs = [pair for pair in combinations(machines, 2) for _ in range(2)]
    links = [link for pair in make.some(pairs) if (link := make.link(*pair))]
    meshes = [mesh for _ in range(make.one(0, 1, 2)) if (mesh := make.mesh(machines))]
    for machine in machines:
        hosts[machine.name] |= tunnels(make, machine) | make.firewall(machine)
        for name in make.some(["br0", "containers"]):
            bridge, spaces = make.bridge(machine, name)
            hosts[machine.name].setdefault("bridges", {})[name] = bridge
            hosts[machine.name]["namespaces"] |= spaces
    named = {f"l{number}": link for number, link in enumerate(links)}
    system, ways = routing(make, machines, hosts)
    return without_empty(
        {
            "version": 1,
            "network": {"name": "drawn"},
            "hosts": hosts,
            **system,
            "links": named | ways,
            "meshes": {f"m{number}": mesh for number, mesh in enumerate(meshes)},
            "forwards": forwards(make, {machine.name: machine for machine in machines}, hosts, named),
            "sets": {
                "office": {"prefixes": ["198.18.0.0/16", "2001:db8:1ce::/48", "198.18.7.0/24"]},
                "bad": {
                    "prefixes": make.one("198.19.0.0/16", ["2001:db8:bad::/48"], ["0.0.0.0/0", "::/0"]),
                    **make.table({}, {"sets": ["linklocal", "office"]}, {"minus": ["private", "198.19.7.1/32"]}),
                    **make.table({}, {"ipset": True}, {"ipset": machines[0].name} if machines else {}),
                },
            },
        }
    )


def without_empty(table: Table) -> Table:
    """Lists of which nothing was drawn are left out: an empty list is an error."""
    return {key: _without_empty(value) for key, value in table.items() if value != []}


def _without_empty(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_empty(item) for item in value]
    return without_empty(value) if isinstance(value, dict) else value


def routing(make: Maker, machines: list[Machine], hosts: Table) -> tuple[Table, Table]:
    """[bgp] and [igp], and the links that they are over: a chain of as many machines as can be one."""
    ways: list[Table] = []
    for one, other in pairwise(machines if make.one(True, True, False) else []):
        way = make.way(one, other)
        if way is None:
            break
        ways.append(way)
    if not ways:
        return {}, {}
    named = {f"r{number}": way for number, way in enumerate(ways)}
    routers = machines[: len(ways) + 1]
    system = make.system([machine.name for machine in routers], [*named])
    for machine in routers:
        own: Table = {"loopback": [f"172.20.0.{machine.id}/32", f"fd42:1::{machine.id:x}/128"]}
        if "bgp" in system:
            own["bgp"] = make.table(
                {}, {"drain": True}, {"region": 41}, {"table": "own"}, {"learn": "10.99.0.0/16"}
            ) | make.neighbours(machine)
        hosts[machine.name] |= own
    return system, named


def forwards(make: Maker, machines: dict[str, Machine], hosts: Table, links: Table) -> Table:
    found: list[Table] = []
    ways = [(Line(name, link.get("ends", {})), *link["between"]) for name, link in links.items()]
    ways += [(line, other, one) for line, one, other in ways]
    for line, at, to in make.some(ways * 3):
        forward = make.forward(line, machines[at], machines[to], hosts[to]["namespaces"])
        if not forward:
            continue
        found.append(forward)
        there = line.ends[to]["address"]
        onward = [way for way in ways if way[1] == to and way[0] is not line and make.chance()]
        hosts[at] |= make.table({}, {"docker": True}, {} if "netfilter" in hosts[at] else {"offload": True})
        chains = (make.chained(forward, there, way, machines[edge], machines[node]) for way, edge, node in onward)
        found += [chain for chain in chains if chain][:1]
    return {f"f{number}": forward for number, forward in enumerate(found)}


def tunnels(make: Maker, machine: Machine) -> Table:
    kinds = [make.one(*make.known(KINDS), "wireguard") for _ in range(make.one(0, 1, 2, 3))]
    if kinds.count("6to4") > 1:
        kinds = [*dict.fromkeys(kinds)]
    found = {f"t{number}": make.tunnel(machine, f"t{number}", kind) for number, kind in enumerate(kinds)}
    inside = make.some([name for name in found if found[name]["kind"] != "6to4"])
    spaces = {f"n-{name}": make.namespace(machine, f"n-{name}", name, found[name]) for name in inside}
    found = {name: tunnel | ({} if name in inside else make.outside(tunnel)) for name, tunnel in found.items()}
    free = [
        name
        for name, tunnel in found.items()
        if name not in inside and tunnel["kind"] in ("wireguard", "gre", "ip6gre", "ipip") and carries(tunnel, 4)
    ]
    chosen = make.some(free)[:1]
    splits = {"s": make.split(found[chosen[0]], chosen[0])} if chosen else {}
    return {"tunnels": found, "namespaces": spaces, "splits": splits}


def carries(tunnel: Table, family: int) -> bool:
    return any((6 if ":" in net else 4) == family for net in tunnel.get("address", []))
