"""What carries a tunnel's own packets: never the tunnel itself, and always in one piece."""

from __future__ import annotations

from collections.abc import Iterator

from netc.network.interface import Interface, Network
from netc.network.underlay import Underlay
from netc.problem import KeyPath, Problem

IPV6_MINIMUM = 1280
"""RFC 8200 section 5."""


def check(network: Network) -> Iterator[Problem]:
    underlay = Underlay(network)
    for interfaces in network.interfaces.values():
        for interface in interfaces:
            yield from _ring(interface, underlay)
            yield from _size(interface)
    yield from _unequal(network)


def _ring(interface: Interface, underlay: Underlay) -> Iterator[Problem]:
    chain = [interface]
    while (carrier := underlay.carrier(chain[-1])) is not None:
        if carrier.name == interface.name:
            through = " -> ".join(each.name for each in (*chain, carrier))
            if len(chain) == 1:
                what = f"the far end of {interface.name} would be reached through {interface.name} itself"
                hint = "take its address out of what is routed into the tunnel, or put the tunnel in a namespace"
                yield Problem("NC0701", interface.where, what, hint, on_key=True)
            else:
                what = f"these tunnels carry each other: {through}"
                yield Problem(
                    "NC0702", interface.where, what, "let one of them end at an uplink's address", on_key=True
                )
            return
        if carrier in chain:
            return  # a ring further out, told at its own members
        chain.append(carrier)


def _size(interface: Interface) -> Iterator[Problem]:
    mtu = interface.mtu
    sum_ = f"{mtu.room} = {mtu.under} ({mtu.under_name}) - {mtu.overhead} ({interface.kind})"
    where = (*interface.where, "mtu") if interface.where[0] == "hosts" else (*interface.origin, "mtu")
    if mtu.given and mtu.value > mtu.room:
        what = f"mtu {mtu.value} > {sum_}"
        yield Problem("NC0703", where, what, f"leave `mtu` out, or set it to {mtu.room} or less")
    elif mtu.value < IPV6_MINIMUM and any(net.version == 6 for net in interface.addresses):
        made = "" if mtu.given else f" = {mtu.under} ({mtu.under_name}) - {mtu.overhead} ({interface.kind})"
        what = f"mtu {mtu.value}{made} is under {IPV6_MINIMUM}, and {interface.name} on {interface.host} has IPv6"
        yield Problem("NC0704", where, what, "IPv6 needs 1280 bytes: give the link IPv4 alone, or a wider underlay")


def _unequal(network: Network) -> Iterator[Problem]:
    """Both ends of a link agree; a derived size can differ where one end goes through another tunnel."""
    ends: dict[tuple[KeyPath, frozenset[str]], Interface] = {}
    for interfaces in network.interfaces.values():
        for interface in interfaces:
            if interface.far is None:
                continue
            other = ends.setdefault((interface.origin, frozenset((interface.host, interface.far))), interface)
            if other.mtu.value != interface.mtu.value:
                what = f"the mtu is {other.mtu.value} on {other.host} and {interface.mtu.value} on {interface.host}"
                least = min(other.mtu.value, interface.mtu.value)
                yield Problem("NC0705", interface.origin, what, f"set `mtu = {least}` for both", on_key=True)
