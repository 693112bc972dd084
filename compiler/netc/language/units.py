"""Names of systemd's units that an author writes."""

from __future__ import annotations

from netc.language.names import Name, Wrong, matching

UNIT_SUFFIXES = ("service", "socket", "target", "timer", "path", "mount", "slice", "scope", "conf")


class UnitName(Name):
    """A service or socket unit, also with an instance: `shadowsocks-libev@vpn.service` (systemd.unit(5))."""

    pattern = r"[A-Za-z0-9:_.\\-]{1,200}(@[A-Za-z0-9:_.\\-]{0,200})?\.(service|socket)"
    code = "NC0109"
    noun = "a service or a socket"
    cure = "write the whole name, with `.service` or `.socket`"

    @classmethod
    def cure_of(cls, text: str) -> str:
        """The unit that is meant, where only its suffix is missing or another one."""
        stem, _, suffix = text.rpartition(".")
        name = f"{stem if suffix in UNIT_SUFFIXES else text}.service"
        return f"write `{name}`" if matching(cls.pattern)(name) else cls.cure

    def check(self) -> None:
        if len(self) > 255:
            raise Wrong(
                self.code, f"the unit name has {len(self)} characters, and systemd allows 255", "write a shorter name"
            )
        if self.startswith("netc-"):
            raise Wrong(self.code, f"`{self}` is a unit of netc itself", "write the unit of the service")


class ServiceName(UnitName):
    pattern = r"[A-Za-z0-9:_.\\-]{1,200}(@[A-Za-z0-9:_.\\-]{0,200})?\.service"
    noun = "a service"
    cure = "write the whole name, with `.service`"


class SliceName(Name):
    """A slice of systemd's (systemd.slice(5)): `a-b.slice` is within `a.slice`."""

    pattern = r"(?=.{1,200}$)[A-Za-z0-9:_.]+(-[A-Za-z0-9:_.]+)*\.slice"
    code = "NC0109"
    noun = "a slice"
    cure = "write the whole name, with `.slice`, as `systemctl status` of a service shows it"

    @classmethod
    def cure_of(cls, text: str) -> str:
        name = f"{text}.slice"
        return f"write `{name}`" if "." not in text and matching(cls.pattern)(name) else cls.cure

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
