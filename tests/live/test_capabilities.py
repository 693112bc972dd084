"""What a unit may do is enough for its part: the scripts run with the capabilities of their units, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from live.compiled import EXAMPLES, compiled, down, give_key, netfilter, parts, script, up
from live.lab import Host, Lab
from live.state import difference

pytestmark = pytest.mark.live

HOSTS = [
    pytest.param(("seedbox", "seedbox", "nftables"), id="seedbox/seedbox"),
    pytest.param(("seedbox", "seedbox", "iptables"), id="seedbox/iptables", marks=pytest.mark.again),
    pytest.param(("dn42", "hkg", "nftables"), id="dn42/hkg"),
]


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest, lab: Lab, tmp_path: Path) -> Host:
    example, name, filter_ = request.param
    netfilter.set(filter_)
    host = lab.host(name, compiled(EXAMPLES / f"{example}.toml", tmp_path)[name])
    lab.wire(
        host, "eth0", lab.host("world"), "eth0", a_addresses=("198.51.100.7/24",), b_addresses=("198.51.100.1/24",)
    )
    secrets = host.run(["cat", "/etc/netc/secrets"], check=False).stdout
    for file in re.findall(r" /etc/netc/keys/(\S+)\.key ", secrets):
        give_key(host, file, file)
    return host


def bounded(host: Host, part: str, verb: str) -> list[str]:
    """The script as its unit runs it, as far as capabilities go."""
    unit = host.read(f"/etc/systemd/system/netc-{part}.service")
    granted = re.findall(r"(?m)^CapabilityBoundingSet=(.+)$", unit)
    assert len(granted) == 1
    names = granted[0].lower().replace("cap_", "+").replace(" ", ",")
    return ["setpriv", f"--bounding-set=-all,{names}", "--no-new-privs", *script(part, verb)]


def test_the_scripts_of_a_part_run_with_the_capabilities_of_its_unit(host: Host) -> None:
    start = host.state()
    for part in parts(host):
        host.run(bounded(host, part, "up"))
    once = host.state()
    for part in parts(host):
        if host.run(["test", "-e", script(part, "reload")[1]], check=False).returncode == 0:
            host.run(bounded(host, part, "reload"))
    assert difference(once, host.state()) == ""
    for part in reversed(parts(host)):
        host.run(bounded(host, part, "down"))
    bare = host.state()

    up(host)
    assert difference(once, host.state()) == ""
    down(host)
    assert difference(bare, host.state()) == ""
    assert difference(start, bare) != difference(start, once)
