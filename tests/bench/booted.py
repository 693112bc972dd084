"""How many processes more a part makes where systemd runs the parts: a Debian that boots beside a host without systemd.

Both install the same tree, with a hundred links. What systemd starts is counted with what asked it to: the number of
the last process of a process namespace (proc(5), /proc/loadavg) grows by one with each, and nothing else runs there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import links
from bench.figure import Bar, Figure, NotMeasured
from bench.processes import LINKS, NETC_HOST, SECONDS
from live.compiled import compiled, parts
from live.delivered import INSTALL, deliver
from live.lab import Host, Lab
from live.needs import missing as lacks
from machine.conftest import MACHINE
from machine.machine import machine

MORE = 4
"""Processes a part."""
INSTALLED = ("bash", INSTALL, "--commit")
VERBS: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "install --commit": (INSTALLED, INSTALLED),
    "status": ((NETC_HOST, "status"), (NETC_HOST, "status")),
    "check": ((NETC_HOST, "check"), (NETC_HOST, "check")),
    "down": ((NETC_HOST, "down"), (NETC_HOST, "down")),
    "up": ((NETC_HOST, "up"), (NETC_HOST, "up")),
    "systemctl stop netc.target": ((NETC_HOST, "down"), ("systemctl", "stop", "netc.target")),
    "systemctl start netc.target": ((NETC_HOST, "up"), ("systemctl", "start", "netc.target")),
}
"""What is run, one after the other: without systemd, and with it. Where systemd itself stops or starts all, each part
is by itself, and there is no bar."""
TAKEN = """
read -r _ _ _ _ before </proc/loadavg
"$@" >&2 || exit
read -r _ _ _ _ after </proc/loadavg
echo "$((after - before))"
"""


def taken(host: Host, argv: Sequence[str]) -> int:
    """Runs it to a good end: how many processes and threads the host had more. Raises RuntimeError where it fails."""
    return int(host.run(["bash", "-c", TAKEN, "taken", *argv], timeout=SECONDS).stdout)


def figures() -> Iterator[Figure]:
    if reason := lacks(MACHINE):
        raise NotMeasured(reason)
    with TemporaryDirectory(prefix="bench-") as folder, Lab() as lab:
        tree = compiled(links.topology(LINKS, kind="vxlan"), Path(folder))["hub"]
        plain, booted = lab.host("hub"), machine(lab, "hub")
        for host, world in ((plain, lab.host("w1")), (booted, lab.host("w2"))):
            lab.wire(host, "eth0", world, "hub", a_addresses=["198.51.100.1/24"])
            deliver(lab, host, tree)
        for verb, (without, by_systemd) in VERBS.items():
            more = taken(booted, by_systemd) - taken(plain, without)
            work = f"{LINKS} links, systemd: {verb}: more a part"
            bar = None if "netc.target" in verb else Bar("most", MORE, "value")
            yield Figure(work, "netc", "", more / len(parts(plain)), None, "processes", bar)
