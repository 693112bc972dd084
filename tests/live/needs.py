"""What the live tests need of a machine, and what happens where it is missing.

On a developer's machine a test that could not run says so, and how to make it run. Where it has to run, in CI or with
NETC_LIVE=required, that is a failure.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping

import pytest

# tool → Debian package
LIVE = {
    "ip": "iproute2",
    "nft": "nftables",
    "ipset": "ipset",
    "iptables": "iptables",
    "wg": "wireguard-tools",
    "wireguard-go": "wireguard-go",
    "bird": "bird2",
    "tcpdump": "tcpdump",
    "conntrack": "conntrack",
    "ping": "iputils-ping",
    "modprobe": "kmod",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "ps": "procps",
    "tar": "tar",
}


def missing(tools: Mapping[str, str]) -> str:
    """Why the tests cannot run, in words; empty when they can."""
    if os.geteuid() != 0:
        return "could not run: needs root"
    packages = sorted({package for tool, package in tools.items() if shutil.which(tool) is None})
    return f"could not run: apt-get install {' '.join(packages)}" if packages else ""


def require(reason: str) -> None:
    """Skips, or fails where the tests have to run; nothing when there is no reason."""
    if not reason:
        return
    if os.environ.get("CI") == "true" or os.environ.get("NETC_LIVE") == "required":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def has_gre() -> bool:
    """Asked in a network namespace of its own."""
    make = ["unshare", "--net", "ip", "link", "add", "dev", "probe", "type", "gre", "remote", "192.0.2.2"]
    try:
        return subprocess.run(make, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
