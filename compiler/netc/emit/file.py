"""What an emitter returns: one file of one host, and what has to be done on the host when it changes."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from netc.language.names import PartName
from netc.language.units import UnitName


class Taking(Struct, frozen=True):
    """How a change of a file is taken over: a part is restarted, or reloaded, or reloaded and then rid of what its
    `down` does not take back any more; or a unit that is no part is restarted."""

    verb: Literal["restart", "reload", "retire", "unit"]
    what: PartName | UnitName | str

    def __str__(self) -> str:
        return f"{self.verb}:{self.what}"


def restart(part: PartName) -> tuple[Taking, ...]:
    return (Taking("restart", part),)


def reload(part: PartName) -> tuple[Taking, ...]:
    return (Taking("reload", part),)


def retire(part: PartName) -> tuple[Taking, ...]:
    return (Taking("retire", part),)


def restart_unit(unit: str) -> tuple[Taking, ...]:
    return (Taking("unit", unit),)


class File(Struct, frozen=True):
    """`path` is relative to the host's folder (`files/etc/netc/nftables.nft`), `mode` as in chmod. With nothing in
    `takings`, it is enough that the file is there."""

    path: str
    text: str
    mode: int = 0o644
    takings: tuple[Taking, ...] = ()
