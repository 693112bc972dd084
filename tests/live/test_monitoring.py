"""What docs/monitoring asks for, asked of a real Prometheus that scrapes what netc-host prints."""

from __future__ import annotations

import json
import re
import subprocess
import time
from typing import Any
from urllib.parse import quote

import pytest

from examples import ROOT
from live.lab import Host
from live.needs import missing, require
from monitoring import METRICS, RULES, queries
from netc.lab.waiting import wait

pytestmark = pytest.mark.live

PLACE = "/var/tmp/monitoring"
ROWS = """
generation  0123456789abcdef
pending     fedcba9876543210  1700000000  complete
part        firewall  up
part        bird      broken
peer        wg-home  -  home  o7U5igB8GgGNZVL+UME8mnsE5kd6bCtiy7mqTe0McDg=  203.0.113.9:51820  1700000000  5  100  200
session     upstream  BGP   Active
session     rtr       RPKI  Established
anycast     dns       up
host        mtu of eth0  1500  1450  refused: too small
failed      netc-bird.service
dropped     forwards.web  80/tcp  inet ufw input
"""
CONFIG = f"""
global: {{ scrape_interval: 1s, evaluation_interval: 1s }}
rule_files: [{PLACE}/netc.rules.yml]
scrape_configs:
  - job_name: node
    metrics_path: /metrics
    static_configs: [{{ targets: ["127.0.0.1:9100"] }}]
"""
ASK = """
import json, sys, urllib.parse, urllib.request
for path in json.load(sys.stdin):
    with urllib.request.urlopen(f"http://127.0.0.1:9090/api/v1/{path}", timeout=10) as answer:
        print(answer.read().decode())
"""


def printed() -> str:
    """By the function of netc-host, and what node_exporter says of its file."""
    rows = [re.sub(" {2,}", "\t", row) for row in ROWS.strip().splitlines()]
    script = f"source {ROOT}/templates/host/status.bash; as_metrics"
    done = subprocess.run(["bash", "-c", script], input="\n".join(rows), capture_output=True, text=True, check=True)
    return f'{done.stdout}node_textfile_mtime_seconds{{file="/var/lib/x/netc.prom"}} {time.time():.0f}\n'


def asked(host: Host, *paths: str) -> list[dict[str, Any]]:
    done = host.run(["python3", "-c", ASK], input=json.dumps(paths), check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def query(text: str) -> str:
    return f"query?query={quote(text)}"


@pytest.fixture
def prometheus(host: Host) -> Host:
    require(missing({"prometheus": "prometheus", "python3": "python3"}))
    host.write(f"{PLACE}/metrics", printed())
    host.write(f"{PLACE}/netc.rules.yml", RULES.read_text())
    host.write(f"{PLACE}/prometheus.yml", CONFIG)
    host.start(["python3", "-m", "http.server", "--bind", "127.0.0.1", "--directory", PLACE, "9100"])
    where = [f"--config.file={PLACE}/prometheus.yml", f"--storage.tsdb.path={PLACE}/data"]
    host.start(["prometheus", *where, "--web.listen-address=127.0.0.1:9090"])
    wait(lambda: any(one["data"]["result"] for one in asked(host, query("count_over_time(netc_pending[1m]) > 3"))), 60)
    return host


def test_prometheus_answers_every_query_of_the_dashboard_and_evaluates_every_alert(prometheus: Host) -> None:
    texts = queries()
    answers = asked(prometheus, *map(query, texts))
    assert len(answers) == len(texts)
    for text, answer in zip(texts, answers, strict=True):
        assert answer["status"] == "success", text
        assert answer["data"]["result"], text
    known = asked(prometheus, "label/__name__/values")[0]["data"]
    assert {name for name in known if name.startswith("netc_")} == set(METRICS)

    def alerts() -> dict[str, tuple[str, str]]:
        groups = asked(prometheus, "rules")[0]["data"]["groups"]
        return {rule["name"]: (rule["health"], rule["state"]) for group in groups for rule in group["rules"]}

    wait(lambda: all(health == "ok" for health, _ in alerts().values()), 30)
    found = alerts()
    assert {name for name, (_, state) in found.items() if state == "inactive"} == {
        *("NetcMetricsOld", "NetcPeerSilent", "NetcRoasNotRead", "NetcNowhereAnnounced", "NetcNotAnnounced")
    }
    assert found["NetcPartDown"][1] == "pending"
