"""Names of systemd's units that an author writes."""

from __future__ import annotations

from typing import ClassVar, Literal

from netc.language.names import Name, Wrong, matching

ITS_SERVICE = ("service", "socket", "timer", "path", "conf")
"""Suffixes of units that start the service of the same name, and one that is often written for `.service`."""

OTHERS = ("target", "mount", "automount", "swap", "device", "slice", "scope")

Work = Literal["login", "network", "clock", "names", "containers", "rules"]
"""What a service does for the whole host."""

WORKS: dict[Work, tuple[str, ...]] = {
    "login": (
        *("ssh", "sshd", "openssh", "openssh-server", "openssh-sshd", "dropbear", "tinysshd"),
        *("getty", "serial-getty", "console-getty", "container-getty", "autovt", "rescue", "emergency"),
        *("user", "user-runtime-dir", "systemd-logind", "elogind"),
        *("amazon-ssm-agent", "sssd", "sssd-nss", "sssd-pam", "nslcd", "winbind"),
    ),
    "clock": ("systemd-timesyncd", "chrony", "chronyd", "ntp", "ntpd", "ntpsec", "openntpd"),
    "names": ("systemd-resolved", "nscd", "unscd", "avahi-daemon"),
    "containers": ("docker", "containerd", "crio", "k3s", "k3s-agent", "kubelet", "lxd", "incus", "podman"),
    "rules": ("fail2ban", "libvirtd", "virtnetworkd", "virtqemud", "lxc-net"),
    "network": (
        *("dbus", "dbus-broker", "polkit", "udev", "eudev", "rsyslog", "syslog"),
        *("networking", "network", "ifup", "ifupdown-pre", "ifplugd", "wickedd", "wicked", "netplan"),
        *("NetworkManager", "network-manager", "NetworkManager-dispatcher", "NetworkManager-wait-online"),
        *("wpa_supplicant", "iwd", "ModemManager", "connman", "dhcpcd", "dhcpcd5", "dhclient", "udhcpc", "pppd-dns"),
        # What the provider sets up and asks the machine by.
        *("cloud-config", "cloud-final", "qemu-guest-agent", "qemu-ga", "vmtoolsd", "open-vm-tools", "xe-daemon"),
        *("walinuxagent", "waagent", "google-guest-agent", "hv-kvp-daemon"),
        *("nftables", "netfilter-persistent", "iptables", "ip6tables", "ipset", "ufw", "firewalld", "shorewall"),
    ),
}
"""Services of the host itself, by what they do, without instance and suffix. The host would lose its network, its log
or its rules, or they would manage the wrong ones."""

BEGINNINGS: dict[str, Work] = {
    "cloud-init": "network",
    "systemd-": "network",
    "snap.docker.": "containers",
    "snap.lxd.": "containers",
}
"""Of services that are named alike: each part of cloud-init sets up the host, and nearly all of systemd."""

OF_ANYONE = ("systemd-nspawn", "systemd-journal-gatewayd", "systemd-journal-remote", "systemd-journal-upload")
"""Of systemd, and of use in a namespace."""

_WORK: dict[str, Work] = {name: work for work, names in WORKS.items() for name in names}


def work_of(unit: str) -> Work | None:
    """What a unit does for the whole host; None of a unit that anyone may confine."""
    name = stem(unit)
    if name in _WORK:
        return _WORK[name]
    if name in OF_ANYONE:
        return None
    return next((work for begin, work in BEGINNINGS.items() if name.startswith(begin)), None)


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
    never: ClassVar[tuple[Work, ...]] = ("login", "network", "names", "containers", "rules")
    """The work of units that checks refuse (NC1711) wherever the name can be written."""

    @classmethod
    def cure_of(cls, text: str) -> str:
        """The unit that is meant, where only its suffix is missing or another one."""
        before, _, suffix = text.rpartition(".")
        if suffix in OTHERS:
            own = before == "netc" or before.startswith("netc-")
            return "leave it out: netc starts its own units" if own else f"{cls.cure}, of what `{text}` starts"
        name = f"{before if suffix in ITS_SERVICE else text}.service"
        if work_of(name) in cls.never:
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
    never = ("login", "network", "names")


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
