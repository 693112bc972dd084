"""What puts a host's tree into its place and looks after it: `install`, which is the host's own, and `netc-host`, one
program that is the same on every host. It is made of the files of templates/host/ in the order of FILES."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.file import File
from netc.emit.render import plain, render
from netc.plan.host_plan import HostPlan

FILES = ("head", "plan", "accept", "place", "parts", "check", "switch", "status", "main")
SCRIPT = 0o755
NETC_HOST = "files/usr/local/sbin/netc-host"
BRING = "files/usr/lib/netc/bring.bash"
ASKED = "files/usr/lib/netc/asked.bash"
SAME_ON_EVERY_HOST = (NETC_HOST, BRING, ASKED, *(f"files/usr/lib/netc/{name}.bash" for name in ("trial", "walk")))
"""The program and what it reads: whatever the plan, and so they name more than a host has."""


def netc_host() -> str:
    """The program's text."""
    return "\n".join(plain(f"host/{file}.bash") for file in FILES)


def carried() -> dict[str, bytes]:
    """What a host needs that has nothing of netc yet, by its place: the program, and the libraries that it reads."""
    libraries = {f"usr/lib/netc/{name}": plain(f"bash/{name}").encode() for name in ("steps.bash", "bring.bash")}
    return {NETC_HOST.removeprefix("files/"): netc_host().encode(), **libraries}


def asking() -> dict[str, bytes]:
    """What asks a host that has nothing of netc yet, by its place."""
    names = ("steps.bash", "bring.bash", "asked.bash")
    return {f"usr/lib/netc/{name}": plain(f"bash/{name}").encode() for name in names}


def emit(plan: HostPlan) -> Iterator[File]:
    yield File("install", render("host", "install.j2", host=plan.host), SCRIPT)
    yield File(NETC_HOST, netc_host(), SCRIPT)
    yield File(BRING, plain("bash/bring.bash"))
    yield File(ASKED, plain("bash/asked.bash"))
