"""Sources that another source of the same list contains, and rules that other rules cover.

Reported is only what is covered as a whole: a source, a rule, or a port, source or interface of a rule.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from netaddr import IPNetwork

from netc.checks.accepts import FAMILIES, Accept, Accepts, Shut, holds_port, is_ssh
from netc.checks.lockout import rulesets
from netc.diagnostic import Diagnostic, KeyPath, Severity, dotted
from netc.language.firewall import Allow, Firewall
from netc.language.names import HostName, SetName
from netc.language.sets import Source
from netc.language.topology import Host
from netc.language.values import Family, Ports
from netc.network.derive import EVERYTHING
from netc.network.interface import Network
from netc.network.ranges import Ranges, merged, minus
from netc.network.sets import Members, Sets, members
from netc.network.spans import Spans
from netc.plan.facts import Ruleset
from netc.plan.filtering import input_rules, is_limited
from netc.plan.host_plan import HostPlan
from netc.plan.ruleset import Opening

MOST = 300
"""Most rules that a firewall written by hand has. A longer one is generated, and not checked for repetitions."""


def check(network: Network) -> Iterator[Diagnostic]:
    for host, table in sorted(network.topology.hosts.items()):
        for where, sources in _lists(host, table):
            yield from _inside(sources, where, network.sets)


def check_plan(plan: HostPlan, network: Network) -> Iterator[Diagnostic]:
    """Rules of a host's firewall that other rules cover."""
    wall = network.topology.hosts[plan.host].firewall
    if wall and 0 < len(wall.allow) + len(wall.pass_) <= MOST:
        for ruleset in rulesets(plan):
            if ruleset.filter:
                yield from _rules(wall, ruleset, network.sets)


# ---- sources beside each other -------------------------------------------------------------------------------


def _lists(host: HostName, table: Host) -> Iterator[tuple[KeyPath, Sequence[Source]]]:
    """Every list of prefixes and sets that matches if one of them does."""
    own: KeyPath = ("hosts", host)
    if table.firewall:
        yield (*own, "firewall", "deny"), table.firewall.deny
        for number, allow in enumerate(table.firewall.allow):
            yield (*own, "firewall", "allow", number, "from"), allow.from_
    for name, split in sorted(table.splits.items()):
        yield (*own, "splits", name, "direct"), split.direct
        yield (*own, "splits", name, "source"), split.source
    for space, namespace in sorted(table.namespaces.items()):
        for number, publish in enumerate(namespace.publish):
            yield (*own, "namespaces", space, "publish", number, "allow"), publish.allow
    for name_, bridge in sorted(table.bridges.items()):
        for number, container in enumerate(bridge.publish):
            yield (*own, "bridges", name_, "publish", number, "allow"), container.allow


def _inside(sources: Sequence[Source], where: KeyPath, sets: Sets) -> Iterator[Diagnostic]:
    for index, others in sorted(_covered(sources, sets)):
        around = " and ".join(f"`{sources[other]}`" for other in others)
        same = sources[index] == sources[others[0]]
        what = (
            f"the list has `{sources[index]}` twice"
            if same
            else f"the list has {around}, which {'contain' if len(others) > 1 else 'contains'} `{sources[index]}`"
        )
        also = tuple((*where, other) for other in others)
        yield Diagnostic("NC2902", (*where, index), what, "leave it out", also, Severity.WARNING)


Around = tuple[int, int, int]
"""First and last address of a prefix, and its index."""


def _covered(sources: Sequence[Source], sets: Sets) -> Iterator[tuple[int, tuple[int, ...]]]:
    """The index of each source that others contain as a whole, and theirs. Lists may have thousands of prefixes."""
    outer: dict[Family, list[Around]] = {4: [], 6: []}
    nets = sorted((n.version, n.first, -n.last, at) for at, n in enumerate(sources) if isinstance(n, IPNetwork))
    for version, first, last, at in nets:
        widest = outer[4 if version == 4 else 6]
        if widest and -last <= widest[-1][1]:
            yield at, (widest[-1][2],)
        else:
            widest.append((first, -last, at))
    named = {at: sets[one] for at, one in enumerate(sources) if isinstance(one, SetName) and sets.get(one)}
    alone: dict[int, Members] = {}
    spread = _spread(named)
    for at, held in named.items():
        beginning = next((family, ranges[0][0]) for family in FAMILIES if (ranges := held.of(family)))
        # Of two equal sets the first stays.
        near = (other for other in _near(spread, *beginning) if other != at)
        wider = (other for other in near if _holds(named[other], held))
        by = next((other for other in wider if other < at or not _holds(held, named[other])), None)
        around = (by,) if by is not None else _prefixes_around(held, outer)
        if around:
            yield at, around
        else:
            alone[at] = held
    left = _spread(alone)
    for family in FAMILIES:
        for start, end, at in outer[family]:
            range_ = ((start, end),)
            holding = (other for other in _near(left, family, start) if _in_ranges(range_, alone[other].of(family)))
            by = next(holding, None)
            if by is not None:
                yield at, (by,)


