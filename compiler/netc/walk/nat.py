"""What network address translation makes of a new connection."""

from __future__ import annotations

from collections.abc import Iterator

from netc.plan.chains import Forwarded, Hook, Priority, Published, QueryRule, Rule, SplitRule, Stage
from netc.plan.ruleset import DestinationNat, Hairpin, Masquerade, SourceNat
from netc.walk.free import between, equals
from netc.walk.met import Met, Translation, in_any, is_forwarded, is_ip, is_query, within
from netc.walk.packet import NAMES, Connection, Packet
from netc.walk.stack import LO


def destination(met: Met, hook: Hook) -> Translation | None:
    """What destination NAT makes of a new connection."""
    for rule in _rules(met, hook, Priority.DSTNAT):
        match rule:
            case Forwarded():
                for forward in rule.forwards:
                    if is_forwarded(met, forward):
                        return Translation(forward.origin, forward.to, forward.to_port)
            case Published():
                for nat in rule.nats:
                    if _is_published(met, nat):
                        return Translation(nat.origin, nat.to, nat.to_port)
            case SplitRule(stage=Stage.ASKED, split=split):
                if met.packet.has_mark(split.mark) and is_query(met.packet):
                    for ip in split.resolvers:
                        if ip.version == met.packet.family:
                            return Translation(split.origin, ip)
            case QueryRule(stage=Stage.ASKED, queries=fact):
                own = fact.of(met.packet.family)
                stays = met.packet.family == 6 and met.leaving == LO
                if own and not stays and is_query(met.packet) and not any(equals(met.packet.to, int(ip)) for ip in own):
                    return Translation(fact.origin, own[0])
            case _:
                pass
    return None


def _is_published(met: Met, nat: DestinationNat) -> bool:
    packet = met.packet
    return (
        NAMES.get(packet.protocol) == nat.port.protocol
        and equals(packet.dport, nat.port.number)
        and met.arriving not in nat.past
        and any(is_ip(packet.to, packet, ip) for ip in nat.on)
        and (not nat.sources or in_any(packet.source, packet.family, nat.sources))
    )


def source(met: Met) -> Translation | None:
    """What source NAT makes of a new connection that leaves."""
    packet, connection = met.packet, met.connection
    for rule in _rules(met, "postrouting", Priority.SRCNAT):
        match rule:
            case SplitRule(stage=Stage.SOURCE, split=split):
                if met.leaving == split.device and connection.has_mark(split.mark):
                    for ip in split.addresses:
                        if ip.version == packet.family:
                            return Translation(split.origin, ip)
            case Masquerade():
                if rule.device in (None, met.leaving) and connection.dnat and _was_dialled(connection, packet, rule):
                    return Translation(rule.origin, None)
            case Hairpin():
                near = all(within(ip, packet.family, rule.subnet) for ip in (packet.source, packet.to))
                if met.leaving == rule.device and connection.dnat and near:
                    return Translation(rule.origin, None)
            case SourceNat():
                if met.leaving in rule.leaving and within(packet.source, packet.family, rule.sources):
                    return Translation(rule.origin, rule.to)
            case _:
                pass
    return None


def _rules(met: Met, hook: Hook, priority: Priority) -> Iterator[Rule]:
    for chain in met.stack.hooks.get(hook, ()):
        if chain.priority == priority:
            yield from chain.rules


def _was_dialled(connection: Connection, packet: Packet, rule: Masquerade) -> bool:
    protocol, _, on, _, port = connection.asked
    known = NAMES.get(protocol) == rule.ports.protocol and between(port, rule.ports.first, rule.ports.last)
    return known and rule.on.version == packet.family and equals(on, int(rule.on))
