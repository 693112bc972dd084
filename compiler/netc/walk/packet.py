"""What is walked: a packet, who sends it, and what a kernel remembers of its connection.

Addresses are numbers, as in `network.ranges`: a proof walks many thousands of packets.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct
from netaddr import IPAddress

from netc.language.names import GroupName, UserName
from netc.language.units import SliceName
from netc.language.values import Family
from netc.network.forwards import MARK_MASK

TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58
PROTOCOLS = {"tcp": TCP, "udp": UDP}
NAMES = {TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMP6: "icmp"}
REST = MARK_MASK ^ 0xFFFFFFFF


class Packet(Struct, frozen=True):
    """`mark` is the kernel's own note on it, which no wire carries."""

    family: Family
    protocol: int
    source: int
    to: int
    sport: int = 0
    dport: int = 0
    mark: int = 0

    @property
    def tuple_(self) -> Flow:
        return (self.protocol, self.source, self.to, self.sport, self.dport)

    def has_mark(self, mark: int) -> bool:
        return self.mark & MARK_MASK == mark


Flow = tuple[int, int, int, int, int]
"""Protocol, source, destination, and the ports of both."""


def turned(flow: Flow) -> Flow:
    """As an answer has it."""
    protocol, source, to, sport, dport = flow
    return protocol, to, source, dport, sport


def reply(packet: Packet) -> Packet:
    """The answer to a packet, as its receiver sends it."""
    return Packet(packet.family, packet.protocol, packet.to, packet.source, packet.dport, packet.sport)


def text(family: Family, number: int) -> str:
    return str(IPAddress(number, family))


def described(packet: Packet) -> str:
    """`203.0.113.9 to 198.51.100.10:443/tcp`"""
    return f"{text(packet.family, packet.source)} to {dialled(packet)}"


def dialled(packet: Packet) -> str:
    to = text(packet.family, packet.to)
    name = NAMES.get(packet.protocol, f"protocol {packet.protocol}")
    if packet.protocol not in (TCP, UDP):
        return f"{to} ({name})"
    return f"[{to}]:{packet.dport}/{name}" if packet.family == 6 else f"{to}:{packet.dport}/{name}"


class Owner(Struct, frozen=True):
    """The process that sends: its primary group, its user, and the slice that it runs in. No socket means that the
    kernel sends by itself."""

    group: GroupName | None = None
    user: UserName | None = None
    slice: SliceName | None = None


@dataclass
class Connection:
    """What conntrack of one stack remembers. `answer` is the flow that it takes for the answer; `answered`: it has seen
    one. Changed while the first packet is on its path."""

    family: Family
    asked: Flow
    answer: Flow
    mark: int = 0
    dnat: bool = False
    snat: bool = False
    answered: bool = False

    def has_mark(self, mark: int) -> bool:
        return self.mark & MARK_MASK == mark
