"""What the packet filter makes of a packet at one hook: the rules of `plan.chains`, as both printers print them."""

from __future__ import annotations

from fnmatch import fnmatch

from msgspec.structs import replace
from netaddr import IPAddress

from netc.plan.chains import (
    Answers,
    Chain,
    Forwarded,
    Held,
    Hook,
    Leads,
    Moved,
    Passed,
    Priority,
    Published,
    QueryRule,
    Rule,
    Scrub,
    SplitRule,
    Stage,
    Visited,
)
from netc.plan.facts import Foreign
from netc.plan.facts.docker import DockerAccept, PastDocker
from netc.plan.filtering import Always, Closed, Led, NoRouters, NoStrangers, led
from netc.plan.image import Wire
from netc.plan.ruleset import (
    DOCKER_BRIDGES,
    ClampMss,
    Denial,
    DockerBridges,
    Hairpin,
    LeavesBy,
    Masquerade,
    NeverLeavesBy,
    Opening,
    Passage,
    RepliesOnly,
    ReturnMark,
    SourceNat,
    Stranger,
    Transit,
)
from netc.walk.free import between, equals
from netc.walk.met import (
    ACCEPT,
    Met,
    Verdict,
    in_any,
    in_ports,
    in_sources,
    is_forwarded,
    is_ip,
    is_query,
    mark,
    mark_connection,
    unmark,
    within,
)
from netc.walk.packet import ICMP, ICMP6, NAMES, UDP, Connection, Packet
from netc.walk.sources import is_near
from netc.walk.splits import answers, is_outer, is_ownerless, split_rule
from netc.walk.stack import LO, is_loopback


def filtered(met: Met, hook: Hook, priorities: tuple[Priority, ...]) -> Verdict:
    """Runs the chains of these priorities, which filter and mark. `met.packet` and its connection get the marks. The
    verdict is that of the rule that decided."""
    last = ACCEPT
    for chain in met.stack.hooks.get(hook, ()):
        if chain.priority in priorities:
            verdict = _chain(met, chain)
            if verdict.ends != "accepted":
                return verdict
            last = verdict if verdict.origin else last
    return last


def _chain(met: Met, chain: Chain) -> Verdict:
    for rule in chain.rules:
        verdict = _rule(met, rule, chain.hook)
        if verdict is not None:
            return verdict
    if chain.policy == "drop":
        wall = met.stack.ruleset.filter if met.stack.ruleset else None
        origin = wall.origin if wall else met.stack.ruleset.origin if met.stack.ruleset else ()
        return Verdict("dropped", origin, f"no rule lets it {'in' if chain.hook == 'input' else 'through'}")
    return ACCEPT


def _rule(met: Met, rule: Rule, hook: Hook) -> Verdict | None:
    match rule:
        case SplitRule():
            return split_rule(met, rule.stage, rule.split, hook)
        case Passed.MARKED:
            return ACCEPT if is_outer(met.packet) else None
        case Passed.REPLIES:
            return ACCEPT if met.is_reply else None
        case Passed.OWNERLESS:
            origin = met.stack.ruleset.origin if met.stack.ruleset else ()
            return Verdict("dropped", origin, "TCP of no program") if is_ownerless(met) else None
        case Answers():
            return answers(met, rule)
        case Visited():
            return ACCEPT if any(is_forwarded(met, one) for one in rule.forwards) else None
        case ReturnMark():
            _return_mark(met, rule)
            return None
        case Held():
            return _held(met, rule.mark)
        case Scrub():
            unmark(met, rule.mark.device)
            return None
        case ClampMss():
            return None
        case QueryRule():
            return _query(met, rule)
        case Leads():
            return _leads(met, rule) if met.connection.dnat else None
        case Moved():
            return _moved(met, rule)
        case Forwarded() | Published() | Masquerade() | Hairpin() | SourceNat():
            return None
        case _:
            return _filter(met, rule, hook)


def _return_mark(met: Met, rule: ReturnMark) -> None:
    if met.arriving == rule.device:
        if rule.scrub:
            mark(met, 0)
        if met.is_new and (not rule.on or in_any(met.packet.to, met.packet.family, rule.on)):
            mark_connection(met, rule.mark)
    if met.is_reply and met.connection.has_mark(rule.mark):
        mark(met, rule.mark)


