"""Files of a HostPlan: one printer a target language. Emitters see plans and nothing before them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from netc.emit import (
    bash,
    bird,
    expected,
    forwarded,
    host,
    iproute2,
    iptables,
    networkd,
    nftables,
    policy,
    resolver,
    secrets,
    sets,
    sysctl,
    systemd,
    target,
    walks,
    wireguard,
)
from netc.emit.file import File
from netc.emit.manifest import manifest
from netc.plan.host_plan import HostPlan

EMITTERS: tuple[Callable[[HostPlan], Iterator[File]], ...] = (
    bash.emit,
    bird.emit,
    expected.emit,
    forwarded.emit,
    host.emit,
    iproute2.emit,
    iptables.emit,
    networkd.emit,
    nftables.emit,
    policy.emit,
    resolver.emit,
    secrets.emit,
    sets.emit,
    sysctl.emit,
    systemd.emit,
    target.emit,
    walks.emit,
    wireguard.emit,
)


def emit(plan: HostPlan) -> tuple[File, ...]:
    """All files of a host, MANIFEST first, then by path."""
    files = sorted((file for emitter in EMITTERS for file in emitter(plan)), key=lambda file: file.path)
    return (manifest(files), *files)
