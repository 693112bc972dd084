"""What BIRD of a host says, by birdc(8)."""

from __future__ import annotations

import re

from netc.lab.machine import Host

SOCKET = "/run/netc/bird.ctl"


def birdc(host: Host, command: str) -> str:
    return host.run(["birdc", "-s", SOCKET, *command.split()], check=False).stdout


def protocol_rows(host: Host) -> list[list[str]]:
    """`show protocols`, with a `since` of one word: ours say the date too."""
    said = re.sub(r"(?m) (\d{4}-\d\d-\d\d) (\d\d:)", r" \1T\2", birdc(host, "show protocols"))
    return [line.split() for line in said.splitlines()]


def protocols(host: Host) -> dict[str, str]:
    """The state of every BGP session: `Established`, …"""
    rows = protocol_rows(host)
    return {row[0]: row[5] if len(row) > 5 else row[3] for row in rows if len(row) > 3 and row[1] == "BGP"}
