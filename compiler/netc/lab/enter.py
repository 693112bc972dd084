"""A process that all of a lab hangs on: it has namespaces of its own, and nothing outlives it, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

FOLDERS = ("/mnt", "/media", "/srv", "/opt")
"""Where the lab's own files are, in memory that nobody else sees. One that the lab needs nothing of is taken."""
HARMFUL = "-sys_module,-sys_rawio,-sys_boot,-sys_time,-mknod,-syslog,-mac_admin,-mac_override,-audit_control"
"""What root of this machine could do to all of it, and nobody in a lab can."""
BEGIN = "from netc.cli import main; main()"


def is_allowed() -> bool:
    """Whether the user may have namespaces at all."""
    if os.geteuid() == 0:
        return True
    ask = ["unshare", "--user", "--map-root-user", "--mount", "--net", "true"]
    return subprocess.run(ask, capture_output=True, check=False).returncode == 0


def inside(words: Sequence[str]) -> int:
    """Runs netc with these words as the first process of new namespaces: how it ended. It ends with this process."""
    netc = [sys.executable, "-P", "-c", BEGIN, *words]
    spaces = ["--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() == 0:
        command = ["unshare", *spaces, "setpriv", f"--bounding-set={HARMFUL}", *netc]
    else:
        command = ["unshare", *_user(), *spaces, *netc]
    process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command])

    def end(_: int, __: FrameType | None) -> None:
        process.kill()

    signal.signal(signal.SIGTERM, end)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # the lab has got it too, and ends
            pass


def memory() -> int:
    """Bytes that all processes of the lab have, but for this one. What several share is counted once."""
    found = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            text = "" if process.name == str(os.getpid()) else (process / "smaps_rollup").read_text(encoding="utf-8")
        except OSError:  # it has ended, or is the kernel's
            continue
        found += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) * 1024
    return found


def _user() -> list[str]:
    """Root there is the user here. More users and groups only by newuidmap(1), if this machine gives any."""
    many = ["--user", "--map-root-user", "--map-auto"]
    try:
        done = subprocess.run(["unshare", *many, "true"], capture_output=True, check=False, timeout=10)
    except subprocess.TimeoutExpired:
        return ["--user", "--map-root-user"]
    return many if done.returncode == 0 else ["--user", "--map-root-user"]


def own_folder(used: Sequence[Path]) -> Path:
    """An empty folder in memory, for this lab alone. Raises OSError."""
    needed = [path.resolve() for path in (*used, Path(sys.prefix), Path(sys.base_prefix), Path(__file__))]
    for name in FOLDERS:
        folder = Path(name)
        if folder.is_dir() and not any(path.is_relative_to(folder) for path in needed):
            done = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "mode=0700", "lab", name],
                capture_output=True,
                encoding="utf-8",
                check=False,
            )
            if done.returncode:
                raise OSError(done.returncode, done.stderr.strip())
            return folder
    raise OSError(2, f"none of {', '.join(FOLDERS)} is free")
