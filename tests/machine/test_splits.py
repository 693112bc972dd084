"""System S5 on a machine that boots: what is told by group, service or slice goes by a tunnel."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from live.compiled import compiled, give_key
from live.keys import private_key, public_key
from live.lab import ENVIRONMENT, Lab
from live.state import FORWARDING, difference, without
from live.test_splits import (
    EXIT,
    LAPTOP,
    LISTED,
    PRIVATE,
    ROUTER,
    ROUTERS_ANSWER,
    TUNNELS_ANSWER,
    UNLISTED,
    serve_tunnel,
)
from live.traffic import dns, echo
from machine.machine import Machine, machine
from machine.test_seedbox import active
from netc.lab.waiting import within

pytestmark = pytest.mark.machine

SPLITS = {
    "cavorite": 'group = "cavorite"\ncommand = "t"',
    "seeding": 'service = ["visits.service", "absent.service"]',
    "media": 'slice = "media-video.slice"',
}
TOPOLOGY = f"""
version = 1
network.name = "away"
sets.country.prefixes = "203.0.113.0/24"

[hosts.laptop]
id = 1
wan = "eth0"
addresses = "192.168.1.2/24"

[hosts.laptop.tunnels.escape]
kind = "wireguard"
address = "10.66.0.2/24"
peer = {{ public_key = "{public_key(private_key("exit"))}", endpoint = "192.0.2.77:51820", allowed_ips = "0.0.0.0/0" }}
""" + "".join(
    f'\n[hosts.laptop.splits.{name}]\ntunnel = "escape"\ndirect = ["private", "country"]\ndns = "10.66.0.1"\n{who}\n'
    for name, who in SPLITS.items()
)

# It never stops asking who it is taken for, and by what name somebody goes.
SERVICE = """
[Unit]
DefaultDependencies=no
StartLimitIntervalSec=0
[Service]
{where}
ExecStart=/usr/local/bin/visits {name}
ExecReload=true
TimeoutStopSec=2
[Install]
WantedBy=multi-user.target
"""
VISITS = """#!/bin/bash
while :; do
    for address in 203.0.113.80 198.51.100.80; do
        said=$(socat -t1 -T1 - "TCP4:$address:7000,connect-timeout=1" 2>/dev/null)
        socat -u - "UDP4:$address:7000" <<<udp 2>/dev/null
        printf '%s\\n' "$said" >"/run/$1.$address"
    done
    getent ahostsv4 somewhere.example | awk 'NR == 1 { print $1 }' >"/run/$1.name"
done
"""
NAMES = ("visits.service", "watches.service")
PARTS = ("netc.target", "netc-firewall.service", *(f"netc-split-{name}.service" for name in SPLITS))


class Scene:
    def __init__(self, lab: Lab, folder: Path, topology: str = TOPOLOGY) -> None:
        self.lab = lab
        self.laptop, self.exit, self.world = machine(lab, "laptop"), lab.host("exit"), lab.host("world")
        self.world.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
        # What begins: a filter that is stopped cannot keep a closed connection from its last words.
        begins = "tcp flags & (fin | syn | rst | ack) != syn accept"
        counting = f"ip daddr {UNLISTED[0]} counter\n meta l4proto {{ tcp, udp }} th dport {{ 53, 853 }} counter"
        chain = f'type filter hook prerouting priority raw\n iifname != "laptop" accept\n {begins}\n {counting}'
        self.world.run(["nft", "-f", "-"], input=f"table inet leaks {{\n chain c {{\n {chain}\n }}\n }}\n")
        ends = [f"{EXIT[0]}/24"], ["192.0.2.1/24"]
        lab.wire(self.exit, "eth0", self.world, "exit", a_addresses=ends[0], b_addresses=ends[1])
        self.exit.run(["ip", "route", "add", "default", "via", "192.0.2.1"])
        for address in (LISTED[0], UNLISTED[0], PRIVATE[0]):
            self.world.run(["ip", "address", "add", address, "dev", "lo"])
        serve_tunnel(self.exit)
        self.plug()
        echo(self.world, 7000, LISTED[0], UNLISTED[0], PRIVATE[0])
        dns(self.world, ROUTERS_ANSWER, "0.0.0.0")
        self.laptop.lay(compiled(topology, folder)["laptop"])
        give_key(self.laptop, "escape", "laptop")
        self.laptop.write("/etc/resolv.conf", f"nameserver {ROUTER[0]}\noptions timeout:1 attempts:1\n")
        self.laptop.write("/usr/local/bin/visits", VISITS, 0o755)
        for name, where in zip(NAMES, ("", "Slice=media-video.slice"), strict=True):
            self.laptop.write(f"/etc/systemd/system/{name}", SERVICE.format(where=where, name=name))

    def plug(self) -> None:
        """The uplink, which an image configures, and netc never."""
        ends = [f"{LAPTOP[0]}/24"], [f"{ROUTER[0]}/24"]
        self.world.run(["ip", "link", "delete", "dev", "laptop"], check=False)  # of a machine that was switched off
        self.lab.wire(self.laptop, "eth0", self.world, "laptop", a_addresses=ends[0], b_addresses=ends[1])
        self.laptop.run(["ip", "route", "replace", "default", "via", ROUTER[0]])

    def leaked(self) -> int:
        """Packets so far that should have gone by the tunnel, and came by the uplink."""
        counters = self.world.run(["nft", "list", "table", "inet", "leaks"]).stdout
        return sum(map(int, re.findall(r"packets (\d+)", counters)))

    def asks(self, address: str, *wrapper: str) -> str:
        words = [*wrapper, "socat", "-t1", "-T1", "-", f"TCP4:{address}:7000,connect-timeout=1"]
        return self.laptop.run(words, check=False).stdout.strip()

    def member_is(self, seen: dict[str, str]) -> bool:
        """Soon, by each of the addresses, taken for these."""
        return within(60, lambda: all(self.asks(address, "t") == taken for address, taken in seen.items()))

    def lookup(self, *wrapper: str) -> str:
        return (self.laptop.run([*wrapper, "getent", "ahostsv4", "a.example"], check=False).stdout.split() or [""])[0]

    def systemctl(self, *words: str) -> str:
        return self.laptop.run(["systemctl", *words], check=False).stdout

    def visited(self, services: Sequence[str] = NAMES) -> bool:
        """From now on each of the services is seen as a visitor from the tunnel's far end, or directly."""
        places = {LISTED[0]: LAPTOP[0], UNLISTED[0]: EXIT[0], "name": TUNNELS_ANSWER}
        self.laptop.run(["bash", "-c", "rm -f /run/*.service.*"])
        files = {f"/run/{service}.{place}": answer for service in services for place, answer in places.items()}
        said = lambda: self.laptop.run(["head", "-n", "1", *files], check=False).stdout  # noqa: E731
        return within(60, lambda: all(f"{file} <==\n{answer}\n" in said() for file, answer in files.items()))