def _held(met: Met, rule: ReturnMark) -> Verdict | None:
    device = met.stack.devices.get(rule.device)
    elsewhere = met.is_reply and met.connection.has_mark(rule.mark) and met.leaving not in (LO, rule.device)
    why = f"its connection came in by {rule.device}"
    return Verdict("dropped", device.origin if device else (), why) if elsewhere else None


def _leads(met: Met, rule: Leads) -> Verdict | None:
    for fact, devices in rule.targets:
        if fact.to.version == met.packet.family and int(fact.to) == met.packet.to:
            inside = met.leaving in devices
            if isinstance(fact, NeverLeavesBy) if inside else isinstance(fact, LeavesBy):
                return Verdict("dropped", fact.origin, f"{met.leaving} does not lead to {fact.to}")
    return None


def _moved(met: Met, rule: Moved) -> Verdict | None:
    fact = rule.source
    if met.leaving not in rule.devices or met.is_reply or fact.to is None or fact.to.version != met.packet.family:
        return None
    if within(met.packet.source, met.packet.family, fact.sources) and equals(met.connection.answer[2], int(fact.to)):
        return Verdict("rejected", fact.origin, f"its connection began with {fact.to}, of another uplink")
    return None


def _query(met: Met, rule: QueryRule) -> Verdict | None:
    fact, packet = rule.queries, met.packet
    if rule.stage == Stage.ARRIVING and met.arriving == fact.device:
        own = is_loopback(packet.family, packet.source) or is_loopback(packet.family, packet.to)
        return Verdict("dropped", fact.origin, "127.0.0.0/8 by the tunnel") if own else None
    if rule.stage == Stage.REFUSED and met.leaving != LO and not fact.of(packet.family) and is_query(packet):
        return Verdict("rejected", fact.origin, f"no resolver of the namespace has an IPv{packet.family} address")
    return None


# ---- the filter ----------------------------------------------------------------------------------------------


def _filter(met: Met, rule: Rule, hook: Hook) -> Verdict | None:
    match rule:
        case Always():
            return _always(met, rule)
        case RepliesOnly():
            return _replies_only(met, rule, hook)
        case Stranger():
            return _stranger(met, rule, hook)
        case Denial():
            denied = in_sources(met, met.packet.source, rule.sources)
            return Verdict("dropped", rule.origin, "its source is denied") if denied else None
        case Opening():
            return Verdict("accepted", rule.origin) if opens(met, rule) else None
        case Passage():
            passes = met.arriving == rule.entering and met.leaving == rule.leaving
            return Verdict("accepted", rule.origin) if passes else None
        case Transit():
            passes = met.arriving in rule.devices and met.leaving in rule.devices
            return Verdict("accepted", rule.origin) if passes else None
        case Closed():
            return _closed(met, rule)
        case NoRouters():
            return None  # ICMP that is walked is an echo request
        case NoStrangers():
            return _no_strangers(met, rule)
        case DockerBridges():
            return Verdict("accepted", rule.origin) if _is_dockers(met, rule) else None
        case Led():
            return ACCEPT if any(_led(met, *target) for target in rule.targets) else None
        case _:
            return None


def _always(met: Met, rule: Always) -> Verdict | None:
    packet = met.packet
    match rule:
        case Always.ESTABLISHED:
            passes = met.state != "new"
        case Always.LOOPBACK:
            passes = met.arriving == LO
        case Always.ICMP:
            passes = packet.protocol in (ICMP, ICMP6)
        case Always.DHCP:
            passes = _is_dhcp(packet)
        case _:
            passes = False
    return ACCEPT if passes else None


def _is_dhcp(packet: Packet) -> bool:
    if packet.protocol != UDP:
        return False
    if packet.family == 4:
        return equals(packet.dport, 68) and equals(packet.sport, 67)
    return equals(packet.dport, 546) and equals(packet.sport, 547) and is_near(packet.source)


def _led(met: Met, device: str | None, to: IPAddress) -> bool:
    return met.connection.dnat and device in (None, met.arriving) and is_ip(met.packet.to, met.packet, to)


