"""FRRouting (frrouting.org) as somebody else's router: bgpd alone, in a root of Debian's with its programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from live.waiting import wait
from machine.root import debian_root

if TYPE_CHECKING:
    from live.lab import Host

PACKAGES, SUITE = ("frr",), "bookworm"
INSIDE = """#!/bin/bash
# Sees the programs, libraries, users and groups of the root, and all else of this host.
see='for file in group passwd; do mount -n --bind "$0/etc/$file" "/etc/$file" || exit; done'
see+='; mount -n --rbind "$0/usr" /usr && exec "$@"'
exec unshare --mount --propagation=private bash -c "$see" {root} "$@"
"""
VTY = "/run/netc/vty"
COMMON = ("-u", "root", "-g", "root", "-z", "/run/netc/zserv", "--vty_socket", VTY)
PAM = "auth sufficient pam_permit.so\naccount sufficient pam_permit.so\n"


def start_frr(host: Host, config: str) -> None:
    """zebra, which knows interfaces and the kernel, and bgpd."""
    host.write("/usr/local/sbin/in-frr", INSIDE.format(root=debian_root(PACKAGES, SUITE)), 0o755)
    host.write("/etc/pam.d/frr", PAM)
    host.write("/etc/frr/vtysh.conf", "")
    host.run(["mkdir", "-p", VTY, "/var/tmp/frr"])
    for daemon, said in (("zebra", "hostname member\n"), ("bgpd", config)):
        host.write(f"/run/netc/{daemon}.conf", said)
        files = ("-f", f"/run/netc/{daemon}.conf", "-i", f"/run/netc/{daemon}.pid")
        host.start(["in-frr", f"/usr/lib/frr/{daemon}", *COMMON, *files, "--log", "stdout"])
        wait(lambda daemon=daemon: daemon in host.run(["ls", VTY]).stdout)  # type: ignore[misc]
    wait(lambda: vtysh(host, "show bgp summary json") != {})


def vtysh(host: Host, command: str) -> Any:
    said = host.run(["in-frr", "vtysh", "--vty_socket", VTY, "-d", "bgpd", "-c", command], check=False).stdout
    try:
        return json.loads(said)
    except ValueError:
        return {}


def frr_path(host: Host, family: int, prefix: str) -> str | None:
    """The AS path of its best route."""
    said = vtysh(host, f"show bgp ipv{family} unicast {prefix} json")
    best = [path for path in said.get("paths", ()) if path.get("bestpath", {}).get("overall")]
    return str(best[0]["aspath"]["string"]) if best else None
