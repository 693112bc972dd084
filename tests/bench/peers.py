"""The tools that netc is measured beside, in an environment of their own; Debian's packages where we are root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.figure import NotMeasured

CACHE = Path(__file__).parents[2] / ".cache/bench"
ENVIRONMENT = CACHE / "peers"
PYTHON = ("wg-meshconf", "networklab")
"""From PyPI."""
DEBIAN = {
    "iprange": "iprange",
    "iperf3": "iperf3",
    "socat": "socat",
    "haproxy": "haproxy",
    "wg-quick": "wireguard-tools",
    "strace": "strace",
}
"""Each tool and the package that has it."""
ASIDE = ("shorewall", "shorewall-core", "firehol", "firehol-common")
"""Packet filters of Debian's, which are unpacked and not installed: installed they would come up with the machine."""
POLICY = Path("/usr/sbin/policy-rc.d")
"""Asked before a package starts its service (invoke-rc.d(8)); 101: not now."""


def python_tool(name: str) -> str:
    """The path of a command of one of `PYTHON`. Raises NotMeasured."""
    _environment()
    path = ENVIRONMENT / "bin" / name
    if not path.exists():
        raise NotMeasured(f"{name}: it is in none of {', '.join(PYTHON)} as pip installed them")
    return str(path)


def debian_tool(name: str) -> str:
    """The path of a command of `DEBIAN`. Raises NotMeasured."""
    _packages()
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        raise NotMeasured(f"{name}: apt-get install {DEBIAN[name]}")
    return path


@cache
def aside() -> Path:
    """The root below which `ASIDE` is unpacked. Raises NotMeasured."""
    root = CACHE / "aside"
    ready = root / f".ready-{'-'.join(ASIDE)}"
    if ready.exists():
        return root
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    with TemporaryDirectory(prefix="bench-") as folder:
        try:
            _run("apt-get", "download", "-qq", *ASIDE, folder=folder)
            for package in Path(folder).glob("*.deb"):
                _run("dpkg-deb", "--extract", str(package), str(root))
        except (subprocess.CalledProcessError, OSError) as error:
            why = _last(error) if isinstance(error, subprocess.CalledProcessError) else error
            raise NotMeasured(f"{' '.join(ASIDE)}: {why}") from None
    ready.touch()
    return root


@cache
def _environment() -> None:
    ready = ENVIRONMENT / f".ready-{'-'.join(PYTHON)}"
    if ready.exists():
        return
    try:
        _run(sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT))
        _run(str(ENVIRONMENT / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PYTHON)
    except subprocess.CalledProcessError as error:
        raise NotMeasured(f"{' '.join(PYTHON)}: {_last(error)}") from None
    ready.touch()


@cache
def _packages() -> None:
    """Installs those that are missing, when we may. What still misses is said by who needs it."""
    missing = sorted({package for tool, package in DEBIAN.items() if not _installed(tool)})
    if not missing or os.geteuid() or not shutil.which("apt-get"):
        return
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    install = ("apt-get", "install", "-qq", "-y", "--no-install-recommends")
    with _nothing_started():
        if subprocess.run((*install, *missing), env=environment, capture_output=True).returncode:
            subprocess.run(("apt-get", "update", "-qq"), capture_output=True)
            for package in missing:
                subprocess.run((*install, package), env=environment, capture_output=True)


def _installed(tool: str) -> bool:
    return shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


@contextmanager
def _nothing_started() -> Iterator[None]:
    """What listens must not start on the machine that measures."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def _run(*argv: str, folder: str | None = None) -> None:
    subprocess.run(argv, cwd=folder, check=True, capture_output=True)


def _last(error: subprocess.CalledProcessError) -> str:
    lines = (error.stderr or b"").decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"exit {error.returncode}"
