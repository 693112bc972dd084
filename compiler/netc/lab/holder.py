"""The process that holds a lab hears what other calls of `netc lab` ask of it, by a socket that no file stands for.

A call sends its verb and words as JSON, with its standard input, output and error. It gets lines of JSON: what to
print, and at last an exit code.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from netc.lab.machine import ENVIRONMENT
from netc.lab.session import Misused, Session
from netc.walk.places import Wrong

LONGEST = 1 << 20
Request = dict[str, Any]


def address(topology: Path) -> str:
    """Of the lab of a topology: each user has one of each."""
    name = sha256(str(topology.resolve()).encode()).hexdigest()[:16]
    return f"\0netc-lab-{os.getuid()}-{name}"


@dataclass
class Holder:
    """`test` runs the promises and reports them: an exit code."""

    session: Session
    test: Callable[[Session, Request, Callable[[str], None]], int]
    over: threading.Event = field(default_factory=threading.Event)

    def serve(self, name: str) -> None:
        """Until somebody asks for the end."""
        with socket.socket(socket.AF_UNIX) as door:
            door.bind(name)
            door.listen()
            door.settimeout(0.2)
            while not self.over.is_set():
                with suppress(TimeoutError):
                    caller, _ = door.accept()
                    threading.Thread(target=self._hear, args=(caller,), daemon=True).start()

    def _hear(self, caller: socket.socket) -> None:
        with caller:
            if _user_of(caller) != os.getuid():
                return
            data, files, _, _ = socket.recv_fds(caller, LONGEST, 3)
            if not data:  # it only looked whether a lab is here
                return
            try:
                code = self._answer(caller, json.loads(data), files)
            except (Wrong, Misused, RuntimeError) as wrong:
                _tell(caller, wrong=str(wrong))
                code = 2 if isinstance(wrong, (Wrong, Misused)) else 1
            finally:
                for file in files:
                    os.close(file)
            _tell(caller, exit=code)
            if code == DOWN:
                self.over.set()

    def _answer(self, caller: socket.socket, asked: Request, files: Sequence[int]) -> int:
        def say(line: str) -> None:
            _tell(caller, say=line)

        words: list[str] = asked["words"]
        match asked["verb"]:
            case "down":
                return DOWN
            case "test":
                return self.test(self.session, asked, say)
            case "exec" if len(words) > 1:
                return self._run(caller, words[0], words[1:], files, asked["term"])
            case "capture" if len(words) > 1:
                dump = ["tcpdump", "-Z", "root", "-n", "-l", "-i", words[1], *words[2:]]
                return self._run(caller, words[0], dump, files, asked["term"])
            case "visit":
                return self.session.visit(words, say)
            case "trace":
                return self.session.trace(words, say)
            case "fail":
                return self.session.fail(words, say)
            case "heal":
                return self.session.heal(words, say)
            case verb:
                raise Misused(USAGE.get(verb, f"there is no verb `{verb}`"))

    def _run(self, caller: socket.socket, name: str, argv: list[str], files: Sequence[int], term: str) -> int:
        """With the caller's own files. It ends with the caller. Raises Wrong."""
        host, space = self.session.place(name)
        stdin, stdout, stderr = files
        command = host.entering(argv, space)
        env = ENVIRONMENT | {"TERM": term}
        process = subprocess.Popen(
            command, stdin=stdin, stdout=stdout, stderr=stderr, env=env, cwd="/", start_new_session=True
        )
        while process.poll() is None:
            if select.select([caller], [], [], 0.05)[0]:  # it went away
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, 9)
                process.wait()
        return process.returncode if process.returncode >= 0 else 128 - process.returncode


DOWN = -1
USAGE = {"exec": "exec HOST -- COMMAND…", "capture": "capture HOST DEVICE [FILTER…]"}


def _user_of(caller: socket.socket) -> int:
    size = struct.calcsize("3i")
    _, user, _ = struct.unpack("3i", caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return int(user)


def _tell(caller: socket.socket, **said: object) -> None:
    with suppress(OSError):  # it went away
        caller.sendall(f"{json.dumps(said)}\n".encode())


# ---- who calls ---------------------------------------------------------------------------------------------------


def is_up(name: str) -> bool:
    """Whether this user holds it. Raises ConnectionError if the name is somebody else's: he would get our terminal."""
    with socket.socket(socket.AF_UNIX) as door:
        if door.connect_ex(name) != 0:
            return False
        _check_own(door)
        return True


def _check_own(door: socket.socket) -> None:
    if (user := _user_of(door)) != os.getuid():
        raise ConnectionRefusedError(f"the user {user} has taken the name of this lab")


def call(name: str, request: Request, say: Callable[[str], None], warn: Callable[[str], None]) -> int:
    """Raises ConnectionError if no lab is there, or if it ended meanwhile."""
    with socket.socket(socket.AF_UNIX) as door:
        door.connect(name)
        _check_own(door)
        socket.send_fds(door, [json.dumps(request).encode()], [0, 1, 2])
        with door.makefile(encoding="utf-8") as lines:
            for line in lines:
                told = json.loads(line)
                if "exit" in told:
                    return 0 if told["exit"] == DOWN else int(told["exit"])
                (say if "say" in told else warn)(next(iter(told.values())))
    raise ConnectionResetError("the lab has ended")
