"""Bridges."""

from __future__ import annotations

from collections.abc import Iterator

from netc.plan.facts.device import Device
from netc.plan.questions import NETCS, ask_link
from netc.plan.step import PROTOCOL, Command, Step


class Bridge(Device, frozen=True):
    """A bridge of the kernel, with the host's own interface on it. `hardware_address` is six bytes, `02:…`."""

    hardware_address: str

    def steps(self) -> Iterator[Step]:
        """Spanning tree (IEEE 802.1D) is for loops, which containers do not make. With it, a new port would be silent
        for twice the forward delay, which is 15 s by default."""
        own: Command = ("group", PROTOCOL, "address", self.hardware_address)
        options: Command = ("stp_state", 0, "forward_delay", 0)
        shown = (f"{option} {value}" for option, value in zip(options[::2], options[1::2], strict=True))
        yield Step(
            up=("ip", "link", "add", "dev", self.name, *own, "type", "bridge", *options),
            down=("remove_link", self.name),
            holds=(ask_link(None, self.name, NETCS, self.hardware_address, *shown),),
            why="Without spanning tree a new port forwards at once. A fixed MAC address stays when ports change.",
        )

    def kernel(self) -> tuple[str, ...]:
        return ("bridge",)
