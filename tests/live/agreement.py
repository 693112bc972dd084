"""Paper beside the kernel: a topology as its own lab, packets at class edges, and what each of the two says of them."""

from __future__ import annotations

import itertools
import json
import random
import re
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec.structs import replace
from netaddr import IPAddress, IPNetwork

from live.lab import Host, Lab
from live.mixed import CREDENTIALS, PROGRAM, _secrets
from live.process import Process as Started
from live.routers import birdc, protocols
from live.waiting import within
from mixed import Mixed
from netc.emit import emit
from netc.language.names import DnsName
from netc.language.values import Ports
from netc.language.x25519 import public_key
from netc.network.dialling import public
from netc.network.interface import Peer
from netc.pipeline import compile_hosts
from netc.pipeline import plan as plan_host
from netc.plan.facts import Bridge, Checker, Foreign, PlainTunnel, Router, Wireguard
from netc.plan.host_plan import HostPlan
from netc.plan.image import Wire
from netc.walk import wires
from netc.walk.bird import world
from netc.walk.journey import Journey, Neighbour, Process, Start, Stranger, journey
from netc.walk.kernel import Walk
from netc.walk.outer import carried, is_known_beyond, peer_for
from netc.walk.packet import TCP, UDP, Owner, Packet, described
from netc.walk.places import visitor
from netc.walk.stack import LO, SOMEWHERE, Device, Place, Stack
from netc.walk.wires import router
from netc.walk.world import World, dialled, far_of, is_strange
from topologies import key

AGENT = Path(__file__).with_name("agent.py")
FIRST = 61000
NUMBERS = {"g": 901, "gx": 902, "cavorite": 903, "u": 911, "ux": 912}
"""Groups and users of random topologies and of the examples."""
ALL_UP = """
while read -r part; do
    [[ $part != '#'* ]] || continue
    bash "/etc/netc/parts/$part/up" || { echo "$part failed"; exit 1; }
    [[ ! -e /etc/netc/parts/$part/endpoints ]] || bash "/etc/netc/parts/$part/endpoints" || true
done </etc/netc/order
"""
FAR = {4: "192.88.99.77", 6: "2600:77::77"}
"""Somebody beyond a stranger's end of a tunnel."""
GATEWAY, NEAR = IPAddress("169.254.1.1"), IPAddress("169.254.2.1")
"""Of the internet before a host, and of a host before machines behind it: a host takes no ARP from its own address."""


@dataclass
class Probe:
    """One packet, and what paper says of it."""

    number: int
    start: Start
    packet: Packet
    paper: Journey

    @property
    def text(self) -> str:
        who = self.start if not isinstance(self.start, Stranger) else "internet"
        return f"{self.number}: {who}: {described(self.packet)}"


@dataclass
class Seen:
    """What the kernels did with it. `got`: places that got it, with the source that they saw."""

    got: set[tuple[str, str]] = field(default_factory=set)
    answered: bool = False
    there: set[tuple[str, str]] = field(default_factory=set)
    back: set[tuple[str, str]] = field(default_factory=set)


@dataclass
class Agreed:
    """Figures of one topology, and every difference in words."""

    packets: int = 0
    arrived: int = 0
    false_accepts: list[str] = field(default_factory=list)
    false_drops: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    @property
    def figures(self) -> str:
        counts = f"{len(self.false_accepts)} false accepts, {len(self.false_drops)} false drops"
        return f"{self.packets} packets, {self.arrived} arrived: {counts}, {len(self.others)} other differences"

    @property
    def differences(self) -> list[str]:
        return [*self.false_accepts, *self.false_drops, *self.others]


def agreed(made: Mixed, count: int = 25, *, keep: bool = False) -> Agreed:
    """Brings it up, sends packets, and compares."""
    plans = [plan_host(host, made.network) for host in sorted(made.network.topology.hosts)]
    paper = world(plans, userspace=not Path("/sys/module/wireguard").exists())
    with Lab() as lab, TemporaryDirectory() as folder:
        times = [time.monotonic()]
        scene = Scene(lab, made, paper, Path(folder))
        scene.build()
        times.append(time.monotonic())
        probes = list(drawn(paper, random.Random(made.seed), count, scene))
        times.append(time.monotonic())
        seen = scene.sent(probes)
        times.append(time.monotonic())
        if keep:
            print("seconds", [round(b - a, 1) for a, b in itertools.pairwise(times)])
        found = compared(paper, probes, seen, scene)
        if keep and found.differences:
            for line in found.differences:
                print(line)
        return found


# ---- the lab -------------------------------------------------------------------------------------------------


