"""Random topologies that mix all features, each by its seed: what `netc` accepts is built, judged, and brought up.

`topologies.drawn` draws hosts, links, meshes, forwards, tunnels, namespaces, bridges, filters and routers. This adds
what is drawn rarely or not at all there: uplinks that are preferred or tunnels, several splits, imported tunnels,
anycast, neighbours by tunnel, lists beside the topology, and more kinds of addresses.

    PYTHONPATH=tests python -m mixed [BUILT [UP [SEED]]]
"""

from __future__ import annotations

import random
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count, islice
from typing import Any

from msgspec import Struct

from live.needs import has_gre
from netc.diagnostic import InvalidTopology, Severity
from netc.language.kinds import KINDS
from netc.language.x25519 import public_key
from netc.network.interface import Network
from netc.pipeline import compile_hosts, understand
from netc.verify import Outcome, verify_all
from topologies import Machine, Maker, Table, carries, document, drawn, key, own


class Mixed(Struct, frozen=True):
    """A topology that netc accepts, by the seed that draws it again. `private`: private keys, by the public ones."""

    seed: str
    text: str
    topology: Table
    files: dict[str, str]
    network: Network
    private: dict[str, str]


LAB = tuple(kind for kind in KINDS if has_gre() or kind not in ("gre", "ip6gre", "ipip", "sit", "6to4"))
"""Kinds that this kernel has. The stock one, of `make vm`, has all."""


def mixed(seed: str, *, is_lab: bool = False) -> tuple[Table, dict[str, str]]:
    """A topology and the files beside it. It is not said that netc accepts it. `is_lab`: it can come up where nothing
    has booted, so no split is of services, whose control groups systemd makes."""
    make = Maker(random.Random(seed).choice, LAB if is_lab else tuple(KINDS))
    machines = make.machines(1)
    topology = drawn(make, machines)
    files: dict[str, str] = {}
    for machine in machines:
        host = topology["hosts"][machine.name]
        basics(make, machine, host)
        imported(make, host, files)
        by_tunnel(make, machine, host)
        splits(make, host)
        bridged(make, machine, host)
        if "bgp" in topology and "bgp" in host:
            routers(make, machine, host)
    if "bgp" in topology:
        whole_system(make, topology, machines)
    lists(make, topology, files)
    for host in topology["hosts"].values() if is_lab else ():
        host["splits"] = {n: split for n, split in host["splits"].items() if not {"service", "slice"} & split.keys()}
    return topology, files


def accepted(seed: str, refused: Counter[str] | None = None, *, is_lab: bool = False) -> Iterator[Mixed]:
    """Those that netc accepts, without end; the others are counted by the codes of their errors."""
    for n in count():
        name = f"{seed}-{n}"
        topology, files = mixed(name, is_lab=is_lab)
        text, private = with_pairs(document(topology))
        files = {file: with_pairs_in(said, private) for file, said in files.items()}
        try:
            network = understand(text, "mixed.toml", files.__getitem__).network
        except InvalidTopology as found:
            if refused is not None:
                refused["all"] += 1
                errors = [each for each in found.diagnostics if each.severity == Severity.ERROR]
                refused.update({f"{each.code}" for each in errors})
            continue
        yield Mixed(name, text, topology, files, network, private)


def with_pairs(text: str) -> tuple[str, dict[str, str]]:
    """The public keys that it has are none that anybody has a private key of: those, taken as private ones, have."""
    private = {public_key(old): old for old in re.findall(r'"([A-Za-z0-9+/]{43}=)"', text)}
    for public, old in private.items():
        text = text.replace(old, public)
    return text, private


def complaints(many: Iterable[Mixed]) -> Iterator[str]:
    """What judges say of their files, with the seed; what is alike in many of them is read once."""
    hosts = ((f"{made.seed} {host}", files) for made in many for host, files in compile_hosts(made.network))
    for host, _, verdicts in verify_all(hosts):
        for verdict in verdicts:
            if verdict.outcome == Outcome.FAILED:
                yield f"{host}: {verdict.judge}: {verdict.subject}: {verdict.detail}"


def with_pairs_in(text: str, private: dict[str, str]) -> str:
    """The same for a provider's file."""
    for old in re.findall(r"(?m)^PublicKey = ([A-Za-z0-9+/]{43}=)$", text):
        private[public_key(old)] = old
        text = text.replace(old, public_key(old))
    return text


