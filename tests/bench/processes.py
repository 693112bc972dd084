"""How many processes a host's own programs make: what they cost where starting a program is what costs.

A lab host without systemd, and strace(1), which tells a process from a thread: of the links, those of a kernel without
WireGuard are a program with threads. `bench.booted` counts on a machine that boots.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import links
from bench.figure import Bar, Figure, NotMeasured
from bench.peers import debian_tool
from live.compiled import EXAMPLES, compiled
from live.delivered import INSTALL, deliver
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.needs import LIVE
from live.needs import missing as lacks

LINKS = 100
NETC_HOST = "/usr/local/sbin/netc-host"
VERBS = {
    "install --commit": (("bash", INSTALL, "--commit"), 800),
    "status": ((NETC_HOST, "status"), 40),
    "check": ((NETC_HOST, "check"), 60),
    "down": ((NETC_HOST, "down"), 64),
    "up": ((NETC_HOST, "up"), 32),
}
"""What is run, one after the other, and how many processes each may make with so many links."""
SMALL = {"install --commit": 280, "install again": 100}
"""The same for the server of examples/start.toml. 25 ask the host what it is like, 37 move one file each."""
MACHINERY = re.compile(r"files/usr/lib/netc/[^/]+|files/usr/local/sbin/netc-host")
"""Files of a tree that are the same on every host that has them."""
FILES, LINES = 8, 1300
"""netc-host, steps, and one for each thing that is done or asked: a packet filter, WireGuard, the host, a trial."""
SECONDS = 300
QUIET = 1.0
"""Seconds without a new process, after which what was run has nothing left behind that makes any."""

TRACE = "/run/trace"
STRACE = ("-D", "-f", "--seccomp-bpf", "-qq", "-e", "trace=clone,clone3,fork,vfork", "-o", TRACE, "--")
CALL = re.compile(r"^(\d+) +(?:<\.\.\. )?(clone3?|v?fork)\b(.*)$")


def made(trace: Iterable[str]) -> int:
    """How many processes lines of `strace -f -e trace=clone,clone3,fork,vfork` tell of. Threads are none, nor is a
    call that failed or was interrupted; a call may be told in two lines, with those of others between."""
    begun: dict[str, str] = {}
    count = 0
    for line in trace:
        found = CALL.match(line)
        if not found:
            continue
        pid, _, text = found.groups()
        text = begun.pop(pid, "") + text
        if text.endswith("<unfinished ...>"):
            begun[pid] = text
        elif re.search(r" = [1-9]\d*$", text) and "CLONE_THREAD" not in text:
            count += 1
    return count


def counted(host: Host, argv: Iterable[str]) -> int:
    """Runs it to a good end on a host of the lab: itself and all processes that come from it, of which some may outlive
    it. Raises RuntimeError where it fails."""
    host.run(["rm", "-f", TRACE])
    host.run([debian_tool("strace"), *STRACE, *argv], timeout=SECONDS)
    before, count = -1, made(host.read(TRACE).splitlines())
    while before != count:
        time.sleep(QUIET)
        before, count = count, made(host.read(TRACE).splitlines())
    return count + 1


def figures() -> Iterator[Figure]:
    yield from machinery()
    if reason := lacks(LIVE):
        raise NotMeasured(reason)
    with TemporaryDirectory(prefix="bench-") as folder, Lab() as lab:
        yield from many(lab, Path(folder) / "many")
        yield from small(lab, Path(folder) / "small")


def figure(work: str, verb: str, count: int, most: float, unit: str = "processes") -> Figure:
    return Figure(f"{work}: {verb}", "netc", "", count, None, unit, Bar("most", most, "value"))


def many(lab: Lab, folder: Path) -> Iterator[Figure]:
    hub = lab.host("hub")
    lab.wire(hub, "eth0", lab.host("world"), "hub", a_addresses=["198.51.100.1/24"])
    deliver(lab, hub, compiled(links.topology(LINKS, kind="vxlan"), folder)["hub"])
    for verb, (argv, most) in VERBS.items():
        yield figure(f"{LINKS} links, no systemd", verb, counted(hub, argv), most)


def small(lab: Lab, folder: Path) -> Iterator[Figure]:
    server = lab.host("server")
    lab.wire(server, "eth0", lab.host("outside"), "server", a_addresses=["198.51.100.7/24", "2001:db8:7::7/64"])
    server.write("/etc/netc/keys/host.key", private_key("server") + "\n", 0o600)
    # Its key in place of the example's, of which nobody has the other half: `confirm` asks.
    known = public_key(private_key("server"))
    text = re.sub(r'(?m)^public_key = ".*"$', f'public_key = "{known}"', (EXAMPLES / "start.toml").read_text(), count=1)
    deliver(lab, server, compiled(text, folder)["server"])
    for verb, most in SMALL.items():
        yield figure("start/server, no systemd", verb, counted(server, ["bash", INSTALL, "--commit"]), most)


def machinery() -> Iterator[Figure]:
    """What the smallest host of examples/mesh.toml gets that is the same everywhere: files, and lines of netc-host."""
    with TemporaryDirectory(prefix="bench-") as folder:
        tree = compiled(EXAMPLES / "mesh.toml", Path(folder))["sfo"].parent
        files = [path for path in tree.rglob("*") if MACHINERY.fullmatch(str(path.relative_to(tree)))]
        lines = {path.name: len(path.read_text().splitlines()) for path in files}
    yield figure("mesh/sfo", "machinery", len(lines), FILES, "files")
    yield figure("mesh/sfo", "machinery, netc-host", lines.pop("netc-host"), LINES, "lines")
    yield Figure("mesh/sfo: machinery, libraries of its parts", "netc", "", sum(lines.values()), None, "lines", None)