class Scene:
    """All hosts, a world between them that answers for the internet, a place for each stranger at a tunnel, and a
    container behind each bridge."""

    def __init__(self, lab: Lab, made: Mixed, paper: World, folder: Path, *, mutant: bool = False) -> None:
        """`mutant`: files are made of the plans of `paper`, which are not those of the topology."""
        self.lab, self.made, self.paper, self.folder = lab, made, paper, folder
        self.mutant = mutant
        self.hosts: dict[str, Host] = {}
        self.world = lab.host("world")
        self.strangers: dict[tuple[object, str], str] = {}
        """Namespaces of the world, by stack and device."""
        self.by_peer: dict[tuple[object, str, str], str] = {}
        self.ends: dict[tuple[object, str], set[str]] = {}
        """All of a device."""
        self.at: dict[IPAddress, set[tuple[object, str]]] = {}
        """Devices whose other ends are at an address. The lab has one machine at each."""
        self.containers: dict[tuple[object, str], tuple[Host, str, dict[int, str]]] = {}
        self.late: list[str] = []
        self.lines: list[str] = []

    def build(self) -> None:
        mutated = ((host, emit(one)) for host, one in self.paper.plans.items())
        for name, files in mutated if self.mutant else compile_hosts(self.made.network):
            for file in files:
                path = self.folder / name / file.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(file.text)
                path.chmod(file.mode)
        names = [str(name) for name in self.paper.plans]
        with ThreadPoolExecutor(3) as several:
            self.hosts = dict(zip(names, several.map(self.lab.host, names), strict=True))
        self._world()
        for name in self.hosts:
            self._wires(name)
            self._prepare(name)
        for stack, device in list(self.paper.devices()):
            if isinstance(device.made, Wireguard | PlainTunnel) and is_strange(self.paper, stack, device):
                self._stranger(stack, device)
        with ThreadPoolExecutor(3) as several:
            flushed = several.submit(self._flush)
            list(several.map(lambda name: self._up(name, self.hosts[name]), self.hosts))
        flushed.result()
        if self.late:
            raise RuntimeError("\n".join(self.late))
        self._routers()
        self._behind()
        self._met()

    # -- wires ------------------------------------------------------------------------------------------------

    def _world(self) -> None:
        settings = ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.ip_nonlocal_bind=1"]
        settings += [
            "net.ipv6.ip_nonlocal_bind=1",
            "net.ipv4.conf.all.rp_filter=0",
            "net.ipv4.conf.default.rp_filter=0",
        ]
        settings += ["net.ipv4.conf.all.accept_local=1", "net.ipv4.icmp_ratelimit=0"]
        self._in_world(
            "sysctl -qw " + " ".join(settings),
            "ip -4 route add local 0.0.0.0/0 dev lo table local",
            "ip -6 route add local ::/0 dev lo table local",
            "nft add table inet world",
            "nft 'add chain inet world input { type nat hook input priority 100; }'",
            "nft 'add chain inet world leaving { type nat hook postrouting priority 100; }'",
            "nft 'add chain inet world arriving { type filter hook prerouting priority -300; }'",
        )

    def _in_world(self, *lines: str) -> None:
        """Later, all at once: to begin a shell there takes a while."""
        self.lines += lines

    def _flush(self) -> None:
        said = "set -E; trap 'echo failed: $BASH_COMMAND' ERR\n" + "\n".join(self.lines)
        self.world.run(["bash", "-e", "-s"], input=said)
        self.lines.clear()

    def _wires(self, name: str) -> None:
        plan = self.paper.plans[next(host for host in self.paper.plans if host == name)]
        stack = self.paper.stacks[plan.host, None]
        host = self.hosts[name]
        for number, wire in enumerate(plan.around.wires):
            device = stack.devices[wire.device]
            far = f"{name[:8]}-{number}"
            held = [str(net) for net in device.networks]
            self.lab.wire(host, str(wire.device), self.world, far, a_addresses=held, mtu=wire.mtu)
            self._in_world(*self._far(device, far, stack))
            host.run(["bash", "-ec", "\n".join(self._near(wire, far))])

    def _far(self, device: Device, far: str, stack: Stack) -> Iterator[str]:
        """The world's end: a router for each address of the host, and a translator for private ones."""
        yield f"sysctl -qw net.ipv4.conf.{far}.proxy_arp=1 net.ipv4.conf.{far}.send_redirects=0"
        yield f"ip address add {GATEWAY}/32 dev {far}"
        yield f"ip address add fe80::1/64 dev {far} nodad"
        for net in device.networks:
            alone = 32 if net.version == 4 else 128
            yield f"ip -{net.version} route replace {net.ip}/{alone} dev {far} table local"
            if not public(net.ip):
                yield from self._translated(stack, device, far, net)
        for prefix, there, by in self.paper.brought:
            if there is stack and by is device:
                via = next(net.ip for net in device.networks if net.version == prefix.version)
                yield f"ip -{prefix.version} route replace {prefix} via {via} dev {far} onlink table local"
        for net in self._others(stack, device):
            ip = "ip" if net.version == 4 else "ip6"
            own = [str(one.cidr) for one in device.networks if one.version == net.version]
            but = f"{ip} daddr != {{ {', '.join(own)} }} " if own else ""
            yield f"nft 'add rule inet world arriving iifname {far} {ip} saddr {net} {but}drop'"
        for family in (4, 6):
            own = [str(net.cidr) for net in device.networks if net.version == family and not public(net.ip)]
            inner = {4: "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10", 6: "fc00::/7"}[family]
            ip = "ip" if family == 4 else "ip6"
            for end in ("saddr", "daddr"):
                but = f"{ip} {end} != {{ {', '.join(own)} }} " if own else ""
                yield f"nft 'add rule inet world arriving iifname {far} {ip} {end} {{ {inner} }} {but}drop'"

    def _others(self, stack: Stack, device: Device) -> Iterator[IPNetwork]:
        """What belongs to other uplinks of the host: a provider lets no such source in (BCP 38)."""
        for other in stack.devices.values():
            if isinstance(other.made, Wire) and other is not device:
                yield from (net.ip for net in other.networks if public(net.ip))
        yield from (net for net, there, by in self.paper.brought if there is stack and by is not device)

    def _translated(self, stack: Stack, device: Device, far: str, net: IPNetwork) -> Iterator[str]:
        shown = IPAddress(router(self.paper, stack.place, device, 4 if net.version == 4 else 6), net.version)
        ip = "ip" if net.version == 4 else "ip6"
        inner = {4: "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10", 6: "fc00::/7"}[net.version]
        for chain in ("input", "leaving"):
            words = f"iifname {far} {ip} saddr {net.cidr} {ip} daddr != {{ {inner} }} snat {ip} to {shown}"
            yield f"nft 'add rule inet world {chain} {words}'"

    def _near(self, wire: Wire, far: str) -> Iterator[str]:
        for ip in wire.gateways:
            if not ip.is_link_local():
                self._in_world(f"ip address add {ip}/{32 if ip.version == 4 else 128} dev {far}")
        for family in wire.defaults:
            gateway = next((ip for ip in wire.gateways if ip.version == family), None)
            if gateway is None or gateway.is_link_local():
                gateway = GATEWAY if family == 4 else IPAddress("fe80::1")
            yield f"ip -{family} route add default via {gateway} dev {wire.device} onlink"
        yield f"sysctl -qw net.ipv4.conf.{wire.device}.rp_filter=0"

    # -- strangers at tunnels ---------------------------------------------------------------------------------

    def _stranger(self, stack: Stack, device: Device) -> None:
        fact = device.made
        ends: list[tuple[str, list[str], list[IPAddress]]] = []
        if isinstance(fact, Wireguard):
            own = self.paper.born(stack)
            for number, peer in enumerate(fact.peers):
                if far_of(self.paper, fact, peer) is None and (at := dialled(self.paper, own, peer, None)):
                    ends.append((f"w{len(self.strangers)}-{number}", [], [IPAddress(at[1], at[0])]))
                    self.by_peer[stack.place, device.name, str(peer.public_key)] = ends[-1][0]
                    ends[-1][1].extend(self._wireguard(ends[-1][0], self.hosts[str(stack.place[0])], fact, peer, at[2]))
        elif isinstance(fact, PlainTunnel) and fact.kind == "vxlan" and fact.remote:
            name = f"w{len(self.strangers)}-0"
            ways = f"dstport {fact.port} local {fact.remote} remote {fact.local}"
            ends.append((name, [f"ip -n {name} link add {name}i type vxlan id {fact.vni} {ways}"], [fact.remote]))
        for name, lines, at_ in ends:
            for ip in at_:
                self.at.setdefault(ip, set()).add((stack.place, device.name))
            self.strangers.setdefault((stack.place, device.name), name)
            self.ends.setdefault((stack.place, device.name), set()).add(name)
            self._in_world(
                *self._place(name, at_), *lines, *self._inside(name, stack, device, self._families(name, stack, device))
            )
            self._in_world(*self._beyond(name, stack, device))

    def _wireguard(self, name: str, host: Host, fact: Wireguard, peer: Peer, port: int) -> Iterator[str]:
        private = self.made.private[peer.public_key]
        own = self._own_key(fact, host)
        yield f"umask 077; echo {private} >/run/{name}.key"
        enter = f"ip netns exec {name}"
        yield f"{enter} wireguard-go {name}i >/dev/null 2>&1"
        shared = ""
        if peer.preshared_key:
            yield f"echo {host.read(secret_path(str(peer.preshared_key))).strip()} >/run/{name}.psk"
            shared = f" preshared-key /run/{name}.psk"
        said = f"listen-port {port} peer {own}{shared} allowed-ips 0.0.0.0/0,::/0"
        yield f"{enter} wg set {name}i private-key /run/{name}.key {said}"

    def _own_key(self, fact: Wireguard, host: Host) -> str:
        if fact.identity and fact.identity.public_key:
            return str(fact.identity.public_key)
        return public_key(host.read(secret_path(str(fact.private_key))).strip())

    def _place(self, name: str, at: list[IPAddress]) -> Iterator[str]:
        """A namespace of the world's, behind a cable of its own."""
        yield f"ip netns add {name}"
        yield f"ip -n {name} link set lo up"
        yield f"ip link add {name} type veth peer name out netns {name}"
        yield f"ip netns exec {name} sysctl -qw net.ipv6.conf.out.accept_dad=0 net.ipv4.conf.all.rp_filter=0 \
            net.ipv4.conf.default.rp_filter=0 net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
            net.ipv4.ip_nonlocal_bind=1 net.ipv6.ip_nonlocal_bind=1"
        yield f"sysctl -qw net.ipv6.conf.{name}.accept_dad=0 net.ipv4.conf.{name}.proxy_arp=1"
        yield f"ip link set {name} up; ip -n {name} link set out up"
        yield f"ip address add {GATEWAY}/32 dev {name}; ip address add fe80::1/64 dev {name} nodad"
        yield f"ip -n {name} address add fe80::2/64 dev out nodad"
        for ip in at:
            yield f"ip -n {name} address add {ip}/{32 if ip.version == 4 else 128} dev out"
            yield f"ip -{ip.version} route replace {ip} dev {name} table local"
        yield f"ip -n {name} -4 route add default via {GATEWAY} dev out onlink"
        yield f"ip -n {name} -6 route add default via fe80::1 dev out"

    def _inside(self, name: str, stack: Stack, device: Device, leads: set[int]) -> Iterator[str]:
        """The provider's end of the tunnel: it has every private address, and translates those of its customer."""
        yield f"ip -n {name} link set {name}i mtu {device.mtu or 1420} up"
        yield f"ip netns exec {name} sysctl -qw net.ipv4.conf.{name}i.proxy_arp=1"
        for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"):
            yield f"ip -n {name} -4 route add local {net} dev lo table local"
        yield f"ip -n {name} -6 route add local fc00::/7 dev lo table local"
        near = [IPAddress(net.first + 77, net.version) for net in device.networks if net.size > 256]
        for ip in (*map(IPAddress, FAR.values()), *near):
            yield f"ip -n {name} -{ip.version} route replace local {ip} dev lo table local"
        chain = "add chain inet w p { type nat hook postrouting priority 100; }"
        yield f"ip netns exec {name} nft 'add table inet w; {chain}'"
        for net in device.networks:
            ip, alone = ("ip", 32) if net.version == 4 else ("ip6", 128)
            if net.ip.is_link_local():
                continue
            yield f"ip -n {name} -{net.version} route replace {net.ip}/{alone} dev {name}i table local"
            if net.version not in leads:
                continue
            family = 4 if net.version == 4 else 6
            shown = IPAddress(router(self.paper, stack.place, device, family), family)
            if public(net.ip):
                yield f"ip -{family} route replace {net.ip}/{alone} via {self._via(family, name)} table local"
            else:
                inner = {4: "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16", 6: "fc00::/7"}[family]
                words = f"oifname out {ip} saddr {{ {inner} }} snat {ip} to {shown}"
                yield f"ip netns exec {name} nft 'add rule inet w p {words}'"
                yield f"ip -{family} route replace {shown}/{alone} via {self._via(family, name)} table local"
        for prefix, there, by in self.paper.brought:
            if there is stack and by is device:
                yield f"ip -n {name} -{prefix.version} route replace {prefix} dev {name}i table local"
                yield f"ip -{prefix.version} route replace {prefix} via {self._via(prefix.version, name)} table local"

    def _families(self, name: str, stack: Stack, device: Device) -> set[int]:
        """Those in which this end, of several of a device, leads to the internet."""
        if not isinstance(device.made, Wireguard):
            return {4, 6}
        at = (stack.place, device.name)
        peers = [peer for peer in device.made.peers if self.by_peer.get((*at, str(peer.public_key))) == name]
        return {net.version for peer in peers for net in peer.allowed_ips if net.prefixlen == 0}

    def _beyond(self, name: str, stack: Stack, device: Device) -> Iterator[str]:
        """It knows the networks behind its customer, and a provider answers none of them."""
        nets = [
            net
            for one in self.paper.born(stack).devices.values()
            if isinstance(one.made, Bridge)
            for net in one.networks
        ]
        fact = device.made
        peer = (
            next(
                (p for p in fact.peers if self.by_peer.get((stack.place, device.name, str(p.public_key))) == name), None
            )
            if isinstance(fact, Wireguard)
            else None
        )
        for net in nets:
            family = 4 if net.version == 4 else 6
            yield f"ip -n {name} -{family} route replace {net.cidr} dev {name}i table local"
            if peer and not is_known_beyond(self.paper, device, peer, family, int(net.ip)):
                ip = "ip" if family == 4 else "ip6"
                chain = "add chain inet w a { type filter hook prerouting priority -300; }"
                rule = f"add rule inet w a iifname {name}i {ip} saddr {net.cidr} drop"
                yield f"ip netns exec {name} nft '{chain}; {rule}'"

    def _via(self, family: int, name: str) -> str:
        return f"fe80::2 dev {name}" if family == 6 else f"inet6 fe80::2 dev {name}"

    # -- hosts ------------------------------------------------------------------------------------------------

    def _prepare(self, name: str) -> None:
        """What a host has before netc comes."""
        host = self.hosts[name]
        settings = self.made.topology["hosts"][name]
        tree = self.folder / name
        lines = ["sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0"]
        # With br_netfilter, a packet to its sender's own published port would have to leave by the bridge port that it
        # came in by, which a bridge does only in hairpin mode.
        lines += ["sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 2>/dev/null"]
        lines += [f"groupadd -f -g {NUMBERS[one]} {one}" for one in ("g", "gx", "cavorite")]
        lines += [f"useradd -M -u {NUMBERS[one]} {one} 2>/dev/null || true" for one in ("u", "ux")]
        host.run(["bash", "-c", "\n".join(lines)])
        self._programs(host, settings)
        _secrets(host, tree, self.made)
        self._shared_secrets(name, host)
        self._names(host, name)
        if settings.get("docker"):
            docker = ("$each -N DOCKER-USER", "$each -A FORWARD -j DOCKER-USER", "$each -P FORWARD DROP")
            host.run(["bash", "-ec", f"for each in iptables ip6tables; do {'; '.join(docker)}; done"])

    def _shared_secrets(self, name: str, host: Host) -> None:
        """Both ends of a link have the same preshared key, whatever they call the file."""
        for stack, device in self.paper.devices():
            fact = device.made
            for peer in fact.peers if isinstance(fact, Wireguard) and stack.place[0] == name else ():
                far = far_of(self.paper, fact, peer)
                if peer.preshared_key and far:
                    ends = sorted(((str(stack.place), device.name), (str(far[0].place), far[1].name)))
                    host.write(secret_path(str(peer.preshared_key)), key(str(ends)) + "\n", 0o600)

    def _up(self, name: str, host: Host) -> None:
        tree = self.folder / name
        host.lay(tree / "files")
        came = host.run(["bash", "-c", ALL_UP], check=False, env={"CREDENTIALS_DIRECTORY": CREDENTIALS})
        if came.returncode:
            self.late.append(f"{name}: {came.stdout}{came.stderr}")

    def _routers(self) -> None:
        """Every anycast service is healthy, and BIRD's routes are in the kernels: until none changes any more."""
        routers = [self.hosts[plan.host] for plan in self.paper.plans.values() if _has(plan, Router)]
        for plan in self.paper.plans.values():
            enabled = [name for part in plan.parts for one in part.every(Checker) for name in one.protocols]
            for name in enabled:
                birdc(self.hosts[plan.host], f'enable "{name}"')
        if routers:
            within(25, lambda: all(map(_is_joined, routers)))
            settled: list[str] = []
            within(30, lambda: _is_still(routers, settled))

    def _programs(self, host: Host, settings: dict[str, object]) -> None:
        from live.mixed import _programs

        host.write("/usr/local/bin/tunsafe", PROGRAM.read_text(), 0o755)
        _programs(host, {"tunnels": {}} | settings)

    def _names(self, host: Host, name: str) -> None:
        lines = ["127.0.0.1 localhost"]
        for stack, device in self.paper.devices():
            if stack.place[0] == name and isinstance(device.made, Wireguard):
                for peer in device.made.peers:
                    if peer.endpoint and isinstance(peer.endpoint.host, DnsName):
                        own = self.paper.born(stack)
                        at = dialled(self.paper, own, peer, far_of(self.paper, device.made, peer))
                        if at:
                            lines.append(f"{IPAddress(at[1], at[0])} {peer.endpoint.host}")
        host.write("/etc/hosts", "\n".join(dict.fromkeys(lines)) + "\n")

    def _behind(self) -> None:
        """A container behind each bridge, and each machine that netc knows no interface of."""
        for stack, device in list(self.paper.devices()):
            host = self.hosts.get(str(stack.place[0]))
            if host is None or stack.place[1] is not None:
                continue
            plan = self.paper.plans[stack.place[0]]
            if isinstance(device.made, Bridge):
                self._container(host, stack, device)
            if device.name == SOMEWHERE:
                self._machine(host, stack, list(plan.around.behind))

    def _container(self, host: Host, stack: Stack, device: Device) -> None:
        name = f"c{len(self.containers)}"
        taken = {
            net.ip for other in self.paper.stacks.values() for one in other.devices.values() for net in one.networks
        }
        lines = [f"ip netns add {name}", f"ip link add {name} type veth peer name eth0 netns {name}"]
        lines += [f"ip link set {name} master {device.name} up", f"ip -n {name} link set lo up"]
        lines += [f"ip netns exec {name} sysctl -qw net.ipv6.conf.eth0.accept_dad=0 net.ipv6.conf.eth0.accept_ra=0"]
        lines += [f"ip -n {name} link set eth0 up"]
        served = [nat.to for nat in (stack.ruleset.nats if stack.ruleset else ())]
        own: dict[int, str] = {}
        for net in device.networks:
            nearby = [ip for ip in served if ip in net and ip not in taken]
            free = nearby or [ip for ip in (net[n] for n in (20, 21, 22)) if ip not in taken]
            for ip in dict.fromkeys(free if nearby else free[:1]):
                own.setdefault(net.version, str(ip))
                lines.append(f"ip -n {name} address add {ip}/{net.prefixlen} dev eth0")
            lines.append(f"ip -n {name} -{net.version} route add default via {net.ip} || true")
        host.run(["bash", "-ec", "\n".join(lines)])
        self.containers[stack.place, device.name] = (host, name, own)

    def _machine(self, host: Host, stack: Stack, machines: list[IPAddress]) -> None:
        name = "c-lan"
        lines = [f"ip netns add {name}", f"ip link add {SOMEWHERE} type veth peer name eth0 netns {name}"]
        lines += [f"ip link set {SOMEWHERE} up", f"ip -n {name} link set lo up", f"ip -n {name} link set eth0 up"]
        lines += [f"sysctl -qw net.ipv6.conf.{SOMEWHERE}.accept_dad=0", f"ip address add {NEAR} dev {SOMEWHERE}"]
        lines += [f"ip address add fe80::5/64 dev {SOMEWHERE} nodad"]
        lines += [f"ip netns exec {name} sysctl -qw net.ipv6.conf.eth0.accept_dad=0"]
        own: dict[int, str] = {}
        for ip in machines:
            own.setdefault(ip.version, str(ip))
            lines.append(f"ip -n {name} address add {ip} dev eth0")
            lines.append(f"ip -{ip.version} route add {ip} dev {SOMEWHERE}")
        lines.append(f"ip -n {name} -4 route add default via {NEAR} dev eth0 onlink")
        lines.append(f"ip -n {name} -6 route add default via fe80::5 dev eth0")
        host.run(["bash", "-ec", "\n".join(lines)])
        self.containers[stack.place, SOMEWHERE] = (host, name, own)

    def _met(self) -> None:
        """Until tunnels that can have shaken hands: those that paper says can."""
        for stack, device in self.paper.devices():
            if isinstance(device.made, Wireguard):
                host = self.hosts[str(stack.place[0])]
                lines = [
                    f"wg set {device.name} peer {peer.public_key} persistent-keepalive 2"
                    for peer in device.made.peers
                    if peer.endpoint
                ]
                if lines:
                    host.run(
                        ["bash", "-c", "\n".join(lines)], namespace=str(stack.place[1]) if stack.place[1] else None
                    )

    def warm(self) -> None:
        """Until tunnels have shaken hands, as far as paper says that they can."""
        waiting: list[tuple[Host, str | None, str, str]] = []
        for stack, device in self.paper.devices():
            for peer in device.made.peers if isinstance(device.made, Wireguard) else ():
                if carried(Walk(self.paper, wires), stack, device, peer) is None:
                    space = str(stack.place[1]) if stack.place[1] else None
                    waiting.append((self.hosts[str(stack.place[0])], space, device.name, str(peer.public_key)))
        within(8, lambda: all(map(_met, waiting)))

    # -- packets ----------------------------------------------------------------------------------------------

    def places(self) -> Iterator[tuple[str, Host, str | None, bool]]:
        """Name, host, namespace, and whether it answers for every address."""
        yield "world", self.world, None, True
        for name in sorted(set().union(*self.ends.values())):
            yield name, self.world, name, True
        for place in self.paper.stacks:
            yield self.paper.stacks[place].name, self.hosts[str(place[0])], str(place[1]) if place[1] else None, False
        for host, name, _ in self.containers.values():
            yield f"{host.name} {name}", host, name, False

    def sent(self, probes: list[Probe]) -> dict[int, Seen]:
        self._neighbours(probes)
        self._behind_bridges(probes)
        self.warm()
        ports = {
            protocol: ",".join(
                sorted({str(port) for p in probes if p.packet.protocol == protocol for port in _ends(p)})
            )
            for protocol in (UDP, TCP)
        }
        watching: dict[str, Started] = {}
        for name, host, space, any_ in self.places():
            words = ["watch", name, "1" if any_ else "0", ports[UDP], ports[TCP]]
            watching[name] = host.start(agent(*words), namespace=space)
        for started in watching.values():
            started.wait_for("ready", 20)
        asking: list[Started] = []
        by_place: dict[str, list[Probe]] = {}
        for probe in probes:
            by_place.setdefault(self.place_of(probe.start, probe.packet), []).append(probe)
        for name, host, space, any_ in self.places():
            if name in by_place:
                said = json.dumps([self._asked(probe, any_) for probe in by_place[name]])
                asking.append(host.start(agent("ask", said), namespace=space))
        for started in asking:
            started.wait(60)
        seen = {probe.number: Seen() for probe in probes}
        for started in asking:
            for line in lines_of(started):
                if "answered" in line:
                    seen[line["answered"]].answered = True
        for name, started in watching.items():
            started.stop()
            self._watched(name, started, seen)
        return seen

    def _neighbours(self, probes: list[Probe]) -> None:
        """Who on an uplink has an IPv6 address of a probe. Of IPv4 the world answers for all (proxy_arp)."""
        asked = {end for p in probes if p.packet.family == 6 for end in (p.packet.source, p.packet.to)}
        for plan in self.paper.plans.values():
            stack = self.paper.stacks[plan.host, None]
            for number, wire in enumerate(plan.around.wires):
                device, far = stack.devices[wire.device], f"{plan.host[:8]}-{number}"
                nets = [net for net in device.networks if net.version == 6]
                near = {ip for ip in asked if any(net.first <= ip <= net.last for net in nets)}
                near -= {ip for _, ip in stack.local}
                if near:
                    self._in_world(f"sysctl -qw net.ipv6.conf.{far}.proxy_ndp=1")
                self._in_world(*(f"ip neighbour replace proxy {IPAddress(ip, 6)} dev {far}" for ip in sorted(near)))
        self._flush()

    def _behind_bridges(self, probes: list[Probe]) -> None:
        """The container has every address behind its bridge that a probe gets to."""
        for end in (probe.paper.there for probe in probes):
            if end.kind == "behind" and (end.place, str(end.device)) in self.containers:
                host, name, _ = self.containers[end.place, str(end.device)]
                ip = f"{IPAddress(end.packet.to, end.packet.family)}/{32 if end.packet.family == 4 else 128}"
                host.run(["ip", "-n", name, "address", "replace", ip, "dev", "eth0"], check=False)

    def place_of(self, start: Start, packet: Packet) -> str:
        match start:
            case Process():
                return self.paper.stacks[start.place].name
            case Neighbour():
                fact = self.paper.stacks[start.place].devices[start.device].made
                peer = peer_for(fact, packet.family, packet.source) if isinstance(fact, Wireguard) else None
                if peer and (start.place, start.device, str(peer.public_key)) in self.by_peer:
                    return self.by_peer[start.place, start.device, str(peer.public_key)]
                if (start.place, start.device) in self.strangers:
                    return self.strangers[start.place, start.device]
                host, name, _ = self.containers[start.place, start.device]
                return f"{host.name} {name}"
            case _:
                return "world"

    def _asked(self, probe: Probe, any_: bool) -> dict[str, object]:
        packet, owner = probe.packet, probe.start.owner if isinstance(probe.start, Process) else Owner()
        return {
            "number": probe.number,
            "protocol": "tcp" if packet.protocol == TCP else "udp",
            "source": str(IPAddress(packet.source, packet.family)) if packet.source else "",
            "to": str(IPAddress(packet.to, packet.family)),
            "port": packet.dport,
            "gid": NUMBERS.get(str(owner.group), 0),
            "uid": NUMBERS.get(str(owner.user), 0),
            "any": any_,
        }

    def _watched(self, name: str, started: Started, seen: dict[int, Seen]) -> None:
        for line in lines_of(started):
            if "got" in line and line["got"] in seen:
                seen[line["got"]].got.add((name, str(ip_address(line["source"].partition("%")[0]))))
            if "out" in line and line["number"] in seen:
                way = seen[line["number"]].there if line["there"] else seen[line["number"]].back
                way.add((name, line["out"]))


