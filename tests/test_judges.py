"""Every file that is compiled from an example satisfies the tool that it is for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, reject, settings

import night
from netc.diagnostic import InvalidTopology
from netc.pipeline import compile_hosts, understand
from netc.verify import JUDGES, Outcome, bird, shellcheck, verify, verify_all
from topologies import FULL, Table, document, topologies

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


@pytest.mark.parametrize("topology", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_judge_passes_every_file(topology: Path) -> None:
    checked = understand(topology.read_text(), topology.name, lambda name: (EXAMPLES / name).read_text())
    hosts = compile_hosts(checked.network)
    # At night each host by itself; `--verify` reads what is alike together, as here by day.
    heard = (verify(files) for _, files in hosts) if night.is_night() else (v for _, _, v in verify_all(hosts))
    said = [verdict for verdicts in heard for verdict in verdicts]

    assert [verdict for verdict in said if verdict.outcome == Outcome.FAILED] == []
    if os.environ.get("CI") == "true":
        assert [verdict for verdict in said if verdict.outcome != Outcome.PASSED] == []
        assert {verdict.judge for verdict in said} >= {"bash -n", "shellcheck", "systemd-analyze verify"}


def test_libraries_of_a_release_pass_shellcheck_with_data_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--verify` does without, which is most of shellcheck's work."""
    monkeypatch.setattr(shellcheck, "_said", {})
    monkeypatch.setattr(shellcheck, "_flows", lambda _: True)
    network = understand(document(FULL), "full.toml", str).network
    brought = {f"files/usr/lib/netc/{path.name}" for path in (ROOT / "templates/bash").glob("*.bash")}
    for _, files in compile_hosts(network):
        libraries = [file for file in files if file.path.startswith("files/usr/")]
        brought -= {file.path for file in libraries}
        assert [verdict for verdict in shellcheck.judge(libraries) if verdict.outcome != Outcome.PASSED] == []
    assert brought <= {"files/usr/lib/netc/iptables.bash", "files/usr/lib/netc/sets.bash"}


@settings(max_examples=night.number(600), suppress_health_check=[HealthCheck.filter_too_much])
@given(topologies(least_hosts=2))
def test_bird_reads_the_configuration_of_generated_routers(topology: Table) -> None:
    assume(topology.keys() & {"bgp", "igp"})
    try:
        network = understand(document(topology), "drawn.toml", str).network
    except InvalidTopology:
        reject()
    said = [verdict for _, files in compile_hosts(network) for verdict in bird.judge(files)]

    assert said
    assert [verdict for verdict in said if verdict.outcome == Outcome.FAILED] == []


def test_there_is_a_judge_for_every_language_that_is_printed() -> None:
    judges = [judge.__module__.rpartition(".")[2] for judge in JUDGES]

    assert judges == ["bash", "shellcheck", "nft", "iptables", "bird", "systemd"]
