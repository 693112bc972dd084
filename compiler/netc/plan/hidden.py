"""Where daemons of the host that resolve names for programs listen. They send queries by the uplink, whatever tunnel
the program is in: Unix sockets are reached from every network namespace."""

from __future__ import annotations

from netc.language.names import SplitName

RESOLVED = "/run/systemd/resolve"
"""Of systemd-resolved: its sockets, and the files that /etc/resolv.conf may be a link to."""

OTHERS = ("/run/nscd", "/run/avahi-daemon")
BUS = "/run/dbus"
"""The system bus: systemd-resolved and avahi answer on it too."""


def resolv_conf(split: SplitName) -> str:
    """What programs of a split see in place of the files of systemd-resolved."""
    return f"/etc/netc/splits/{split}.resolv.conf"


def sockets(*, dbus: bool) -> tuple[str, ...]:
    """Folders, besides RESOLVED, that are hidden from a program; the bus is not if the program keeps it (`dbus`)."""
    return OTHERS if dbus else (*OTHERS, BUS)


def folders(*, dbus: bool) -> tuple[str, ...]:
    """All of them. They must exist to be hidden, also where no such daemon is installed yet."""
    return (RESOLVED, *sockets(dbus=dbus))