# ---- what is added ---------------------------------------------------------------------------------------


def basics(make: Maker, machine: Machine, host: Table) -> None:
    host |= make.table({}, {}, {"ssh": 2222}) | make.table({}, {"docker": True})
    if "netfilter" not in host and "wan" in host and (host["namespaces"] or host.get("bridges")):
        host |= make.table({}, {}, {"offload": True})
    others = host.setdefault("uplinks", {})
    if machine.wan and "addresses" in host and machine.reach != "nat" and make.chance():
        held = list(host["addresses"])
        routers = [f"198.51.{machine.id}.254"] * ("." in held[0]) + ["fe80::1"] * (":" in held[-1])
        others["own"] = {"interface": machine.wan, "prefixes": held, "gateway": routers}
        if "other" in others and make.chance():
            others["other"]["preferred"] = True
        elif make.chance():
            others["own"]["preferred"] = True
    if not others:
        del host["uplinks"]


def imported(make: Maker, host: Table, files: dict[str, str]) -> None:
    """A provider's file, as wg-quick has it; in a namespace or not."""
    if not make.one(False, False, True):
        return
    n = make.next()
    nets = make.one([f"10.65.{n}.2/32"], [f"10.65.{n}.2/32", f"fd65:{n:x}::2/128"], [f"10.65.{n}.2/24"])
    lines = ["[Interface]", f"Address = {', '.join(nets)}", f"PrivateKey = {key(f'private {n}')}"]
    lines += make.some(["DNS = 10.64.0.1", "MTU = 1320"])
    lines += ["", "[Peer]", f"PublicKey = {key(f'provider {n}')}", f"Endpoint = 192.0.2.{n % 250}:51820"]
    lines += ["AllowedIPs = 0.0.0.0/0, ::/0", *make.some(["PersistentKeepalive = 25"])]
    files[f"imported-{n}.conf"] = "\n".join(lines) + "\n"
    tunnel: Table = {"kind": "wireguard", "import": f"imported-{n}.conf", "interface": f"im{n}"}
    host["tunnels"][f"im{n}"] = tunnel
    if make.chance():
        space: Table = {"tunnel": f"im{n}", "services": [f"im{n}.service"], "open": ["60729/tcp"]}
        space |= make.table({}, {"access": f"10.201.{n}.0/31", "publish": [{"port": f"{15000 + n}/tcp"}]})
        host["namespaces"][f"im{n}"] = space
    else:
        tunnel |= {"routes": [f"172.28.{n}.0/24"]} | make.steering()


def free(host: Table, *kinds: str) -> list[str]:
    """Tunnels that nothing uses yet."""
    used = {each.get("tunnel") for what in ("namespaces", "splits", "uplinks") for each in host.get(what, {}).values()}
    return [
        name
        for name, tunnel in host["tunnels"].items()
        if tunnel["kind"] in kinds and name not in used and "import" not in tunnel and "table" not in tunnel
    ]


def by_tunnel(make: Maker, machine: Machine, host: Table) -> None:
    """An uplink that is a tunnel; and a tunnel whose outer packets another one carries."""
    for name in make.some(free(host, "wireguard", "gre", "sit", "6to4", "ip6gre"))[:1]:
        tunnel = host["tunnels"][name]
        tunnel.pop("routes", None)
        uplink: Table = {"tunnel": name} | make.table({}, {"mark": 248}, {"table": 12998})
        if tunnel["kind"] == "6to4":
            uplink["gateway"] = "::192.88.99.1"
        elif carries(tunnel, 6) and make.chance():
            uplink["prefixes"] = [f"2001:db8:fe{machine.id:02x}::/48"]
        host.setdefault("uplinks", {})["tunnelled"] = uplink
        for peer in tunnel.get("peer", [])[:1]:
            peer["allowed_ips"] = ["0.0.0.0/0", "::/0"]
        tunnel["peer"] = tunnel.get("peer", [])[:1] or None
        if not tunnel["peer"]:
            del tunnel["peer"]


