"""The source address that the kernel chooses for a packet that has none."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPNetwork

from netc.language.values import Family
from netc.plan.facts import Foreign
from netc.walk.free import between
from netc.walk.routing import Found
from netc.walk.stack import Device, Stack

LABELS = tuple(
    (IPNetwork(net), label)
    for net, label in (
        ("::1/128", 0),
        ("::ffff:0:0/96", 4),
        ("::/96", 3),
        ("2001::/32", 6),
        ("2001:10::/28", 7),
        ("3ffe::/16", 12),
        ("2002::/16", 2),
        ("fc00::/7", 5),
        ("::/0", 1),
    )
)
"""The kernel's table (net/ipv6/addrlabel.c), the longest prefix first."""


OF_TUN = IPNetwork("fe80::ffff:ffff:ffff:1/64")
"""The kernel gives a TUN interface, which a program makes, a link-local address. Which one is not known."""


def source_of(stack: Stack, found: Found, family: Family, to: int) -> int | None:
    """Without a route IPv6 chooses all the same, since a rule for the source may lead to one."""
    if found.source is not None:
        return found.source
    if family == 6:
        return _nearest(stack, stack.devices[found.device] if found.device else None, to)
    return source_on(stack, stack.devices[found.device], 4, found.next_hop) if found.device else None


def source_on(stack: Stack, device: Device, family: Family, near: int) -> int | None:
    """As masquerade has it, and IPv4 (inet_select_addr): an address of the device, best in the subnet of the next hop.
    If it has none, one of another device."""
    if family == 6:
        return _nearest(stack, device, near)
    own = [net for net in device.networks if net.version == 4]
    if own:
        return int(next((net for net in own if between(near, net.first, net.last)), own[0]).ip)
    others = (net for other in stack.devices.values() for net in other.networks if net.version == 4)
    return next((int(net.ip) for net in others if not net.ip.is_loopback()), None)


def _nearest(stack: Stack, device: Device | None, to: int) -> int | None:
    """RFC 6724, as far as the kernel has it: an address of the scope of the destination, of the outgoing device, of the
    same label, with the longest prefix in common. Of two that are alike, the one of the first device, and there the one
    that was added last."""
    best: tuple[tuple[int, ...], int] | None = None
    for net, here in _candidates(stack, device):
        own = int(net.ip)
        between(to, net.first, net.last)
        common = min(128 - (own ^ to).bit_length(), net.prefixlen)
        rank = (_scope(own, to), here, _label(own) == _label(to), common)
        if best is None or rank > best[0]:
            best = rank, own
    return best[1] if best else None


def _candidates(stack: Stack, device: Device | None) -> Iterator[tuple[IPNetwork, bool]]:
    if device is not None and isinstance(device.made, Foreign):
        yield OF_TUN, True
    for one in stack.devices.values():
        for net in reversed(one.networks):
            near_only = net.ip.is_link_local() and one is not device
            if net.version == 6 and not net.ip.is_loopback() and not near_only:
                yield net, one is device


def _scope(own: int, to: int) -> int:
    """The same scope is best, then a wider one."""
    return 2 if is_near(own) == is_near(to) else 1 if is_near(to) else 0


def is_near(number: int) -> bool:
    return number >> 118 == 0x3FA


def _label(number: int) -> int:
    return next(label for net, label in LABELS if net.first <= number <= net.last)