def _no_strangers(met: Met, rule: NoStrangers) -> Verdict | None:
    for one in rule.strangers:
        if met.arriving == one.device:
            return Verdict("dropped", one.origin, f"{one.device} leads to strangers")
    return None


def _is_dockers(met: Met, rule: DockerBridges) -> bool:
    came, goes = (_is_docker_bridge(met, name) for name in (met.arriving, met.leaving))
    return (goes and met.connection.dnat) or (came and (met.leaving == met.arriving or met.leaving in rule.uplinks))


def _is_docker_bridge(met: Met, name: str | None) -> bool:
    """By its name, unless netc made it."""
    made = met.stack.devices[name].made if name in met.stack.devices else None
    ours = made is not None and not isinstance(made, Wire | Foreign)
    return name is not None and not ours and any(fnmatch(name, pattern) for pattern in DOCKER_BRIDGES)


def _replies_only(met: Met, rule: RepliesOnly, hook: Hook) -> Verdict | None:
    begins = Verdict("dropped", rule.origin, f"nothing begins at {rule.device}")
    answers = met.is_reply and met.state != "new"
    if hook == "output":
        return None if met.leaving != rule.device else ACCEPT if answers else begins
    if met.arriving == rule.device:
        return ACCEPT if answers else begins
    if hook == "forward" and met.leaving == rule.device:
        unled = Verdict("dropped", rule.origin, f"only published ports lead to {rule.device}")
        if met.stack.ruleset and met.stack.ruleset.filter:
            return None if met.connection.dnat else unled
        return ACCEPT if met.connection.dnat else unled
    return None


def _stranger(met: Met, rule: Stranger, hook: Hook) -> Verdict | None:
    if met.arriving != rule.device:
        return None
    if met.state != "new":
        return ACCEPT
    if hook == "input":
        opening = next((one for one in rule.openings if opens(met, replace(one, devices=()))), None)
        if opening:
            return Verdict("accepted", opening.origin)
    elif met.stack.ruleset and any(_led(met, device, to) for device, to in led(met.stack.ruleset)):
        return ACCEPT
    return Verdict("dropped", rule.origin, f"{rule.device} leads to strangers")


def _closed(met: Met, rule: Closed) -> Verdict | None:
    """A port that strangers reach only where it is opened to them."""
    opening = next((one for one in rule.openings if opens(met, one)), None)
    if opening is not None:
        return Verdict("accepted", opening.origin)
    if met.arriving == rule.stranger.device and in_ports(met.packet, (rule.port,)):
        return Verdict("dropped", rule.stranger.origin, f"{rule.stranger.device} leads to strangers")
    return None


def opens(met: Met, opening: Opening) -> bool:
    packet = met.packet
    return (
        (not opening.devices or met.arriving in opening.devices)
        and (not opening.on or any(is_ip(packet.to, packet, ip) for ip in opening.on))
        and (opening.protocol is None or packet.protocol == opening.protocol)
        and (opening.protocol is not None or not opening.ports or in_ports(packet, opening.ports))
        and (opening.sources is None or in_sources(met, packet.source, opening.sources))
    )


def dockered(met: Met) -> Verdict:
    """Docker drops what is forwarded and neither its own nor in DOCKER-USER. Its own containers are in no plan."""
    docker, packet = met.stack.docker, met.packet
    if docker is None:
        return ACCEPT
    for one in docker.passing:
        if isinstance(one, DockerAccept):
            there = (met.arriving, met.leaving) == (one.entering, one.leaving)
            back = (met.leaving, met.arriving) == (one.entering, one.leaving) and met.state != "new"
            if there or back:
                return ACCEPT
        elif _past(met.connection, packet, one):
            return ACCEPT
    return Verdict("dropped", ("hosts", met.stack.place[0], "docker"), "Docker drops what is not its own")


def _past(connection: Connection, packet: Packet, one: PastDocker) -> bool:
    protocol, _, on, _, port = connection.asked
    return (
        connection.dnat
        and one.on.version == packet.family
        and equals(on, int(one.on))
        and equals(connection.answer[1], int(one.to))
        and NAMES.get(protocol) == one.ports.protocol
        and between(port, one.ports.first, one.ports.last)
    )
