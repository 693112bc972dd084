"""The base chains that a packet meets before it reaches a process of the host: `prerouting` and `input`."""

from __future__ import annotations

from netc.diagnostic import KeyPath
from netc.language.names import HostName
from netc.plan.chains import Priority, base_chains
from netc.plan.facts import Ruleset
from netc.walk.met import Met
from netc.walk.nat import destination
from netc.walk.netfilter import filtered
from netc.walk.packet import Connection, Packet, turned
from netc.walk.stack import Stack


class Entrance(str):
    """An interface that no rule may name. `asked` are the names that rules have compared it with."""

    asked: set[str]

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            self.asked.add(str(other))
        return False


def door(host: HostName, ruleset: Ruleset) -> Stack:
    """A stack that has rules, and no interfaces."""
    stack = Stack((host, None), ruleset=ruleset)
    for chain in base_chains(ruleset):
        stack.hooks.setdefault(chain.hook, []).append(chain)
    return stack


def kept_out(stack: Stack, device: str, packet: Packet) -> KeyPath | None:
    """The key that keeps a new connection to the host from its own processes. None if it reaches them."""
    met = Met(stack, packet, Connection(packet.family, packet.tuple_, turned(packet.tuple_)), False, "new", device)
    verdict = filtered(met, "prerouting", (Priority.MANGLE,))
    if verdict.ends == "accepted":
        if led := destination(met, "prerouting"):
            return led.origin
        verdict = filtered(met, "input", (Priority.FILTER,))
    return None if verdict.ends == "accepted" else verdict.origin
