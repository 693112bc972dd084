"""Split tunnels of a host, with every value in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from zlib import crc32

from msgspec import Struct
from netaddr import IPAddress, IPNetwork

from netc.diagnostic import KeyPath
from netc.language.names import HostName, SplitName
from netc.language.splits import Ipv6Policy
from netc.language.splits import Split as Settings
from netc.language.units import SliceName
from netc.language.values import Family
from netc.network.interface import Interface, Network
from netc.network.lookup import by_origin
from netc.network.namespaces import leaves_from
from netc.network.once import once

TABLES = range(13000, 14000)
"""Where the table of a split is, by its name."""

OUTER_MARK = 0xFF000000
"""On the packets that a WireGuard device sends by the uplink: no split takes them, also where a program makes them."""

DIRECT_MARK = OUTER_MARK
"""On connections of chosen programs that the packet filter found to be direct. The guard lets them pass. It is on the
connection alone, since a mark on the packet would be looked up in the policy rules again."""

LINK_LOCAL = tuple(map(IPNetwork, ("169.254.0.0/16", "224.0.0.0/24", "255.255.255.255/32", "fe80::/10", "ff02::/16")))
"""Never routed further than the next link (RFC 3927, RFC 5771, RFC 4291): no tunnel could carry it there."""


class Split(Struct, frozen=True):
    """`mark` is within MARK_MASK, and `families` are those that the tunnel carries."""

    name: SplitName
    origin: KeyPath
    settings: Settings
    tunnel: Interface
    resolvers: tuple[IPAddress, ...]
    ipv6: Ipv6Policy
    families: tuple[Family, ...]
    table: int
    mark: int

    @property
    def is_local(self) -> bool:
        """It is about programs of the host, and not about what the host passes on."""
        return self.settings.group is not None or self.settings.user is not None or self.slice is not None

    @property
    def takes_root(self) -> bool:
        """Whether it selects programs of root, and so those that make tunnels."""
        named = "root" in (self.settings.group, self.settings.user)
        return self.is_local and named != (self.settings.mode == "except")

    @property
    def slice(self) -> SliceName | None:
        """Where its services are: a slice of netc's own, or the author's."""
        if self.settings.service:
            return SliceName(f"netc_{self.name.replace('-', '_')}.slice")
        return self.settings.slice


@once
def splits(host: HostName, network: Network) -> tuple[Split, ...]:
    """Splits with mode `except` come last. Splits without an existing tunnel are left out: `checks.references` reports
    them."""
    table = network.topology.hosts[host].splits
    found = ((name, settings, _tunnel(settings, host, network)) for name, settings in sorted(table.items()))
    made = (_split(name, settings, tunnel, host) for name, settings, tunnel in found if tunnel)
    return tuple(sorted(made, key=lambda split: split.settings.mode == "except"))


def _tunnel(settings: Settings, host: HostName, network: Network) -> Interface | None:
    origin: KeyPath = ("hosts", host, "tunnels", settings.tunnel)
    return by_origin(host, network).get(origin)


def carried(tunnel: Interface) -> tuple[Family, ...]:
    held = {net.version for net in tunnel.addresses if not net.ip.is_link_local()}
    families: tuple[Family, ...] = (4, 6)
    return tuple(family for family in families if family in held)


def _split(name: SplitName, settings: Settings, tunnel: Interface, host: HostName) -> Split:
    families = carried(tunnel)
    number = crc32(name.encode())
    return Split(
        name,
        ("hosts", host, "splits", name),
        settings,
        tunnel,
        settings.dns,
        settings.ipv6 or ("tunnel" if 6 in families else "block"),
        families,
        settings.table or TABLES[number % len(TABLES)],
        (settings.mark or number % 254 + 1) << 24,
    )


@once
def _by_tunnel(host: HostName, network: Network) -> Mapping[KeyPath, Sequence[Split]]:
    found: dict[KeyPath, list[Split]] = {}
    for split in splits(host, network):
        found.setdefault(split.tunnel.origin, []).append(split)
    return found


def carries_split(interface: Interface, network: Network) -> bool:
    return bool(_by_tunnel(interface.host, network).get(interface.origin))


def answers_loopback(interface: Interface, network: Network) -> bool:
    """Programs that ask a resolver at 127.0.0.53 are answered through the tunnel."""
    if interface.namespace:
        settings = network.topology.hosts[interface.host].namespaces[interface.namespace]
        return leaves_from(settings, interface) is not None
    return any(
        split.is_local and any(ip.version == 4 for ip in split.resolvers)
        for split in _by_tunnel(interface.host, network).get(interface.origin, ())
    )
