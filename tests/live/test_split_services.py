"""Splits of services, where somebody else plays systemd's part; tests/machine has the units."""

from __future__ import annotations

from pathlib import Path

import pytest

from live.compiled import down, filter_up
from live.lab import Lab
from live.test_splits import (
    ANYONE,
    EXIT,
    LAPTOP,
    OF_ANYONE,
    OF_MEMBER,
    OF_MEMBER_ALONE,
    UNLISTED,
    Scene,
    Wrapper,
    leaked,
    scene,
    seen,
    sees,
    start,
    topology,
)
from live.traffic import SILENCE, Capture

pytestmark = [pytest.mark.live, pytest.mark.netfilters]

GROUPS = "/sys/fs/cgroup"
JOIN = f"""
mkdir -p {GROUPS}/$1
echo $BASHPID >{GROUPS}/$1/cgroup.procs
exec "${{@:2}}"
"""


@pytest.mark.parametrize("mode", ["only", "except"])
def test_a_split_matches_a_service_by_its_control_group(lab: Lab, tmp_path: Path, mode: str, netfilter: str) -> None:
    """The control groups are this machine's own, and so have a name a test."""
    text = topology(f'service = "visits.service"\nmode = "{mode}"')
    name = f"{mode}{netfilter}"
    there = scene(lab, tmp_path, text.replace("splits.cavorite", f"splits.{name}"))
    laptop, group = there.laptop, f"netc_{name}.slice/visits.service"
    service = ["bash", "-ec", JOIN, "join", group]
    laptop.run(["mount", "-t", "tmpfs", "none", GROUPS])
    assert f"cgroup v2 alone) at {GROUPS}" in filter_up(laptop, check=False)
    laptop.run(["mount", "-t", "cgroup2", "none", GROUPS])
    try:
        _check_control_group(there, service, ANYONE, mode, f"{GROUPS}/{group}")
    finally:
        laptop.run(["bash", "-c", f"cd {GROUPS} && rmdir -p {group}"], check=False)


def _check_control_group(there: Scene, service: Wrapper, others: Wrapper, mode: str, group: str) -> None:
    start(there)
    inside, outside = (service, others) if mode == "only" else (others, service)
    assert sees(there, inside) == OF_MEMBER
    assert sees(there, outside) == OF_ANYONE

    # Made anew, the group is another one, until the packet filter has looked.
    there.laptop.run(["rmdir", group, str(Path(group).parent)])
    assert seen(there, service, UNLISTED[0]) == (LAPTOP[0] if mode == "only" else EXIT[0])
    there.laptop.run(["/etc/netc/parts/firewall/hold"])
    assert seen(there, service, UNLISTED[0]) == (EXIT[0] if mode == "only" else LAPTOP[0])
    there.laptop.run(["ip", "link", "delete", "dev", "wg-escape"])
    capture = Capture(there.laptop, "eth0")
    assert sees(there, inside, timeout=SILENCE) == OF_MEMBER_ALONE
    assert leaked(capture) == []
    there.laptop.run(["rmdir", group])
    down(there.laptop)
    assert Path(group).parent.name not in there.laptop.run(["ls", GROUPS]).stdout
