"""A lab that is written down: what its hosts would run becomes lines of bash, and nothing is done."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Self

from msgspec import Struct

from netc.lab.machine import Host, Lab
from netc.lab.waiting import LONG


class Link(Struct, frozen=True):
    """A cable. The other host gets the name `called` when it is plugged."""

    host: str
    interface: str
    far: str
    far_interface: str
    called: str
    mtu: int


class Recorded(Lab):
    """Interfaces of the host `centre` are eth1, eth2, … for containerlab, since its own names may be too long there."""

    def __init__(self, centre: str) -> None:
        super().__init__()
        self.centre = centre
        self.hosts: dict[str, Script] = {}
        self.links: list[Link] = []
        self._ports = count(1)

    def __enter__(self) -> Self:
        """Loads no module: nothing runs here."""
        return self

    def host(self, name: str) -> Script:
        self.hosts[name] = made = Script(name, self)
        return made

    def wire(
        self,
        a: Host,
        a_interface: str,
        b: Host,
        b_interface: str,
        *,
        a_addresses: Sequence[str] = (),
        b_addresses: Sequence[str] = (),
        mtu: int = 1500,
    ) -> None:
        port = f"eth{next(self._ports)}"
        self.links.append(Link(a.name, a_interface, b.name, port, b_interface, mtu))
        self.hosts[a.name].say(shlex.join(["plug", a_interface, str(mtu), *a_addresses]))
        self.hosts[b.name].say(f"rename {port} {b_interface}")
        self.hosts[b.name].say(shlex.join(["plug", b_interface, str(mtu), *b_addresses]))


class Script(Host):
    """`files` are those that it was given, with their modes."""

    def __init__(self, name: str, lab: Lab) -> None:
        super().__init__(name, lab)
        self.lines: list[str] = []
        self.files: dict[str, tuple[str, int]] = {}

    def say(self, *lines: str) -> None:
        self.lines += lines

    def run(
        self,
        argv: Sequence[str],
        *,
        namespace: str | None = None,
        check: bool = True,
        timeout: float = LONG,  # noqa: ARG002 (nothing is waited for)
        input: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        if env:
            raise NotImplementedError(f"{argv}: in an environment of its own")
        self.say(*_lines(list(argv), namespace, input, check=check))
        return subprocess.CompletedProcess(list(argv), 0, "", "")

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        if not path.startswith("/") or ".." in path.split("/"):
            raise ValueError(f"`{path}` is no file of a host")
        self.files[path] = text, mode

    def read(self, path: str) -> str:
        return self.files[path][0]


def _lines(argv: list[str], namespace: str | None, input: str | None, *, check: bool) -> list[str]:
    """A script of bash is read as it stands. One that does not end at a command that fails goes on here too."""
    match argv:
        case ["bash", "-e", "-s"] if not namespace:
            return (input or "").splitlines()
        case ["bash", "-ec", script] if not namespace:
            return script.splitlines()
        case ["bash", "-c", script] if not namespace:
            return ["{", *(f"    {line}" for line in script.splitlines()), "} || true"]
    assert not input, argv
    there = ["ip", "netns", "exec", namespace] if namespace else []
    return [shlex.join([*there, *argv]) + ("" if check else " || true")]
