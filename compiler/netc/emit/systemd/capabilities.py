"""What a part's commands may do as root, by capabilities(7), besides CAP_NET_ADMIN: the bounding set of its unit.

A unit with a bounding set also sees no devices but the usual ones and those in `devices`. None of this makes a mount
namespace, as `ProtectSystem=` or `PrivateTmp=` would: what ip-netns(8) mounts there, nobody else would see.
"""

from __future__ import annotations

from collections.abc import Callable

from netc.plan.host_plan import Foreign, Part, Wireguard
from netc.plan.steps import groups_path


def runs_anything(part: Part) -> bool:
    """A program of the user's own choice, of which nobody knows what it needs."""
    return any(isinstance(device, Foreign) for device in part.devices)


def _has_wireguard(part: Part) -> bool:
    return any(isinstance(device, Wireguard) for device in part.devices)


def _enters_namespaces(part: Part) -> bool:
    facts = (*part.rulesets, *part.devices, *part.settings, *part.addresses, *part.carriers, *part.routes, *part.rules)
    elsewhere = any(getattr(fact, "namespace", None) for fact in (*facts, *part.endpoints))
    return bool(part.namespaces) or elsewhere


def _says_iptables(part: Part) -> bool:
    return bool(part.past_docker) or any(ruleset.netfilter == "iptables" for ruleset in part.rulesets)


def _makes_groups(part: Part) -> bool:
    return any(map(groups_path, part.rulesets))


NEEDS: tuple[tuple[Callable[[Part], bool], tuple[str, ...]], ...] = (
    # setns(2), unshare(2) and the mounts of ip-netns(8).
    (_enters_namespaces, ("SYS_ADMIN",)),
    # A key may lie in a folder that is not root's; the port of a userspace implementation may be any.
    (_has_wireguard, ("DAC_READ_SEARCH", "NET_BIND_SERVICE")),
    # iptables asks the kernel by raw sockets, and the legacy one loads ip_tables by itself.
    (_says_iptables, ("NET_RAW", "SYS_MODULE")),
    # /etc/gshadow is of a group of its own.
    (_makes_groups, ("CHOWN",)),
    # tcp_bbr and sch_fq are loaded by modprobe(8).
    (lambda part: bool(part.congestion), ("SYS_MODULE",)),
    # What BIRD keeps once it is a user of its own,
    (lambda part: bool(part.routers), ("NET_BIND_SERVICE", "NET_BROADCAST", "NET_RAW")),
    # to become that user and own its socket; to find other BIRDs, and to end and ask one that is another user.
    (lambda part: bool(part.routers), ("SETUID", "SETGID", "CHOWN", "FOWNER", "KILL", "SYS_PTRACE", "DAC_OVERRIDE")),
)

HOLDING = ("CAP_CHOWN", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_SYS_MODULE")
"""What a packet filter that tells programs by their slice may need when it is loaded anew, in either language."""


def capabilities(part: Part) -> tuple[str, ...]:
    """Sorted; none for a part that nobody can bound."""
    if runs_anything(part):
        return ()
    needed = {"NET_ADMIN"}.union(*(names for holds, names in NEEDS if holds(part)))
    return tuple(sorted(f"CAP_{name}" for name in needed))


def devices(part: Part) -> tuple[str, ...]:
    """For the userspace implementation of a WireGuard device."""
    return ("/dev/net/tun",) if _has_wireguard(part) else ()
