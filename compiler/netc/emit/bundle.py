"""All files of a host as one: a tar.gz that is the same to the last byte, whoever makes it, where and when.

No two zlibs need to compress alike (zlib-ng and zlib do not), so nothing is compressed: RFC 1951 has stored blocks for
that. Who carries it can compress it on the way.
"""

from __future__ import annotations

import io
import struct
import tarfile
import zlib
from collections.abc import Iterable, Iterator

from netc.emit.file import File

HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""RFC 1952: deflate, no name, no time, made by nobody knows what."""
BLOCK = 0xFFFF
"""Bytes that a stored block holds at most."""


def bundle(files: Iterable[File]) -> bytes:
    """Files alone, by path, of root and of 1970; folders follow from paths."""
    packed = io.BytesIO()
    with tarfile.TarFile(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT, encoding="utf-8") as archive:
        for file in sorted(files, key=lambda file: file.path):
            data = file.text.encode()
            entry = tarfile.TarInfo(file.path)
            entry.size, entry.mode = len(data), file.mode
            archive.addfile(entry, io.BytesIO(data))
    return _stored(packed.getvalue())


def _stored(data: bytes) -> bytes:
    return b"".join((HEADER, *_blocks(data), struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)))


def _blocks(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), BLOCK):
        part = data[start : start + BLOCK]
        last = start + BLOCK >= len(data)
        yield struct.pack("<BHH", last, len(part), len(part) ^ 0xFFFF) + part
