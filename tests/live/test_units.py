"""The units of a host as systemd itself reads them, with all that they name in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from live.compiled import EXAMPLES, compiled
from live.lab import Lab

pytestmark = pytest.mark.live


@pytest.mark.parametrize("which", ["start/server", "dn42/fra", "laptop/laptop"])
def test_systemd_analyze_finds_nothing_wrong(lab: Lab, which: str, tmp_path: Path) -> None:
    example, name = which.split("/")
    host = lab.host(name, compiled(EXAMPLES / f"{example}.toml", tmp_path)[name])
    units = "/etc/systemd/system/netc*.{service,target,timer,slice}"
    verify = f"shopt -s nullglob; systemd-analyze verify --man=no {units} 2>&1"
    done = host.run(["bash", "-c", verify], check=False)

    assert (done.returncode, done.stdout) == (0, "")
