"""Pairs that lead into a namespace (veth(4))."""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.names import InterfaceName, NamespaceName
from netc.plan.facts.device import Device
from netc.plan.questions import NETCS, ask_link
from netc.plan.step import PROTOCOL, Implicit, Step


class Veth(Device, frozen=True):
    """A pair: `name` on the host, a port of `bridge` if there is one, and `inner` in the namespace."""

    inner: InterfaceName
    namespace: NamespaceName
    bridge: InterfaceName | None = None

    def steps(self) -> Iterator[Step]:
        pair = ("type", "veth", "peer", "name", self.inner, "netns", self.namespace)
        yield Step(
            up=("ip", "link", "add", "dev", self.name, "group", PROTOCOL, *pair),
            down=("remove_link", self.name),
            holds=(ask_link(None, self.name, NETCS), ask_link(self.namespace, self.inner)),
        )
        if self.bridge:
            yield Step(
                up=("ip", "link", "set", "dev", self.name, "master", self.bridge),
                down=Implicit(self.name),
                holds=(ask_link(None, self.name, f"master {self.bridge}"),),
            )

    @property
    def is_on_host(self) -> bool:
        return True

    def kernel(self) -> tuple[str, ...]:
        return ("veth",)
