"""FRR of Debian as somebody else's router. It is in a root of its own, and the machine has none."""

from __future__ import annotations

import json
from typing import Any

from live.lab import Host
from machine.root import debian_root

RUN = "/run/netc/frr"
SEE = 'mount -n --rbind "$0/usr" /usr && exec "$@"'


def _seen(*argv: str) -> list[str]:
    """With the programs and libraries of the other root, and all else of the host."""
    root = debian_root(("frr",), "bookworm")
    return ["unshare", "--mount", "--propagation=private", "bash", "-c", SEE, str(root), *argv]


def start(host: Host, bgpd: str) -> None:
    """Zebra and bgpd, with files of their own. They end with the host."""
    host.run(["bash", "-c", f"mkdir -p {RUN} && getent group frrvty >/dev/null || echo frrvty:x:998:root >>/etc/group"])
    host.write("/etc/frr/vtysh.conf", "username root nopassword\n")
    for name, text in (("zebra", "hostname x\n"), ("bgpd", bgpd)):
        host.write(f"{RUN}/{name}.conf", text)
        where = ["-f", f"{RUN}/{name}.conf", "-i", f"{RUN}/{name}.pid", "--vty_socket", RUN, "-z", f"{RUN}/zserv.api"]
        host.start(_seen(f"/usr/lib/frr/{name}", *where, "-u", "root", "-g", "root", "--log", "stdout"))


def asked(host: Host, question: str) -> Any:
    """What bgpd says, in JSON."""
    said = host.run(_seen("vtysh", "--vty_socket", RUN, "-d", "bgpd", "-c", f"{question} json"), check=False)
    return json.loads(said.stdout or "{}")
