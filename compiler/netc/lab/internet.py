"""The internet of a topology in the lab: a host that has every address, and a provider at each uplink."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress, IPNetwork

from netc.lab.machine import Host, Lab
from netc.network.dialling import public
from netc.plan.image import Wire
from netc.walk.packet import Packet
from netc.walk.stack import Device, Stack
from netc.walk.wires import router
from netc.walk.world import World

GATEWAY = IPAddress("169.254.1.1")
"""Of the internet before a host: a host takes no ARP from its own address."""


class Internet:
    """What is said to it waits until `flush`, all at once: to begin a shell there takes a while."""

    def __init__(self, lab: Lab, paper: World) -> None:
        self.lab, self.paper = lab, paper
        self.host = lab.host("internet")
        self.lines: list[str] = []
        settings = [
            *("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"),
            *("net.ipv4.ip_nonlocal_bind=1", "net.ipv6.ip_nonlocal_bind=1", "net.ipv4.conf.all.accept_local=1"),
            *("net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0", "net.ipv4.icmp_ratelimit=0"),
        ]
        self.say(
            "sysctl -qw " + " ".join(settings),
            "ip -4 route add local 0.0.0.0/0 dev lo table local",
            "ip -6 route add local ::/0 dev lo table local",
            "nft add table inet world",
            "nft 'add chain inet world input { type nat hook input priority 100; }'",
            "nft 'add chain inet world leaving { type nat hook postrouting priority 100; }'",
            "nft 'add chain inet world arriving { type filter hook prerouting priority -300; }'",
        )

    def say(self, *lines: str) -> None:
        self.lines += lines

    def flush(self) -> None:
        said = "set -E; trap 'echo failed: $BASH_COMMAND' ERR\n" + "\n".join(self.lines)
        self.host.run(["bash", "-e", "-s"], input=said)
        self.lines.clear()

    def wire(self, host: Host) -> None:
        plan = next(plan for name, plan in self.paper.plans.items() if name == host.name)
        stack = self.paper.stacks[plan.host, None]
        for number, wire in enumerate(plan.around.wires):
            device = stack.devices[wire.device]
            far = f"{host.name[:8]}-{number}"
            held = [str(net) for net in device.networks]
            self.lab.wire(host, str(wire.device), self.host, far, a_addresses=held, mtu=wire.mtu)
            self.say(*self._far(device, far, stack))
            host.run(["bash", "-ec", "\n".join(self._near(wire, far))])

    def ends(self, host: str) -> list[str]:
        """The interfaces of the internet at which the cables of a host end."""
        wires = next(plan for name, plan in self.paper.plans.items() if name == host).around.wires
        return [f"{host[:8]}-{number}" for number, _ in enumerate(wires)]

    def _far(self, device: Device, far: str, stack: Stack) -> Iterator[str]:
        """The other end of a cable: a router for each address of the host, and a translator for private ones."""
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
        for other in self._others(stack, device):
            ip = "ip" if other.version == 4 else "ip6"
            own = [str(one.cidr) for one in device.networks if one.version == other.version]
            but = f"{ip} daddr != {{ {', '.join(own)} }} " if own else ""
            yield f"nft 'add rule inet world arriving iifname {far} {ip} saddr {other} {but}drop'"
        for family in (4, 6):
            own = [str(net.cidr) for net in device.networks if net.version == family and not public(net.ip)]
            inner = {4: "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10", 6: "fc00::/7"}[family]
            ip = "ip" if family == 4 else "ip6"
            for end in ("saddr", "daddr"):
                but = f"{ip} {end} != {{ {', '.join(own)} }} " if own else ""
                yield f"nft 'add rule inet world arriving iifname {far} {ip} {end} {{ {inner} }} {but}drop'"

    def _others(self, stack: Stack, device: Device) -> Iterator[IPNetwork | IPAddress]:
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
                self.say(f"ip address add {ip}/{32 if ip.version == 4 else 128} dev {far}")
        for family in wire.defaults:
            gateway = next((ip for ip in wire.gateways if ip.version == family), None)
            if gateway is None or gateway.is_link_local():
                gateway = GATEWAY if family == 4 else IPAddress("fe80::1")
            yield f"ip -{family} route add default via {gateway} dev {wire.device} onlink"
        yield f"sysctl -qw net.ipv4.conf.{wire.device}.rp_filter=0"

    def answer_for(self, packets: list[Packet]) -> None:
        """Who on an uplink has an IPv6 address of a packet. Of IPv4 the internet answers for all (proxy_arp)."""
        asked = {end for one in packets if one.family == 6 for end in (one.source, one.to)}
        for plan in self.paper.plans.values():
            stack = self.paper.stacks[plan.host, None]
            for number, wire in enumerate(plan.around.wires):
                device, far = stack.devices[wire.device], f"{plan.host[:8]}-{number}"
                nets = [net for net in device.networks if net.version == 6]
                near = {ip for ip in asked if any(net.first <= ip <= net.last for net in nets)}
                near -= {ip for _, ip in stack.local}
                if near:
                    self.say(f"sysctl -qw net.ipv6.conf.{far}.proxy_ndp=1")
                self.say(*(f"ip neighbour replace proxy {IPAddress(ip, 6)} dev {far}" for ip in sorted(near)))
        self.flush()