def splits(make: Maker, host: Table) -> None:
    """Several, over one tunnel or over several."""
    kinds_of_splits = ("wireguard", "gre", "ip6gre", "ipip", "external", "tunsafe")
    able = [name for name in free(host, *kinds_of_splits) if carries(host["tunnels"][name], 4)]
    kinds: list[Table] = [
        {"group": "gx", "command": "gx"},
        {"user": "ux"},
        {"service": "another.service"},
        {"slice": "other.slice"},
        {"interface": "eth8"},
        {"source": ["10.78.0.0/16"]},
    ]
    for n, who in enumerate(make.some(kinds) if able else []):
        name = make.one(*able)
        more = make.table({}, {"dns": "10.64.0.1"}, {"direct": ["private", "office"]}) | make.open(
            host["tunnels"][name]
        )
        host["splits"][f"x{n}"] = {"tunnel": name, "mark": 200 + n} | who | more


def bridged(make: Maker, machine: Machine, host: Table) -> None:
    """Hetzner's: a /64 that is routed to the host, on its bridge; and ports of one address alone."""
    shown = {family: ip for family, ip in own(machine).items() if family in machine.known}
    for name, bridge in host.get("bridges", {}).items():
        for entry in bridge.get("publish", []):
            ends = {6 if to.count(":") > 1 else 4 for to in entry["to"] if not to[0].isalpha()}
            if ends and ends <= shown.keys() and "allow" not in entry and make.chance():
                entry["on"] = [shown[family] for family in sorted(ends)]
        if name == "br0" and 6 in machine.known and make.one(False, False, True):
            n = machine.id
            bridge["addresses"] = [*bridge["addresses"], f"2001:db8:{n:x}:1::1/64"]
    if "firewall" in host and "pass" in host["firewall"] and host.get("bridges"):
        name = make.one(*host["bridges"])
        device = host["bridges"][name].get("interface", name)
        host["firewall"]["pass"] += make.some([{"from": device, "to": "lan"}, {"from": "lan", "to": device}])


def routers(make: Maker, machine: Machine, host: Table) -> None:
    """Neighbours by each kind of address, and by tunnel."""
    peers = host["bgp"].setdefault("peers", {})
    n = make.next()
    for name in make.some(free(host, "wireguard", "gre", "sit", "ip6gre"))[:1]:
        tunnel = host["tunnels"][name]
        for peer in tunnel.get("peer", []):
            peer["allowed_ips"] = ["0.0.0.0/0", "::/0"]
        del tunnel.get("peer", [None])[1:]
        tunnel.pop("routes", None)
        tunnel["address"] = [f"fe80::{n:x}/64"]
        if 4 in KINDS[tunnel["kind"]].carries and make.chance():
            tunnel["address"].insert(0, f"172.20.0.{200 + n % 50}/32")
        peers["tunnelled"] = {"asn": 4242430000 + n, "role": "peer", "tunnel": name, "address": "fe80::fffe"} | limits(
            make
        )
    family = make.one(*machine.known) if machine.known and machine.wan else None
    if family and make.chance():
        at = {4: (f"198.51.{machine.id}.9", f"198.51.{machine.id}.1"), 6: (f"2001:db8:{machine.id:x}::9",) * 2}[family]
        peers["near"] = {"asn": 4242431000 + n, "role": make.one("upstream", "peer"), "address": at[0]} | limits(
            make, family
        )
        peers["near"] |= {"local": own(machine)[family], "interface": machine.wan}
    if make.chance():
        far = make.one("192.0.2.201", "2001:db8:fff2::201")
        peers["far"] = {"asn": 4242432000 + n, "role": "collector", "address": far, "multihop": make.one(2, 255)}
    if not peers:
        del host["bgp"]["peers"]
    host["bgp"] |= make.table({}, {"country": 1276}, {"router_id": f"10.255.0.{machine.id}"})


def limits(make: Maker, family: int = 6) -> Table:
    """Over IPv6 a session carries IPv4 too (RFC 8950)."""
    limit = (
        {"ipv4": 90}
        | ({"ipv6": 80} if family == 6 else {})
        | {"action": make.one("warn", "block", "disable", "restart")}
    )
    return (
        make.table({}, {"limit": limit}) | make.table({}, {"export_limit": limit}) | make.table({}, {"local_pref": 150})
    )


