"""Root file systems of minimal Debian servers, one for each release, made once and kept in .cache."""

from __future__ import annotations

import os
import subprocess
from contextvars import ContextVar
from fcntl import LOCK_EX, flock
from hashlib import sha256
from pathlib import Path

SUITES = {"debian-12": "bookworm", "debian-13": "trixie"}
"""What `target` calls them, and Debian."""

DEFAULT = os.environ.get("NETC_RELEASE", "debian-12")
release: ContextVar[str] = ContextVar("release", default=DEFAULT)
"""What machines run. `make matrix` runs all machine tests with each."""

CACHE = Path(__file__).parents[2] / ".cache" / "roots"

PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "openssh-server", "sudo", "iproute2", "nftables", "ipset", "bird2"),
    *("wireguard-tools", "wireguard-go", "kmod", "socat", "iptables", "iptables-persistent"),
)
"""A VPS image and the tools of a plan. No Python, no procps: what netc writes has to do without."""

FIREWALLS = (
    *(package for package in PACKAGES if package != "iptables-persistent"),
    "ufw",
    "firewalld",
    "docker.io",
    "libpam-systemd",
    "fail2ban",
    "podman",
    "netavark",
    "busybox-static",
)
"""Of a server with firewalls that others wrote, none of them on, and containers. ufw and iptables-persistent exclude
each other."""

FIREWALLS_13 = (*FIREWALLS, "docker-cli")
"""The same on Debian 13, where Docker's command is a package of its own."""

TIDY = """
rm -f "$1"/etc/systemd/system/*.wants/{firewalld,docker,containerd,ufw}.service
rm -f "$1"/etc/systemd/system/sockets.target.wants/docker.socket
rm -f "$1"/etc/systemd/system/dbus-org.fedoraproject.FirewallD1.service
rm -f "$1"/etc/systemd/system/multi-user.target.wants/bird.service
rm -rf "$1"/var/cache/apt "$1"/var/lib/apt/lists
: >"$1"/etc/machine-id
"""


def debian_root(packages: tuple[str, ...] = PACKAGES, suite: str = "") -> Path:
    """The folder; nobody writes to it. debootstrap(8) takes a minute. Without a `suite`, it is that of `release`."""
    suite = suite or SUITES[release.get()]
    root = CACHE / f"{suite}-{sha256(' '.join(packages).encode()).hexdigest()[:12]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"lock-{root.name}").open("w") as lock:  # machines boot side by side, and one of them makes it
        flock(lock, LOCK_EX)
        _make(root, packages, suite)
    return root


def debian_packages(*names: str, suite: str = "") -> tuple[Path, ...]:
    """Packages of the same Debian and what they need, for machines to install: these have no network. Made once."""
    suite = suite or SUITES[release.get()]
    folder = CACHE / f"packages-{suite}-{sha256(' '.join(names).encode()).hexdigest()[:12]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        flock(lock, LOCK_EX)
        if not folder.exists():
            half = folder.with_suffix(".half")
            subprocess.run(["rm", "-rf", str(half)], check=True)
            _debootstrap("--download-only", f"--include={','.join(names)}", suite=suite, folder=half)
            half.rename(folder)
    kept = folder / "var" / "cache" / "apt" / "archives"
    return tuple(next(kept.glob(f"{name}_*.deb")) for name in names)


def _debootstrap(*options: str, suite: str, folder: Path) -> None:
    make = ["debootstrap", "--variant=minbase", *options, suite, str(folder)]
    done = subprocess.run(make, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"debootstrap ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr}")


def _make(root: Path, packages: tuple[str, ...], suite: str) -> None:
    if not root.exists():
        half = root.with_suffix(".half")
        subprocess.run(["rm", "-rf", str(half)], check=True)
        _debootstrap(f"--include={','.join(packages)}", suite=suite, folder=half)
        subprocess.run(["bash", "-ec", TIDY, "tidy", str(half)], check=True)
        half.rename(root)