def _has(plan: HostPlan, kind: type[Router]) -> bool:
    return any(True for part in plan.parts for _ in part.every(kind))


def _is_joined(host: Host) -> bool:
    """Whether its sessions inside the AS are established. Nobody speaks for other ASes here."""
    inner = {name: state for name, state in protocols(host).items() if name.startswith("int-")}
    return set(inner.values()) <= {"Established"}


def _is_still(hosts: list[Host], seen: list[str]) -> bool:
    """Whether the kernels' routes are what they were three seconds ago, twice."""
    show = "ip -4 route show table all proto bird; ip -6 route show table all proto bird"
    seen.append("".join(host.run(["bash", "-c", show]).stdout for host in hosts))
    time.sleep(3)
    return len(seen) > 2 and len(set(seen[-3:])) == 1


def _met(one: tuple[Host, str | None, str, str]) -> bool:
    host, space, device, peer = one
    said = host.run(["wg", "show", device, "latest-handshakes"], namespace=space).stdout.split()
    return dict(zip(said[::2], said[1::2], strict=True)).get(peer, "0") != "0"


def agent(*words: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", AGENT.read_text(), *words]


def lines_of(started: Started) -> Iterator[dict[str, object]]:
    for line in started.out.read_text().splitlines():
        if line.startswith("{"):
            yield json.loads(line)


def _ends(probe: Probe) -> set[int]:
    """Before and after destination NAT."""
    return {probe.packet.dport, probe.paper.there.packet.dport}


def secret_path(path: str) -> str:
    return path if path.startswith("/") else f"{CREDENTIALS}/{path}"


# ---- what is drawn -------------------------------------------------------------------------------------------


def drawn(paper: World, chance: random.Random, count: int, scene: Scene) -> Iterator[Probe]:
    """Packets at the edges of classes: ports and addresses that some rule names, and their neighbours."""
    starts = list(_starts(paper, scene))
    number = tries = 0
    while number < count and tries < count * 40:
        tries += 1
        start = chance.choice(starts)
        packet = _packet(paper, chance, start, scene)
        if packet is None:
            continue
        packet = replace(packet, sport=FIRST + number)
        found = journey(paper, start, packet)
        if _is_dull(found) and chance.random() < 0.85:
            continue
        if _is_comparable(paper, found, family=packet.family) and not _is_crowded(scene, start, found):
            yield Probe(number, start, packet, found)
            number += 1


def _is_dull(found: Journey) -> bool:
    """Lost for want of a route, as most packets that are drawn blindly are."""
    verdict = found.there.verdict
    return verdict is not None and ("no route" in verdict.why or "is private" in verdict.why)


def _starts(paper: World, scene: Scene) -> Iterator[Start]:
    yield from [Stranger()] * 3
    for stack in paper.stacks.values():
        yield Process(stack.place)
        for split in stack.ruleset.splits if stack.ruleset else ():
            if split.group or split.user:
                yield Process(stack.place, Owner(group=split.group, user=split.user))
    for place, device in (*scene.strangers, *scene.containers):
        yield Neighbour(place, device)


def _packet(paper: World, chance: random.Random, start: Start, scene: Scene) -> Packet | None:
    family = chance.choice((4, 6))
    if chance.random() < 0.5 and (led := _led(paper, start)):
        on, span, source = chance.choice(led)
        own = _source(paper, chance, on.version, start, scene)
        source = int(source) if isinstance(start, Stranger) and source is not None and chance.random() < 0.8 else own
        protocol = TCP if span.protocol == "tcp" else UDP
        port = chance.choice((span.first, span.last))
        return None if source is None else Packet(on.version, protocol, source, int(on), FIRST, port)
    to = _destination(paper, chance, family, start)
    source = _source(paper, chance, family, start, scene)
    if to is None or source is None or to == source:
        return None
    protocol, port = _port(paper, chance, to)
    return Packet(family, protocol, source, to, FIRST, port)


def _led(paper: World, start: Start) -> list[tuple[IPAddress, Ports, IPAddress | None]]:
    """What rules lead somewhere, or open: the address, the ports, and a source that may."""
    found: list[tuple[IPAddress, Ports, IPAddress | None]] = []
    for stack in paper.stacks.values():
        if not stack.ruleset:
            continue
        found += [(one.on, one.ports, None) for one in stack.ruleset.forwards]
        for nat in stack.ruleset.nats:
            source = next(iter(nat.sources), None)
            ports = Ports(nat.port.number, nat.port.number, nat.port.protocol)
            found += [(on, ports, source and source[source.size // 2]) for on in nat.on]
        for opening in stack.ruleset.openings:
            held = [net.ip for device in stack.devices.values() for net in device.networks if device.name != LO]
            source = next(iter(opening.sources.prefixes), None) if opening.sources else None
            far = source[source.size // 2] if source and source.size > 1 else None
            found += [
                (ip, ports, far if far and far.version == ip.version else None)
                for ip in held
                for ports in opening.ports[:2]
                if not ip.is_link_local()
            ]
    taken = taken_ports(paper)
    return [
        one
        for one in found
        if not {one[1].first, one[1].last} & taken
        and not _is_own(paper, start, one[0].version, int(one[0]))
        and (not isinstance(start, Stranger) or public(one[0]))
        and not isinstance(start, Neighbour)
    ]


def taken_ports(paper: World) -> set[int | None]:
    """Of sockets that the kernel or BIRD has: nobody can listen beside them. BGP, BFD (RFC 5881, RFC 5883), Babel."""
    of_tunnels = {device.made.port for _, device in paper.devices() if isinstance(device.made, Wireguard | PlainTunnel)}
    return of_tunnels | ({179, 3784, 4784, 6696} if any(stack.bird for stack in paper.stacks.values()) else set())


def _source(paper: World, chance: random.Random, family: int, start: Start, scene: Scene) -> int | None:
    """0: the kernel chooses."""
    match start:
        case Process():
            return 0
        case Stranger():
            edges = [int(visitor(paper, family))]
            for stack in paper.stacks.values():
                for net in _sources(stack, family):
                    edges += [net.first, net.last, net.first - 1, net.last + 1]
            found = chance.choice(edges)
            held = any((family, found) in stack.local for stack in paper.stacks.values())
            ip = IPAddress(max(found, 1), family)
            fine = public(ip) and not held and not ip.is_multicast() and not ip.is_reserved() and int(ip) > 1 << 24
            return found if fine and not _is_ours(paper, family, found) else None
        case _:
            if (start.place, start.device) in scene.containers:
                own = scene.containers[start.place, start.device][2].get(family)
                return int(IPAddress(own)) if own else None
            nets = [net for net in paper.stacks[start.place].devices[start.device].networks if net.version == family]
            near = [net.first + 77 for net in nets if net.size > 256 and not net.ip.is_link_local()]
            return chance.choice([*near, int(IPAddress(FAR[family]))])


def _is_ours(paper: World, family: int, number: int) -> bool:
    return any(net.version == family and net.first <= number <= net.last for net, _, _ in paper.brought)


def _sources(stack: Stack, family: int) -> Iterator[IPNetwork]:
    if stack.ruleset:
        for rule in (*stack.ruleset.denials, *stack.ruleset.openings):
            if rule.sources:
                yield from (net for net in rule.sources.prefixes if net.version == family)
                for one in stack.ruleset.sets:
                    if one.name in rule.sources.sets:
                        yield from (IPNetwork(IPAddress(first, family)) for first, _ in one.of(family)[:3])
        for nat in stack.ruleset.nats:
            yield from (net for net in nat.sources if net.version == family)


def _destination(paper: World, chance: random.Random, family: int, start: Start) -> int | None:
    kinds = [_own, _away]
    if isinstance(start, Stranger):
        kinds = [_held]
    elif isinstance(start, Neighbour) and isinstance(
        paper.stacks[start.place].devices[start.device].made, Wireguard | PlainTunnel
    ):
        kinds = [_customer]
    found = chance.choice(kinds)(paper, family, start)
    return chance.choice(found) if found else None


def _customer(paper: World, family: int, start: Start) -> list[int]:
    """What a stranger at a tunnel sends into it."""
    assert isinstance(start, Neighbour)
    nets = paper.stacks[start.place].devices[start.device].networks
    return [int(net.ip) for net in nets if net.version == family and not net.ip.is_link_local()]


def _held(paper: World, family: int, _: Start) -> list[int]:
    """What the internet can dial."""
    ours = [number for of, number in paper.holders if of == family]
    return ours * 3 + [
        net.first + 1 if net.size > 1 else net.first for net, _, _ in paper.brought if net.version == family
    ]


def _own(paper: World, family: int, start: Start) -> list[int]:
    found = []
    for stack in paper.stacks.values():
        for device in stack.devices.values():
            held = [net.ip for net in device.networks if net.version == family]
            found += [int(ip) for ip in held if not (ip.is_link_local() or ip.is_loopback())]
        found += [number for of, number in stack.shared if of == family]
    return [number for number in found if not _is_own(paper, start, family, number)]


def _is_own(paper: World, start: Start, family: int, number: int) -> bool:
    if not isinstance(start, Process):
        return False
    stack = paper.stacks[start.place]
    return (family, number) in stack.local or (family, number) in stack.shared


def _away(paper: World, family: int, _: Start) -> list[int]:
    """The internet, what splits and routes name, and resolvers."""
    found = [int(visitor(paper, family)), int(IPAddress("9.9.9.9" if family == 4 else "2620:fe::9"))]
    for stack in paper.stacks.values():
        for (of, _), ways in stack.tables.items():
            far = (way for way in ways if of == family and way.length > 3 and not way.connected)
            found += [way.first + (way.last - way.first) // 2 for way in far]
        for split in stack.ruleset.splits if stack.ruleset else ():
            found += [net.first + 1 for net in split.direct.prefixes if net.version == family and net.size > 2]
    fine = (IPAddress(number, family) for number in found)
    return [
        int(ip) for ip in fine if not (ip.is_link_local() or ip.is_multicast() or ip.is_loopback() or ip.is_reserved())
    ]


def _port(paper: World, chance: random.Random, to: int) -> tuple[int, int]:
    edges: list[tuple[int, int]] = [(TCP, 22), (TCP, 443), (UDP, 53), (TCP, 53), (UDP, 443), (TCP, 2222)]
    for stack in paper.stacks.values():
        if not stack.ruleset:
            continue
        spans = [one.ports for one in stack.ruleset.forwards if int(one.on) == to]
        spans += [ports for opening in stack.ruleset.openings for ports in opening.ports]
        spans += [ports for one in stack.ruleset.strangers for opening in one.openings for ports in opening.ports]
        for span in spans:
            protocol = TCP if span.protocol == "tcp" else UDP
            edges += [(protocol, port) for port in (span.first, span.last, span.first - 1, span.last + 1)]
        for nat in stack.ruleset.nats:
            if to in map(int, nat.on):
                protocol = TCP if nat.port.protocol == "tcp" else UDP
                edges += [(protocol, nat.port.number)] * 3
    taken = taken_ports(paper)
    fine = [(protocol, port) for protocol, port in edges if 0 < port < 65536 and port not in taken]
    return chance.choice(fine)


def _is_comparable(paper: World, found: Journey, *, family: int) -> bool:
    """What the lab does as it is. Tunnels of programs carry nothing here, and at the far end of a VXLAN no stranger
    answers neighbour solicitations for every address."""
    end = found.there
    if found.unsure or found.unsure_back:
        return False
    ours = (one for stack in paper.stacks.values() for one in (stack.local, stack.shared))
    if end.kind == "beyond" and any((family, end.packet.to) in one for one in ours):
        return False  # a stranger who has an address of ours
    for place, device in (*found.left, *found.returned):
        if family == 6 and _is_pointed(paper, place, device):
            return False
        fact = paper.stacks[place].devices[device].made
        if isinstance(fact, Foreign) or (isinstance(fact, PlainTunnel) and (fact.kind != "vxlan" or family == 6)):
            return False
    return True


def _is_crowded(scene: Scene, start: Start, found: Journey) -> bool:
    """Whether it uses a tunnel whose other end is at the address of another's."""
    crowded = set().union(*(devices for devices in scene.at.values() if len(devices) > 1))
    began = {(start.place, start.device)} if isinstance(start, Neighbour) else set()
    return not crowded.isdisjoint({*began, *found.left, *found.returned}) or _is_beneath(scene.paper, start, found)


def _is_beneath(paper: World, start: Start, found: Journey) -> bool:
    """Whether a split chooses the outer packets of a plain tunnel too, which are of the program that sent the inner
    ones, and leads them into a tunnel of a program: it carries nothing here."""
    if not isinstance(start, Process) or start.owner is None:
        return False
    stack, owner = paper.stacks[start.place], start.owner
    splits = stack.ruleset.splits if stack.ruleset else ()
    into = [stack.devices[one.device].made for one in splits if (owner.group, owner.user) == (one.group, one.user)]
    plain = any(isinstance(paper.stacks[place].devices[by].made, PlainTunnel) for place, by in found.left)
    return plain and any(isinstance(made, Foreign) for made in into)


def _is_pointed(paper: World, place: Place, device: str) -> bool:
    """A default route without a gateway, as PPP has it: at the end of a cable nobody has every address."""
    stack = paper.stacks[place]
    ways = (way for (family, _), ways in stack.tables.items() for way in ways if family == 6)
    is_wire = isinstance(stack.devices[device].made, Wire)
    return is_wire and any(
        way.device == device and way.length == 0 and way.via is None and way.table != 254 for way in ways
    )


# ---- what is compared ----------------------------------------------------------------------------------------


def compared(paper: World, probes: Iterable[Probe], seen: dict[int, Seen], scene: Scene) -> Agreed:
    found = Agreed()
    for probe in probes:
        found.packets += 1
        kernel, said = seen[probe.number], probe.paper
        got = {name for name, _ in kernel.got}
        wanted = _where(paper, said, scene, got)
        arrives = wanted is not None
        found.arrived += bool(got)
        text = f"{probe.text}\n      paper: {_says(paper, said, scene)}\n      kernel: {kernel}\n      {_events(said)}"
        is_udp = probe.packet.protocol == UDP
        if got and not arrives:
            found.false_accepts.append(f"false accept: {text}")
        elif arrives and not got and (is_udp or said.answered):
            found.false_drops.append(f"false drop: {text}")
        elif arrives and got and wanted not in got:
            found.others.append(f"place: {text}")
        elif arrives and got and not _same_source(said, kernel):
            found.others.append(f"source: {text}")
        elif kernel.answered != said.answered and (got or is_udp):
            found.others.append(f"answer: {text}")
        elif _way(paper, said.left) != _real(paper, kernel.there):
            found.others.append(f"way: {text}")
        elif said.answered and _way(paper, said.returned) != _real(paper, kernel.back):
            found.others.append(f"way back: {text}")
    return found


def _events(said: Journey) -> str:
    there = "; ".join(f"{event.place[0]}/{event.place[1]} {event.what}" for event in said.events)
    return f"{there} // " + "; ".join(f"{event.place[0]}/{event.place[1]} {event.what}" for event in said.returning)


def _says(paper: World, said: Journey, scene: Scene) -> str:
    ways = f"{sorted(_way(paper, said.left))} {sorted(_way(paper, said.returned))}"
    return f"{_where(paper, said, scene)} answered={said.answered} {ways}"


def _where(paper: World, said: Journey, scene: Scene, got: set[str] = frozenset()) -> str | None:
    end = said.there
    match end.kind:
        case "host":
            return paper.stacks[end.place].name
        case "behind":
            if isinstance(paper.stacks[end.place].devices[str(end.device)].made, Wire):
                return "world"
            host, name, _ = scene.containers[end.place, str(end.device)]
            return f"{host.name} {name}"
        case "internet":
            return "world"
        case "beyond":
            is_out = public(IPAddress(end.packet.to, end.packet.family))
            of_device = scene.ends[end.place, str(end.device)]
            return "world" if is_out else min(of_device & got or of_device)
        case _:
            return None


def _same_source(said: Journey, kernel: Seen) -> bool:
    end = said.there
    if end.device == SOMEWHERE and any(e.place == end.place and e.what.startswith("source NAT") for e in said.events):
        return True  # the address of an interface that netc does not know
    source = str(ip_address(str(IPAddress(said.there.packet.source, said.there.packet.family))))
    return source in {source for _, source in kernel.got}


def _way(paper: World, left: Iterable[tuple[object, str]]) -> set[tuple[str, str]]:
    return {(paper.stacks[place].name, str(device)) for place, device in left}


def _real(paper: World, way: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Without what is no host's, and without ports of bridges."""
    ours = {stack.name: stack for stack in paper.stacks.values()}
    found = set()
    for name, device in way:
        stack = ours.get(name)
        if stack is None or re.fullmatch(r"c\d+|far-.*", device):
            continue
        known = stack.devices.get(device)
        is_port = known is not None and getattr(known.made, "bridge", None) and not known.inner
        if not is_port:
            found.add((name, device))
    return found
