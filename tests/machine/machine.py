"""A machine: a Debian root that boots, with its own systemd, wired like any other host of a lab.

It keeps its disk over a reboot, as a server does. systemd-nspawn(1) runs it in a mount namespace of its own, over an
overlay whose lower layer is the cached root.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import mkdtemp

from live.lab import ENVIRONMENT, Host, Lab
from machine.root import PACKAGES, debian_root
from netc.lab.waiting import LONG, within

BOOT = """
# Its control groups are its own, and new with each boot.
mkdir "$4" && echo $$ >"$4/cgroup.procs"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
# Control groups of version 2 alone, as Debian has them, whatever this machine has.
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
exec systemd-nspawn --quiet --directory="$2/root" --hostname="$3" --boot --register=no --keep-unit \
    --private-network --bind=/dev/net/tun --link-journal=no --console=pipe --system-call-filter="$5" ${6:+"$6"}
"""
UNPRIVILEGED = "--private-users=identity"
"""Root inside is nobody's root outside, as in an unprivileged container of LXC: it loads no module, and the kernel
gives it less memory and fewer control groups."""
CONTAINERS = "add_key keyctl bpf"
"""System calls of runc(8): a session keyring, and the devices of a control group."""
MOMENTARY = " /run/(?!netc)"
"""What systemd and its programs leave in /run, in lines of a state."""


class Machine(Host):
    def __init__(
        self, name: str, lab: Lab, packages: tuple[str, ...] = PACKAGES, calls: str = "", option: str = ""
    ) -> None:
        """`calls`: system calls that systemd-nspawn allows beside its own. `option`: another one of its words."""
        super().__init__(name, lab)
        self._root = debian_root(packages)
        self._calls, self._option = calls, option
        self._disk = Path(mkdtemp(prefix=f"machine-{name}-"))
        for folder in ("upper", "work", "root"):
            (self._disk / folder).mkdir()
        (self._disk / "upper" / "etc").mkdir()
        (self._disk / "upper" / "etc" / "hostname").write_text(f"{name}\n")
        self._groups = Path(_control_groups()) / self._disk.name
        self._runner: subprocess.Popen[bytes] | None = None

    def boot(self, plug: Callable[[], object] = bool) -> None:
        """Until systemd has started all that it wants to start; `plug` is called as soon as there is something to plug
        a wire into."""
        script = ["bash", "-ec", BOOT, "boot", str(self._root), str(self._disk), self.name, str(self._groups)]
        script += [self._calls, self._option]
        with self._lab.file(".console").open("wb") as console:
            self._runner = subprocess.Popen(
                ["unshare", "--mount", "--propagation=private", *script],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env=ENVIRONMENT,
                start_new_session=True,
            )
        self.pid = self._first_process()
        plug()
        state = self.run(["systemctl", "is-system-running", "--wait"], check=False).stdout.strip()
        if state not in ("running", "degraded"):
            raise RuntimeError(f"{self.name} is `{state}`:\n{Path(console.name).read_text()[-2000:]}")

    def _first_process(self) -> int:
        assert self._runner is not None
        runner = self._runner
        within(LONG, lambda: runner.poll() is not None or list(_booting(runner.pid)))
        for pid in _booting(runner.pid):
            return pid
        raise RuntimeError(f"{self.name} did not boot")

    def power_off(self) -> None:
        """As by the button: systemd stops its units."""
        if self._runner is None:
            return
        self.run(["systemctl", "poweroff"], check=False)
        self._wait(LONG)

    def power_cut(self) -> None:
        """As by the cable: nothing is told."""
        for pid in _below(self._runner.pid) if self._runner else ():
            if _is_first(pid):
                subprocess.run(["kill", "-9", str(pid)], check=False)
        self._wait(60)

    def _wait(self, seconds: float) -> None:
        runner, self._runner = self._runner, None
        if runner is None:
            return
        try:
            runner.wait(seconds)
        except subprocess.TimeoutExpired:
            runner.kill()
            runner.wait()
        subprocess.run(["find", str(self._groups), "-depth", "-type", "d", "-exec", "rmdir", "{}", "+"], check=False)

    def close(self) -> None:
        for process in reversed(self._started):
            process.stop(signal.SIGKILL)
        self.power_cut()
        subprocess.run(["rm", "-rf", "--one-file-system", str(self._disk)], check=False)

    def _spaces(self) -> Sequence[str]:
        """With its own view of control groups: the kernel counts their levels from there."""
        return (*super()._spaces(), "--cgroup", *(["--user"] if self._option == UNPRIVILEGED else []))

    def _inside(self, path: str) -> str:
        if not path.startswith("/") or ".." in path.split("/"):
            raise ValueError(f"`{path}` is no path from the root")
        return path


def _control_groups() -> str:
    """Where this machine's are, of version 2."""
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    return next(place for _, place, kind, *_ in mounts if kind == "cgroup2")


def machine(lab: Lab, name: str, packages: tuple[str, ...] = PACKAGES, calls: str = "", option: str = "") -> Machine:
    """A machine that has booted; it ends with the lab."""
    made = Machine(name, lab, packages, calls, option)
    lab.adopt(made)
    made.boot()
    return made


def _below(pid: int) -> Iterator[int]:
    """Every process that descends from `pid`."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in map(int, children):
        yield child
        yield from _below(child)


def _booting(runner: int) -> Iterator[int]:
    """The first process of the machine, as soon as it can be spoken to."""
    for pid in _below(runner):
        if _is_first(pid) and Path(f"/proc/{pid}/root/run/systemd/private").exists():
            yield pid


def _is_first(pid: int) -> bool:
    """Whether it is process 1 of a namespace of its own."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
    return len(numbers) > 1 and numbers[-1] == "1"
