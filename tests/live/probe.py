"""A program that sends all the time, and the packets of it that come by the uplink."""

from __future__ import annotations

import re
from collections.abc import Sequence

from live.lab import Host
from netc.lab.waiting import wait

PORT = 7009
SENDER = r"""#!/bin/bash
# PORT FILE PLACE…: says in FILE how often it has sent.
port=$1 file=$2 n=0 sockets=() places=("${@:3}")
exec 3<> <(:) 2>/dev/null
for place in "${places[@]}"; do exec {socket}>"/dev/udp/$place/$port" && sockets+=("$socket"); done
while :; do
    for socket in "${sockets[@]}"; do printf x >&"$socket"; done
    for place in "${places[@]}"; do printf x >"/dev/udp/$place/$port"; done
    ((n++ % 10)) || echo "$n" >"$file"
    read -rt 0.001 -u 3 _
done
"""
"""A thousand times a second at most, by one socket and by a new one to each place: by connections that are known, and
by those that nothing was decided about. Machines have no Python."""


class Probe:
    """Sends from `host`, as `wrapper` has it, to `places`."""

    def __init__(self, host: Host, wrapper: Sequence[str], name: str, places: Sequence[str], port: int = PORT) -> None:
        self._host, self._file = host, f"/run/probes/{name}"
        host.run(["install", "-d", "-m", "1777", "/run/probes"])
        host.write("/run/sender", SENDER, 0o755)
        host.start([*wrapper, "bash", "/run/sender", str(port), self._file, *places])
        wait(lambda: host.run(["test", "-s", self._file], check=False).returncode == 0)

    @property
    def sent(self) -> int:
        return int(self._host.read(self._file) or 0)

    def goes_on(self, times: int = 100) -> None:
        """Until it has sent so many times more."""
        before = self.sent
        wait(lambda: self.sent >= before + times)


def count_leaks(world: Host, device: str = "laptop", port: int = PORT) -> None:
    """From now on, what `leaked` says: what comes by `device`, at which the uplink of the host ends."""
    rule = f'iifname "{device}" udp dport {port} counter'
    chain = f"type filter hook prerouting priority raw; {rule}"
    world.run(["nft", "-f", "-"], input=f"table inet leaks_{port} {{ chain c {{ {chain}; }}; }}\n")


def leaked(world: Host, port: int = PORT) -> int:
    said = world.run(["nft", "list", "table", "inet", f"leaks_{port}"]).stdout
    return sum(map(int, re.findall(r"packets (\d+)", said)))
