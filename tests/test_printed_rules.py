"""Rulesets say nothing twice."""

from __future__ import annotations

import pytest

from examples import ROOT, compiled
from netc.emit.file import File

TWO_SPLITS = (ROOT / "examples" / "laptop.toml").read_text("utf-8")


def chains(file: File) -> dict[str, list[str]]:
    """The rules of each chain, for both filters."""
    found: dict[str, list[str]] = {}
    chain = ""
    for line in map(str.strip, file.text.splitlines()):
        if line.startswith("*"):
            table = line
        elif line.startswith("chain "):
            chain = line
        elif line.startswith("-A "):
            found.setdefault(f"{table} {line.split()[1]}", []).append(line)
        elif line and line[0] not in "#}" and chain:
            found.setdefault(chain, []).append(line)
    return found


@pytest.mark.parametrize("netfilter", ["nftables", "iptables"])
def test_what_two_splits_of_one_tunnel_have_in_common_is_one_rule(netfilter: str) -> None:
    text = TWO_SPLITS.replace('wan = "wlan0"', f'wan = "wlan0"\nnetfilter = "{netfilter}"')
    files = [file for file in compiled(text)["laptop"] if file.path.endswith((".nft", "tables.rules"))]
    assert files

    twice = [
        f"{file.path} {chain}: {rule}"
        for file in files
        for chain, rules in chains(file).items()
        for rule in set(rules)
        if rules.count(rule) > 1
    ]
    assert twice == []
    every = [rule for file in files for rules in chains(file).values() for rule in rules]
    fits = [rule for rule in every if "wg-escape" in rule and ("maxseg" in rule or "TCPMSS" in rule)]
    assert len(fits) == 4  # each family, in and out
