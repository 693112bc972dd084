"""Strangers at the other ends of tunnels: each in a namespace of the internet, with all that is behind it."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace
from netaddr import IPAddress

from netc.lab.internet import GATEWAY, Internet
from netc.lab.machine import Host
from netc.language.kinds import KINDS, Kind
from netc.language.values import Family
from netc.language.x25519 import public_key
from netc.network.dialling import public
from netc.network.interface import Peer
from netc.plan.facts import Bridge, PlainTunnel, Wireguard
from netc.walk.outer import is_known_beyond
from netc.walk.stack import Device, Place, Stack
from netc.walk.wires import router
from netc.walk.world import World, dialled, far_of

CREDENTIALS = "/run/credentials"
"""Where systemd would put them."""
FAR = {4: "192.88.99.77", 6: "2600:77::77"}
"""Somebody beyond a stranger's end of a tunnel."""


class Strangers:
    """`private`: their keys, by the public ones."""

    def __init__(self, paper: World, internet: Internet, hosts: dict[str, Host], private: dict[str, str]) -> None:
        self.paper, self.internet, self.hosts, self.private = paper, internet, hosts, private
        self.first: dict[tuple[Place, str], str] = {}
        """A namespace for each device."""
        self.by_peer: dict[tuple[Place, str, str], str] = {}
        self.ends: dict[tuple[Place, str], set[str]] = {}
        """All of a device."""
        self.at: dict[IPAddress, set[tuple[Place, str]]] = {}
        """Devices whose other ends are at an address. The lab has one machine at each."""

    def join(self, stack: Stack, device: Device) -> None:
        fact = device.made
        ends: list[tuple[str, list[str], list[IPAddress]]] = []
        if isinstance(fact, Wireguard):
            own = self.paper.born(stack)
            for number, peer in enumerate(fact.peers):
                if far_of(self.paper, fact, peer) is None and (at := dialled(self.paper, own, peer, None)):
                    ends.append((f"w{len(self.first)}-{number}", [], [IPAddress(at[1], at[0])]))
                    self.by_peer[stack.place, device.name, str(peer.public_key)] = ends[-1][0]
                    ends[-1][1].extend(self._wireguard(ends[-1][0], self.hosts[str(stack.place[0])], fact, peer, at[2]))
        elif isinstance(fact, PlainTunnel) and (at_ := fact.remote or relay(stack, device)):
            name = f"w{len(self.first)}-0"
            ends.append((name, [plain(name, fact, at_)], [at_]))
        for name, lines, places in ends:
            for ip in places:
                self.at.setdefault(ip, set()).add((stack.place, device.name))
            self.first.setdefault((stack.place, device.name), name)
            self.ends.setdefault((stack.place, device.name), set()).add(name)
            inside = self._inside(name, stack, device, self._families(name, stack, device))
            self.internet.say(*self._place(name, places), *lines, *inside)
            self.internet.say(*self._beyond(name, stack, device))

    def _wireguard(self, name: str, host: Host, fact: Wireguard, peer: Peer, port: int) -> Iterator[str]:
        private = self.private[peer.public_key]
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
        """A namespace of the internet's, behind a cable of its own."""
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
        for inner in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"):
            yield f"ip -n {name} -4 route add local {inner} dev lo table local"
        yield f"ip -n {name} -6 route add local fc00::/7 dev lo table local"
        near = [IPAddress(net.first + 77, net.version) for net in device.networks if net.size > 256]
        for ip in (*map(IPAddress, FAR.values()), *near):
            yield f"ip -n {name} -{ip.version} route replace local {ip} dev lo table local"
        chain = "add chain inet w p { type nat hook postrouting priority 100; }"
        yield f"ip netns exec {name} nft 'add table inet w; {chain}'"
        for net in device.networks:
            word, alone = ("ip", 32) if net.version == 4 else ("ip6", 128)
            if net.ip.is_link_local():
                continue
            yield f"ip -n {name} -{net.version} route replace {net.ip}/{alone} dev {name}i table local"
            if net.version not in leads:
                continue
            family: Family = 4 if net.version == 4 else 6
            shown = IPAddress(router(self.paper, stack.place, device, family), family)
            if public(net.ip):
                yield f"ip -{family} route replace {net.ip}/{alone} via {self._via(family, name)} table local"
            else:
                private = {4: "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10", 6: "fc00::/7"}[family]
                words = f"oifname out {word} saddr {{ {private} }} snat {word} to {shown}"
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
            family: Family = 4 if net.version == 4 else 6
            yield f"ip -n {name} -{family} route replace {net.cidr} dev {name}i table local"
            if peer and not is_known_beyond(self.paper, device, peer, family, int(net.ip)):
                ip = "ip" if family == 4 else "ip6"
                chain = "add chain inet w a { type filter hook prerouting priority -300; }"
                rule = f"add rule inet w a iifname {name}i {ip} saddr {net.cidr} drop"
                yield f"ip netns exec {name} nft '{chain}; {rule}'"

    def _via(self, family: int, name: str) -> str:
        return f"fe80::2 dev {name}" if family == 6 else f"inet6 fe80::2 dev {name}"


def plain(name: str, fact: PlainTunnel, at: IPAddress) -> str:
    """The other end of a tunnel without keys, as the same words of ip-link(8) make it."""
    kind = Kind.SIT if KINDS[fact.kind].form == "6to4" else fact.kind
    far = replace(fact, name=f"{name}i", kind=kind, local=at, remote=fact.local, hardware_address=None)
    return " ".join(("ip", "-n", name, *map(str, next(far.steps()).up[1:])))


def relay(stack: Stack, device: Device) -> IPAddress | None:
    """To whom 6to4 sends what is for no other 6to4 router (RFC 3056): the next hop of its default route."""
    hops = (way.via for ways in stack.tables.values() for way in ways if way.device == device.name and way.via)
    return next((IPAddress(int(hop), 4) for hop in hops if hop.version == 6 and hop.is_ipv4_compat()), None)


def secret_path(path: str) -> str:
    return path if path.startswith("/") else f"{CREDENTIALS}/{path}"
