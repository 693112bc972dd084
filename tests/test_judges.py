"""Every file that is compiled from an example satisfies the tool that it is for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netc.pipeline import compile_hosts, understand
from netc.verify import JUDGES, Outcome, verify

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize("topology", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_judge_passes_every_file(topology: Path) -> None:
    checked = understand(topology.read_text(), topology.name, lambda name: (EXAMPLES / name).read_text())
    heard = {host: verify(files) for host, files in compile_hosts(checked.network)}
    said = [verdict for verdicts in heard.values() for verdict in verdicts]

    assert [verdict for verdict in said if verdict.outcome == Outcome.FAILED] == []
    if os.environ.get("CI") == "true":
        assert [verdict for verdict in said if verdict.outcome != Outcome.PASSED] == []
        assert {verdict.judge for verdict in said} >= {"bash -n", "shellcheck", "systemd-analyze verify"}


def test_there_is_a_judge_for_every_language_that_is_printed() -> None:
    judges = [judge.__module__.rpartition(".")[2] for judge in JUDGES]

    assert judges == ["bash", "shellcheck", "nft", "iptables", "bird", "systemd"]
