"""Alerts and the dashboard: by promtool, and against what netc-host says that it prints."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import yaml

from examples import ROOT
from live.needs import require
from monitoring import METRICS, RULES, queries

TESTS = Path(__file__).parent / "prometheus" / "netc.rules.test.yml"


def ran(*words: str | Path) -> str:
    require("" if shutil.which("promtool") else "could not run: apt-get install prometheus")
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_takes_the_alerts() -> None:
    assert "SUCCESS" in ran("check", "rules", RULES)


def test_each_alert_fires_for_what_it_is_about_and_for_nothing_else() -> None:
    assert "SUCCESS" in ran("test", "rules", TESTS)


def test_each_alert_is_seen_to_fire_and_not_to_fire() -> None:
    alerts = [rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    seen = [
        (test["alertname"], bool(test["exp_alerts"]))
        for case in yaml.safe_load(TESTS.read_text())["tests"]
        for test in case["alert_rule_test"]
    ]

    assert set(seen) == {(alert, fires) for alert in alerts for fires in (True, False)}


def test_alerts_and_panels_ask_for_metrics_that_netc_host_prints_with_their_labels() -> None:
    known = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in METRICS.items()}
    own = {"instance", "file", "service"}
    alerts = [rule["expr"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    asked = [*alerts, *queries()]

    assert {name for text in asked for name in re.findall(r"\bnetc_\w+", text)} == set(known)
    for text in asked:
        labels = set(re.findall(r"(\w+)=~?\"", text))
        assert labels <= own, text


def test_a_panel_shows_labels_that_its_metric_has() -> None:
    dashboard = json.loads((ROOT / "docs/monitoring/grafana.json").read_text())
    labels = {name: set(re.findall(r"`(\w+)`", text)) for name, text in METRICS.items()}
    for name, text in METRICS.items():
        if text == "the same":
            labels[name] = labels["netc_wireguard_handshake_seconds"]
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            [name] = set(re.findall(r"\bnetc_\w+", target["expr"])) or {""}
            shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            assert shown <= labels.get(name, set()) | {"instance"}, panel["title"]


def test_panels_do_not_overlap_and_have_numbers_of_their_own() -> None:
    panels = json.loads((ROOT / "docs/monitoring/grafana.json").read_text())["panels"]
    places = [
        (x, y)
        for panel in panels
        for grid in [panel["gridPos"]]
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]

    assert len(places) == len(set(places))
    assert max(x for x, _ in places) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)
