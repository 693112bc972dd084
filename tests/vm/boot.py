"""Boots a stock Debian kernel on this machine's files: from a kernel and a script to what the script left in a folder.

    python tests/vm/boot.py [pytest arguments …]    the live tests, or some of them, by hand

The machine is emulated: a stock kernel does not come up with the KVM of every cloud. vng sees to the root
file system and the modules; what the guest finds is this machine's, read-only, with memory over /etc, /tmp and others.
"""

import os
import re
import select
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from machine.root import debian_root, release

OWN = "debian-12"
"""The release of this machine's own kernel, in /boot. That of another one lies in a root of it."""
HOURS = 8
"""Most that a run by hand may take: it is hundreds of tests, on processors that are emulated."""
GUEST = Path(__file__).with_name("guest.bash")
REPOSITORY = Path(__file__).parents[2]
VNG = Path(sys.executable).parent / "vng"


@dataclass(frozen=True, slots=True)
class Guest:
    """What a run in the machine left behind."""

    folder: Path
    console: str

    def read(self, name: str) -> str:
        path = self.folder / name
        return path.read_text(errors="replace") if path.exists() else ""


def newest_kernel() -> Path | None:
    """Of the release that NETC_RELEASE names."""
    folder = Path("/boot") if release.get() == OWN else debian_root(("linux-image-amd64",)) / "boot"
    kernels = folder.glob("vmlinuz-*-amd64")
    return max(kernels, key=lambda path: [int(number) for number in re.findall(r"\d+", path.name)], default=None)


def live_tests(kernel: Path, folder: Path, timeout: float, arguments: Sequence[str] = ()) -> list[Guest]:
    """The live tests in as many machines with this kernel as there are processors, each with a share of the tests."""
    machines = os.cpu_count() or 1
    taken = folder / "taken"
    taken.mkdir()

    def share(number: int) -> Guest:
        results = folder / str(number)
        results.mkdir()
        script = results / "run"
        command = ["bash", str(GUEST), str(results), sys.executable, str(REPOSITORY), *arguments]
        script.write_text(f"export NETC_TAKEN={shlex.quote(str(taken))}\nexec {shlex.join(command)}\n")
        return boot(kernel, script, results, timeout, taken)

    with ThreadPoolExecutor(machines) as pool:
        return list(pool.map(share, range(machines)))


def boot(kernel: Path, script: Path, folder: Path, timeout: float, *shared: Path) -> Guest:
    """Runs a script of bash as root in a machine of its own, until it ends or the time is up. It may write to `folder`
    and to what is `shared` with other machines."""
    # One processor: two that are emulated spend most of their time in waiting for each other.
    vng = [str(VNG), "--run", str(kernel), "--disable-kvm", "--cpus", "1", "--memory", "2G", "--user", "root"]
    vng += ["--append", "mitigations=off"]  # page-table isolation is what an emulated processor does worst
    vng += [
        "--rodir=/mnt=/",
        *(f"--rwdir={place}" for place in (folder, *shared)),
        "--exec",
        shlex.join(["bash", str(script)]),
    ]
    # Whatever vng starts ends with its process namespace, and that with this program.
    alone = ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    env = os.environ | {"PATH": f"{VNG.parent}:{os.environ['PATH']}"}  # vng looks for its own parts there
    ours, its = os.openpty()  # and wants a terminal
    machine = subprocess.Popen([*alone, *vng], stdin=its, stdout=its, stderr=its, env=env, cwd="/")
    os.close(its)
    try:
        console = heard(ours, time.monotonic() + timeout)
    finally:
        machine.kill()
        machine.wait()
        os.close(ours)
    return Guest(folder, console)


def heard(terminal: int, end: float) -> str:
    """What is said at the terminal, until nobody is left there or the time is up."""
    said = b""
    while (left := end - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            try:
                said += os.read(terminal, 65536)
            except OSError:  # the other end is closed
                return said.decode(errors="replace")
    return said.decode(errors="replace") + "\nended, since its time was up\n"


def main() -> None:
    kernel = newest_kernel()
    if kernel is None:
        sys.exit("no stock kernel: apt-get install linux-image-amd64")
    with TemporaryDirectory(prefix="guest-") as folder:
        guests = live_tests(kernel, Path(folder), HOURS * 3600, sys.argv[1:])
        for guest in guests:
            print(guest.read("log"), guest.console, sep="\n")
        # 5: there were no tests in this share
        sys.exit(max({"0": 0, "5": 0}.get(guest.read("status").strip(), 1) for guest in guests))


if __name__ == "__main__":
    main()
