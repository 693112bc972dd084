"""One order of rules, whatever loads them: base chains have places of their own, and both printers follow the list."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings

import night
from examples import EXAMPLES, OUT
from netc.emit import nftables
from netc.emit.iptables import rules
from netc.language.values import Family
from netc.plan.chains import Chain, base_chains
from netc.plan.facts import Flowtable, Ruleset
from netc.plan.host_plan import HostPlan
from test_mirror import drawn_plans, plans
from topologies import FULL

NAMES = {"mangle": -150, "dstnat": -100, "filter": 0, "srcnat": 100}
"""As nft(8) lists them for the families ip, ip6 and inet."""

BASE = re.compile(r"type (\w+) hook (\w+) priority ([\w-]+)(?: \+ (\d+))?;")

TABLES = {"output": ("mangle", "nat", "filter"), "postrouting": ("mangle", "nat")}
"""Of iptables, in the order in which packets meet them at a hook; at the other hooks as at `output`."""

CHAIN = re.compile(r"-A (netc-\S+) (.*)")


def places(text: str) -> list[tuple[str, int]]:
    """Hook and priority of each base chain of an nft file."""
    found = BASE.findall(text)
    return [(hook, (NAMES[name] if name in NAMES else int(name)) + int(more or 0)) for _, hook, name, more in found]


def texts(of: HostPlan) -> Iterator[tuple[str, str]]:
    """Of each network namespace: the host's tables together, also those of its flowtable."""
    files = [file for file in nftables.emit(of) if file.path.endswith(".nft") and "/sets/" not in file.path]
    host = [file for file in files if "/namespaces/" not in file.path]
    yield "the host", "\n".join(file.text for file in host)
    yield from ((file.path, file.text) for file in files if file not in host)


def shared(of: HostPlan) -> list[tuple[str, tuple[str, int]]]:
    return [(where, place) for where, text in texts(of) for place, n in Counter(places(text)).items() if n > 1]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_no_two_base_chains_of_an_example_share_hook_and_priority(example: Path) -> None:
    for host in sorted((OUT / example.stem).iterdir()):
        folder = host / "files/etc/netc"
        namespaces = sorted(folder.glob("namespaces/*.nft"))
        own = [path.read_text() for path in sorted(folder.glob("*.nft"))]
        for text in ("\n".join(own), *(path.read_text() for path in namespaces)):
            assert [place for place, n in Counter(places(text)).items() if n > 1] == []


def test_every_kind_of_base_chain_has_a_place_of_its_own() -> None:
    found = [place for of in drawn_plans(FULL) for _, text in texts(of) for place in places(text)]

    assert [shared(of) for of in drawn_plans(FULL)] == [[] for _ in drawn_plans(FULL)]
    assert any(part.every(Flowtable) for of in drawn_plans(FULL) for part in of.parts)
    hooks = {"prerouting": 2, "input": 1, "forward": 5, "output": 5, "postrouting": 2}
    assert Counter(hook for hook, _ in set(found)) == hooks, "or this shows less"


@settings(max_examples=night.number(200))
@given(plans)
def test_rulesets_that_nobody_wrote_have_one_order(hosts: tuple[HostPlan, ...]) -> None:
    for of in hosts:
        assert shared(of) == []
        for ruleset in rulesets(of):
            assert_one_order(ruleset)


def test_both_packet_filters_run_rules_in_the_order_of_the_list() -> None:
    for of in drawn_plans(FULL):
        for ruleset in rulesets(of):
            assert_one_order(ruleset)


def rulesets(of: HostPlan) -> Iterator[Ruleset]:
    return (ruleset for part in of.parts for ruleset in part.every(Ruleset))


def assert_one_order(ruleset: Ruleset) -> None:
    places = [(chain.hook, chain.priority) for chain in base_chains(ruleset)]
    assert len(places) == len(set(places))
    for hook in dict.fromkeys(hook for hook, _ in places):
        chains = [chain for chain in base_chains(ruleset) if chain.hook == hook]
        assert [chain.priority for chain in chains] == sorted(chain.priority for chain in chains)
        assert run_by_nft(ruleset, hook) == [line for chain in chains for line in of_nft(chain, ruleset)]
        for family in (4, 6):
            expected = [line for chain in chains for line in of_iptables(chain, ruleset, family)]
            assert run_by_iptables(ruleset, hook, family) == expected


def of_nft(chain: Chain, ruleset: Ruleset) -> Iterator[str]:
    return (line for _, lines in nftables.of_chain(chain, ruleset) for line in lines)


def run_by_nft(ruleset: Ruleset, hook: str) -> list[str]:
    """All rules at a hook as the kernel meets them: by priority, as the file has it."""
    found: dict[int, list[str]] = {}
    for block in re.findall(r"\tchain [\w-]+ \{\n(.*?)\n\t\}", nftables.text(ruleset), re.DOTALL):
        for where, priority in places(block):
            lines = [line.strip() for line in block.splitlines()[1:]]
            if where == hook:
                assert priority not in found
                found[priority] = [line for line in lines if line[:1] != "#" and not line.startswith("limit rate")]
    return [line for priority in sorted(found) for line in found[priority]]


def of_iptables(chain: Chain, ruleset: Ruleset, family: Family) -> Iterator[str]:
    return (rule.words for rule in rules.of_chain(chain, ruleset, family) if is_run(rule.words, rule.chain))


def run_by_iptables(ruleset: Ruleset, hook: str, family: Family) -> list[str]:
    """All rules at a hook as the kernel meets them: by table. What a `Transit` sets aside goes on in another chain."""
    of_table: dict[str, dict[str, list[str]]] = {}
    for table in rules.text(ruleset, family).split("\n*")[1:]:
        name, _, rest = table.partition("\n")
        for chain, words in CHAIN.findall(rest):
            of_table.setdefault(name, {}).setdefault(chain, []).append(words)
    met = [of_table.get(table, {}) for table in TABLES.get(hook, TABLES["output"])]
    return [line for chains in met for line in _followed(chains, f"netc-{hook.upper()}")]


def _followed(chains: dict[str, list[str]], name: str) -> Iterator[str]:
    for words in chains.get(name, ()):
        if is_run(words, name):
            yield words
        elif words.startswith("-g netc-passing"):
            yield from _followed(chains, words.removeprefix("-g "))


def is_run(words: str, chain: str) -> bool:
    """Not what leads from one chain of a `Transit` to the next."""
    return not words.startswith("-g netc-passing") and not chain.startswith("netc-transit")
