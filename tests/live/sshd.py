"""A stand-in for sshd in the lab: it accepts one connection, and a child that has it open runs a command, as a session.

Its program is a copy of python, which has the name of sshd, belongs to root and needs nothing else of the host.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from live.lab import Host
from netc.lab.process import Process
from netc.lab.waiting import wait

SSHD = "/usr/local/sbin/sshd"
SERVE = """
import os, socket, subprocess, sys
address, port, *argv = sys.argv[1:]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
listening = socket.create_server((address, int(port)), family=family)
print("listening", file=sys.stderr, flush=True)
connection, _ = listening.accept()
child = os.fork()
if not child:
    listening.close()
    os._exit(subprocess.call(argv))
connection.close()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
DIAL = 'until { exec 3<>"/dev/tcp/$1/$2"; } 2>/dev/null; do sleep 0.05; done; echo dialled; sleep infinity'
ADDRESS = "198.51.100.10"


def serving(
    host: Host, argv: Sequence[str], address: str = ADDRESS, port: int = 22, *, program: str = SERVE
) -> list[str]:
    """The command that waits for a connection and then runs `argv` in its session."""
    python = os.path.realpath(sys.executable)
    host.run(["bash", "-c", '[[ -e $2 ]] || install "$1" "$2"', "copy", python, SSHD])
    home = f"PYTHONHOME={sys.base_prefix}"
    return ["env", home, SSHD, "-c", program, address, str(port), "env", "-u", "PYTHONHOME", *argv]


def dial(client: Host, address: str = ADDRESS, port: int = 22) -> Process:
    return client.start(["bash", "-c", DIAL, "dial", address, str(port)])


def over_ssh(
    client: Host, host: Host, argv: Sequence[str], address: str = ADDRESS, port: int = 22, *, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Runs it on the host in a session of a new connection, which is closed at the end."""
    dialling = dial(client, address, port)
    try:
        return host.run(serving(host, argv, address, port), check=check)
    finally:
        dialling.stop(signal.SIGKILL)


@contextmanager
def connected(client: Host, host: Host, address: str = ADDRESS, port: int = 22) -> Iterator[None]:
    """A connection that is open, in whose session nothing happens."""
    session = host.start(serving(host, ["bash", "-c", "echo here >&2; sleep infinity"], address, port))
    dialling = dial(client, address, port)
    try:
        wait(lambda: "here" in session.said())
        yield
    finally:
        dialling.stop(signal.SIGKILL)
        session.stop(signal.SIGKILL)
