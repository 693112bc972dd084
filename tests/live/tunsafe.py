#!/usr/bin/env python3
"""Stands in for TunSafe, by its command line: what netc does with a program that makes an interface of its own.

tunsafe start [-n INTERFACE] [-d] FILE    opens a TUN, gives it addresses and routes, and with -d goes to the background
tunsafe stop INTERFACE                    removes the socket below /run/wireguard, which is how it is told to end

FILE has lines of `key = value`: `address` and `route` (repeated; a /0 is added as two halves, and also as a default
where the line says `default`), `mtu`, `peer` and `local` (UDP, `ADDRESS:PORT`: packets go there in the clear) and
`fault`: `fails` (says no), `silent` (never makes its interface), `hides` (nor ends when it is asked to), `deaf` (does
not mind its socket), `late` (takes a second).
"""

import fcntl
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
HALVES = {"0.0.0.0/0": ("0.0.0.0/1", "128.0.0.0/1"), "::/0": ("::/1", "8000::/1")}


def ip(*words: str) -> None:
    """The real one says what it runs, and goes on when it fails."""
    subprocess.run(["ip", *words], check=False)


def settings(path: str) -> list[tuple[str, str]]:
    pairs = (line.partition("=") for line in Path(path).read_text().splitlines() if "=" in line)
    return [(key.strip(), value.strip()) for key, _, value in pairs]


def start(words: list[str]) -> None:
    name = words[words.index("-n") + 1] if "-n" in words else "tun0"
    lines = settings(words[-1])
    said = dict(lines)
    fault = said.get("fault")
    if fault == "fails":
        sys.exit("tunsafe: cannot look up its peer")
    if fault in ("silent", "hides"):
        background("-d" in words)
        if fault == "hides":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(9)
    if fault == "late":
        time.sleep(1)
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    control = Path(f"/run/wireguard/{name}.sock")
    control.parent.mkdir(exist_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(control))
    listener.listen()  # `wg show all` removes a socket that refuses
    wires = outer(said)
    for key, value in lines:
        if key == "address":
            ip("address", "add", value, "dev", name)
    ip("link", "set", "dev", name, "mtu", said.get("mtu", "1420"), "up")
    for key, value in lines:
        if key == "route":
            for to in HALVES.get(value, (value.removesuffix(" default"),)):
                ip("-6" if ":" in to else "-4", "route", "add", to, "dev", name)
    background("-d" in words)
    carry(tun, wires, said.get("peer", ""), None if fault == "deaf" else control)
    control.unlink(missing_ok=True)


def background(is_wanted: bool) -> None:
    """daemon(3)."""
    if is_wanted:
        if os.fork():
            os._exit(0)
        os.setsid()
        nowhere = os.open("/dev/null", os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nowhere, number)


def place(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def outer(said: dict[str, str]) -> list[socket.socket]:
    if "local" not in said:
        return []
    wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    wire.bind(place(said["local"]))
    return [wire]


def carry(tun: int, wires: list[socket.socket], peer: str, control: Path | None) -> None:
    while control is None or control.exists():
        ready, _, _ = select.select([tun, *wires], [], [], 0.1)
        for source in ready:
            try:
                if source == tun:
                    packet = os.read(tun, 65535)
                    for wire in wires:
                        wire.sendto(packet, place(peer))
                else:
                    os.write(tun, source.recv(65535))
            except OSError:
                if not alive(tun):
                    return


def alive(tun: int) -> bool:
    """False when the interface was removed below it."""
    try:
        os.write(tun, b"")
    except OSError as error:
        return error.errno != 77  # EBADFD
    return True


def stop(name: str) -> None:
    try:
        Path(f"/run/wireguard/{name}.sock").unlink()
    except OSError as error:
        sys.exit(f"unlink: {error.strerror}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["start"]:
        start(sys.argv[2:])
    elif sys.argv[1:2] == ["stop"] and len(sys.argv) == 3:
        stop(sys.argv[2])
    else:
        sys.exit("Usage: tunsafe start [-n NAME] [-d] FILE | tunsafe stop NAME")