def whole_system(make: Maker, topology: Table, machines: list[Machine]) -> None:
    """What the AS has as a whole; and anycast on some of its routers."""
    system, hosts = topology["bgp"], topology["hosts"]
    system |= make.table({}, {"refuse": ["172.20.53.0/24"]})
    if "roa" not in system:
        system |= make.table({}, {"roa": {"ipv4": "/etc/bird/roa4.conf", "ipv6": "/etc/bird/roa6.conf"}})
    if "roa" in system:
        system |= make.table({}, {"roa_unknown": "accept"})
    routers = [machine.name for machine in machines if "bgp" in hosts[machine.name]]
    for number, name in enumerate(make.some(["dns", "web"])):
        where = make.some(routers) or routers[:1]
        addresses = make.one(["172.20.0.19{}/32"], ["fd42:1::20{}/128"], ["172.20.0.19{}/32", "fd42:1::20{}/128"])
        service: Table = {
            "addresses": [address.format(number) for address in addresses],
            "hosts": where,
            "services": make.one(f"any-{name}.service", [f"any-{name}.service", f"any-{name}.socket"]),
            "check": {"command": ["/bin/true", "it's $(x)"]} | make.table({}, {"interval": "1m", "timeout": "900ms"}),
        }
        service |= make.table({}, {"drain": "0s"})
        if "." in addresses[0] and make.chance():
            service["unicast"] = {where[0]: [f"172.20.0.18{number}/32"]}
        topology.setdefault("anycast", {})[name] = service


def lists(make: Maker, topology: Table, files: dict[str, str]) -> None:
    if make.chance():
        found = [f"198.18.{make.next()}.0/24", "2001:db8:11::-2001:db8:11::ff", "198.19.7.1-198.19.7.9 # a range"]
        files["list.txt"] = "\n".join(["; made up", *make.some(found), "203.0.113.200"]) + "\n"
        topology["sets"]["office"]["files"] = "list.txt"


FEATURES: dict[str, Any] = {
    "links": lambda t: t["links"],
    "meshes": lambda t: t["meshes"],
    "forwards": lambda t: t["forwards"],
    "bgp": lambda t: t.get("bgp"),
    "igp": lambda t: t.get("igp"),
    "anycast": lambda t: t.get("anycast"),
    **{
        what: lambda t, what=what: any(host.get(what) for host in t["hosts"].values())
        for what in ("tunnels", "namespaces", "splits", "bridges", "uplinks", "firewall", "offload", "docker", "ssh")
    },
    "iptables": lambda t: any(host.get("netfilter") for host in t["hosts"].values()),
    "tcp": lambda t: any(host.get("tcp_congestion") for host in t["hosts"].values()),
}


def features(topology: Table) -> list[str]:
    return [name for name, has in FEATURES.items() if has(topology)]


def main(built: int = 1000, up: int = 200, seed: str = "day") -> int:
    """Prints the figures, and each failure with the seed that repeats it: how many there were."""
    failures = _built(built, seed) + _brought_up(up, seed)
    print(f"{failures} failures")
    return failures


def _built(wanted: int, seed: str) -> int:
    refused: Counter[str] = Counter()
    seen: Counter[str] = Counter()

    def counted() -> Iterator[Mixed]:
        for n, made in enumerate(islice(accepted(seed, refused), wanted)):
            seen.update(["hosts"] * len(made.topology["hosts"]) + features(made.topology))
            if n % 50 == 49:
                print(f"{n + 1} compiled", flush=True)
            yield made

    failures = 0
    for complaint in complaints(counted()):
        failures += 1
        print(f"FAILED {complaint}", flush=True)
    share = refused["all"] / (refused["all"] + wanted or 1)
    print(f"{wanted} built and judged; {share:.1%} of those drawn were refused: {dict(refused)}")
    print("with", ", ".join(f"{name} {number}" for name, number in seen.most_common()), flush=True)
    return failures


def _brought_up(wanted: int, seed: str) -> int:
    from live.mixed import tried

    failures = hosts = 0
    for n, made in enumerate(islice(accepted(f"{seed}-up", is_lab=True), wanted)):
        hosts += len(made.topology["hosts"])
        for host, wrong in tried(made).items():
            failures += 1
            print(f"FAILED {made.seed} {host}: {wrong}", flush=True)
        if n % 10 == 9:
            print(f"{n + 1} brought up, {hosts} hosts", flush=True)
    print(f"{wanted} brought up, {hosts} hosts")
    return failures


if __name__ == "__main__":
    words = sys.argv[1:]
    sys.exit(main(*map(int, words[:2]), *words[2:]) > 0)
