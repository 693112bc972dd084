#!/usr/bin/env python3
"""A program that makes a TUN and carries nothing: `start -n NAME` goes to the background, `stop NAME` ends it.

No socket below /run/wireguard: `wg` removes those that do not answer, and takes a while for those that do.
"""

import fcntl
import os
import signal
import struct
import sys
from pathlib import Path

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


def start(name: str) -> None:
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    if os.fork():
        os._exit(0)
    os.setsid()
    Path(f"/tmp/{name}.pid").write_text(str(os.getpid()))
    signal.pause()


def stop(name: str) -> None:
    os.kill(int(Path(f"/tmp/{name}.pid").read_text()), signal.SIGTERM)


if __name__ == "__main__":
    words = sys.argv[2:]
    if sys.argv[1] == "start":
        start(words[words.index("-n") + 1])
    else:
        stop(words[0])