@pytest.mark.releases
def test_a_split_by_group_service_or_slice_never_leaves_by_the_uplink(lab: Lab, tmp_path: Path) -> None:
    there = Scene(lab, tmp_path)
    laptop, systemctl = there.laptop, there.systemctl
    systemctl("daemon-reload")
    systemctl("start", "nftables")
    before = laptop.state()
    systemctl("enable", "netc.target", *NAMES)
    systemctl("start", "visits.service")  # brings up what it needs
    systemctl("start", "netc.target", *NAMES)
    assert active(laptop, *PARTS, *NAMES) == ["active"] * 7
    assert there.visited()

    # A group, with the resolver that the image has.
    assert laptop.run(["getent", "group", "cavorite"]).stdout
    assert there.member_is({LISTED[0]: LAPTOP[0], UNLISTED[0]: EXIT[0], PRIVATE[0]: LAPTOP[0]})
    assert there.lookup("t") == TUNNELS_ANSWER
    assert there.leaked() == 0
    assert there.asks(UNLISTED[0]) == LAPTOP[0]
    assert there.lookup() == ROUTERS_ANSWER
    own = there.leaked()
    assert own > 0, "or nothing is counted"

    # Control groups come and go, and rules are loaded anew.
    numbers = laptop.read("/run/netc/firewall.groups")
    often = [("restart", "--no-block", *NAMES), ("restart", *NAMES)] * 4  # more than systemd allows within ten seconds
    for words in (
        *often,
        ("reload", "netc-firewall"),
        ("stop", "media-video.slice", "netc_seeding.slice"),
        ("start", *NAMES),
        ("restart", "netc-firewall"),
        ("restart", "nftables"),
        ("stop", "media.slice"),
        ("daemon-reload",),
        ("start", *NAMES),
    ):
        systemctl(*words)
    assert active(laptop, *PARTS, *NAMES) == ["active"] * 7
    assert laptop.read("/run/netc/firewall.groups") != numbers
    assert there.visited()
    assert there.leaked() == own

    # The tunnel goes, and comes back.
    for cut in (["systemctl", "stop", "netc-tunnel-escape"], ["ip", "link", "delete", "dev", "wg-escape"]):
        systemctl("start", "netc-tunnel-escape")
        laptop.run(cut)
        assert there.asks(UNLISTED[0], "t") == ""
        assert there.member_is({LISTED[0]: LAPTOP[0]})
        systemctl("restart", "netc-tunnel-escape", *NAMES)
        assert there.visited()
        assert there.member_is({UNLISTED[0]: EXIT[0]})
    assert there.leaked() == own

    # Without its filter no service runs.
    laptop.write("/etc/netc/broken.nft", "nonsense\n")
    laptop.run(["mount", "--bind", "/etc/netc/broken.nft", "/etc/netc/nftables.nft"])
    for words in (("stop", "netc-firewall"), ("start", *NAMES)):
        systemctl(*words)
    assert active(laptop, *NAMES) == ["inactive"] * 2
    laptop.run(["umount", "/etc/netc/nftables.nft"])

    systemctl("start", "netc.target", *NAMES)
    assert there.visited()
    systemctl("stop", "netc.target")
    assert within(60, lambda: set(active(laptop, *PARTS, *NAMES)) == {"inactive"})
    known = (FORWARDING, "/eth0/accept_ra = ", "^. /run/", "cavorite")
    assert difference(without(before, *known), without(laptop.state(), *known)) == ""
    assert there.leaked() == own

    # Where the kernel would count levels from elsewhere, a packet shows it in time.
    up = [word for word in laptop.entering(["/etc/netc/parts/firewall/up"]) if word != "--cgroup"]
    done = subprocess.run(up, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "cannot match control groups" in done.stderr
    assert "netc" not in laptop.run(["nft", "list", "tables"]).stdout

    for off in (laptop.power_off, laptop.power_cut):
        off()
        laptop.boot(there.plug)
        assert active(laptop, *PARTS, *NAMES) == ["active"] * 7
        assert there.visited()
        assert there.member_is({LISTED[0]: LAPTOP[0], UNLISTED[0]: EXIT[0]})
        assert there.leaked() == own
    assert began(laptop, "netc-firewall.service") < began(laptop, "network-pre.target")


def began(laptop: Machine, unit: str) -> int:
    """Microseconds after the machine's start."""
    return int(laptop.run(["systemctl", "show", "--value", "-p", "ActiveEnterTimestampMonotonic", unit]).stdout)
