"""Packet forwarding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netc.language.names import InterfaceName
from netc.language.values import Family
from netc.plan.facts.fact import Fact
from netc.plan.step import Command, Step

SYSCTL_PATH = "/etc/sysctl.d/60-netc.conf"


class Forwarding(Fact, frozen=True):
    """The host forwards packets of these families between its interfaces. `advertised` still accept router
    advertisements (RFC 4861), and so do interfaces that are found to live by them when forwarding is turned on."""

    families: tuple[Family, ...]
    advertised: tuple[InterfaceName, ...]

    change = "retire"

    def steps(self) -> Iterator[Step]:
        yield Step(
            up=("sysctls", SYSCTL_PATH),
            down=("keep_sysctls", SYSCTL_PATH),
            holds=(("sysctls_are", SYSCTL_PATH),),
        )

    def reload(self) -> Iterator[Command]:
        yield ("sysctls", SYSCTL_PATH)


def forwarding(versions: Iterable[int], wan: InterfaceName | None) -> Forwarding | None:
    """Of the families of IP, 4 and 6, in order; None where there is none."""
    families: list[Family] = [4 if version == 4 else 6 for version in sorted(set(versions))]
    return Forwarding(tuple(families), (wan,) if wan else ()) if families else None
