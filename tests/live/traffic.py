"""Packets of a test: servers and clients on the lab's hosts, and what was seen on a wire."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from live.lab import ENVIRONMENT, Host
from netc.lab.process import Process

Proto = Literal["tcp", "udp"]

PEER = Path(__file__).with_name("peer.py")
ANYWHERE = ("0.0.0.0", "::")
ANSWER = 20
"""Seconds in which a busy machine answers."""
SILENCE = 2
"""Seconds after which nothing comes any more, where some are answered and others are not."""
AT_ONCE = ("nice", "-n", "-15")
"""What measures does not wait until others have done their work."""


def echo(host: Host, port: int, *addresses: str, namespace: str | None = None, wrapper: Sequence[str] = ()) -> Process:
    """TCP and UDP servers that answer each visitor with the visitor's address, as they saw it."""
    return _serving(host, ["echo", str(port), *(addresses or ANYWHERE)], namespace, wrapper)


@dataclass(frozen=True)
class Probed:
    """1,000 numbered packets a second, there and back."""

    sent: int
    seconds: float
    lost: list[int]


class Probe:
    """From now on, through whatever is between the two, until it is asked what became of its packets."""

    def __init__(self, host: Host, address: str, port: int, source: str = "") -> None:
        self._process = host.start([*AT_ONCE, *_peer("probe", address, str(port), source)])
        self._process.wait_for("ready\n")

    def end(self) -> Probed:
        self._process.stop(patience=120)
        return Probed(**json.loads(self._process.out.read_text().splitlines()[-1]))


def reflect(host: Host, port: int, *addresses: str, namespace: str | None = None) -> Process:
    """Gives every UDP packet back to who sent it."""
    return _serving(host, ["reflect", str(port), *(addresses or ANYWHERE)], namespace, AT_ONCE)


def dns(host: Host, answer: str, *addresses: str, port: int = 53, namespace: str | None = None) -> Process:
    """A name server that knows one address for every name."""
    return _serving(host, ["dns", answer, str(port), *(addresses or ANYWHERE)], namespace)


def client(
    host: Host,
    proto: Proto,
    address: str,
    port: int,
    *,
    namespace: str | None = None,
    timeout: float = ANSWER,
    source: str = "",
    wrapper: Sequence[str] = (),
) -> str | None:
    """What an echo answers: the address that it saw. `wrapper` is a command that runs the client, such as `t`."""
    asking = _peer("ask", proto, address, str(port), str(timeout), source)
    return host.run([*wrapper, *asking], namespace=namespace, check=False).stdout.strip() or None


def refused(host: Host, proto: Proto, address: str, port: int, *, wrapper: Sequence[str] = ()) -> bool:
    """Whether somebody on the way says no, so that a program need not wait for it."""
    asking = _peer("ask", proto, address, str(port), str(ANSWER))
    return "[Errno " in host.run([*wrapper, *asking], check=False).stderr


def lookup(
    host: Host, name: str, *, namespace: str | None = None, wrapper: Sequence[str] = (), timeout: float = ANSWER
) -> str | None:
    """The IPv4 address of a name, as programs there find it: by nsswitch.conf and resolv.conf."""
    asking = [*wrapper, "getent", "ahostsv4", name]
    patience = {"RES_OPTIONS": f"timeout:{min(5, max(1, round(timeout)))} attempts:{max(1, round(timeout / 5))}"}
    said = host.run(asking, namespace=namespace, check=False, env=patience).stdout.split()
    return said[0] if said else None


class Capture:
    """What passes an interface, from now on."""

    def __init__(self, host: Host, interface: str, namespace: str | None = None) -> None:
        listen = ["tcpdump", "-i", interface, "-n", "-U", "-s", "0", "--immediate-mode", "-w", "-"]
        self._process = host.start(listen, namespace=namespace)
        self._process.wait_for("listening on")

    def packets(self, matching: str = "") -> list[str]:
        """One line for each packet so far; `matching` is a filter of tcpdump's."""
        self._settle()
        with self._process.out.open("rb") as seen:
            read = ["tcpdump", "-n", "-t", "-r", "-", *([matching] if matching else [])]
            done = subprocess.run(read, stdin=seen, capture_output=True, text=True, env=ENVIRONMENT, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"tcpdump could not read what it wrote: {done.stderr}")
        return done.stdout.splitlines()

    def stop(self) -> None:
        self._settle()
        self._process.stop(signal.SIGINT)

    def _settle(self) -> None:
        """Until nothing has been written for a moment: a packet is on the wire before it is in the file."""
        size, quiet = -1, 0
        while quiet < 3:
            now = self._process.out.stat().st_size
            quiet = quiet + 1 if now == size and now >= 24 else 0  # 24: the header of the file
            size = now
            time.sleep(0.1)


def _peer(*arguments: str) -> list[str]:
    """The script goes along as text, so that it need not be visible where it runs."""
    return [sys.executable, "-I", "-S", "-c", PEER.read_text(), *arguments]


def _serving(host: Host, arguments: Sequence[str], namespace: str | None, wrapper: Sequence[str] = ()) -> Process:
    process = host.start([*wrapper, *_peer(*arguments)], namespace=namespace)
    process.wait_for("ready\n")
    return process
