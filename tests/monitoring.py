"""The alerts and the dashboard of docs/monitoring, and the metrics that docs/reference/status.md lists."""

from __future__ import annotations

import json
import re

from examples import ROOT

RULES = ROOT / "docs/monitoring/netc.rules.yml"
DASHBOARD = ROOT / "docs/monitoring/grafana.json"
METRICS: dict[str, str] = dict(
    re.findall(r"(?m)^\| `(netc_\w+)` \|.*\| (.*?) ?\|$", (ROOT / "docs/reference/status.md").read_text())
)
"""The column with the labels of each."""


def queries() -> list[str]:
    """What the panels ask, with the values of variables that Grafana would put there."""
    texts = [target["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"] for target in panel["targets"]]
    return [text.replace("$instance", ".*").replace("$__rate_interval", "1m") for text in texts]
