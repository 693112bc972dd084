"""Sysctls of one device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from netc.language.names import InterfaceName, NamespaceName
from netc.plan.facts.fact import Fact
from netc.plan.step import Command, Implicit, Step


class LinkSetting(Fact, frozen=True):
    """A sysctl of one device, below /proc/sys/net/FAMILY/conf/DEVICE, which is removed with the device."""

    device: InterfaceName
    family: Literal["ipv4", "ipv6"]
    key: Literal["accept_dad", "accept_ra", "addr_gen_mode", "rp_filter", "route_localnet"]
    value: int
    namespace: NamespaceName | None = None

    def steps(self) -> Iterator[Step]:
        path = f"net/{self.family}/conf/{self.device}/{self.key}"
        words: Command = (path, self.value, *((self.namespace,) if self.namespace else ()))
        yield Step(
            up=("setting", *words),
            down=Implicit(self.device),
            holds=(("sysctl_is", *words),),
        )
