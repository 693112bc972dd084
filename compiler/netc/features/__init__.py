"""What netc can do for a host. A new feature is one file and one line here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from netc.features import (
    anycast,
    bgp,
    bridged_namespaces,
    bridges,
    clamps,
    docker,
    expected,
    firewall,
    forwards,
    image,
    interfaces,
    loopback,
    metrics,
    namespaces,
    nested,
    offload,
    routed,
    sets,
    splits,
    strangers,
    tcp,
    uplinks,
)
from netc.language.names import HostName
from netc.network.interface import Network
from netc.plan.host_plan import Share


class Feature(Protocol):
    """What every module of this directory offers (PEP 544: a module can be one)."""

    def plan(self, host: HostName, network: Network) -> Iterator[Share]:
        """What the feature adds to `host`, a Share for each thing, from a network without errors."""


FEATURES: tuple[Feature, ...] = (
    interfaces,
    nested,
    uplinks,
    namespaces,
    bridges,
    bridged_namespaces,
    forwards,
    splits,
    strangers,
    clamps,
    firewall,
    offload,
    docker,
    sets,
    tcp,
    loopback,
    routed,
    bgp,
    anycast,
    metrics,
    expected,
    image,
)
