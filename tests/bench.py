"""Time and peak memory of netc itself, each the median of several runs in a process of its own. `make bench`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
LONG = 400_000
NETC = [sys.executable, "-c", "from netc.cli import main; main()"]


def mesh(hosts: int, interfaces: str) -> str:
    """A mesh of so many hosts, each with both families."""
    lines = ["version = 1", 'network.name = "bench"']
    for n in range(1, hosts + 1):
        key = b64encode(sha256(str(n).encode()).digest()).decode()
        addresses = f'["198.{18 + n // 250}.{n % 250}.1/24", "2001:db8:{n:x}::1/64"]'
        lines += [f"[hosts.h{n}]", f"id = {n}", f"addresses = {addresses}", f'public_key = "{key}"']
    lines += ["[meshes.m]", 'hosts = "all"', f'interfaces = "{interfaces}"']
    if interfaces == "shared":
        lines += ['subnet = ["10.64.0.0/16", "fd64::/64"]']
    return "\n".join(lines) + "\n"


def long_list(prefixes: int) -> str:
    """A list of so many lines that cannot be merged, one in eight of them IPv6, in no order."""
    lines = [f"{1 + n // 65536 % 200}.{n // 256 % 256}.{n % 256}.{n % 2 * 64}/27" for n in range(prefixes * 7 // 8)]
    lines += [f"2a00:{n // 32768:x}:{n % 32768 * 2:x}::/48" for n in range(prefixes - len(lines))]
    return "".join(f"{lines[n * 7919 % len(lines)]}\n" for n in range(len(lines)))


LISTED = """version = 1
network.name = "bench"
hosts.h = { id = 1, addresses = "198.51.100.1/24", firewall = { deny = "long" } }
sets.long = { files = "long.txt", ipset = true }
"""


def measured(command: Sequence[str]) -> tuple[float, float]:
    """Seconds, and MiB at the peak (getrusage(2), ru_maxrss)."""
    start = time.perf_counter()
    pid = os.posix_spawn(
        command[0],
        list(command),
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ],
    )
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise subprocess.CalledProcessError(os.waitstatus_to_exitcode(status), command)
    return seconds, usage.ru_maxrss / 1024


def row(name: str, command: Sequence[str], runs: int, out: Path | None = None) -> str:
    taken = []
    for _ in range(runs):
        if out:
            subprocess.run(["rm", "-rf", str(out)], check=True)
        taken.append(measured(command))
    seconds, memory = median(t for t, _ in taken), max(m for _, m in taken)
    return f"| {name} | {seconds:.2f} s | {memory:.0f} MiB |"


def main() -> None:
    print("| what | time | peak memory |", "|---|---|---|", sep="\n")
    print(row("python3 -c 'import typer'", [sys.executable, "-c", "import typer"], 7))
    print(row("netc --version", [*NETC, "--version"], 7), flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        out = Path(folder) / "out"
        seedbox = str(ROOT / "examples/seedbox.toml")
        print(row("netc build, seedbox", [*NETC, "build", seedbox, "-o", str(out)], 7, out), flush=True)
        for hosts, interfaces, runs in ((100, "per-peer", 3), (1000, "shared", 3)):
            topo = Path(folder) / f"{interfaces}.toml"
            topo.write_text(mesh(hosts, interfaces))
            command = [*NETC, "build", str(topo), "-o", str(out)]
            print(row(f"netc build, {hosts} hosts, {interfaces} mesh", command, runs, out), flush=True)
        (Path(folder) / "long.txt").write_text(long_list(LONG))
        topo = Path(folder) / "listed.toml"
        topo.write_text(LISTED)
        command = [*NETC, "build", str(topo), "-o", str(out)]
        print(row(f"netc build, a list of {LONG:,} prefixes for nft and ipset", command, 3, out), flush=True)


if __name__ == "__main__":
    main()
