"""What an emitter returns: one file of one host."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class File:
    """`path` is relative to the host's folder (`files/etc/netc/nftables.nft`), `mode` as in chmod."""

    path: str
    text: str
    mode: int = 0o644
