"""One change to a host and the change that takes it back, in the words of the shell."""

from __future__ import annotations

from msgspec import Struct
from netaddr import IPAddress, IPNetwork

from netc.language.names import CredentialName, HostPath, Name

PROTOCOL = 77
"""netc's routing protocol number (rtnetlink(7), rtm_protocol) and link group: what carries it is netc's."""

IPPROTO = {"tcp": 6, "udp": 17}
"""By number: a minimal Debian has no /etc/protocols to look the names up in."""

Word = str | int | Name | HostPath | CredentialName | IPAddress | IPNetwork
Command = tuple[Word, ...]


class Falls(Struct, frozen=True):
    """Taken back by taking back what it stands on: an address goes when its device goes."""

    on: str


class Step(Struct, frozen=True):
    """One change to a host, the change that takes it back, and what asks whether its effect is there: words of
    templates/bash/, of which none changes anything. `why` is printed where a reader would ask."""

    up: Command
    down: Command | Falls
    holds: tuple[Command, ...]
    why: str = ""


def ip(namespace: str | None, *words: Word) -> Command:
    return ("ip", *(("-n", namespace) if namespace else ()), *words)


def _says(namespace: str | None, *words: Word) -> str:
    """A command of which `shows` reads the lines; names of tables and protocols are numbers in it (ip(8), -N)."""
    return " ".join(map(str, ip(namespace, *words)))


def link_shown(namespace: str | None, device: Word, *words: str) -> Command:
    return ("shows", _says(namespace, "-N", "-d", "-o", "link", "show"), device, *words)


def address_shown(namespace: str | None, device: Word, network: IPNetwork) -> Command:
    kind = "inet" if network.version == 4 else "inet6"
    return ("shows", _says(namespace, "-N", "-o", "address", "show"), device, f"{kind} {network}")


def route_shown(namespace: str | None, to: IPNetwork, *words: str) -> Command:
    listing = ("-N", "-d", f"-{to.version}", "route", "show", "table", "all", "protocol", PROTOCOL)
    return ("shows", _says(namespace, *listing), bare(to), *words)


def rule_shown(namespace: str | None, family: int, priority: int, *words: str) -> Command:
    listing = ("-N", f"-{family}", "rule", "show", "protocol", PROTOCOL)
    return ("shows", _says(namespace, *listing), priority, *words)


def bare(to: IPAddress | IPNetwork) -> str:
    """As `ip` says it: everything by its name, and one address without its length."""
    if isinstance(to, IPAddress):
        return str(to)
    if to.prefixlen == 0:
        return "default"
    return str(to.ip) if to.prefixlen == (32 if to.version == 4 else 128) else str(to)
