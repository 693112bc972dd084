"""Hosts with iptables: keys that it cannot do, and names that are too long for it."""

from __future__ import annotations

from collections.abc import Iterator

from netc.checks.sets import LONGEST, too_long
from netc.diagnostic import Diagnostic, KeyPath
from netc.language.names import HostName, SetName
from netc.language.topology import Host
from netc.network.interface import Network

CHAIN, SPLIT = 28, "netc-split-"
LONGEST_SPLIT = CHAIN - len(SPLIT)
"""A chain's name has 28 bytes (XT_EXTENSION_MAXNAMELEN - 1)."""


def check(network: Network) -> Iterator[Diagnostic]:
    for name, host in sorted(network.topology.hosts.items()):
        if host.netfilter == "iptables":
            yield from _host(name, host)


def _host(name: HostName, host: Host) -> Iterator[Diagnostic]:
    where: KeyPath = ("hosts", name)
    if host.offload:
        what = f"{name} uses iptables, which cannot offload flows"
        hint = 'leave `offload` out, or write `netfilter = "nftables"`'
        yield Diagnostic("NC1901", (*where, "offload"), what, hint, ((*where, "netfilter"),), on_key=True)
    for split in sorted(host.splits):
        if len(split) > LONGEST_SPLIT:
            longest = f"{LONGEST_SPLIT} = {CHAIN} (name of an iptables chain) - {len(SPLIT)} (`{SPLIT}`)"
            what = f"`{split}` has {len(split)} characters > {longest}"
            hint = "choose a shorter name"
            yield Diagnostic("NC1902", (*where, "splits", split), what, hint, on_key=True)
    for used, at in sorted(_named_sets(host, where), key=lambda found: found[0]):
        if len(used) > LONGEST:
            what = f"`{used}` has {too_long(used)}, and {name} uses iptables"
            yield Diagnostic("NC1903", at, what, "choose a shorter name")


def _named_sets(host: Host, where: KeyPath) -> Iterator[tuple[SetName, KeyPath]]:
    wall = host.firewall
    if wall:
        for index, allow in enumerate(wall.allow):
            for inner, source in enumerate(allow.from_):
                yield from _if_set(source, (*where, "firewall", "allow", index, "from", inner))
        for index, source in enumerate(wall.deny):
            yield from _if_set(source, (*where, "firewall", "deny", index))
    for name, split in host.splits.items():
        for index, source in enumerate(split.direct):
            yield from _if_set(source, (*where, "splits", name, "direct", index))


def _if_set(source: object, at: KeyPath) -> Iterator[tuple[SetName, KeyPath]]:
    if isinstance(source, SetName):
        yield source, at
