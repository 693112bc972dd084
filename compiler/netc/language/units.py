"""Names of systemd's units that an author writes."""

from __future__ import annotations

from typing import ClassVar

from netc.language.names import Name, Wrong, matching

ITS_SERVICE = ("service", "socket", "timer", "path", "conf")
"""Suffixes of units that start the service of the same name, and one that is often written for `.service`."""

OTHERS = ("target", "mount", "automount", "swap", "device", "slice", "scope")

REMOTE = frozenset(("ssh", "sshd", "dropbear", "tinysshd"))
"""Units by which you log in, without instance and suffix."""

NETWORK = frozenset(
    (
        *("dbus", "dbus-broker", "systemd-journald", "systemd-logind", "systemd-udevd"),
        *("networking", "ifup", "NetworkManager", "network-manager", "NetworkManager-dispatcher", "systemd-networkd"),
        *("wpa_supplicant", "iwd", "ModemManager", "dhcpcd", "connman"),
        *("nftables", "netfilter-persistent", "iptables", "ip6tables", "ipset", "ufw", "firewalld", "shorewall"),
    )
)
"""Services that give the host its network and its rules, or that it cannot do without."""

RESOLVERS = frozenset(("systemd-resolved", "nscd", "unscd", "avahi-daemon"))
"""Daemons that resolve names for the whole host. Their folders are hidden where queries go into a tunnel."""

CONTAINERS = frozenset(("docker", "containerd"))
"""Daemons that start containers, which run in the host's network and not in the control group of the daemon."""

OF_THE_HOST = NETWORK | RESOLVERS | CONTAINERS | {"fail2ban", "libvirtd", "lxc-net"}
"""Services of the host itself: it would lose its network, its log or its rules, or they would manage the wrong one."""


def stem(unit: str) -> str:
    """`ssh` of ssh.service, ssh.socket and ssh@1.service; `dbus` of names that D-Bus starts units by."""
    name = unit.rpartition(".")[0].partition("@")[0]
    return "dbus" if name.startswith(("dbus-org.", "dbus-fi.")) else name


def would_write(kind: type[Name], name: str) -> str:
    """A hint to write a name, or why that would be refused too."""
    try:
        kind(name)
    except Wrong as wrong:
        return wrong.hint
    return f"write `{name}`"


class UnitName(Name):
    """A service or socket unit, also with an instance: `shadowsocks-libev@vpn.service` (systemd.unit(5))."""

    pattern = r"[A-Za-z0-9:_.\\-]{1,200}(@[A-Za-z0-9:_.\\-]{0,200})?\.(service|socket)"
    code = "NC0109"
    noun = "a service or a socket"
    cure = "write the whole name, with `.service` or `.socket`"
    never: ClassVar[frozenset[str]] = REMOTE | OF_THE_HOST
    """Stems of units that checks refuse (NC1711) wherever the name can be written."""

    @classmethod
    def cure_of(cls, text: str) -> str:
        """The unit that is meant, where only its suffix is missing or another one."""
        before, _, suffix = text.rpartition(".")
        if suffix in OTHERS:
            own = before == "netc" or before.startswith("netc-")
            return "leave it out: netc starts its own units" if own else f"{cls.cure}, of what `{text}` starts"
        name = f"{before if suffix in ITS_SERVICE else text}.service"
        if stem(name) in cls.never:
            return f"leave it out: `{name}` works for the whole host, and is refused too"
        return would_write(cls, name) if matching(cls.pattern)(name) else cls.cure

    def check(self) -> None:
        if len(self) > 255:
            raise Wrong(
                self.code, f"the unit name has {len(self)} characters, and systemd allows 255", "write a shorter name"
            )
        if self.startswith("netc-"):
            raise Wrong(self.code, f"`{self}` is a unit of netc itself", "leave it out: netc starts its own units")


class ServiceName(UnitName):
    pattern = r"[A-Za-z0-9:_.\\-]{1,200}(@[A-Za-z0-9:_.\\-]{0,200})?\.service"
    noun = "a service"
    cure = "write the whole name, with `.service`"
    never = REMOTE | NETWORK


class SliceName(Name):
    """A slice of systemd's (systemd.slice(5)): `a-b.slice` is within `a.slice`."""

    pattern = r"(?=.{1,200}$)[A-Za-z0-9:_.]+(-[A-Za-z0-9:_.]+)*\.slice"
    code = "NC0109"
    noun = "a slice"
    cure = "write the whole name, with `.slice`, as `systemctl status` of a service shows it"

    @classmethod
    def cure_of(cls, text: str) -> str:
        name = f"{text}.slice"
        return would_write(cls, name) if "." not in text and matching(cls.pattern)(name) else cls.cure

    @property
    def control_group(self) -> str:
        """The folder below /sys/fs/cgroup: `a.slice/a-b.slice`."""
        words = self.removesuffix(".slice").split("-")
        return "/".join(f"{'-'.join(words[: n + 1])}.slice" for n in range(len(words)))


class ServicesSlice(SliceName):
    """A slice of the author's, for services."""

    def check(self) -> None:
        first = self.removesuffix(".slice").partition("-")[0]
        if self == "system.slice" or first in ("user", "machine"):
            cure = {"user": "select people by `user`", "machine": "select containers by `interface` or `source`"}
            what = f"`{self}` belongs to systemd, and would stop when the packet filter stops"
            raise Wrong(self.code, what, cure.get(first, "write a slice inside it, or the services"))
        if first.startswith("netc_"):
            raise Wrong(self.code, f"`{self}` is a slice of netc itself", "write the services in `service`")
