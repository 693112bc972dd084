"""What a file that is no UTF-8 is, and how to convert it."""

from __future__ import annotations

import codecs
import shlex

UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def encoding_of(data: bytes) -> str:
    """`UTF-16` as PowerShell and Notepad write it, also without a byte order mark, `ISO-8859-1` of other text; empty
    for what is no text."""
    start = data[:200]
    if start.startswith(UTF16):
        return "UTF-16"
    if start.count(0) > len(start) // 3:
        return "UTF-16LE" if start[1::2].count(0) >= start[::2].count(0) else "UTF-16BE"
    return "" if 0 in data[:8000] else "ISO-8859-1"


def decoded(data: bytes) -> str:
    """UTF-8, with or without a byte order mark. Raises UnicodeDecodeError, also for UTF-16 without a mark, whose bytes
    may be good UTF-8."""
    if encoding_of(data).startswith("UTF-16"):
        raise UnicodeDecodeError("utf-8", data, 0, 1, "this is UTF-16")
    return data.decode("utf-8-sig")


def converted(name: str, encoding: str) -> str:
    """The command that makes UTF-8 of a file, as a hint."""
    other = f"{name}.utf8"
    return f"convert it: `iconv -f {encoding} -t UTF-8 {shlex.quote(name)} > {shlex.quote(other)}`"
