"""An anycast service of the lab, `dns`: what a topology says of it, who serves, and who looks after it."""

from __future__ import annotations

from live.lab import Host
from live.routers import birdc
from live.traffic import echo
from netc.lab.process import Process

PORT = 5300
INSIDE4, INSIDE6, WORLD4 = "172.20.16.30/32", "fd42:1::53/128", "172.22.0.53/32"
"""Of the service; only the last has a length that the world takes, and is in nothing else that it is told."""

RISE, FALL, DRAIN = 3, 2, 8.0
"""Checks that make it told of, and not; seconds of a planned end, in which a busy machine sees what there is to see."""
SPACE = "anycast-dns"
ASKED = "/run/asked"
ASK = f'"cat /run/netc/{SPACE}.state >>{ASKED}; exec 3<>/dev/tcp/172.20.16.30/{PORT}"'
"""Each check notes what it found to be told of the service, where there is a place for it."""
SERVICE = """
[anycast.dns]
addresses = ["{INSIDE4}", "{WORLD4}", "{INSIDE6}"]
hosts = {hosts}
drain = "{DRAIN:g}s"
check = {{ command = ["/bin/bash", "-c", {ASK}], interval = "2s", timeout = "2s" }}
{more}
"""


def service(*hosts: str, more: str = "") -> str:
    """Its table."""
    return SERVICE.format(
        hosts=list(hosts), more=more, INSIDE4=INSIDE4, INSIDE6=INSIDE6, WORLD4=WORLD4, DRAIN=DRAIN, ASK=ASK
    )


def serve(host: Host) -> Process:
    return echo(host, PORT, "0.0.0.0", "::", namespace=SPACE)


def look_after(host: Host) -> Process:
    """As the unit does; it says its process id."""
    host.write(ASKED, "", 0o666)
    process = host.start(["bash", "-c", 'echo "$$"; exec "$1"', "as-a-unit", f"/etc/netc/parts/{SPACE}/health"])
    process.wait_for("\n")
    return process


def asked(host: Host) -> list[str]:
    """The state at each of the checks so far."""
    return host.read(ASKED).split()


def state(host: Host) -> str:
    return host.run(["cat", f"/run/netc/{SPACE}.state"], check=False).stdout.strip()


def knows(host: Host, prefix: str) -> bool:
    return f"{prefix} " in birdc(host, f"show route {prefix}")
