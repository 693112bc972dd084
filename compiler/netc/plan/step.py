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


class Implicit(Struct, frozen=True):
    """Taken back by taking back what it stands on: an address goes when its device goes."""

    on: str


class Step(Struct, frozen=True):
    """One change to a host, the change that takes it back, and what asks whether its effect is there: words of
    templates/bash/, which change nothing and run nothing that a topology names. `why` is printed where a reader would
    ask."""

    up: Command
    down: Command | Implicit
    holds: tuple[Command, ...]
    why: str = ""


def ip(namespace: str | None, *words: Word) -> Command:
    return ("ip", *(("-n", namespace) if namespace else ()), *words)


def flag(family: int) -> str:
    """The option of ip(8) for a family of addresses, 4 or 6."""
    return f"-{family}"
