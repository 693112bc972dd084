"""Questions whether something is in the output of `ip`. `expect` of templates/bash/steps.bash takes a command, a word
that the line begins with, and words in it. A route or a rule may have no other words. Tables and protocols are numbers
(ip(8), -N), whatever names the host gives them."""

from __future__ import annotations

from netaddr import IPAddress, IPNetwork

from netc.plan.step import PROTOCOL, Command, Word, ip

MAIN_TABLE = 254
"""linux/rtnetlink.h, RT_TABLE_MAIN."""
NETCS = f"group {PROTOCOL}"
"""Of a link."""


def ask_link(namespace: str | None, device: Word, *words: str) -> Command:
    """`words` as `ip -d link show` has them: flags, `mtu 1420`, `remote 192.0.2.1`."""
    return ("expect", _command(namespace, "-N", "-d", "-o", "link", "show"), device, *words)


def ask_address(namespace: str | None, device: Word, network: IPNetwork, peer: IPAddress | None = None) -> Command:
    kind = "inet" if network.version == 4 else "inet6"
    held = f"{network.ip} peer {IPNetwork(peer)}" if peer else str(network)
    return ("expect", _command(namespace, "-N", "-o", "address", "show"), device, f"{kind} {held}")


def ask_route(namespace: str | None, family: int, to: IPNetwork | None, *words: str) -> Command:
    """A route of netc. `to` None is the default route. `words` are all of its words: `unreachable`, `metric 7`."""
    listing = ("-N", "-d", "-o", f"-{family}", "route", "show", "table", "all", "protocol", PROTOCOL)
    return ("expect", _command(namespace, *listing), bare(to) if to else "default", *words)


def ask_rule(namespace: str | None, family: int, priority: int, *words: str) -> Command:
    """A rule of netc. `words` are all of its words."""
    listing = ("-N", f"-{family}", "rule", "show", "protocol", PROTOCOL)
    return ("expect", _command(namespace, *listing), priority, *words)


def bare(to: IPAddress | IPNetwork) -> str:
    """As `ip` prints it: `default`, and a single address without its length."""
    if isinstance(to, IPAddress):
        return str(to)
    if to.prefixlen == 0:
        return "default"
    return str(to.ip) if to.prefixlen == (32 if to.version == 4 else 128) else str(to)


def _command(namespace: str | None, *words: Word) -> str:
    return " ".join(map(str, ip(namespace, *words)))
