"""All files of a host as one tar.gz, which is the same to the last byte on every machine and at any time.

Two versions of zlib may compress differently (zlib-ng and zlib do), so nothing is compressed: RFC 1951 has stored
blocks for that. A transport can compress the bundle. netc writes the headers itself, because Python's tarfile has
changed its own.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator

from netc.emit.file import File

GZIP = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""RFC 1952: deflate, no name, no time, unknown operating system."""
STORED = 0xFFFF
"""Bytes that a stored block holds at most."""
RECORD = 512
"""What everything in a tar is padded to."""
USTAR = struct.Struct("100s8s8s8s12s12s8sc100s6s2s32s32s8s8s155s12x")
"""POSIX.1-1988: name, mode, user, group, size, time, sum, type, link, magic, version, their names, device, prefix."""


def bundle(files: Iterable[File]) -> bytes:
    """Files alone, by path, of root and of 1970; folders follow from paths."""
    packed = b"".join(entry for file in sorted(files, key=lambda file: file.path) for entry in _entry(file))
    data = packed + bytes(2 * RECORD)
    return b"".join((GZIP, *_blocks(data), struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)))


def _entry(file: File) -> Iterator[bytes]:
    data = file.text.encode()
    name, prefix = _split(file.path.encode())
    none = b"%07o\0" % 0

    def header(checksum: bytes) -> bytes:
        numbers = (b"%07o\0" % file.mode, none, none, b"%011o\0" % len(data), b"%011o\0" % 0)
        return USTAR.pack(name, *numbers, checksum, b"0", b"", b"ustar\0", b"00", b"", b"", none, none, prefix)

    yield header(b"%06o\0 " % sum(header(b" " * 8)))
    yield data
    yield bytes(-len(data) % RECORD)


def _split(path: bytes) -> tuple[bytes, bytes]:
    """A name of 100 bytes at most, and the folders before it where that is too short. Raises ValueError."""
    if len(path) <= 100:
        return path, b""
    cut = path.index(b"/", len(path) - 101)
    if cut > 155:
        raise ValueError(f"{path.decode()!r} is too long for a bundle")
    return path[cut + 1 :], path[:cut]


def _blocks(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), STORED):
        part = data[start : start + STORED]
        last = start + STORED >= len(data)
        yield struct.pack("<BHH", last, len(part), len(part) ^ 0xFFFF) + part
