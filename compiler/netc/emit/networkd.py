"""What keeps systemd-networkd off netc's interfaces, rules and routes (networkd.conf(5), systemd.network(5))."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.file import File, restart_unit
from netc.emit.render import render
from netc.plan.host_plan import Bridge, HostPlan, Veth


def emit(plan: HostPlan) -> Iterator[File]:
    """It reads them when it starts. In a namespace there is no networkd, so nothing inside is in danger."""
    devices = [device for part in plan.parts for device in part.devices]
    names = sorted(device.name for device in devices if isinstance(device, Veth | Bridge) or device.namespace is None)
    routes = [route.namespace for part in plan.parts for route in part.routes]
    rules = [rule.namespace for part in plan.parts for rule in part.rules]
    if names:
        text = render("networkd", "netc.network.j2", host=plan.host, devices=names)
        yield File("files/etc/systemd/network/10-netc.network", text)
    if None in (*routes, *rules) or any(part.kept for part in plan.parts):
        text = render("networkd", "networkd.conf.j2", host=plan.host)
        yield File(
            "files/etc/systemd/networkd.conf.d/50-netc.conf", text, takings=restart_unit("systemd-networkd.service")
        )
