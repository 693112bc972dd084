"""The root file system of a minimal Debian 12 server, made once and kept in .cache."""

from __future__ import annotations

import subprocess
from fcntl import LOCK_EX, flock
from hashlib import sha256
from pathlib import Path

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
)
"""Of a server with firewalls that others wrote, none of them on. ufw and iptables-persistent exclude each other."""

TIDY = """
rm -f "$1"/etc/systemd/system/*.wants/{firewalld,docker,containerd,ufw}.service
rm -f "$1"/etc/systemd/system/sockets.target.wants/docker.socket
rm -f "$1"/etc/systemd/system/dbus-org.fedoraproject.FirewallD1.service
rm -f "$1"/etc/systemd/system/multi-user.target.wants/bird.service
rm -rf "$1"/var/cache/apt "$1"/var/lib/apt/lists
: >"$1"/etc/machine-id
"""


def debian_root(packages: tuple[str, ...] = PACKAGES) -> Path:
    """The folder; nobody writes to it. debootstrap(8) takes a minute."""
    root = CACHE / sha256(" ".join(packages).encode()).hexdigest()[:12]
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:  # machines boot side by side, and one of them makes it
        flock(lock, LOCK_EX)
        _make(root, packages)
    return root


def debian_packages(*names: str) -> tuple[Path, ...]:
    """Packages of the same Debian and what they need, for machines to install: these have no network. Made once."""
    folder = CACHE / f"packages-{sha256(' '.join(names).encode()).hexdigest()[:12]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        flock(lock, LOCK_EX)
        if not folder.exists():
            half = folder.with_suffix(".half")
            subprocess.run(["rm", "-rf", str(half)], check=True)
            _debootstrap("--download-only", f"--include={','.join(names)}", folder=half)
            half.rename(folder)
    kept = folder / "var" / "cache" / "apt" / "archives"
    return tuple(next(kept.glob(f"{name}_*.deb")) for name in names)


def _debootstrap(*options: str, folder: Path) -> None:
    make = ["debootstrap", "--variant=minbase", *options, "bookworm", str(folder)]
    done = subprocess.run(make, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"debootstrap ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr}")


def _make(root: Path, packages: tuple[str, ...]) -> None:
    if not root.exists():
        half = root.with_suffix(".half")
        subprocess.run(["rm", "-rf", str(half)], check=True)
        _debootstrap(f"--include={','.join(packages)}", folder=half)
        subprocess.run(["bash", "-ec", TIDY, "tidy", str(half)], check=True)
        half.rename(root)
