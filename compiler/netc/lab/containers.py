"""Who is behind a host: a container at each bridge, and machines that netc knows no interface of."""

from __future__ import annotations

from collections.abc import Iterable

from netaddr import IPAddress

from netc.lab.machine import Host
from netc.plan.facts import Bridge
from netc.walk.kernel import End
from netc.walk.stack import SOMEWHERE, Device, Place, Stack
from netc.walk.world import World

NEAR = IPAddress("169.254.2.1")
"""Of a host before machines behind it: a host takes no ARP from its own address."""


class Containers:
    def __init__(self, paper: World, hosts: dict[str, Host]) -> None:
        self.paper, self.hosts = paper, hosts
        self.by_device: dict[tuple[Place, str], tuple[Host, str, dict[int, str]]] = {}
        """The host, the namespace there, and its address in each family."""

    def build(self) -> None:
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
        name = f"c{len(self.by_device)}"
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
        self.by_device[stack.place, device.name] = (host, name, own)

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
        self.by_device[stack.place, SOMEWHERE] = (host, name, own)

    def answer_for(self, ends: Iterable[End]) -> None:
        """The container has every address behind its bridge that a packet gets to."""
        for end in ends:
            if end.kind == "behind" and (end.place, str(end.device)) in self.by_device:
                host, name, _ = self.by_device[end.place, str(end.device)]
                ip = f"{IPAddress(end.packet.to, end.packet.family)}/{32 if end.packet.family == 4 else 128}"
                host.run(["ip", "-n", name, "address", "replace", ip, "dev", "eth0"], check=False)
