"""What keeps systemd-networkd off netc's interfaces, rules and routes (networkd.conf(5), systemd.network(5))."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.file import File, restart_unit
from netc.emit.render import render
from netc.plan.facts.device import Device
from netc.plan.host_plan import HostPlan


def emit(plan: HostPlan) -> Iterator[File]:
    """It reads them when it starts. In a namespace there is no networkd, so nothing inside is in danger."""
    names = sorted(device.name for part in plan.parts for device in part.every(Device) if device.is_on_host)
    if names:
        text = render("networkd", "netc.network.j2", host=plan.host, devices=names)
        yield File("files/etc/systemd/network/10-netc.network", text)
    if any(fact.is_routing and fact.inside is None for part in plan.parts for fact in part.facts):
        text = render("networkd", "networkd.conf.j2", host=plan.host)
        yield File(
            "files/etc/systemd/networkd.conf.d/50-netc.conf", text, takings=restart_unit("systemd-networkd.service")
        )
