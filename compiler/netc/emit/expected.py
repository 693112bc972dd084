"""/etc/netc/expected: what the host should have that netc does not configure, and what the parts need of its kernel. A
line is what is compared, the values, and the key of the topology that says them."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from netaddr import IPAddress

from netc.diagnostic import KeyPath
from netc.emit.file import File
from netc.emit.render import Verbatim, origin, spaced, token
from netc.language.names import InterfaceName
from netc.plan.facts import Address, AddressSet, Forwarding, LinkSetting, Loopback, Route, Ruleset
from netc.plan.host_plan import HostPlan

HEAD = """\
# What {host} should have that netc does not configure. `install`, `status` and `check` compare it with the host.
# A line is what is compared, the values, and the key of the topology.
# Compiled by netc: change the topology, not this file.
"""
LONG = 10_000
"""Ranges of addresses from which on the memory for them is worth a question."""
NFT, IPSET = (200, 64 * 2**20), (50, 6 * 2**20)
"""Bytes: what the kernel takes for a range, with some reserve, and what the program takes while it loads them."""


def emit(plan: HostPlan) -> Iterator[File]:
    yield File(
        "files/etc/netc/expected", HEAD.format(host=token(plan.host)) + "".join(f"{it}\n" for it in _lines(plan))
    )


def _lines(plan: HostPlan) -> Iterator[str]:
    rulesets = [ruleset for part in plan.parts for ruleset in part.every(Ruleset)]
    filters = any(ruleset.filter and not ruleset.namespace for ruleset in rulesets)
    for one in plan.expected:
        words = (*one.words, Verbatim("must" if filters else "may")) if one.what == "ssh" else one.words
        yield f"{Verbatim(one.what)} {spaced(words)} {origin(one.key)}"
    yield from _servers(plan, rulesets)
    for part in plan.parts:
        yield from (f"forwarding {family}" for fact in part.every(Forwarding) for family in fact.families)
    if any(part.every(LinkSetting) for part in plan.parts):
        yield "sysctls"
    own = [fact.network for part in plan.parts for fact in part.every(Address) if not fact.inside]
    own += [fact.network for part in plan.parts for fact in part.every(Loopback)]
    if any(network.version == 6 for network in own):
        yield "ipv6"
    yield from sorted({f"kernel {word}" for part in plan.parts for fact in part.facts for word in fact.kernel()})
    loaded = {each.name: each for rules in rulesets if rules.netfilter == "nftables" for each in rules.sets}
    yield from _memory(
        (loaded.values(), NFT), ([each for part in plan.parts for each in part.every(AddressSet)], IPSET)
    )


def _servers(plan: HostPlan, rulesets: Collection[Ruleset]) -> Iterator[str]:
    """Those of forwards whose interface only the host knows, and interfaces by which no visitor's packet leaves."""
    routes = [fact for part in plan.parts for fact in part.every(Route) if fact.device and not fact.namespace]
    alone = {fact.to.ip for fact in routes if fact.to.size == 1}
    never: dict[tuple[IPAddress, KeyPath], list[InterfaceName]] = {}
    for fact in (fact for rules in rulesets for fact in rules.never_by):
        never.setdefault((fact.to, fact.origin), []).append(fact.device)
    for (to, key), devices in sorted(never.items()):
        if to in alone:
            continue
        yield f"server {token(to)} {spaced(devices)} {origin(key)}"


def _memory(*groups: tuple[Collection[AddressSet], tuple[int, int]]) -> Iterator[str]:
    needed = total = 0
    for sets, (of_range, of_program) in groups:
        ranges = sum(len(each.v4) + len(each.v6) for each in sets)
        total += ranges
        needed += ranges * of_range + (of_program if ranges else 0)
    if total >= LONG:
        yield f"memory {needed // 1024} {total}"