Spread = dict[Family, Spans[int]]
"""Sets by their first and last address."""


def _spread(sets: dict[int, Members]) -> Spread:
    return {
        family: Spans((ranges[0][0], ranges[-1][1], at) for at, held in sets.items() if (ranges := held.of(family)))
        for family in FAMILIES
    }


def _near(spread: Spread, family: Family, address: int) -> list[int]:
    """Sets that may contain the address, in order."""
    return sorted(spread[family].meeting(address, address))


def _prefixes_around(held: Members, outer: dict[Family, list[Around]]) -> tuple[int, ...]:
    """A prefix for each family of the set that contains it. Nothing if a family has none."""
    found: list[int] = []
    for family in FAMILIES:
        if ranges := held.of(family):
            before = bisect_right(outer[family], ranges[0][0], key=lambda one: one[0])
            if not before or ranges[-1][1] > outer[family][before - 1][1]:
                return ()
            found.append(outer[family][before - 1][2])
    return tuple(found)


def _holds(wider: Members, held: Members) -> bool:
    return all(_in_ranges(held.of(family), wider.of(family)) for family in FAMILIES)


def _in_ranges(inner: Ranges, outer: Ranges) -> bool:
    """Lists of countries have thousands of ranges each, and most do not overlap: three ranges show that quickly."""
    for first, last in (inner[0], inner[len(inner) // 2], inner[-1]) if inner else ():
        before = bisect_right(outer, first, key=lambda one: one[0])
        if not before or last > outer[before - 1][1]:
            return False
    return not minus(inner, outer)


# ---- rules of a firewall -------------------------------------------------------------------------------------


def _rules(wall: Firewall, ruleset: Ruleset, sets: Sets) -> Iterator[Diagnostic]:
    where: KeyPath = ruleset.filter.origin if ruleset.filter else ruleset.origin
    openings = [rule for rule in input_rules(ruleset) if isinstance(rule, Opening)]
    asked = {
        protocol: Spans(
            (port.first, port.last, None) for each in wall.allow for port in each.ports if port.protocol == protocol
        )
        for protocol in ("tcp", "udp")
    }
    shut = Shut(frozenset(one.device for one in ruleset.strangers), ruleset.filter.ssh if ruleset.filter else 0)
    accepts = {one.origin: _accept_of(one, sets, shut) for one in openings if _is_beside(one, asked)}
    others = Accepts(accepts)
    # From the last to the first: of two equal rules the first stays.
    for number in reversed(range(len(wall.allow))):
        at: KeyPath = (*where, "allow", number)
        if accepts.pop(at, None) is None:
            continue
        reported, left = _repeated(_Rule.of(wall.allow[number], at, sets, shut), others)
        yield from reported
        if left:
            accepts[at] = left
    passages = {(one.entering, one.leaving): one.origin for one in reversed(ruleset.passages)}
    for number, passed in enumerate(wall.pass_):
        first = passages.get((passed.from_, passed.to), where)
        if first not in (where, (*where, "pass", number)):
            what = f"{_label(first)} already passes everything from `{passed.from_}` to `{passed.to}`"
            yield Diagnostic("NC2903", (*where, "pass", number), what, "leave it out", (first,), Severity.WARNING)


def _is_beside(opening: Opening, asked: dict[str, Spans[None]]) -> bool:
    """Whether it may accept all that some `allow` accepts. Most rules are for peers of tunnels, and do not."""
    if opening.on or opening.protocol is not None:
        return False
    return not opening.ports or any(asked[each.protocol].within(each.first, each.last) for each in opening.ports)


def _accept_of(opening: Opening, sets: Sets, shut: Shut) -> Accept:
    named = opening.sources
    sources = members((*named.prefixes, *named.sets) if named else EVERYTHING, sets)
    past = shut.devices if is_limited(opening) or is_ssh(opening.origin) else frozenset()
    return Accept(opening.origin, opening.ports, opening.devices, sources, past)


class _Rule(Struct, frozen=True):
    """An `allow`, and the index of each of its parts. None is any."""

    at: KeyPath
    shut: Shut
    ports: tuple[tuple[int, Ports | None], ...]
    devices: tuple[tuple[int, str | None], ...]
    sources: tuple[tuple[int, Source | None, Members], ...]

    @staticmethod
    def of(allow: Allow, at: KeyPath, sets: Sets, shut: Shut) -> _Rule:
        return _Rule(
            at,
            shut,
            tuple(enumerate(allow.ports)) or ((0, None),),
            tuple(enumerate(allow.interface)) or ((0, None),),
            tuple((n, one, members((one,), sets)) for n, one in enumerate(allow.from_))
            or ((0, None, members(EVERYTHING, sets)),),
        )

    @property
    def is_partial(self) -> bool:
        return self.is_limited or self.devices[0][1] is not None

    @property
    def is_limited(self) -> bool:
        return self.sources[0][1] is not None

    def accept(self) -> Accept:
        ports = tuple(port for _, port in self.ports if port)
        devices = tuple(device for _, device in self.devices if device)
        past = self.shut.devices if self.is_limited and not devices else frozenset()
        return Accept(self.at, ports, devices, _both_families(self), past)

    def is_taken(self, accept: Accept, port: Ports | None, device: str | None) -> bool:
        """Whether the other rule accepts the port by the interface too, from its sources."""
        if accept.ports and not (port and any(holds_port(each, port) for each in accept.ports)):
            return False
        if accept.devices:
            return device in accept.devices
        if device is None:  # of tunnels to strangers, no rule for some sources means one, nor one for ssh
            return not accept.past or self.is_limited or is_ssh(accept.origin)
        return device not in accept.past and self.shut.is_open(port, device)


def _both_families(rule: _Rule) -> Members:
    parts = [part for _, _, part in rule.sources]
    return Members(*(merged(range_ for part in parts for range_ in part.of(family)) for family in FAMILIES))


def _repeated(rule: _Rule, others: Accepts) -> tuple[list[Diagnostic], Accept | None]:
    """Diagnostics of a rule, and what it still accepts alone, without the parts that are reported."""
    if by := _by(rule, others, _both_families(rule)):
        return [_as_a_whole(rule, by)], None
    reported: list[Diagnostic] = []
    for key, field in (("ports", "ports"), ("interface", "devices"), ("from", "sources")):
        parts = getattr(rule, field)
        wanted = _both_families(rule)
        left: list[Any] = []
        for number, part in enumerate(parts):
            # The last part stays, since an empty list means any.
            alone = not left and number == len(parts) - 1
            only = part[2] if field == "sources" else wanted
            by = () if alone else _by(replace(rule, **{field: (part,)}), others, only)
            if not by:
                left.append(part)
                continue
            subject = f"everything from `{part[1]}`" if key == "interface" else f"`{part[1]}`"
            what = f"{' and '.join(_label(accept.origin) for accept in by)} already {_accept(by)} {subject}"
            also = tuple(accept.origin for accept in by)
            where: KeyPath = (*rule.at, key, part[0])
            reported.append(Diagnostic("NC2903", where, what, "leave it out", also, Severity.WARNING))
        rule = replace(rule, **{field: tuple(left)})
    return reported, rule.accept()


def _as_a_whole(rule: _Rule, by: tuple[Accept, ...]) -> Diagnostic:
    also = tuple(accept.origin for accept in by)
    if len(by) == 1 and is_ssh(by[0].origin):
        what = (
            f"netc accepts ssh ({by[0].ports[0]}) from everyone{', so this rule restricts nothing' * rule.is_partial}"
        )
        hint = "leave it out: sshd_config decides who may log in" if rule.is_partial else "leave it out"
        return Diagnostic("NC2903", rule.at, what, hint, also, Severity.WARNING)
    others = " and ".join(_label(accept.origin) for accept in by)
    what = f"{others} already {_accept(by)} everything that this rule accepts"
    return Diagnostic("NC2903", rule.at, what, "leave it out", also, Severity.WARNING)


def _accept(by: tuple[Accept, ...]) -> str:
    return "accepts" if len(by) == 1 else "accept"


def _label(origin: KeyPath) -> str:
    return f"`{dotted(origin[3:] if origin[2:3] == ('firewall',) else origin)}`"


def _by(rule: _Rule, others: Accepts, wanted: Members) -> tuple[Accept, ...]:
    """The rules that accept all of it, from the sources `wanted`. Nothing if something is left."""
    found: dict[KeyPath, Accept] = {}
    for _, port in rule.ports:
        for _, device in rule.devices:
            accepts = [accept for accept in others.of(port, wanted) if rule.is_taken(accept, port, device)]
            needed = _needed(wanted, sorted(accepts, key=lambda accept: [str(key).zfill(6) for key in accept.origin]))
            if not needed:
                return ()
            found |= {accept.origin: accept for accept in needed}
    return tuple(found.values())


def _needed(wanted: Members, accepts: list[Accept]) -> tuple[Accept, ...]:
    """One of them if it is enough, else as many as needed. Nothing if all of them are not enough."""
    for accept in accepts:
        if _holds(accept.sources, wanted):
            return (accept,)
    found: list[Accept] = []
    for accept in accepts:
        left = wanted - accept.sources
        if left != wanted:
            found.append(accept)
            wanted = left
    return () if wanted else tuple(found)
